"""The one loop that runs every consumer: start, catch up, step, and begin anew after what passes by itself.

A consumer that was fenced, or whose log or views could not be reached, is closed and made anew: where to go on is read
from the log or the views, never remembered. What does not pass by itself (a broken chain) ends it. Where it runs beside a
recorder, it alone: it rests, and is tried again once in a while, in case somebody has mended what was wrong.
"""

import logging
import random
import threading
from collections.abc import Callable
from typing import Final, Protocol, runtime_checkable

from casetrail.consumers.health import Health
from casetrail.eventlog.errors import LogReplaced, LogUnreachable, WriterFenced
from casetrail.projections.errors import JudgingEnded, RebuildingEnded, ViewMoved, ViewUnreachable

LOG: Final = logging.getLogger("casetrail")
STEP_TIMEOUT: Final = 0.25
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 10.0
REST: Final = 60.0
"""Seconds for which a consumer rests after what does not pass by itself: as long as a supervisor would leave it."""
FAULT: Final = "program-fault"
"""The trouble of a consumer that was ended by what no room has a code for."""

PASSING: Final = (WriterFenced, LogUnreachable, ViewMoved, ViewUnreachable, JudgingEnded, RebuildingEnded)


class Consumer(Protocol):
    """What the loop runs."""

    def step(self, timeout: float) -> int:
        """Do what has come, waiting up to ``timeout`` seconds for it; how much that was."""

    def close(self) -> None:
        """Give everything back."""


@runtime_checkable
class Ailing(Protocol):
    """A consumer that makes its steps, and can be in trouble all the same."""

    def trouble(self) -> str | None:
        """A code for what lacks; None where nothing does."""


def run(name: str, make: Callable[[], Consumer], stop: threading.Event, health: Health) -> None:
    """Run consumers made by ``make`` until ``stop`` is set. Errors that do not pass by themselves come out."""
    pause = FIRST_PAUSE
    while not stop.is_set():
        consumer: Consumer | None = None
        try:
            consumer = make()
            while not stop.is_set():
                done = consumer.step(STEP_TIMEOUT)
                health.stepped(name, done, consumer.trouble() if isinstance(consumer, Ailing) else None)
                pause = FIRST_PAUSE
        except LogReplaced:  # whoever starts this process again opens what is there now; here all have the old one open
            raise
        except PASSING as error:
            LOG.warning("%s: %s; beginning anew in %.1f s", name, error, pause)
            health.troubled(name, error.code)
            stop.wait(pause * (0.5 + random.random()))  # noqa: S311  (spreads restarts, decides nothing)
            pause = min(LONGEST_PAUSE, pause * 2)
        finally:
            if consumer is not None:
                _close(name, consumer)


def run_beside(
    name: str, make: Callable[[], Consumer], stop: threading.Event, health: Health, rest: float = REST
) -> Exception | None:
    """Run consumers beside others, which go on whatever ends these: they rest, and are made anew.

    The fault that stands when ``stop`` is set; None where there is none any more. ``LogReplaced`` comes out: it ends all.
    """
    fault: Exception | None = None
    while not stop.is_set():
        try:
            run(name, make, stop, health)
        except LogReplaced:
            raise
        except Exception as error:
            code = getattr(error, "code", None)
            if fault is None or str(fault) != str(error) or not health.stands(name):  # else it was said already
                LOG.error(
                    "%s: %s (%s); it rests, and is tried again every %.0f s; the others go on",
                    name, error or type(error).__name__, code or FAULT, rest, exc_info=None if code else error,
                )  # fmt: skip
            fault = error
            health.rests(name, code or FAULT, until_mended=2 * rest)
            stop.wait(rest)
    return fault if health.stands(name) else None


def _close(name: str, consumer: Consumer) -> None:
    try:
        consumer.close()
    except PASSING as error:
        LOG.warning("%s: while closing: %s", name, error)
