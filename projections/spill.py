"""Events set aside on disk by case, so that all events of a case come together, however far apart the log holds them.

A rebuild folds one file after another and keeps only that file's cases in memory. So what it needs does not grow with the
number of events or cases, and no case is ever put aside and read back.
"""

import marshal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

from casetrail.eventlog.port import Record, record_of

MOST_FILES: Final = 4096
"""However far the offsets reach: somebody can have put a record at any of them."""
EVENTS_A_FILE: Final = 10_000
LENGTH: Final = 8
"""Bytes before each part of a file, that say how long it is."""
KEPT_BYTES: Final = 16 * 1024 * 1024
RECORD_OVERHEAD: Final = 300
"""What a record takes in memory besides its value, roughly, in bytes."""

WITHOUT_REFERENCES: Final = 2
"""The version of ``marshal`` that does not look whether it has written the very same object before."""

Kept = list[Any]
"""Key, partition, offset, append time and value of one event after another, in one list."""


class Spill:
    """Writes events into files by their keys. The order of events with the same key is kept."""

    def __init__(self, directory: Path, name: str, events: int) -> None:
        """Make files in ``directory`` that begin with ``name``, as many as ``events`` are worth."""
        count = min(1 + events // EVENTS_A_FILE, MOST_FILES)
        self._paths = [directory / f"{name}-{number}" for number in range(count)]
        self._kept: list[Kept] = [[] for _ in range(count)]
        self._bytes = 0

    def add(self, records: Sequence[Record]) -> None:
        """Set these events aside, without their headers: nothing that matters is in those."""
        kept, count, size = self._kept, len(self._kept), RECORD_OVERHEAD * len(records)
        for partition, offset, appended_at, key, value, _ in records:
            key = key or b""
            # this process's own hash: nobody can choose case ids that all come into one file
            kept[hash(key) % count] += (key, partition, offset, appended_at, value)
            if value is not None:
                size += len(value)
        self._bytes += size
        if self._bytes >= KEPT_BYTES:
            self._write()

    def _write(self) -> None:
        for path, kept in zip(self._paths, self._kept, strict=True):
            if kept:
                part = marshal.dumps(kept, WITHOUT_REFERENCES)
                with path.open("ab") as file:
                    file.write(len(part).to_bytes(LENGTH) + part)
                kept.clear()
        self._bytes = 0

    def close(self) -> list[Path]:
        """Write what is still in memory; the files that there are now."""
        self._write()
        return [path for path in self._paths if path.exists()]


def spilled(path: Path) -> Iterator[tuple[bytes, list[Record]]]:
    """The events in a file of ``Spill``: a key with its events, in order.

    A key comes again, with its later events, only where its file is larger than what is kept in memory.
    """
    with path.open("rb") as file:
        while found := _next(file):
            by_key: dict[bytes, list[Record]] = {}
            each = iter(found)
            for key, partition, offset, at, value in zip(each, each, each, each, each, strict=True):
                record = record_of((partition, offset, at, key, value, ()))
                if key in by_key:
                    by_key[key].append(record)
                else:
                    by_key[key] = [record]
            for key in sorted(by_key):
                by_key[key].sort()  # by partition and offset: nearly always they are already
                yield key, by_key.pop(key)


def _next(file: BinaryIO) -> Kept:
    """The next events of a file, as many as are kept in memory, but one part at least; none at the end."""
    found: Kept = []
    size = 0
    while (size < KEPT_BYTES or not found) and (length := file.read(LENGTH)):
        part = file.read(int.from_bytes(length))
        found += marshal.loads(part)  # noqa: S302  (this rebuild's own file, in a folder that only it can enter)
        size += len(part)
    return found
