"""What a log's map of cases was as of an earlier checkpoint: the one at hand, and what the events since then have changed."""

from casetrail.eventlog.codec import Unreadable
from casetrail.eventlog.headers import PREVIOUS_HASH, read_case
from casetrail.eventlog.port import Log, Topic
from casetrail.eventlog.stream import Stream
from casetrail.proofs.casemap import Entry, case_key
from casetrail.proofs.treefile import Sealed, TreeFile

Changes = dict[bytes, Entry | None]
"""By case key: how the case stood; None: it was not there."""


def changes_back_to(log: Log, file: TreeFile, before: Sealed) -> Changes:
    """How those cases stood as of an earlier checkpoint that stand otherwise as of the newest one.

    For the last but one that is kept. For others the first event that each case has got since says it, by its number and the
    hash of the one before; nothing of that is believed before the map has the root that the checkpoint states.
    """
    newest = file.newest()
    assert newest is not None  # there is a later one
    if before.number == newest.number - 1:
        return file.before_last()
    found: Changes = {}
    for partition, end in file.included().items():
        start = file.covered_by(partition, before.size)
        if start < end:
            _read_back(log, partition, start, end, found)
    return found


def _read_back(log: Log, partition: int, start: int, end: int, found: Changes) -> None:
    with log.reader(Topic.EVENTS, {partition: start}) as reader:
        for record in Stream(reader, partition, end):
            try:
                number, case_id = read_case(record.value)
            except Unreadable:
                continue  # no event, so it has changed nothing
            before = None if number == 1 else (number - 1, (record.value or b"")[PREVIOUS_HASH])
            found.setdefault(case_key(case_id), before)
