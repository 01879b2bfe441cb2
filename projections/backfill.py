"""Copies what was written ahead into the file of the views, beside whoever writes.

SQLite does that in the commit that finds a thousand pages waiting, which then flushes two files to the disk: in one of forty
commits whoever waits for a row, or for the lock, waits for the disk too. A thread of its own does it without a lock that
others need.
"""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Final

EVERY: Final = 0.25
"""Seconds between two looks whether something waits."""
MOST_PAGES: Final = 16_384
"""Pages (of 4 KiB) that may wait. From then on the commits do it themselves, as a thread never gets to the end of what grows on."""


class Backfill:
    """Does it for one file until it is closed. Others may do the same for the same file."""

    def __init__(self, path: Path) -> None:
        self._path, self._ended = path, Event()
        self._thread = Thread(target=self._run, name="backfill", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        # what goes wrong here is no loss: the pages wait on, and whoever writes next to that disk is told
        with (
            suppress(sqlite3.Error),
            closing(sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=rw", uri=True)) as database,
        ):
            database.execute("PRAGMA synchronous=NORMAL")
            while not self._ended.wait(EVERY):
                with suppress(sqlite3.OperationalError):
                    database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def close(self) -> None:
        """End it. What still waits is copied when the last connection to the file is closed."""
        self._ended.set()
        self._thread.join()
