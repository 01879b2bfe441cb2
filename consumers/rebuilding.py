"""Building the views anew in a process of its own: a service that is to stop ends it, whatever it is at.

What was begun is in nobody's way: it stands beside the views that serve, and the next rebuild removes it.
"""

import logging
import os
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from threading import Event
from typing import Final, NoReturn

from casetrail.consumers.judging_process import Place
from casetrail.eventlog.opening import open_log
from casetrail.projections.errors import RebuildingEnded
from casetrail.projections.rebuild import rebuild

LOOK: Final = 0.2
GRACE: Final = 5.0
"""Seconds that it may take to remove what was begun; then it is killed."""


def rebuild_apart(place: Place, stop: Event, progress: Callable[[int], None]) -> bool:
    """Build the views anew; False where ``stop`` was set before they served.

    ``progress`` is told of events as they are done. Raises what went wrong there, and ``RebuildingEnded``.
    """
    context = get_context("spawn")
    connection, theirs = context.Pipe()
    process = context.Process(target=build, args=(place, theirs), name="casetrail-rebuilding")
    process.start()
    theirs.close()
    try:
        while not stop.is_set():
            if not connection.poll(LOOK):
                continue
            try:
                told: int | Exception | None = connection.recv()
            except (EOFError, ConnectionResetError) as error:
                raise RebuildingEnded("the process that builds the views anew has ended without a word") from error
            if isinstance(told, Exception):
                raise told
            if told is None:
                process.join()
                return True
            progress(told)
        return False
    finally:
        connection.close()
        _end(process)


def _end(process: BaseProcess) -> None:
    """End the process, and those that it has started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.is_alive():
            try:
                os.killpg(process.pid or 0, number)
            except ProcessLookupError:  # it has just begun, and has no group of its own yet
                process.kill()
            process.join(GRACE)
    process.join()


# --- in the process ---


def build(place: Place, connection: Connection) -> None:
    """Build the views anew, and tell the other end of the connection how far this is, and what went wrong."""
    os.setpgrp()
    signal.signal(signal.SIGTERM, _leave)
    logging.getLogger("kafka").setLevel(logging.ERROR)
    with suppress(BrokenPipeError, ConnectionResetError):  # nobody listens any more
        try:
            with open_log(place.log_url, place.log_options) as log:
                rebuild(log, place.log_url, place.views_url, place.log_options, connection.send, asked=False)
            connection.send(None)
        except Exception as error:
            error.add_note("".join(traceback.format_exception(error)))
            connection.send(error)


def _leave(*_: object) -> NoReturn:
    raise SystemExit(0)
