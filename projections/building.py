"""What each process of a rebuild does: first set the events of some partitions aside by case, then fold some of the files.

Folded a file at a time, a case is written once, when all of its events have been seen; timeline and cases go into tables
without keys and indexes, which are added afterwards.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Final, NamedTuple

from casetrail.domain.case import Case
from casetrail.domain.detectors.machines import Beating
from casetrail.eventlog.crew import Told
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.opening import open_log
from casetrail.eventlog.outcome import FORGED, History, follow, follows, forged
from casetrail.eventlog.port import Record, Topic
from casetrail.eventlog.stream import batches
from casetrail.projections.database import Database
from casetrail.projections.judgement_tables import JUDGEMENT_BULK
from casetrail.projections.judging import CaseJudge, CaseRows, beatings_in, hashed, is_judged, latest_moment
from casetrail.projections.partner import ledger_rows
from casetrail.projections.registry import REGISTRY_KEY, Hashed, registry_of
from casetrail.projections.rows import Row, case_row, intake_measures, outcomes_of, referral_rows, timeline_row
from casetrail.projections.spill import Spill, spilled
from casetrail.projections.tables import CASE_STATUS, PARTNER_LEDGER, REFERRALS, TIMELINE
from casetrail.projections.targets import Part, part_database

OFFSET: Final = itemgetter(Record._fields.index("offset"))
KEY: Final = itemgetter(Record._fields.index("key"))


class Share(NamedTuple):
    """Partitions that one process reads, each up to an offset, and where it sets their events aside."""

    log_url: str
    log_options: dict[str, object]
    ends: dict[int, int]
    directory: Path
    name: str


class SetAside(NamedTuple):
    """What was read: the files, and the offset after it in each partition."""

    files: list[Path]
    positions: dict[int, int]
    registry: list[bytes]
    """The events of the registry, where they stand in these partitions: all other cases are judged by them."""


class Job(NamedTuple):
    """Files that one process folds into its part of the new views."""

    files: list[Path]
    part: Part
    registry: list[bytes]


@dataclass
class Built:
    """What one process has folded, counted."""

    events: int = 0
    outcomes: Counter[tuple[int, str]] = field(default_factory=Counter)
    intake: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    latest: dict[int, datetime] = field(default_factory=dict)
    """By partition, the latest moment that its events speak of."""
    beatings: list[Beating] = field(default_factory=list)
    """When machines gave their heartbeats."""


def set_aside(share: Share, told: Told) -> SetAside:
    """Read the events of some partitions up to their ends, no further, and set them aside by case."""
    spill = Spill(share.directory, share.name, sum(share.ends.values()))
    registry: list[bytes] = []
    nearest = min(share.ends.values(), default=0)
    with (
        open_log(share.log_url, share.log_options) as log,
        log.reader(Topic.EVENTS, dict.fromkeys(share.ends, 0)) as reader,
    ):
        for batch in batches(reader, share.ends):
            records = batch
            if max(map(OFFSET, batch)) >= nearest:
                records = [record for record in batch if record.offset < share.ends[record.partition]]
            spill.add(records)
            if REGISTRY_KEY in map(KEY, records):
                registry += [record.value or b"" for record in records if record.key == REGISTRY_KEY]
            told(len(records))
    return SetAside(spill.close(), dict(share.ends), registry)


def fold(job: Job, told: Told) -> Built:
    """Fold what was set aside into new tables."""
    built = Built()
    database = part_database(job.part)
    judge = CaseJudge(registry_of([hashed(value) for value in job.registry])) if job.part.judged else None
    for path in job.files:
        _fold_file(path, database, built, told, judge)
        path.unlink()
    database.close()
    return built


def _fold_file(path: Path, database: Database, built: Built, told: Told, judge: CaseJudge | None) -> None:
    cases: dict[str, tuple[int, History]] = {}
    with database.transaction():
        if judge is None:
            database.load(TIMELINE, _timeline(path, cases))
        else:
            events: dict[str, list[Hashed]] = {}
            database.load(TIMELINE, _unfolded_timeline(path, cases, events))
            _judge(events, cases, database, built, judge)
        database.load(CASE_STATUS, (case_row(history, partition) for partition, history in cases.values()))
        database.load(REFERRALS, (row for _, history in cases.values() for row in referral_rows(history.case)))
        database.load(PARTNER_LEDGER, (row for _, history in cases.values() for row in ledger_rows(history.case)))
    built.intake.update(chain.from_iterable(intake_measures(history.case) for _, history in cases.values()))
    folded = 0
    for partition, history in cases.values():
        for outcome, count in outcomes_of(history.case):
            built.outcomes[partition, outcome] += count
        folded += history.case.version
    built.events += folded
    told(folded)


def _timeline(path: Path, cases: dict[str, tuple[int, History]]) -> Iterator[Row]:
    """The timeline of the events in a file; ``cases`` (by id, with their partitions) are brought on meanwhile."""
    for key, records in spilled(path):
        case_id = key.decode(errors="replace")
        if case_id not in cases:
            cases[case_id] = records[0].partition, History.empty(case_id)
        _, history = cases[case_id]
        for record in records:
            yield timeline_row(record, follow(history, record))


def _unfolded_timeline(
    path: Path, cases: dict[str, tuple[int, History]], events: dict[str, list[Hashed]]
) -> Iterator[Row]:
    """The same, but the events are kept by case, and none is folded: whoever judges the cases folds them."""
    for key, records in spilled(path):
        case_id = key.decode(errors="replace")
        if case_id not in cases:
            cases[case_id], events[case_id] = (records[0].partition, History.empty(case_id)), []
        (_, history), kept = cases[case_id], events[case_id]
        for record in records:
            event = follows(case_id, len(kept), history.last_hash, record)
            history.last_hash = leaf_hash(record.value or b"")
            kept.append((event.recorded(), history.last_hash))
            yield timeline_row(record, event)


def _judge(
    events: dict[str, list[Hashed]], cases: dict[str, tuple[int, History]], database: Database, built: Built,
    judge: CaseJudge,
) -> None:  # fmt: skip
    """Judge the cases whose events these are, and fold them."""
    made: list[CaseRows] = []
    for case_id, some in events.items():
        partition, history = cases[case_id]
        if is_judged(case_id):
            try:
                made.append(judge.rows(case_id, some))
            except FORGED:
                check_folded(case_id, some)  # else it is judging that is at fault, and no history
                raise
            history.case = made[-1].case
        else:
            for event, _ in some:
                event.mutate(history.case)
            built.beatings += beatings_in(case_id, some)
        if (at := latest_moment(some)) is not None:
            built.latest[partition] = max(built.latest.get(partition, at), at)
    for number, table in enumerate(JUDGEMENT_BULK):
        database.load(table, (row for one in made for row in one.by_table[number]))


def check_folded(case_id: str, events: Iterable[Hashed]) -> None:
    """Raises ``ChainBroken`` where the events of a case rest on what it never had."""
    case = Case.unreported(case_id)
    try:
        for event, _ in events:
            event.mutate(case)
    except FORGED as error:
        raise forged(case_id, f"event {event.originator_version}") from error
