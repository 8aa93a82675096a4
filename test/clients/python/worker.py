"""Runs jobs of a GoTaskQ server."""

import concurrent.futures
import logging
import random
import threading
import time

import grpc
from google.protobuf import duration_pb2, json_format
from gotaskq.v1 import worker_service_pb2 as pb

log = logging.getLogger("worker")

# How long a stream may say nothing, in seconds: the server sends a heartbeat every 15 s.
SILENCE = 40

# Refusals that do not pass by themselves.
FOR_GOOD = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
}


class Context:
    """One lease, and what a handler may know of it: `ended` is set when it should stop, and `reason` says why."""

    def __init__(self, message):
        self.job = message.job
        self.token = message.lease_token
        self.until = time.monotonic() + message.lease_expires_in.ToTimedelta().total_seconds()
        self.ended = threading.Event()
        self.reason = None

    def end(self, reason):
        if not self.ended.is_set():
            self.reason = reason
            self.ended.set()


class Worker:
    """Runs each job in a thread: `handlers[type](job, context)` returns the result as JSON, or raises.

    A job runs at least once: make handlers safe to repeat. They have to look at `context.ended`; nothing can stop them.
    """

    def __init__(self, stub, name, handlers, queues=(), concurrency=10, lease=30, grace=10):
        self._stub = stub
        self._name = name
        self._handlers = handlers
        self._queues = queues
        self._concurrency = concurrency
        self._lease = lease
        self._grace = grace
        self._lock = threading.Lock()
        self._running = {}  # contexts by job
        self._threads = concurrent.futures.ThreadPoolExecutor(concurrency)
        self._call = None
        self._stopping = threading.Event()
        self._stopped = threading.Event()

    def run(self):
        """Takes and runs jobs until `stop` is called, then lets running jobs finish."""
        heartbeat = threading.Thread(target=self._heartbeat, daemon=True)
        heartbeat.start()
        failures = 0
        try:
            while not self._stopping.is_set():
                try:
                    for message in self._open():
                        failures = 0
                        self._handle(message)
                except grpc.RpcError as error:
                    if error.code() in FOR_GOOD:
                        raise
                    if not self._stopping.is_set():
                        log.info("stream ended: %s", error.details())
                # Only an extension tells the server that we are still there: it would give our jobs to others.
                self._extend()
                failures += 1
                if not self._stopping.is_set():
                    self._stopping.wait(backoff(failures))
        finally:
            self._finish()
            self._stopped.set()
            heartbeat.join()
        log.info("stopped")

    def stop(self):
        """Takes no more jobs."""
        self._stopping.set()
        with self._lock:
            if self._call is not None:
                self._call.cancel()

    def _open(self):
        request = pb.StreamJobsRequest(
            worker=self._name,
            queues=self._queues,
            types=list(self._handlers),
            max_in_flight=self._concurrency,
            lease=seconds(self._lease),
        )
        with self._lock:
            # Waits for the server while it is away; without a call under way, nothing would connect again.
            call = self._call = self._stub.StreamJobs(request, wait_for_ready=True)
        if self._stopping.is_set():
            call.cancel()
        watchdog = None
        try:
            for message in call:
                if watchdog is not None:
                    watchdog.cancel()
                watchdog = threading.Timer(SILENCE, call.cancel)
                watchdog.daemon = True
                watchdog.start()
                yield message
        finally:
            if watchdog is not None:
                watchdog.cancel()
            call.cancel()

    def _handle(self, message):
        event = message.WhichOneof("event")
        if event == "session":
            log.info("ready")
        elif event == "lease":
            context = Context(message.lease)
            with self._lock:
                self._running[context.job.id] = context
            self._threads.submit(self._run, context)
        elif event == "cancel":
            with self._lock:
                context = self._running.get(message.cancel.job_id)
            if context is not None:
                context.end("the job was cancelled")
        elif event == "drain":
            # Nothing more is leased here. Our jobs go on; the stream ends after them, or when the server closes, and
            # then another one is for another server, or this one when it is back.
            log.info("drain")

    def _run(self, context):
        job = context.job
        timer = None
        if job.HasField("timeout"):
            timer = threading.Timer(
                job.timeout.ToTimedelta().total_seconds(), context.end, ["the job took longer than its timeout"]
            )
            timer.daemon = True
            timer.start()
        log.info("running %s", job.id)
        result, error = None, None
        try:
            result = self._handlers[job.type](job, context)
        except Exception as raised:  # whatever a handler raises is the failure of its job
            error = str(raised) or type(raised).__name__
        finally:
            if timer is not None:
                timer.cancel()
        outcome = self._settle(context, result, error)
        with self._lock:
            if self._running.get(job.id) is context:
                del self._running[job.id]
        log.info("settled %s %s", job.id, outcome)

    def _settle(self, context, result, error):
        """Tells the server how a job ended, again and again until the lease has ended: a repeat is harmless."""
        failures = 0
        while True:
            try:
                outcomes = self._tell(context, result, error)
                return pb.SettleResult.Name(outcomes[0].result)
            except (TypeError, ValueError, json_format.ParseError) as raised:
                result, error = None, f"the result has no JSON: {raised}"
                continue
            except grpc.RpcError as raised:
                if raised.code() == grpc.StatusCode.INVALID_ARGUMENT and error is None:
                    result, error = None, f"the result was refused: {raised.details()}"
                    continue
                if time.monotonic() >= context.until or raised.code() == grpc.StatusCode.INVALID_ARGUMENT:
                    return f"lost: {raised.details()}"
            failures += 1
            time.sleep(backoff(failures))

    def _tell(self, context, result, error):
        """Makes one call. Up to 1000 jobs fit into it: a worker with many short jobs would gather them."""
        ref = {"job_id": context.job.id, "lease_token": context.token}
        if error is not None and context.reason == "the worker shuts down":
            request = pb.ReleaseJobsRequest(releases=[pb.JobRelease(**ref)])
            return self._stub.ReleaseJobs(request, timeout=10, wait_for_ready=True).outcomes
        if error is not None:
            # For a job whose cancel was asked for, this acknowledges it.
            request = pb.FailJobsRequest(failures=[pb.JobFailure(**ref, error=error)])
            return self._stub.FailJobs(request, timeout=10, wait_for_ready=True).outcomes
        completion = pb.JobCompletion(**ref)
        if result is not None:
            json_format.ParseDict(result, completion.result)
        request = pb.CompleteJobsRequest(completions=[completion])
        return self._stub.CompleteJobs(request, timeout=10, wait_for_ready=True).outcomes

    def _heartbeat(self):
        while not self._stopped.wait(self._lease / 3):
            self._extend()

    def _extend(self):
        """Keeps the leases of all jobs, and learns of cancels and lost leases."""
        with self._lock:
            held = list(self._running.values())
        if not held:
            return
        extensions = [
            pb.LeaseExtension(job_id=each.job.id, lease_token=each.token, extension=seconds(self._lease)) for each in held
        ]
        sent = time.monotonic()
        try:
            request = pb.ExtendLeasesRequest(extensions=extensions)
            outcomes = self._stub.ExtendLeases(request, timeout=self._lease / 3, wait_for_ready=True).outcomes
        except grpc.RpcError as error:
            log.info("leases were not extended: %s", error.details())  # the next beat tries again
            return
        for context, outcome in zip(held, outcomes):
            context.until = sent + outcome.lease_expires_in.ToTimedelta().total_seconds()
            if outcome.result == pb.EXTEND_RESULT_CANCEL_REQUESTED:
                context.end("the job was cancelled")
            elif outcome.result == pb.EXTEND_RESULT_LEASE_LOST:
                context.end("the lease was lost")

    def _finish(self):
        deadline = time.monotonic() + self._grace
        while self._running and time.monotonic() < deadline:
            time.sleep(0.05)
        with self._lock:
            for context in self._running.values():
                context.end("the worker shuts down")
        self._threads.shutdown()


def seconds(value):
    duration = duration_pb2.Duration()
    duration.FromNanoseconds(int(value * 1e9))
    return duration


def backoff(failures):
    """Doubles from 100 ms to 5 s, half of it random, so that workers do not come back all at once; in seconds."""
    longest = min(5, 0.1 * 2 ** (failures - 1))
    return longest / 2 + random.random() * longest / 2
