"""The judgements of a log, kept right event by event: each event's case is judged anew, and what else it changes is, too.

They follow the events at positions of their own, after the status views, whose timeline has the whole history of every
case. Rows and position change in one transaction.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep
from typing import Final

from casetrail.domain.deciding import CLOCK_TOLERANCE
from casetrail.domain.detectors.counting import Group, Person, What
from casetrail.domain.detectors.partnering import ignored_alarm
from casetrail.domain.detectors.statistics import available
from casetrail.domain.detectors.survey import month_of
from casetrail.domain.leaving import Departures
from casetrail.domain.registry import REGISTRY
from casetrail.domain.reserved import MACHINES
from casetrail.domain.values import EPOCH
from casetrail.eventlog.port import Record
from casetrail.projections.database import Database, create_tables, in_parts, marks
from casetrail.projections.errors import ViewMissing, ViewMoved
from casetrail.projections.judgement_tables import (
    CLOCK,
    COUNTED,
    FINDING,
    JUDGED_FORM,
    JUDGEMENT_BULK,
    JUDGEMENT_FORM,
    JUDGEMENT_TABLES,
    OF_CASES,
    TRACE,
    UNREAD,
)
from casetrail.projections.judging import CaseJudge, CaseRows, beatings_in, hashed, is_judged, latest_moment
from casetrail.projections.judging_many import ManyJudge
from casetrail.projections.registry import Hashed, Registry, registry_of
from casetrail.projections.rows import MICROSECOND, Row, micros
from casetrail.projections.tables import application_name
from casetrail.projections.tallies import FIRST_DAY, days

POLL_INTERVAL: Final = 0.005
DAY: Final = timedelta(days=1)
FIRST: Final = datetime.min.replace(tzinfo=UTC)
BEGIN: Final = "INSERT INTO judged VALUES (?, ?, ?) ON CONFLICT (application_name) DO NOTHING"
MOVE: Final = """
UPDATE judged SET notification_id = ?, latest = CASE WHEN latest < ? THEN ? ELSE latest END
WHERE application_name = ? AND notification_id = ?
"""
HELD_SINCE: Final = """
SELECT DISTINCT case_id FROM counted AS given WHERE person = ? AND what = 'given' AND what IN ('given', 'gone')
AND NOT EXISTS (SELECT 1 FROM counted AS gone WHERE gone.case_id = given.case_id AND gone.what = 'gone'
AND gone.person = given.person AND gone.number > given.number AND gone.known_at < ?)
"""


def form_of(log: str) -> dict[str, str]:
    """What must be the same for judgements to be of use."""
    return {"log": log, "form": JUDGEMENT_FORM, "statistics": str(int(available()))}


def write_judgement_form(database: Database, log: str) -> None:
    """Name the log and the form of the judgements beside them."""
    for name, value in form_of(log).items():
        database.run(JUDGED_FORM.upsert(), (name, value))


def has_judgements(database: Database) -> bool:
    """Whether there are judgements beside the views."""
    return database.has(CLOCK.name)


def stored_history(database: Database, case_id: str) -> list[Hashed]:
    """The events of a case in their order, from the timeline."""
    return next((events for _, events in stored_histories(database, [case_id])), [])


def stored_histories(database: Database, case_ids: Sequence[str]) -> Iterator[tuple[str, list[Hashed]]]:
    """The events of cases, each in its order, from the timeline."""
    for some in in_parts(case_ids):
        found: defaultdict[str, list[Hashed]] = defaultdict(list)
        for case_id, event in database.rows(
            f"SELECT case_id, event FROM timeline WHERE case_id IN ({marks(some)}) ORDER BY case_id, number",  # noqa: S608
            some,
        ):
            found[case_id].append(hashed(bytes(event)))
        yield from found.items()


class Changes:
    """What else must be judged anew."""

    def __init__(self) -> None:
        self.persons: defaultdict[str, set[Person]] = defaultdict(set)
        self.months: defaultdict[str, set[str]] = defaultdict(set)
        self.reports: set[str] = set()
        self.machines = False

    def note(self, agency: str, group: Group) -> None:
        """Something of a group was counted, or no longer is."""
        if group.what in (What.GIVEN, What.GONE):
            self.persons[agency].add(group.person)
        else:
            self.months[agency].add(month_of(group.day))


class Judgements:
    """The judgements of one log. Not for use by several threads."""

    def __init__(self, database: Database, log: str) -> None:
        """Use the judgements in ``database``. Raises ``ViewMissing`` where they are not there, or of another log or form."""
        self.database, self.log = database, log
        if not has_judgements(database):
            raise ViewMissing("the judgements have not been made yet; 'casetrail views rebuild' makes them")
        found: dict[str, str] = dict(database.rows("SELECT name, value FROM judged_form"))
        if found != form_of(log):
            raise ViewMissing("the judgements are of another log or form; 'casetrail views rebuild' makes them anew")
        self._use(self._registry_as_judged())

    @classmethod
    def create(cls, database: Database, log: str) -> "Judgements":
        """Make empty judgements beside the views."""
        with database.transaction():
            create_tables(database, JUDGEMENT_TABLES)
            write_judgement_form(database, log)
        return cls(database, log)

    def _use(self, registry: Registry) -> None:
        self._registry = registry
        self._cases = CaseJudge(registry)
        self._many = ManyJudge(self.database, self._cases.judge)

    def _registry_as_judged(self) -> Registry:
        """The registry as far as it has been taken in."""
        rows = self.database.rows(
            "SELECT count(*) FROM timeline, judged WHERE case_id = ? AND application_name = ? || partition "
            "AND event_offset < notification_id",
            (REGISTRY, application_name(self.log, 0)[:-1]),
        )
        return registry_of(stored_history(self.database, REGISTRY)[: rows[0][0]])

    # --- position ---

    def next_offset(self, partition: int) -> int:
        """The offset of the event that is to be taken in next."""
        rows = self.database.rows(
            "SELECT notification_id FROM judged WHERE application_name = ?", (application_name(self.log, partition),)
        )
        return rows[0][0] if rows else 0

    def _move(self, partition: int, before: int, after: int, latest: datetime | None) -> None:
        name, at = application_name(self.log, partition), micros(latest) or 0
        if before == 0:
            changed = self.database.run(BEGIN, (name, after, at))
        else:
            changed = self.database.run(MOVE, (after, at, at, name, before))
        if changed != 1:
            raise ViewMoved(f"partition {partition}: the judgements are not at offset {before} any more")

    def has_timeline(self, positions: Mapping[int, int]) -> bool:
        """Whether the timeline has all events before these offsets."""
        seen: dict[str, int] = dict(self.database.rows("SELECT application_name, notification_id FROM tracking"))
        return all(seen.get(application_name(self.log, partition), 0) >= at for partition, at in positions.items())

    def wait_for_timeline(self, positions: Mapping[int, int], timeout: float) -> bool:
        """Wait up to ``timeout`` seconds until it has; whether it has. Raises ``ViewMoved`` where the views were swapped."""
        until = monotonic() + timeout
        while not self.has_timeline(positions):
            if monotonic() > until:
                with self.database.transaction():  # looks whether these are still the views that serve
                    return False
            sleep(POLL_INTERVAL)
        return True

    # --- following the events ---

    def apply(self, records: Sequence[Record], positions: Mapping[int, tuple[int, int]]) -> None:
        """Take these events in, which the timeline has already.

        ``positions``: for each partition the offset before them, and the one after. Raises ``ViewMoved`` where another
        was faster.
        """
        case_ids = {(record.key or b"").decode(errors="replace") for record in records}
        try:
            with self.database.transaction():
                for partition, (before, after) in positions.items():
                    some = [record for record in records if record.partition == partition]
                    self._move(
                        partition, before, after, latest_moment([hashed(record.value or b"") for record in some])
                    )
                self._take_in(case_ids)
                self._take_in_heartbeats(records)
        except BaseException:
            self._use(self._registry)  # what is counted in memory may not be what is stored
            raise

    def _take_in(self, case_ids: set[str]) -> None:
        changes = Changes()
        if REGISTRY in case_ids:
            before = self._registry
            self._use(self._registry_as_judged())
            self.database.run_many(UNREAD.upsert(), self._registry.unread)
            case_ids = case_ids | self._changed_by(before, changes)
        for some in in_parts(sorted(one for one in case_ids if is_judged(one))):
            self._judge(some, changes)
        for agency, persons in changes.persons.items():
            self._many.persons(agency, sorted(persons))
        for agency, months in changes.months.items():
            self._many.months(agency, {one for month in months for one in self._many.months_since(agency, month)})
        self._many.reports(sorted(changes.reports))
        if changes.machines:
            self._many.machines(())

    def _take_in_heartbeats(self, records: Sequence[Record]) -> None:
        """Heartbeats come all the time: only the new ones are looked at."""
        found: defaultdict[str, list[Hashed]] = defaultdict(list)
        for record in records:
            if record.key is not None and record.key.startswith(MACHINES.encode()):
                found[record.key.decode()].append(hashed(record.value or b""))
        new = [beating for key, events in found.items() for beating in beatings_in(key, events)]
        if new:
            self._many.machines(new)

    def _judge(self, case_ids: Sequence[str], changes: Changes) -> None:
        """Judge cases anew, and note what else that changes."""
        made = [self._cases.rows(case_id, events) for case_id, events in stored_histories(self.database, case_ids)]
        before: dict[str, list[set[Row]]] = {}
        for table in (COUNTED, TRACE):
            statement = f"SELECT {table.column_names} FROM {table.name} WHERE case_id IN ({marks(case_ids)})"  # noqa: S608
            before[table.name] = [set(self.database.rows(statement, case_ids))]
        self._replace(case_ids, made)
        self._note_counted(before[COUNTED.name][0], {row for one in made for row in one.counted}, changes)
        traces = before[TRACE.name][0] ^ {row for one in made for row in one.traces}
        changes.reports.update(row[0] for row in traces)

    def _replace(self, case_ids: Sequence[str], made: Sequence[CaseRows]) -> None:
        some = marks(case_ids)
        for table in OF_CASES:
            self.database.run(f"DELETE FROM {table.name} WHERE case_id IN ({some})", case_ids)  # noqa: S608
        self.database.run(
            f"DELETE FROM finding WHERE subject IN ({some}) AND about = 'case' AND detector <> 'reported_again'",  # noqa: S608
            case_ids,
        )
        for number, table in enumerate(JUDGEMENT_BULK):
            rows = [row for one in made for row in one.by_table[number]]
            self.database.run_many(table.upsert() if table is FINDING else table.insert(), rows)

    def _note_counted(self, before: set[Row], after: set[Row], changes: Changes) -> None:
        for row in before - after:
            agency, group = group_of(row)
            changes.note(agency, group)
            if group.what not in (What.GIVEN, What.GONE):
                self._many.tallies(agency).forget(month_of(group.day))
        for row in after - before:
            agency, group = group_of(row)
            changes.note(agency, group)
            if group.what not in (What.GIVEN, What.GONE):
                self._many.tallies(agency).add(month_of(group.day), group)

    # --- what the registry changes ---

    def _changed_by(self, before: Registry, changes: Changes) -> set[str]:
        """The cases that are judged otherwise by what the registry says now; the rest is noted."""
        found: set[str] = set()
        now = self._registry
        for person, since in changed_departures(before.departures, now.departures).items():
            found |= self._held_since(person, since)
        changed = changed_policies(before, now)
        for agency, since in changed.items():
            found |= self._of_agency(agency, since)
            if self._alarms_changed(agency, since):
                found |= self._owing_after(agency, since)
            for person, left in now.departures.items():
                if any(moment >= since for one in left for moment in (one.at, one.back_at or one.at)):
                    found |= self._held_since(person, min(one.at for one in left))
            day = since.date().replace(day=1)
            changes.persons[agency].update(self._many.persons_of(agency, days(day)))
            changes.months[agency].add(month_of(day))
            rows = self.database.rows("SELECT case_id FROM trace WHERE known_at >= ?", (micros(since),))
            changes.reports.update(case_id for (case_id,) in rows)
        changes.machines = bool(changed)
        return found

    def _alarms_changed(self, agency: str, since: datetime) -> bool:
        """Whether alarms are judged otherwise from a moment on: by when a deadline is due, not by when anything happened."""
        if since == FIRST:
            return True
        settings = self._cases.judge.settings(agency, ignored_alarm.name)
        standards = [settings(moment) for moment in (since - MICROSECOND, *self._adoptions(agency, since))]
        return any(not one.is_like(standards[0]) for one in standards)

    def _adoptions(self, agency: str, since: datetime) -> list[datetime]:
        """From when on an agency's policies are in force, of those that are from a moment on."""
        adopted = [one.since for one, _ in self._registry.adopted if one.actor.agency == agency]
        return [moment for moment in adopted if moment >= since]

    def _owing_after(self, agency: str, since: datetime) -> set[str]:
        """The cases of an agency in which something is due then or later, unless it is done."""
        rows = self.database.rows(
            "SELECT DISTINCT case_id FROM clock WHERE agency = ? AND due_at >= ? AND (ended_at IS NULL OR ended_by IS NULL)",
            (agency, micros(since)),
        )
        return {case_id for (case_id,) in rows}

    def _held_since(self, person: str, since: datetime) -> set[str]:
        """The cases that somebody held then or later."""
        rows = self.database.rows(HELD_SINCE, (person, _tolerant(since)))
        return {case_id for (case_id,) in rows}

    def _of_agency(self, agency: str, since: datetime) -> set[str]:
        """The cases of an agency in which anything happened then or later."""
        rows = self.database.rows(
            "SELECT case_id FROM case_status WHERE agency = ? AND last_recorded_at >= ?",
            (agency, _tolerant(since)),
        )
        return {case_id for (case_id,) in rows}

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def _tolerant(since: datetime) -> int:
    """When something may have been recorded that happened since a moment; microseconds, which reach back before year 1."""
    return (since - EPOCH - CLOCK_TOLERANCE) // MICROSECOND


def group_of(row: Row) -> tuple[str, Group]:
    """The agency and the group of a row of ``counted``."""
    _, _, what, agency, unit, person, day, _, key, marked = row
    return agency, Group(What(what), Person(unit, person), FIRST_DAY + day * DAY, key, bool(marked))


def changed_departures(before: Departures, after: Departures) -> dict[str, datetime]:
    """Who has left, or come back, and since when that may matter."""
    found = {}
    for person in {*before, *after}:
        changed = set(before.get(person, ())) ^ set(after.get(person, ()))
        if changed:
            found[person] = min(one.at for one in changed)
    return found


def changed_policies(before: Registry, after: Registry) -> dict[str, datetime]:
    """Which agencies are judged by another policy, and since when."""
    known = {adoption.number for adoption, _ in before.adopted}
    found: dict[str, datetime] = {}
    for adoption, _ in after.adopted:
        if adoption.number not in known:
            agency = adoption.actor.agency
            found[agency] = min(found.get(agency, adoption.since), adoption.since)
    return found
