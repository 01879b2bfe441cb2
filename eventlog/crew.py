"""Processes that share the reading of a log: they do one kind of job after another, and tell how far they are."""

import gc
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from typing import Any, Final, Self, TypeVar

JOB = TypeVar("JOB")
RESULT = TypeVar("RESULT")

Told = Callable[[int], None]
"""Is told how many events were done just now."""

TELL_EVERY: Final = 0.2
GIVEN_UP: Final = -(2**62)
"""Stands in the counter once nobody waits for the jobs any more."""


class GivenUp(Exception):
    """Nobody waits for this job any more."""


class Crew:
    """Does jobs in several processes; with a single one, in this process. Use it as a context manager."""

    def __init__(self, processes: int, passes: int, progress: Told | None) -> None:
        """``passes``: how often each event is gone through, until ``progress`` is told that it is done."""
        self._passes, self._progress = passes, progress
        self._done = self._reported = 0
        self._pool: ProcessPoolExecutor | None = None
        if processes > 1:
            context = get_context("spawn")
            self._counter = context.Value("q", 0)
            self._pool = ProcessPoolExecutor(processes, context, _begin, (self._counter,))

    def do(self, work: Callable[[JOB, Told], RESULT], jobs: Sequence[JOB]) -> list[RESULT]:
        """Do all jobs, at the same time where there are processes for it; what each of them gave."""
        if self._pool is None:
            return [work(job, self._add) for job in jobs]
        futures = [self._pool.submit(_work, work, job) for job in jobs]
        left: Collection[Future[RESULT]] = futures
        while left:
            done, left = wait(left, TELL_EVERY, FIRST_EXCEPTION)
            self._tell(self._counter.get_obj().value)  # unlocked: a process that was killed may have the lock for ever
            for one in done:
                one.result()  # what failed is not waited for
        return [one.result() for one in futures]

    def _add(self, count: int) -> None:
        self._done += count
        self._tell(self._done)

    def _tell(self, done: int) -> None:
        """Report whole events: half of what has been gone through, where each is gone through twice."""
        new = done // self._passes - self._reported
        self._reported += new
        if new and self._progress is not None:
            self._progress(new)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Where something was raised, jobs that have not begun never do, and the others end when they tell how far they are."""
        if self._pool is not None:
            if kind is not None:
                self._give_up()
            self._pool.shutdown(cancel_futures=True)

    def _give_up(self) -> None:
        lock = self._counter.get_lock()
        if lock.acquire(timeout=1):  # else a process was killed with it: then the pool ends the others
            self._counter.value = GIVEN_UP
            lock.release()


_counter: Any = None
"""In a process of a crew: what has been done in all of them."""


def _begin(counter: Any) -> None:
    global _counter
    _counter = counter
    gc.set_threshold(100_000)  # cases are many objects and no cycles: going through them again and again costs 3 %


def _work(work: Callable[[JOB, Told], RESULT], job: JOB) -> RESULT:
    return work(job, _count)


def _count(count: int) -> None:
    with _counter.get_lock():
        if _counter.value < 0:
            raise GivenUp
        _counter.value += count
