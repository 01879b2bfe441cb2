"""The processes that check events, and what they have been given to do."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from types import TracebackType
from typing import NamedTuple, Self

from casetrail.audit.verification.partition import (
    Checked,
    Job,
    Piece,
    Source,
    begin,
    check,
    open_source,
    pieces_in,
    work,
)

Progress = Callable[[int], None]


class Task(NamedTuple):
    """A job that was given out; ``result`` waits for what it came to."""

    job: Job
    result: Callable[[], Checked]


class Crew:
    """Does jobs in several processes, or in this one. Use it as a context manager."""

    def __init__(
        self, processes: int, source: Source, log_url: str, options: dict[str, object], progress: Progress | None
    ) -> None:
        """With one process only, jobs are done here, when their results are asked for. ``progress``: told of events."""
        self._source, self._progress = source, progress
        self._pool: ProcessPoolExecutor | None = None
        if processes > 1:
            arguments = (log_url, options, source.promises)
            self._pool = ProcessPoolExecutor(processes, get_context("spawn"), begin, arguments)
            for _ in range(processes):  # while this one looks at the checkpoints
                self._pool.submit(open_source)

    def hush(self) -> None:
        """Tell no progress any more: what is done from now on was done before."""
        self._progress = None

    def give(self, job: Job) -> Task:
        """Have a job done."""
        if self._pool is None:
            return Task(job, cache(partial(self._do, job)))
        future = self._pool.submit(work, job)
        future.add_done_callback(lambda _: self._tell(job))
        return Task(job, future.result)

    def _do(self, job: Job) -> Checked:
        checked = check(self._source, job)
        self._tell(job)
        return checked

    def _tell(self, job: Job) -> None:
        if self._progress is not None:
            self._progress(job.end - job.start)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


class Pieces:
    """The pieces of one partition's tasks, in order, each read when it is asked for."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._pieces = (one for task in tasks for one in _of(task))
        self._next: tuple[int, Piece] | None = None

    def under(self, checkpoint: int) -> Iterator[tuple[int, Piece]]:
        """Those that belong to a checkpoint, each with the offset at which it begins."""
        while True:
            self._next = self._next or next(self._pieces, None)
            if self._next is None or self._next[1].checkpoint != checkpoint:
                return
            found, self._next = self._next, None
            yield found


def _of(task: Task) -> Iterator[tuple[int, Piece]]:
    task.result()
    start = task.job.start
    for piece in pieces_in(task.job.file):
        yield start, piece
        start = piece.end
