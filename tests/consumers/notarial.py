"""A log with events and a notary over it, for tests of whatever rests on checkpoints."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Final

from casetrail.consumers.notary import Cadence, Notary
from casetrail.consumers.recorder import Recorder
from casetrail.consumers.witnesses import Witnesses
from casetrail.eventlog.codec import encode_action
from casetrail.eventlog.port import Entry, Log, Record, Topic
from casetrail.projections.case_store import CaseStore
from casetrail.proofs.keys import Algorithm, SignerKey, create_key
from tests.actions import life

ORIGIN: Final = "kcpd.example/casetrail"
KEY: Final = create_key(ORIGIN, Algorithm.ED25519)
SELDOM: Final = Cadence(every=3600.0, most=1_000_000)
"""Publishes nothing by itself: the test says when."""


def fill(log: Log, cases: Iterable[str], steps: int = 3) -> None:
    """Submit the beginnings of some cases' lives, and record them."""
    actions = [one for case_id in cases for one in life(case_id, steps)]
    log.append(Topic.ACTIONS, [Entry(one.case_id.encode(), encode_action(one)) for one in actions])
    record(log, len(actions))


def record(log: Log, count: int) -> None:
    """Record so many actions that wait."""
    store = CaseStore(":memory:", log.name, 100)
    recorder, until = Recorder(log, store), monotonic() + 60
    while recorder.recorded < count:
        recorder.step(0.2)
        assert monotonic() < until, "the recorder has not come to all actions"
    recorder.close()
    store.close()


@contextmanager
def notary_of(
    log: Log, directory: Path, key: SignerKey = KEY, witnesses: Witnesses | None = None, cadence: Cadence = SELDOM
) -> Iterator[Notary]:
    """A notary that publishes when it is told to."""
    notary = Notary(log, directory, key, cadence, witnesses)
    try:
        yield notary
    finally:
        notary.close()


def publish(notary: Notary) -> int:
    """Read all that is there and publish a checkpoint; the size of the tree."""
    ends = notary.tree._log.end_offsets(Topic.EVENTS)
    while any(notary.tree.pending.position(partition) < end for partition, end in ends.items()):
        notary.tree.pending.poll(0.05)
    notary.publish()
    return notary.tree.size


def records(log: Log, topic: Topic) -> list[Record]:
    """All records of a topic, by partition and offset."""
    ends, found = log.end_offsets(topic), []
    with log.reader(topic, dict.fromkeys(ends, 0)) as reader:
        while any(reader.position(partition) < end for partition, end in ends.items()):
            found += reader.poll(0.05)
    return sorted(found, key=lambda record: (record.partition, record.offset))
