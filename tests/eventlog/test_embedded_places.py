"""Records where no reader is ever shown them, in a log of one file: found by looking places up, not by reading the log."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from casetrail.eventlog.embedded_file import MOST_NAMED, MOST_OFFSET, misplaced
from casetrail.eventlog.embedded_opening import Connection, connect
from casetrail.eventlog.port import Topic

PARTITIONS = {Topic.EVENTS: 3, Topic.ACTIONS: 3}
TABLE = """
CREATE TABLE record (topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL, PRIMARY KEY (topic, partition, offset))
WITHOUT ROWID
"""


@pytest.fixture
def database() -> Iterator[Connection]:
    """Two topics of three partitions with a thousand records each."""
    made = connect(Path(":memory:"))
    made.execute(TABLE)
    rows = [(topic.value, number, offset) for topic in PARTITIONS for number in range(3) for offset in range(1000)]
    made.executemany("INSERT INTO record VALUES (?, ?, ?)", rows)
    yield made
    made.close()


def found(database: Connection) -> list[str]:
    return [weakness.found for weakness in misplaced(database, PARTITIONS)]


def test_where_all_records_are_in_place_nothing_is_found(database: Connection) -> None:
    assert found(database) == []


def test_a_log_without_records_has_none_out_of_place(database: Connection) -> None:
    database.execute("DELETE FROM record")
    assert found(database) == []


@pytest.mark.parametrize(
    ("place", "named"),
    [
        ("'events', 3", "topic 'events', partition '3'"),
        ("'events', -1", "topic 'events', partition '-1'"),
        ("'events', 0.5", "topic 'events', partition '0.5'"),
        ("'events', 'x'", "topic 'events', partition 'x'"),
        ("'events', x'30'", "topic 'events', partition '0'"),
        ("'aside', 0", "topic 'aside', partition '0'"),
        ("'zz', 7", "topic 'zz', partition '7'"),
        ("x'6576656e7473', 0", "topic 'events', partition '0'"),
        ("CAST(x'fffe' AS TEXT), 0", r"topic '\ufffd\ufffd', partition '0'"),
        ("'', 0", "topic '', partition '0'"),
    ],
)
def test_a_topic_or_partition_that_is_none_is_named(database: Connection, place: str, named: str) -> None:
    database.execute(f"INSERT INTO record VALUES ({place}, 0)")
    assert found(database) == [named]


def test_what_stands_at_no_offset_is_named(database: Connection) -> None:
    database.execute("INSERT INTO record VALUES ('events', 1, ?)", (MOST_OFFSET + 1,))
    assert found(database) == ["partition 1, at what is no offset"]


@pytest.mark.parametrize("place", ["'t' || value, 0", "'events', value + 10"])
def test_of_very_many_places_the_first_are_named(database: Connection, place: str) -> None:
    many = "WITH RECURSIVE n (value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM n LIMIT 20000)"
    database.execute(f"INSERT INTO record SELECT {place}, 0 FROM ({many} SELECT value FROM n)")
    assert len(found(database)) == MOST_NAMED


def test_the_records_themselves_are_not_read(database: Connection) -> None:
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    database.set_progress_handler(count, 100)
    misplaced(database, PARTITIONS)
    few = steps
    rows = [
        (topic.value, number, offset) for topic in PARTITIONS for number in range(3) for offset in range(1000, 9000)
    ]
    database.executemany("INSERT INTO record VALUES (?, ?, ?)", rows)
    steps = 0
    misplaced(database, PARTITIONS)
    assert steps <= 2 * few + 1, "what it takes grows with the records"
