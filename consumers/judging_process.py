"""Judging in a process of its own beside the projector's: it takes many times what projecting takes, and holds up nobody."""

import logging
import os
import signal
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from time import monotonic
from typing import Final, NamedTuple

from casetrail.consumers.judging import Judging, settle_in
from casetrail.consumers.projector import Projector
from casetrail.eventlog.opening import open_log
from casetrail.projections.database import open_database
from casetrail.projections.errors import JudgingEnded
from casetrail.projections.judgements import Judgements

WAIT: Final = 0.25
TELL_EVERY: Final = 0.25
NICER: Final = 10
"""The status views come first, where there are not processors enough for both."""
PARENT: Final = 5.0
"""Seconds after a signal in which the other process is to end this one."""
GRACE: Final = 10.0
"""Seconds that a step may take to end where the process is to stop; then it is killed, and loses nothing."""


class Place(NamedTuple):
    """Where the log and the views are."""

    log_url: str
    log_options: dict[str, object]
    views_url: str


class Told(NamedTuple):
    """How far the process is."""

    positions: Mapping[int, int]
    done: int


class JudgingProcess:
    """Judges in a process of its own, which ends with this one. Call ``step`` again and again, then ``close``."""

    def __init__(self, place: Place, positions: Mapping[int, int]) -> None:
        """``positions``: where the judgements stand."""
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=judge, args=(place, theirs), name="casetrail-judging", daemon=True)
        self._process.start()
        theirs.close()
        self._positions = dict(positions)

    @property
    def positions(self) -> dict[int, int]:
        """For each partition the offset of the event that is to be judged next, as far as has been told."""
        return dict(self._positions)

    def step(self) -> int:
        """What has been done since the last step. Raises what went wrong there, and ``JudgingEnded``."""
        done = 0
        while self._connection.poll():
            try:
                told: Told | Exception = self._connection.recv()
            except (EOFError, ConnectionResetError) as error:
                raise JudgingEnded("the process that judges has ended without a word") from error
            if isinstance(told, Exception):
                raise told
            self._positions |= told.positions
            done += told.done
        return done

    def close(self) -> None:
        """End the process. What was taken in stays."""
        self._connection.close()
        self._process.join(GRACE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()


class Projecting:
    """A projector, and the process beside it that keeps the judgements right: as one consumer."""

    def __init__(self, projector: Projector, judging: JudgingProcess) -> None:
        self._projector, self._judging = projector, judging

    @property
    def positions(self) -> dict[int, int]:
        """For each partition the offset of the event that is to be taken in next by one of the two."""
        judged = self._judging.positions
        return {partition: min(at, judged.get(partition, 0)) for partition, at in self._projector.positions.items()}

    def step(self, timeout: float) -> int:
        """Take in what has come, waiting up to ``timeout`` seconds for it; how many events that were."""
        return max(self._projector.step(timeout), self._judging.step())

    def close(self) -> None:
        """Stop following. What was taken in stays."""
        try:
            self._judging.close()
        finally:
            self._projector.close()


# --- in the process ---


def judge(place: Place, connection: Connection) -> None:
    """Judge until the other end of the connection is closed, which is told how far this is, and what went wrong."""
    told_to_end: list[float] = []
    for number in (signal.SIGINT, signal.SIGTERM):  # they often go to both processes: the other one ends this one
        signal.signal(number, lambda *_: told_to_end.append(monotonic()))
    os.nice(NICER)
    logging.getLogger("kafka").setLevel(logging.ERROR)
    with suppress(BrokenPipeError, ConnectionResetError):  # nobody listens any more
        try:
            _judge(place, connection, told_to_end)
        except Exception as error:
            error.add_note("".join(traceback.format_exception(error)))
            connection.send(error)


def _judge(place: Place, connection: Connection, told_to_end: Sequence[float]) -> None:
    settle_in()
    with open_log(place.log_url, place.log_options) as log:
        judging = Judging(log, Judgements(open_database(place.views_url), log.name))
        try:
            done, told_at = 0, 0.0
            # nothing is ever sent: the other end is closed, or its process has died
            while not connection.poll() and not (told_to_end and monotonic() > told_to_end[0] + PARENT):
                step = judging.step(WAIT)
                done += step
                if not step or monotonic() > told_at + TELL_EVERY:
                    connection.send(Told(judging.positions, done))
                    done, told_at = 0, monotonic()
        finally:
            judging.close()
