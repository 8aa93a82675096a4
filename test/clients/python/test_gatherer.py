"""python -m unittest test_gatherer"""

import collections
import queue
import time
import unittest

import grpc

from gatherer import BATCH_JOBS, Gatherer

Context = collections.namedtuple("Context", "until")


class Write:
    """Stands for how a job ended."""

    def __init__(self, size):
        self._size = size

    def ByteSize(self):
        return self._size


class Refusal(grpc.RpcError):
    def __init__(self, code):
        self._code = code

    def code(self):
        return self._code


BAD = Refusal(grpc.StatusCode.INVALID_ARGUMENT)
AWAY = Refusal(grpc.StatusCode.UNAVAILABLE)


class GathererTest(unittest.TestCase):
    """In each test a first call is under way, with the completion of job "first"."""

    def setUp(self):
        self._calls = queue.Queue()
        self._answers = queue.Queue()
        self._told = {}
        self._gatherer = Gatherer(self._call)
        self._settle("first")
        self._comes(1)

    def _call(self, writes):
        self._calls.put(len(writes))
        answer = self._answers.get(timeout=10)
        if answer is not None:
            raise answer
        return ["applied"] * len(writes)

    def _settle(self, job, size=1, left=3600):
        context = Context(time.monotonic() + left)
        self._gatherer.settle(context, Write(size), lambda *told: self._told.update({job: told}))

    def _comes(self, jobs):
        """Waits for the next call, and checks how many jobs are in it."""
        self.assertEqual(self._calls.get(timeout=10), jobs)

    def _ends(self, **told):
        self._gatherer.close()
        for job, (outcome, error) in told.items():
            self.assertEqual(self._told[job], (outcome, error))

    def test_what_comes_while_a_call_is_under_way_goes_together(self):
        for job in range(10):
            self._settle(str(job))
        self._answers.put(None)
        self._comes(10)
        self._answers.put(None)
        self._ends(first=("applied", None))
        self.assertEqual(len(self._told), 11)

    def test_a_call_is_bounded_in_jobs_and_bytes(self):
        for job in range(BATCH_JOBS + 1):
            self._settle(str(job))
        self._settle("large", 3 << 20)
        self._settle("another", 3 << 20)
        for jobs in (BATCH_JOBS, 2, 1):
            self._answers.put(None)
            self._comes(jobs)
        self._answers.put(None)
        self._ends(large=("applied", None), another=("applied", None))

    def test_a_refused_job_does_not_hold_up_the_others(self):
        for job in "abcd":
            self._settle(job)
        self._answers.put(None)
        for jobs, answer in ((4, BAD), (2, BAD), (1, BAD), (1, None), (2, None)):
            self._comes(jobs)
            self._answers.put(answer)
        applied = ("applied", None)
        self._ends(first=applied, a=(None, BAD), b=applied, c=applied, d=applied)

    def test_who_fails_to_take_an_outcome_does_not_keep_others_from_theirs(self):
        def fails(*_):
            raise ValueError

        self._gatherer.settle(Context(time.monotonic() + 3600), Write(1), fails)
        self._settle("next")
        self._answers.put(None)
        self._comes(2)
        with self.assertLogs("worker"):
            self._answers.put(None)
            self._ends(next=("applied", None))

    def test_tries_again_until_the_lease_has_ended(self):
        self._settle("held")
        self._settle("lost", left=0)
        self._answers.put(None)
        self._comes(2)
        self._answers.put(AWAY)
        self._comes(1)
        self._answers.put(None)
        self._ends(held=("applied", None), lost=(None, AWAY))


if __name__ == "__main__":
    unittest.main()
