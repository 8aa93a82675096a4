"""Runs jobs of a GoTaskQ server."""

import concurrent.futures
import json
import logging
import threading
import time

import grpc
from google.protobuf import duration_pb2
from gotaskq.v1 import job_pb2
from gotaskq.v1 import worker_service_pb2 as pb

from gatherer import BATCH_BYTES, BATCH_JOBS, Gatherer, backoff

log = logging.getLogger("worker")

# How long a stream may say nothing, in seconds: the server sends a heartbeat every 15 s.
SILENCE = 40

# Why a handler should stop that still runs when the grace of a stopped worker is over.
SHUTDOWN = "the worker shuts down"

# How calls that settle are made: those to a server that is away wait for it.
SETTLING = {"timeout": 10, "wait_for_ready": True}

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
        self.run = None  # the future of its handler
        self.ended = threading.Event()
        self.reason = None
        self._progress = None  # not told yet

    def progress(self, percent, message=""):
        """Tells with the next heartbeat how far the job is, 0 to 100."""
        self._progress = job_pb2.Progress(percent=percent, message=message)

    def extension(self, lease):
        """What keeps the lease for so many seconds, and tells the progress."""
        return pb.LeaseExtension(
            job_id=self.job.id, lease_token=self.token, extension=seconds(lease), progress=self._progress
        )

    def extended(self, told, until):
        """Takes note that the server has got an extension, and of the end of the lease."""
        self.until = until
        if told.HasField("progress") and told.progress == self._progress:
            self._progress = None

    def end(self, reason):
        if not self.ended.is_set():
            self.reason = reason
            self.ended.set()


