"""Tells a server how jobs ended, many in one call."""

import logging
import random
import threading
import time

import grpc

log = logging.getLogger("worker")

# Bounds of one call: the server takes up to 1000 jobs, and messages of up to 4 MiB.
BATCH_JOBS = 1000
BATCH_BYTES = (4 << 20) - (64 << 10)


class Gatherer:
    """Makes the calls of one kind: `call(writes)` returns an outcome for each, or raises `grpc.RpcError`.

    What comes while a call is under way goes together in the next one: an outcome alone is told at once, and a thousand
    of them cost hardly more than one.
    """

    def __init__(self, call):
        self._call = call
        self._lock = threading.Condition()
        self._waiting = []
        self._closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def settle(self, context, write, told):
        """Tells how one job ended, again and again until its lease has ended: a repeat is harmless.

        Does not wait: `told(outcome, error)` is called in another thread, with one of the two, and must be quick.
        """
        with self._lock:
            self._waiting.append((context, write, told))
            self._lock.notify()

    def close(self):
        """Tells what waits, then ends."""
        with self._lock:
            self._closed = True
            self._lock.notify()
        self._thread.join()

    def _run(self):
        while batch := self._take():
            self._tell(batch)

    def _take(self):
        """Waits, then takes as much as fits into a call; nothing once it is closed and all is told."""
        with self._lock:
            self._lock.wait_for(lambda: self._waiting or self._closed)
            count, size = 0, 0
            for _, write, _ in self._waiting[:BATCH_JOBS]:
                size += write.ByteSize()
                if size > BATCH_BYTES and count > 0:
                    break
                count += 1
            batch, self._waiting = self._waiting[:count], self._waiting[count:]
            return batch

    def _tell(self, batch):
        failures = 0
        while batch:
            try:
                outcomes = self._call([write for _, write, _ in batch])
            except grpc.RpcError as error:
                if error.code() == grpc.StatusCode.INVALID_ARGUMENT:
                    # Nothing of the call was done. One bad result must not hold up the others: look for it by halves.
                    half = len(batch) // 2
                    if half == 0:
                        self._answer(batch[0], None, error)
                    else:
                        self._tell(batch[:half])
                        self._tell(batch[half:])
                    return
                failures += 1
                time.sleep(backoff(failures))
                now = time.monotonic()
                for each in batch:
                    if each[0].until <= now:
                        self._answer(each, None, error)
                batch = [each for each in batch if each[0].until > now]
            else:
                for each, outcome in zip(batch, outcomes):
                    self._answer(each, outcome, None)
                return

    def _answer(self, settlement, outcome, error):
        try:
            settlement[2](outcome, error)
        except Exception:  # one that fails must not keep the others from being told
            log.exception("an outcome was not taken")


def backoff(failures):
    """Doubles from 100 ms to 5 s, half of it random, so that workers do not come back all at once; in seconds."""
    longest = min(5, 0.1 * 2 ** min(failures - 1, 6))
    return longest / 2 + random.random() * longest / 2
