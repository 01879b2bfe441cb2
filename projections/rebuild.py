"""Rebuilding the views from offset 0, beside the ones that serve, and swapping them in when they have caught up.

Processes share the partitions to read them, and then the cases to fold them (``building``). Memory is bounded, whatever
the number of events and cases.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from casetrail.eventlog.crew import Crew
from casetrail.eventlog.port import Log, Topic
from casetrail.eventlog.stream import batches
from casetrail.projections import building
from casetrail.projections.building import Built, Job, SetAside, Share
from casetrail.projections.database import Database, open_database
from casetrail.projections.errors import OWN, ViewMissing, ViewUnreachable
from casetrail.projections.judgement_tables import JUDGED, UNREAD
from casetrail.projections.judgements import Judgements, check_judgements, write_judgement_form
from casetrail.projections.judging import CaseJudge, hashed
from casetrail.projections.judging_all import judge_everything
from casetrail.projections.judging_many import ManyJudge
from casetrail.projections.registry import registry_of
from casetrail.projections.rows import micros
from casetrail.projections.tables import INTAKE, OUTCOMES, application_name
from casetrail.projections.targets import Part, Target, target_at
from casetrail.projections.views import Views, check_views, write_views_form

FEW: Final = 20_000
"""Events that are folded in this process: starting others would take longer."""
PASSES: Final = 2
"""Every event is set aside first, and then folded."""

Options = Mapping[str, object]
Progress = Callable[[int], None]


def rebuild(
    log: Log,
    log_url: str,
    views_url: str,
    options: Options | None = None,
    progress: Progress | None = None,
    processes: int | None = None,
    judged: bool = True,
    asked: bool = True,
) -> int:
    """Build the views anew and swap them in; how many events went into them. ``judged``: with the judgements.

    ``progress`` is told of events as they are done. The views that serve meanwhile stay as they are. ``asked``: somebody
    wants it, whatever there is now; else ``ViewNewer`` or ``ViewForeign`` is raised where that is to be left. Raises ``ViewUnreachable``
    where the disk is full.
    """
    target = target_at(views_url, judged)
    ends = log.end_offsets(Topic.EVENTS)
    processes = processes or min(2, os.cpu_count() or 1)
    if sum(ends.values()) < FEW:
        processes = 1
    with _begun(target):
        if not asked:
            _spare_newer(views_url, log.name)
        with target.workplace() as directory, Crew(processes, PASSES, progress) as crew:
            shares = [
                Share(log_url, dict(options or {}), some, Path(directory), f"events-{number}")
                for number, some in enumerate(_shares(ends, processes))
            ]
            read = crew.do(building.set_aside, shares)
            built = crew.do(building.fold, _jobs(target, read, processes))
            database = target.finish(processes)
            _count(database, log.name, read, built)
            if judged:
                _judge(database, log.name, read, built, target.part(0), crew, processes)
        views = Views(database, log.name)
        count = sum(one.events for one in built) + catch_up(log, views)
        if judged:
            judge_to_end(log, Judgements(database, log.name))
        target.swap(database)
    return count


@contextmanager
def _begun(target: Target) -> Iterator[None]:
    """A target that is abandoned where what is done within this does not come to its end."""
    try:
        target.begin()
        try:
            yield
        except BaseException:
            target.abandon()
            raise
    except OSError as error:
        raise ViewUnreachable(
            f"the views cannot be made anew ({error.strerror}); that needs room for all events once more, beside the views "
            f"in SQLite, in the temporary folder for PostgreSQL; {OWN}"
        ) from error


def _spare_newer(views_url: str, log: str) -> None:
    """Raises ``ViewNewer``, ``ViewForeign`` where such views serve by now: another may have made them while this one waited for its turn."""
    for check in (check_views, check_judgements):
        with suppress(ViewMissing), closing(open_database(views_url)) as database:
            check(database, log)


def catch_up(log: Log, views: Views | Judgements) -> int:
    """Take in what has been appended since; how many events that were."""
    count = 0
    ends = log.end_offsets(Topic.EVENTS)
    at = {partition: views.next_offset(partition) for partition in ends}
    with log.reader(Topic.EVENTS, at) as reader:
        for records in batches(reader, ends):
            moved = {record.partition for record in records}
            after = {partition: reader.position(partition) for partition in moved}
            views.apply(records, {partition: (at[partition], after[partition]) for partition in moved})
            at |= after
            count += len(records)
    return count


def judge_to_end(log: Log, judgements: Judgements) -> None:
    """Judge all that the views have taken in, and all that has become stale."""
    catch_up(log, judgements)
    judgements.judge_all_stale()


def _shares(ends: Mapping[int, int], processes: int) -> list[dict[int, int]]:
    """The partitions with events, dealt out so that each process has about as many events."""
    shares: list[dict[int, int]] = [{} for _ in range(max(1, min(processes, len(ends))))]
    for partition, end in sorted(ends.items(), key=lambda item: -item[1]):
        min(shares, key=lambda share: sum(share.values()))[partition] = end
    return [share for share in shares if share] or [{}]


def _jobs(target: Target, read: Sequence[SetAside], processes: int) -> list[Job]:
    """The files that were set aside, dealt out so that each process has about as much to fold."""
    dealt: list[list[Path]] = [[] for _ in range(processes)]
    sizes = [0] * processes
    for size, path in sorted(((path.stat().st_size, path) for one in read for path in one.files), reverse=True):
        least = sizes.index(min(sizes))
        dealt[least].append(path)
        sizes[least] += size
    return [Job(files, target.part(number), _registry(read)) for number, files in enumerate(dealt)]


def _registry(read: Iterable[SetAside]) -> list[bytes]:
    """The events of the registry: all of them stand in one partition."""
    return [value for one in read for value in one.registry]


def _count(database: Database, log: str, read: Sequence[SetAside], built: Sequence[Built]) -> None:
    """Write what the processes have counted, and the positions that the views stand at."""
    outcomes: Counter[tuple[int, str]] = sum((one.outcomes for one in built), Counter())
    intake: Counter[tuple[str, str, str, str]] = sum((one.intake for one in built), Counter())
    with database.transaction():
        database.run_many(OUTCOMES.add("events"), [(*where, n) for where, n in sorted(outcomes.items())])
        database.run_many(INTAKE.add("cases"), [(*where, n) for where, n in sorted(intake.items())])
        positions = {partition: at for one in read for partition, at in one.positions.items()}
        database.run_many(
            "INSERT INTO tracking VALUES (?, ?)",
            [(application_name(log, partition), at) for partition, at in sorted(positions.items()) if at],
        )
        write_views_form(database, log)


def _judge(
    database: Database, log: str, read: Sequence[SetAside], built: Sequence[Built], part: Part, crew: Crew,
    processes: int,
) -> None:  # fmt: skip
    """Judge what is counted over all cases, and write the positions that the judgements stand at."""
    latest: dict[int, datetime] = {}
    for one in built:
        for partition, moment in one.latest.items():
            latest[partition] = max(latest.get(partition, moment), moment)
    values = _registry(read)
    registry = registry_of([hashed(value) for value in values])
    positions = {partition: at for one in read for partition, at in one.positions.items() if at}
    with database.transaction():
        database.run_many(UNREAD.insert(), registry.unread)
        many = ManyJudge(database, CaseJudge(registry).judge)
        judge_everything(many, part, values, crew, processes)
        many.machines(one for some in built for one in some.beatings)
        database.run_many(
            JUDGED.insert(),
            [(application_name(log, one), at, micros(latest.get(one)) or 0) for one, at in sorted(positions.items())],
        )
        write_judgement_form(database, log)
