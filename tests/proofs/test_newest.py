"""The newest checkpoint is found from the end of the log, however long it is."""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise, product
from pathlib import Path
from typing import Final
from unittest.mock import Mock, patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casetrail.domain.notarized import CheckpointPublished, OffsetRange
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.port import Entry, Log, Reader, Topic
from casetrail.proofs import newest
from casetrail.proofs.checkpoint import parse_checkpoint
from casetrail.proofs.newest import Covering, newest_checkpoint, newest_covering
from casetrail.proofs.note import parse_note
from tests.consumers.notarial import fill, notary_of, publish


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.broker)])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    """A log without a checkpoint; on Kafka the markers of transactions take offsets of their own."""
    chosen = f"sqlite:{tmp_path / 'log.db'}" if request.param == "embedded" else request.getfixturevalue("kafka_url")
    with init_log(chosen, partitions=1, replication=1, min_isr=1) as opened:
        yield opened


def test_the_newest_checkpoint_is_found_behind_whatever_was_written_after_it(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newest, "BACK", 2)
    assert newest_checkpoint(log) is None
    fill(log, ["C-1"])
    with notary_of(log, tmp_path / "notary") as notary:
        publish(notary)
        first = newest_checkpoint(log)
        publish(notary)
        size = notary.tree.size
    note = newest_checkpoint(log)
    assert note is not None and note != first
    assert parse_checkpoint(parse_note(note).text).size == size
    log.append(Topic.CHECKPOINTS, [Entry(None, b"anything", 0) for _ in range(30)])
    assert newest_checkpoint(log) == note


def test_the_newest_checkpoint_that_covers_no_more_than_some_events(log: Log, tmp_path: Path) -> None:
    ends: list[dict[int, int]] = []
    notes: list[bytes | None] = []
    with notary_of(log, tmp_path / "notary") as notary:
        for case_id in ("C-1", "C-2", "C-3"):
            fill(log, [case_id])
            publish(notary)
            ends.append(log.end_offsets(Topic.EVENTS))
            notes.append(newest_checkpoint(log))
    log.append(Topic.CHECKPOINTS, [Entry(None, b"anything", 0)])
    found = [newest_covering(log, end) for end in ends]
    assert [one and one.note for one in found] == notes
    assert all(one and one.covered <= sum(end.values()) for one, end in zip(found, ends, strict=True))
    assert newest_covering(log, {}) is None
    taken_back = {one: ends[0].get(one, 0) if at > ends[0].get(one, 0) else at for one, at in ends[2].items()}
    assert newest_covering(log, taken_back) == found[0]


def test_what_is_covered_is_the_same_from_wherever_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[Mapping[int, int]] = [{0: 0, 1: 0, 2: 0}]
    with init_log(f"sqlite:{tmp_path / 'log.db'}", partitions=3) as log, notary_of(log, tmp_path / "notary") as notary:
        for step in range(12):
            fill(log, [f"C-{step}"])  # of one partition, so that others are last covered further back
            publish(notary)
            ends.append(dict(log.end_offsets(Topic.EVENTS)))
        assert all(before != after for before, after in pairwise(ends)) and all(ends[-1].values())
        asked = [dict(enumerate(one)) for one in product(*({end[at] for end in ends} for at in range(3)))]
        whole = [newest_covering(log, one) for one in asked]
        monkeypatch.setattr(newest, "BACK", 1)
        assert [newest_covering(log, one) for one in asked] == whole
        assert len({one and one.note for one in whole}) == 13


def test_only_the_end_is_read_where_it_covers_every_partition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with init_log(f"sqlite:{tmp_path / 'log.db'}", partitions=1) as log, notary_of(log, tmp_path / "notary") as notary:
        for step in range(5):
            fill(log, [f"C-{step}"])
            publish(notary)
        ends, end = log.end_offsets(Topic.EVENTS), log.end_offsets(Topic.CHECKPOINTS)[0]
        started: list[int] = []
        reader = log.reader

        def noted(topic: Topic, positions: Mapping[int, int]) -> Reader:
            started.extend(positions.values())
            return reader(topic, positions)

        monkeypatch.setattr(log, "reader", noted)
        monkeypatch.setattr(newest, "BACK", 2)
        found = newest_covering(log, ends)
        assert started == [end - 2]
        assert found is not None and found.covered == sum(ends.values())


def read_from_the_first(published: list[CheckpointPublished | None], ends: Mapping[int, int]) -> Covering | None:
    """What the newest checkpoint is that covers nothing but events before these offsets, by reading all of them."""
    covered: dict[int, int] = {}
    found = None
    for one in filter(None, published):
        covered |= {part.partition: max(part.end, covered.get(part.partition, 0)) for part in one.ranges}
        if any(end > ends.get(partition, 0) for partition, end in covered.items()):
            break
        found = Covering(one.note, sum(covered.values()))
    return found


STEPS: Final = st.lists(st.none() | st.dictionaries(st.integers(0, 3), st.integers(0, 3), max_size=3), max_size=25)


@given(STEPS, st.dictionaries(st.integers(0, 3), st.integers(0, 40)), st.integers(1, 5), st.integers(0, 3))
def test_from_the_end_is_found_what_is_found_from_the_first(
    steps: list[dict[int, int] | None], ends: dict[int, int], back: int, waiting: int
) -> None:
    """``steps``: what each checkpoint takes in; None stands for any other record. ``waiting``: events that none covers yet."""
    at: Counter[int] = Counter()
    published: list[CheckpointPublished | None] = []
    for number, step in enumerate(steps):
        if step is not None:
            ranges = tuple(OffsetRange(one, at[one], at[one] + count) for one, count in sorted(step.items()))
            at.update(step)
            published.append(CheckpointPublished(b"%d" % number, ranges, bytes(32)))
        else:
            published.append(None)
    log = Mock(
        end_offsets={
            Topic.CHECKPOINTS: {0: len(published)},
            Topic.EVENTS: {one: at[one] + waiting for one in range(4)},
        }.get
    )
    with (
        patch.object(newest, "BACK", back),
        patch.object(newest, "_records", lambda _, start, end: published[start:end]),
        patch.object(newest, "_published", lambda record: record),
    ):
        assert newest_covering(log, ends) == read_from_the_first(published, ends)
