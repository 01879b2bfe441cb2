"""Records of any size in the file of an embedded log: whoever reads it takes little memory at once, and is told what no log takes."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.embedded_file import AT_ONCE, GUARDS, ORDINARY
from casetrail.eventlog.limits import MOST_BYTES
from casetrail.eventlog.port import Entry, Flaw, Record, Topic

LARGE = MOST_BYTES - 10
"""With its key as large as a log takes."""


def read_all(log: EmbeddedLog) -> tuple[list[list[Record]], list[Flaw]]:
    """All records, as they were read together, and what no log gives out."""
    found: list[list[Record]] = []
    flaws: list[Flaw] = []
    with log.reader(Topic.ACTIONS, {0: 0}) as reader:
        while some := reader.poll(0.0):
            found.append(some)
            flaws += reader.flaws
    return found, flaws


def test_large_records_come_in_part_and_whole(tmp_path: Path) -> None:
    sizes = [10, ORDINARY, ORDINARY + 1, *[LARGE] * 40, 10]
    with EmbeddedLog.create(tmp_path / "log.db", "log", 1) as log:
        log.append(Topic.ACTIONS, [Entry(b"C-1", bytes(size)) for size in sizes])
        found, flaws = read_all(log)
    assert [len(one.value or b"") for some in found for one in some] == sizes
    assert [one.offset for some in found for one in some] == list(range(len(sizes)))
    assert flaws == []
    assert len(found) > 1
    assert all(sum(len(one.value or b"") for one in some) <= AT_ONCE + LARGE for some in found)


def test_ordinary_records_come_together(tmp_path: Path) -> None:
    with EmbeddedLog.create(tmp_path / "log.db", "log", 1) as log:
        log.append(Topic.ACTIONS, [Entry(b"C-1", bytes(400))] * 2_000)
        assert [len(some) for some in read_all(log)[0]] == [2_000]
        log.append(Topic.ACTIONS, [Entry(b"C-1", bytes(LARGE))])  # whoever has read can write what is large


@pytest.mark.parametrize("column", ["key", "value", "headers"])
def test_what_no_log_takes_is_named_and_not_read_to_its_end(tmp_path: Path, column: str) -> None:
    path = tmp_path / "log.db"
    with EmbeddedLog.create(path, "log", 1) as log:
        log.append(Topic.ACTIONS, [Entry(b"C-1", b"x")] * 3)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("DROP TRIGGER no_update")
        database.execute(f"UPDATE record SET {column} = zeroblob(30000000) WHERE offset = 1")
        database.execute(GUARDS["no_update"])
    with EmbeddedLog.open(path) as log:
        (found,), flaws = read_all(log)
    assert [one.offset for one in found] == [0, 1, 2]
    assert all(len(part or b"") <= MOST_BYTES + 1 for one in found for part in (one.key, one.value))
    assert flaws[0][:2] == (0, 1)
    assert "more than the 1000000 bytes that a log takes" in flaws[0].found