class Worker:
    """Runs each job in a thread: `handlers[type](job, context)` returns a result for `json.dumps`, or raises.

    The payload is JSON as text, `job.payload_json`: to the letter, so that nothing is lost of large integers.

    A job runs at least once: make handlers safe to repeat. They have to look at `context.ended`; nothing can stop them.
    `prefetch` takes so many jobs ahead, for short ones: at most 1000 with those of `concurrency`.
    """

    def __init__(self, stub, name, handlers, queues=(), concurrency=10, prefetch=0, lease=30, grace=10):
        self._stub = stub
        self._name = name
        self._handlers = handlers
        self._queues = queues
        self._max_in_flight = concurrency + prefetch
        self._lease = lease
        self._grace = grace
        self._lock = threading.Lock()
        self._held = {}  # contexts by job: what runs, waits for a thread, or is being settled
        self._threads = concurrent.futures.ThreadPoolExecutor(concurrency)
        self._call = None
        self._stopping = threading.Event()
        self._stopped = threading.Event()

    def run(self):
        """Takes and runs jobs until `stop` is called, then lets running jobs finish and gives back the others."""
        stub = self._stub
        self._completions = Gatherer(
            lambda batch: stub.CompleteJobs(pb.CompleteJobsRequest(completions=batch), **SETTLING).outcomes
        )
        self._failures = Gatherer(lambda batch: stub.FailJobs(pb.FailJobsRequest(failures=batch), **SETTLING).outcomes)
        self._releases = Gatherer(
            lambda batch: stub.ReleaseJobs(pb.ReleaseJobsRequest(releases=batch), **SETTLING).outcomes
        )
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
            max_in_flight=self._max_in_flight,  # the server sends so many jobs, and one more for each that is settled
            lease=seconds(self._lease),
            payload_format=job_pb2.PAYLOAD_FORMAT_TEXT,
        )
        with self._lock:
            # Waits for the server while it is away; without a call under way, nothing would connect again.
            call = self._call = self._stub.StreamJobs(request, wait_for_ready=True)
        if self._stopping.is_set():
            call.cancel()
        heard = [time.monotonic()]
        over = threading.Event()
        try:
            for count, message in enumerate(call):
                heard[0] = time.monotonic()
                if count == 0:
                    threading.Thread(target=self._watch, args=[call, heard, over], daemon=True).start()
                yield message
        finally:
            over.set()
            call.cancel()

    def _watch(self, call, heard, over):
        """Ends a stream that says nothing for too long: the connection is dead."""
        while not over.wait(max(0, heard[0] + SILENCE - time.monotonic())):
            if time.monotonic() - heard[0] >= SILENCE:
                call.cancel()
                return

    def _handle(self, message):
        event = message.WhichOneof("event")
        if event == "session":
            log.info("ready")
        elif event == "lease":
            context = Context(message.lease)
            with self._lock:
                self._held[context.job.id] = context
            context.run = self._threads.submit(self._run, context)
        elif event == "cancel":
            with self._lock:
                context = self._held.get(message.cancel.job_id)
            if context is not None:
                context.end("the job was cancelled")
        elif event == "drain":
            # Nothing more is leased here. Our jobs go on; the stream ends after them, or when the server closes, and
            # then another one is for another server, or this one when it is back.
            log.info("drain")

    def _run(self, context):
        job = context.job
        if context.ended.is_set():
            return self._fail(context, context.reason)
        timer = None
        if job.HasField("timeout"):
            timer = threading.Timer(
                job.timeout.ToTimedelta().total_seconds(), context.end, ["the job took longer than its timeout"]
            )
            timer.daemon = True
            timer.start()
        log.info("running %s", job.id)
        try:
            result = self._handlers[job.type](job, context)
        except Exception as raised:  # whatever a handler raises is the failure of its job
            self._fail(context, str(raised) or type(raised).__name__)
        else:
            self._complete(context, result)
        finally:
            if timer is not None:
                timer.cancel()

    def _complete(self, context, result):
        completion = pb.JobCompletion(job_id=context.job.id, lease_token=context.token)
        try:
            if result is not None:
                completion.result_json = json.dumps(result, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as raised:
            return self._fail(context, f"the result has no JSON: {raised}")
        if completion.ByteSize() > BATCH_BYTES:
            return self._fail(context, f"the result is too large: {completion.ByteSize()} bytes")

        def told(outcome, error):
            if error is not None and error.code() == grpc.StatusCode.INVALID_ARGUMENT:
                self._fail(context, f"the result was refused: {error.details()}")
            else:
                self._settled(context, outcome, error)

        self._completions.settle(context, completion, told)

    def _fail(self, context, reason):
        if context.reason == SHUTDOWN:
            return self._release(context)
        # For a job whose cancel was asked for, this acknowledges it.
        failure = pb.JobFailure(job_id=context.job.id, lease_token=context.token, error=reason)
        self._failures.settle(context, failure, lambda *told: self._settled(context, *told))

    def _release(self, context):
        release = pb.JobRelease(job_id=context.job.id, lease_token=context.token)
        self._releases.settle(context, release, lambda *told: self._settled(context, *told))

    def _settled(self, context, outcome, error):
        with self._lock:
            if self._held.get(context.job.id) is context:
                del self._held[context.job.id]
        if error is not None:
            log.info("lost %s: %s", context.job.id, error.details())
        else:
            log.info("settled %s %s", context.job.id, pb.SettleResult.Name(outcome.result))

    def _heartbeat(self):
        while not self._stopped.wait(self._lease / 3):
            self._extend()

    def _extend(self):
        """Keeps the leases of all jobs, tells progress, and learns of cancels and lost leases."""
        with self._lock:
            held = list(self._held.values())
        # There may be more than fit in a call: those of a stream that broke off, and those of the next.
        for start in range(0, len(held), BATCH_JOBS):
            batch = held[start : start + BATCH_JOBS]
            extensions = [context.extension(self._lease) for context in batch]
            request = pb.ExtendLeasesRequest(extensions=extensions)
            sent = time.monotonic()
            try:
                outcomes = self._stub.ExtendLeases(request, timeout=self._lease / 3, wait_for_ready=True).outcomes
            except grpc.RpcError as error:
                log.info("leases were not extended: %s", error.details())  # the next beat tries again
                return
            for context, told, outcome in zip(batch, extensions, outcomes):
                context.extended(told, sent + outcome.lease_expires_in.ToTimedelta().total_seconds())
                if outcome.result == pb.EXTEND_RESULT_CANCEL_REQUESTED:
                    context.end("the job was cancelled")
                elif outcome.result == pb.EXTEND_RESULT_LEASE_LOST:
                    context.end("the lease was lost")

    def _finish(self):
        with self._lock:
            held = list(self._held.values())
        for context in held:
            if context.run.cancel():  # it has not begun
                self._release(context)
        deadline = time.monotonic() + self._grace
        while self._held and time.monotonic() < deadline:
            time.sleep(0.05)
        with self._lock:
            for context in self._held.values():
                context.end(SHUTDOWN)
        self._threads.shutdown()
        # A refused completion becomes a failure.
        for gatherer in (self._completions, self._failures, self._releases):
            gatherer.close()


def seconds(value):
    duration = duration_pb2.Duration()
    duration.FromNanoseconds(int(value * 1e9))
    return duration

