"""What of a log is checked besides its records of actions, events and checkpoints: its schemas, its settings, its start."""

from collections.abc import Mapping
from typing import Final

from casetrail.audit.faults import Fault, Faults, Kind
from casetrail.audit.verification.feed import Feed, Promises, read_all
from casetrail.eventlog.embedded_file import GUARDS, MISPLACED
from casetrail.eventlog.port import Log, Topic
from casetrail.eventlog.schemas import id_of, what_differs

STARTS: Final = frozenset({"first offset", "log start offset"})
"""Weaknesses that ``check_starts`` names, partition by partition."""
KINDS: Final = {"replication factor": Kind.COPIES_FEW, MISPLACED: Kind.RECORD_MISPLACED}
SHOWN: Final = 60
"""So much of a setting is shown: a trigger's text may be long."""


def check_starts(starts: Mapping[Topic, Mapping[int, int]], faults: Faults) -> None:
    """Whether the log still begins at its beginning."""
    for topic, by_partition in starts.items():
        for partition, start in by_partition.items():
            found = f"the log begins at offset {start}"
            if start > 0:
                faults.add(Fault(Kind.HISTORY_CUT, found, topic, partition, 0))
            elif start < 0:
                faults.add(Fault(Kind.RECORD_MISPLACED, found, topic, partition, start))


def check_settings(log: Log, promises: Promises, faults: Faults) -> int:
    """Whether every setting still protects the history; how many there are."""
    for one in log.weaknesses():
        if one.setting not in STARTS:
            kind = KINDS.get(one.setting, Kind.SETTING_WEAKENED)
            faults.add(Fault(kind, f"{one.topic}: {one.setting} is {one.found[:SHOWN]}; {one.meaning}"))
    if promises.dense:
        return len(GUARDS) + 1  # and the journal
    from casetrail.eventlog.kafka_topics import SETTINGS  # late: importing the client takes a tenth of a second

    return len(Topic) * (
        len(SETTINGS) + 3
    )  # and partitions and copies: how many there are, and how many must be in step


def carried_schemas(log: Log, start: int, promises: Promises, faults: Faults) -> tuple[int, set[int]]:
    """How many records ``LOG.schemas`` has, and the ids of the schemas in them."""
    end = log.end_offsets(Topic.SCHEMAS)[0]
    carried = set()
    with Feed(log, Topic.SCHEMAS, 0, start, end, promises, faults) as feed:
        records = read_all(feed, end)
    for record in records:
        text = record.value or b""
        number = id_of(record.key, text)
        if found := what_differs(number, text):
            faults.add(Fault(Kind.SCHEMA_ALTERED, found, Topic.SCHEMAS, record.partition, record.offset))
        if number is not None:
            carried.add(number)
    return len(records), carried
