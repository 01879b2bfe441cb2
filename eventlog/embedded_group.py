"""Recorders of one embedded log share it: the one that holds a lock owns all partitions, the others wait."""

import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from casetrail.eventlog.errors import LogUnreachable
from casetrail.eventlog.port import Log, Reader, Record, Topic

LOCK_INTERVAL: Final = 0.005


class FileLock:
    """A lock that the operating system gives back when its holder dies, however that happens.

    It is SQLite's own lock on an empty side file: that works on every platform, between threads and between processes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None

    def take(self, timeout: float) -> bool:
        """Try to take it for up to ``timeout`` seconds; whether it was taken. Raises ``LogUnreachable``."""
        until = time.monotonic() + timeout
        while not self._try():
            if time.monotonic() >= until:
                return False
            time.sleep(min(LOCK_INTERVAL, max(0.0, until - time.monotonic())))
        return True

    def _try(self) -> bool:
        try:
            if self._database is None:
                self._database = sqlite3.connect(self._path, isolation_level=None, timeout=0, check_same_thread=False)
            self._database.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                return False
            raise LogUnreachable(f"the lock {self._path} cannot be taken ({error})") from error
        return True

    def release(self) -> None:
        """Give it back."""
        if self._database is not None:
            self._database.close()
            self._database = None


class EmbeddedGroup:
    """A member. See ``port.Group``."""

    def __init__(
        self,
        log: Log,
        lock: Path,
        on_assigned: Callable[[Iterable[int]], Mapping[int, int]],
        on_revoked: Callable[[Iterable[int]], None],
    ) -> None:
        self._log, self._on_assigned, self._on_revoked = log, on_assigned, on_revoked
        self._lock = FileLock(lock)
        self._reader: Reader | None = None

    def poll(self, timeout: float, max_records: int = 2000) -> list[Record]:
        started = time.monotonic()
        if self._reader is None:
            if not self._lock.take(timeout):
                return []
            self._begin()
        assert self._reader is not None
        return self._reader.poll(max(0.0, timeout - (time.monotonic() - started)), max_records)

    def _begin(self) -> None:
        try:
            self._reader = self._log.reader(Topic.ACTIONS, self._on_assigned(range(self._log.partitions)))
        except BaseException:
            self._lock.release()  # another member may fare better
            raise

    def rewind(self, partition: int, offset: int) -> None:
        if self._reader is not None:
            positions = {one: self._reader.position(one) for one in range(self._log.partitions)}
            self._reader = self._log.reader(Topic.ACTIONS, positions | {partition: offset})

    def owned(self) -> frozenset[int]:
        return frozenset(range(self._log.partitions)) if self._reader is not None else frozenset()

    def close(self) -> None:
        try:
            if self._reader is not None:
                self._reader = None
                self._on_revoked(range(self._log.partitions))
        finally:
            self._lock.release()


def lock_path(log: Path, group: str) -> Path:
    """The side file whose lock the members of a group share."""
    return log.with_name(f"{log.name}.{re.sub(r'[^A-Za-z0-9._-]', '_', group)}.lock")
