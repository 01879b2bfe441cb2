"""The judgements of a log, kept right event by event: each event's case is judged anew, and what else it changes is, too.

They follow the events at positions of their own, after the status views, whose timeline has the whole history of every
case. Rows and position change in one transaction, and with them what is noted as stale: what is compared over many cases is
judged anew afterwards, once for many events.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from time import monotonic, sleep
from typing import Final, NamedTuple

from casetrail.domain.detectors.counting import Group, Person, What
from casetrail.domain.detectors.statistics import available
from casetrail.domain.detectors.survey import month_of
from casetrail.domain.registry import REGISTRY
from casetrail.domain.reserved import MACHINES
from casetrail.eventlog.port import Record
from casetrail.projections.database import Database, create_tables, has_judgements, in_parts, marks
from casetrail.projections.errors import ViewMissing, ViewMoved
from casetrail.projections.form import check_form, write_form
from casetrail.projections.judgement_tables import (
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
from casetrail.projections.judging import (
    CaseJudge,
    CaseRows,
    beatings_in,
    hashed,
    is_judged,
    latest_moment,
)
from casetrail.projections.judging_many import OF_REPORTS, ManyJudge
from casetrail.projections.judging_registry import RegistryChange
from casetrail.projections.registry import REGISTRY_KEY, Hashed, Registry, registry_of
from casetrail.projections.rows import Row, micros
from casetrail.projections.stale import CASE, MONTH, PERSON, Marked, Stale, StaleTable
from casetrail.projections.tables import Table, application_name
from casetrail.projections.tallies import FIRST_DAY

POLL_INTERVAL: Final = 0.005
DAY: Final = timedelta(days=1)
BEGIN: Final = "INSERT INTO judged VALUES (?, ?, ?) ON CONFLICT (application_name) DO NOTHING"
MOVE: Final = """
UPDATE judged SET notification_id = ?, latest = CASE WHEN latest < ? THEN ? ELSE latest END
WHERE application_name = ? AND notification_id = ?
"""


def form_of(log: str) -> dict[str, str]:
    """What must be the same for judgements to be of use."""
    return {"log": log, "form": JUDGEMENT_FORM, "statistics": str(int(available()))}


def write_judgement_form(database: Database, log: str) -> None:
    """Name the log and the form of the judgements beside them."""
    write_form(database, JUDGED_FORM, form_of(log))


def check_judgements(database: Database, log: str, *, partly: bool = False) -> None:
    """Raises ``ViewMissing`` where the judgements are not there, or are to be made anew, ``ViewNewer``, and ``ViewForeign``.

    ``partly``: those may be used that were made with statistics, though these are missing here.
    """
    if not has_judgements(database):
        raise ViewMissing("the judgements have not been made yet; 'casetrail views rebuild' makes them")
    wanted = form_of(log) | ({"statistics": "1"} if partly and _lacks_statistics(database) else {})
    check_form(database, JUDGED_FORM, "judgements", wanted)


def _lacks_statistics(database: Database) -> bool:
    """Whether the judgements were made with statistics, and these are missing here."""
    made_with = database.rows("SELECT value FROM judged_form WHERE name = 'statistics'")
    return made_with == [("1",)] and not available()


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


class Judged(NamedTuple):
    """Cases that were judged; what was counted of them before, and is now; and of which of them the traces have changed."""

    case_ids: Sequence[str]
    made: Sequence[CaseRows]
    before: set[Row]
    after: set[Row]
    traced: Sequence[str]


class Judgements:
    """The judgements of one log. Not for use by several threads."""

    def __init__(self, database: Database, log: str, *, partly: bool = False) -> None:
        """Use the judgements in ``database``. Raises as ``check_judgements`` does.

        ``partly``: also where statistics are missing here. What is compared month by month then stays stale for whoever has
        them; all else is judged.
        """
        check_judgements(database, log, partly=partly)
        self.database, self.log = database, log
        self._stale = StaleTable(database, left=MONTH if _lacks_statistics(database) else "")
        self._positions = self._positions_stored()
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

    def _registry_before(self, partition: int, offset: int) -> Registry:
        """What the events of the registry say that stand before an offset."""
        rows = self.database.rows(
            "SELECT count(*) FROM timeline WHERE case_id = ? AND partition = ? AND event_offset < ?",
            (REGISTRY, partition, offset),
        )
        return registry_of(stored_history(self.database, REGISTRY)[: rows[0][0]])

    def _registry_as_judged(self) -> Registry:
        """The registry as far as it has been taken in."""
        rows = self.database.rows("SELECT partition FROM timeline WHERE case_id = ? AND number = 1", (REGISTRY,))
        if not rows:
            return registry_of([])
        return self._registry_before(rows[0][0], self.next_offset(rows[0][0]))

    # --- position ---

    def next_offset(self, partition: int) -> int:
        """The offset of the event that is to be taken in next."""
        rows = self.database.rows(
            "SELECT notification_id FROM judged WHERE application_name = ?", (application_name(self.log, partition),)
        )
        return rows[0][0] if rows else 0

    def _positions_stored(self) -> dict[str, int]:
        return dict(self.database.rows("SELECT application_name, notification_id FROM judged"))

    def _move(self, partition: int, before: int, after: int, latest: int) -> None:
        name = application_name(self.log, partition)
        if before == 0:
            changed = self.database.run(BEGIN, (name, after, latest))
        else:
            changed = self.database.run(MOVE, (after, latest, latest, name, before))
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
        """Take these events in, which the timeline has already. What they make stale is noted, for ``judge_stale``.

        ``positions``: for each partition the offset before them, and the one after. Raises ``ViewMoved`` where another
        was faster. Cases are judged before the transaction, which is short: the status views are written meanwhile.
        """
        case_ids = {(record.key or b"").decode(errors="replace") for record in records}
        before = self._registry
        try:
            change = self._registry_change(records, positions)
            stale = change.stale() if change else set()
            judged = self._judged(sorted(one for one in case_ids if is_judged(one)))
            latest = {one: _latest(records, one) for one in positions}
            with self.database.transaction():
                for partition, (start, after) in positions.items():
                    self._move(partition, start, after, latest[partition])
                if change:
                    self.database.run_many(UNREAD.upsert(), self._registry.unread)
                self._write(judged, stale)
                self._take_in_heartbeats(records)
                if change and change.policies:
                    self._many.machines(())
            self._count(judged)
        except BaseException:
            self._use(before)  # what is in memory may not be what is stored
            raise
        self._positions |= {application_name(self.log, one): after for one, (_, after) in positions.items()}

    def _registry_change(
        self, records: Sequence[Record], positions: Mapping[int, tuple[int, int]]
    ) -> RegistryChange | None:
        """What the registry says otherwise after these events, by which everything is judged from now on."""
        partition = next((one.partition for one in records if one.key == REGISTRY_KEY), None)
        if partition is None:
            return None
        before = self._registry
        self._use(self._registry_before(partition, positions[partition][1]))
        return RegistryChange(self.database, self._many, before, self._registry)

    def _take_in_heartbeats(self, records: Sequence[Record]) -> None:
        """Heartbeats come all the time: only the new ones are looked at."""
        found: defaultdict[str, list[Hashed]] = defaultdict(list)
        for record in records:
            if record.key is not None and record.key.startswith(MACHINES.encode()):
                found[record.key.decode()].append(hashed(record.value or b""))
        new = [beating for key, events in found.items() for beating in beatings_in(key, events)]
        if new:
            self._many.machines(new)

    # --- what is stale ---

    def judge_stale(self) -> int:
        """Judge anew some of what is stale; how much that was. Raises ``ViewMoved`` where another judges, too."""
        some = self._stale.next()
        if not some:
            return 0
        # looked at after what is stale was read: what another makes stale later has another mark
        if self._positions_stored() != self._positions:
            raise ViewMoved("the judgements have been moved on by another")
        try:
            self._judge_anew(some)
        except BaseException:
            self._use(self._registry)
            raise
        return len(some)

    def judge_all_stale(self) -> None:
        """Judge anew all that is stale."""
        while self.judge_stale():
            pass

    def _judge_anew(self, some: Marked) -> None:
        subjects = [one.subject for one, _ in some]
        many, (first, _) = self._many, some[0]
        if first.kind == CASE:
            judged = self._judged(subjects)
            with self.database.transaction():
                self._stale.judged(some)
                self._write(judged, set())
            self._count(judged)
        elif first.kind == PERSON:
            persons = [Person(one.unit, one.subject) for one, _ in some]
            found = [(person, many.of_person(first.agency, person)) for person in persons]
            with self.database.transaction():
                self._stale.judged(some)
                for person, rows in found:
                    many.replace_person(first.agency, person, rows)
        elif first.kind == MONTH:
            rows = many.of_month(first.agency, first.subject)
            with self.database.transaction():
                self._stale.judged(some)
                many.replace_month(first.agency, first.subject, rows)
        else:
            with self.database.transaction():
                self._stale.judged(some)
                many.reports(subjects)

    # --- cases ---

    def _judged(self, case_ids: Sequence[str]) -> Judged:
        made = [self._cases.rows(case_id, events) for case_id, events in stored_histories(self.database, case_ids)]
        counted = {row for one in made for row in one.counted}
        before, after = self._stored(TRACE, case_ids), {row for one in made for row in one.traces}
        traced = sorted({row[0] for row in before ^ after})
        return Judged(case_ids, made, self._stored(COUNTED, case_ids), counted, traced)

    def _stored(self, table: Table, case_ids: Sequence[str]) -> set[Row]:
        found: set[Row] = set()
        for some in in_parts(case_ids):
            found |= set(
                self.database.rows(
                    f"SELECT {table.column_names} FROM {table.name} WHERE case_id IN ({marks(some)})",  # noqa: S608
                    some,
                )
            )
        return found

    def _write(self, judged: Judged, stale: set[Stale]) -> None:
        """Write what was judged of cases, and note what else that makes stale."""
        for some in in_parts(judged.case_ids):
            self._remove(some)
        for number, table in enumerate(JUDGEMENT_BULK):
            rows = [row for one in judged.made for row in one.by_table[number]]
            self.database.run_many(table.upsert() if table is FINDING else table.insert(), rows)
        self._stale.note(stale | self._changed(judged))
        self._stale.forget_cases(judged.case_ids)
        self._many.reports(judged.traced)

    def _remove(self, case_ids: Sequence[str]) -> None:
        some = marks(case_ids)
        for table in OF_CASES:
            self.database.run(f"DELETE FROM {table.name} WHERE case_id IN ({some})", case_ids)  # noqa: S608
        self.database.run(
            f"DELETE FROM finding WHERE subject IN ({some}) AND about = 'case' AND detector NOT IN ({marks(OF_REPORTS)})",  # noqa: S608
            (*case_ids, *OF_REPORTS),
        )

    def _changed(self, judged: Judged) -> set[Stale]:
        """The persons and months for which something is counted now, or no longer is, that was not, or was, before."""
        found: set[Stale] = set()
        months: set[tuple[str, str]] = set()
        for agency, group in map(group_of, judged.before ^ judged.after):
            if group.what in (What.GIVEN, What.GONE):
                found.add(Stale(PERSON, agency, *group.person))
            else:
                months.add((agency, month_of(group.day)))
        for agency, month in months:
            found |= {Stale(MONTH, agency, "", one) for one in self._many.months_since(agency, month)}
        return found

    def _count(self, judged: Judged) -> None:
        """Bring what is counted in memory to what is stored."""
        for agency, group in map(group_of, judged.before - judged.after):
            if group.what not in (What.GIVEN, What.GONE):
                self._many.tallies(agency).forget(month_of(group.day))
        for agency, group in map(group_of, judged.after - judged.before):
            if group.what not in (What.GIVEN, What.GONE):
                self._many.tallies(agency).add(month_of(group.day), group)

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def _latest(records: Sequence[Record], partition: int) -> int:
    """The latest moment that the events of a partition speak of; 0 where they speak of none."""
    some = [hashed(one.value or b"") for one in records if one.partition == partition]
    return micros(latest_moment(some)) or 0


def group_of(row: Row) -> tuple[str, Group]:
    """The agency and the group of a row of ``counted``."""
    _, _, what, agency, unit, person, day, _, key, marked = row
    return agency, Group(What(what), Person(unit, person), FIRST_DAY + day * DAY, key, bool(marked))
