"""A client and a worker of GoTaskQ in Python.

    python main.py submit TYPE [JSON]   creates a job and prints its id
    python main.py watch ID             prints each status of a job, and its result at the end
    python main.py worker               runs jobs until SIGTERM

The server is at GOTASKQ_URL.
"""

import argparse
import json
import logging
import os
import pathlib
import signal
import socket
import sys
import threading

import grpc
from google.rpc import error_details_pb2, status_pb2

# The generated code imports itself by the package of the protos.
sys.path.append(str(pathlib.Path(__file__).parent / "gen"))

from gotaskq.v1 import job_pb2, job_service_pb2, job_service_pb2_grpc, worker_service_pb2_grpc  # noqa: E402

from worker import Worker  # noqa: E402


# Back soon after a server that was away; gRPC alone would wait for up to two minutes. And find out when a connection
# is dead.
CHANNEL = [
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5000),
    ("grpc.keepalive_time_ms", 20000),
]


def submit(channel, job_type, payload):
    request = job_service_pb2.CreateJobRequest(type=job_type, payload_json=payload)
    print(job_service_pb2_grpc.JobServiceStub(channel).CreateJob(request, timeout=10).job.id)


def watch(channel, job_id):
    jobs = job_service_pb2_grpc.JobServiceStub(channel)
    request = job_service_pb2.WatchJobRequest(id=job_id, payload_format=job_pb2.PAYLOAD_FORMAT_TEXT)
    for message in jobs.WatchJob(request):
        if not message.HasField("job"):
            continue  # a heartbeat
        print(job_pb2.JobStatus.Name(message.job.status).removeprefix("JOB_STATUS_"), flush=True)
        if message.job.HasField("result_json"):
            print(message.job.result_json, flush=True)


def echo(job, context):
    return json.loads(job.payload_json or "null")


def sleep(job, context):
    """The payload says for how many ms."""
    context.progress(50, "asleep")
    if context.ended.wait(json.loads(job.payload_json) / 1000):
        raise RuntimeError(context.reason)
    return "slept in Python"


def work(channel, queue, concurrency, prefetch, lease):
    worker = Worker(
        worker_service_pb2_grpc.WorkerServiceStub(channel),
        name=f"{socket.gethostname()}/{os.getpid()}",
        handlers={"echo": echo, "sleep": sleep},
        queues=[queue] if queue else [],
        concurrency=concurrency,
        prefetch=prefetch,
        lease=lease,
    )
    # Not in the handler itself: it may interrupt the worker while that holds a lock.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=worker.stop).start())
    worker.run()


def main():
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    submitting = commands.add_parser("submit")
    submitting.add_argument("type")
    submitting.add_argument("payload", nargs="?")
    watching = commands.add_parser("watch")
    watching.add_argument("id")
    working = commands.add_parser("worker")
    working.add_argument("--queue", help="only jobs of this queue")
    working.add_argument("--concurrency", type=int, default=10)
    working.add_argument("--prefetch", type=int, default=0, help="jobs taken ahead")
    working.add_argument("--lease", type=float, default=30, help="seconds")
    args = parser.parse_args()
    url = os.environ.get("GOTASKQ_URL", "http://127.0.0.1:8000")
    with grpc.insecure_channel(url.removeprefix("http://"), CHANNEL) as channel:
        try:
            if args.command == "submit":
                submit(channel, args.type, args.payload)
            elif args.command == "watch":
                watch(channel, args.id)
            else:
                work(channel, args.queue, args.concurrency, args.prefetch, args.lease)
        except grpc.RpcError as error:
            sys.exit(f"{reason(error)}: {error.details()}")


def reason(error):
    """Why the server refused a call, as in FIELD_INVALID: a constant, in the details of the error."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info):
                    return info.reason
    return error.code().name


if __name__ == "__main__":
    main()
