"""What is counted from the views is what a fold of the events gives, in both databases."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from casetrail.domain.case import Case
from casetrail.domain.status import Status
from casetrail.domain.sunlight import LATER, NEVER, OffenceGroup, Standing, group_of
from casetrail.domain.suppression import MANY, capped
from casetrail.domain.values import is_id
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.outcome import History, follow
from casetrail.eventlog.port import Topic
from casetrail.projections.database import Database, SqliteDatabase, open_database
from casetrail.projections.judgement_tables import CLOCK, FINDING
from casetrail.projections.queries import micros
from casetrail.projections.rebuild import rebuild
from casetrail.projections.stale import MONTH, Stale, StaleTable
from casetrail.sunlight.basis import take
from casetrail.sunlight.counting import (
    Counted,
    Kinds,
    Months,
    Runs,
    Things,
    clocks,
    counted,
    escalations,
    findings,
    reports,
    work,
)
from casetrail.sunlight.errors import MomentTooEarly, ViewsMoving
from tests.histories import recorded_log

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedLog]:
    with recorded_log(
        tmp_path_factory.mktemp("log") / "log.db", seed=11, actions=1600, cases=90, partitions=3
    ) as found:
        yield found


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def views(request: pytest.FixtureRequest, log: EmbeddedLog, tmp_path: Path) -> Iterator[Database]:
    """The views of that log."""
    is_shared = request.param == "postgresql"
    url = request.getfixturevalue("postgres_database") if is_shared else f"sqlite:{tmp_path / 'views'}"
    rebuild(log, f"sqlite:{log.path}", url, processes=1)
    with closing(open_database(url)) as database:
        yield database


def folded(log: EmbeddedLog) -> list[Case]:
    """Every case, folded from its events."""
    histories: dict[str, History] = {}
    with log.reader(Topic.EVENTS, dict.fromkeys(range(log.partitions), 0)) as reader:
        while records := reader.poll(0.0):
            for record in records:
                case_id = (record.key or b"").decode(errors="replace")
                if is_id(case_id):
                    follow(histories.setdefault(case_id, History.empty(case_id)), record)
    return [history.case for history in histories.values()]


def standing(case: Case) -> Standing:
    facts = case.facts
    courses = {
        Status.RECEIVED: "waiting",
        Status.SCREENED_OUT: "screened_out",
        Status.MERGED: "merged",
        Status.CLOSED: str(facts.disposition),
    }
    contact = NEVER
    if facts.first_contact_at is not None and facts.received_at is not None:
        taken = facts.first_contact_at - facts.received_at
        limits = {24: "within_24_hours", 72: "within_72_hours", 168: "within_7_days", 720: "within_30_days",
                  2160: "within_90_days"}  # fmt: skip
        contact = next((name for hours, name in limits.items() if taken <= hours * HOUR), LATER)
    return Standing(courses.get(case.status, "open"), "Assigned" in case.kinds, contact)


def test_a_lesser_offence_that_is_named_first_hides_no_graver_one() -> None:
    assert [group_of(codes) for codes in ("90Z,11A", "11A,90Z", "13B,90F,11D", "90F,13B", "90Z", "")] == [
        OffenceGroup.RAPE, OffenceGroup.RAPE, OffenceGroup.MOLESTATION, OffenceGroup.ASSAULT, OffenceGroup.OTHER,
        OffenceGroup.OTHER,
    ]  # fmt: skip


def test_reports_are_counted_by_month_offence_and_standing(views: Database, log: EmbeddedLog) -> None:
    expected: Months = Counter()
    for case in folded(log):
        facts = case.facts
        if facts.received_at is not None:
            month = f"{facts.received_at:%Y-%m}"
            expected[month, group_of(",".join(facts.offences)), standing(case)] += 1
    assert reports(views, datetime(2099, 1, 1, tzinfo=UTC)) == expected
    assert len(expected) > 40
    assert {one.assigned for _, _, one in expected} == {True, False}


def test_a_contact_from_long_before_the_report_is_none(views: Database) -> None:
    now, day = datetime(2099, 1, 1, tzinfo=UTC), 86_400_000_000

    views.run(
        "UPDATE case_status SET first_contact_at = received_at - ?, last_contact_at = received_at - ?",
        (7 * day, 2 * day),
    )
    assert {one.contact for _, _, one in reports(views, now)} == {NEVER}
    views.run("UPDATE case_status SET last_contact_at = received_at + ?", (2 * day,))
    assert {one.contact for _, _, one in reports(views, now)} == {"within_72_hours"}
    views.run("UPDATE case_status SET first_contact_at = received_at - ?", (day,))
    assert {one.contact for _, _, one in reports(views, now)} == {"within_24_hours"}


def test_a_report_that_was_received_later_is_not_counted(views: Database, log: EmbeddedLog) -> None:
    moments = sorted(case.facts.received_at for case in folded(log) if case.facts.received_at is not None)
    assert reports(views, moments[9]).total() == sum(one <= moments[9] for one in moments)


def test_a_moment_before_what_the_events_speak_of_is_refused(views: Database, log: EmbeddedLog) -> None:
    with pytest.raises(MomentTooEarly, match="--now"):
        take(views, log, datetime(2001, 1, 1, tzinfo=UTC))


def test_judgements_that_are_behind_are_not_counted(views: Database, log: EmbeddedLog) -> None:
    now = datetime(2099, 1, 1, tzinfo=UTC)
    take(views, log, now)
    one = Stale(MONTH, "metro-pd", "", "2026-01")
    StaleTable(views).note([one])
    with pytest.raises(ViewsMoving, match="try again"):
        take(views, log, now)
    views.run("DELETE FROM stale")
    take(views, log, now)


@pytest.fixture
def asked_beside(monkeypatch: pytest.MonkeyPatch) -> list[SqliteDatabase]:
    """The databases in which the second thread counts."""
    found: list[SqliteDatabase] = []

    def noting(database: Database, now: datetime, beside: SqliteDatabase | None = None) -> Counted:
        if beside is not None:
            found.append(beside)
        return counted(database, now, beside)

    monkeypatch.setattr("casetrail.sunlight.basis.counted", noting)
    return found


def test_two_threads_count_what_one_does(views: Database, log: EmbeddedLog, asked_beside: list[SqliteDatabase]) -> None:
    now = datetime(2099, 1, 1, tzinfo=UTC)
    found, _ = take(views, log, now)
    assert found == counted(views, now)
    assert found.findings
    assert found.clocks
    assert len(asked_beside) == isinstance(views, SqliteDatabase)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE tracking SET notification_id = notification_id + 1",
        "UPDATE judged SET latest = latest + 1",
        "INSERT INTO stale VALUES ('month', 'metro-pd', '', '2026-01', 1)",
    ],
)
def test_views_that_move_between_two_looks_are_counted_by_one_thread(
    log: EmbeddedLog,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    asked_beside: list[SqliteDatabase],
    change: str,
) -> None:
    url, now = f"sqlite:{tmp_path / 'views'}", datetime(2099, 1, 1, tzinfo=UTC)
    rebuild(log, f"sqlite:{log.path}", url, processes=1)
    second = SqliteDatabase.beside

    def moved(database: SqliteDatabase) -> SqliteDatabase:
        with closing(open_database(url)) as writer:
            writer.run(change)
            writer.run("DELETE FROM finding")
        return second(database)

    monkeypatch.setattr(SqliteDatabase, "beside", moved)
    with closing(open_database(url)) as database:
        found, _ = take(database, log, now)
        assert asked_beside == []
        assert found.findings  # as they stood when its positions were read


def test_views_that_are_replaced_between_two_looks_are_counted_by_one_thread(
    log: EmbeddedLog, tmp_path: Path, asked_beside: list[SqliteDatabase]
) -> None:
    url = f"sqlite:{tmp_path / 'views'}"
    rebuild(log, f"sqlite:{log.path}", url, processes=1)
    with closing(open_database(url)) as database:
        before = take(database, log, datetime(2099, 1, 1, tzinfo=UTC))
        rebuild(log, f"sqlite:{log.path}", url, processes=1)
        assert take(database, log, datetime(2099, 1, 1, tzinfo=UTC)) == before
    assert len(asked_beside) == 1


@pytest.mark.parametrize("missing", ["tracking", "judged", "stale"])
def test_views_that_cannot_be_read_a_second_time_are_counted_by_one_thread(
    log: EmbeddedLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked_beside: list[SqliteDatabase], missing: str
) -> None:
    for name in ("views", "others"):
        rebuild(log, f"sqlite:{log.path}", f"sqlite:{tmp_path / name}", processes=1)
    with closing(open_database(f"sqlite:{tmp_path / 'others'}")) as others:
        others.run(f"DROP TABLE {missing}")
    monkeypatch.setattr(SqliteDatabase, "beside", lambda _: open_database(f"sqlite:{tmp_path / 'others'}"))
    with closing(open_database(f"sqlite:{tmp_path / 'views'}")) as database:
        found, _ = take(database, log, datetime(2099, 1, 1, tzinfo=UTC))
    assert found.findings
    assert asked_beside == []


@pytest.mark.parametrize("failing", ["clocks", "findings"])
def test_what_fails_in_either_thread_breaks_off_the_other(
    log: EmbeddedLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    url = f"sqlite:{tmp_path / 'views'}"
    rebuild(log, f"sqlite:{log.path}", url, processes=1)
    begun = Event()

    def fails(database: Database, now: datetime) -> Runs | Kinds:
        if failing == "clocks":
            assert begun.wait(60)
        raise KeyboardInterrupt

    def endless(database: Database, now: datetime) -> Months:
        begun.set()
        database.rows("WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i FROM n) SELECT count(*) FROM n")
        raise AssertionError

    monkeypatch.setattr(f"casetrail.sunlight.counting.{failing}", fails)
    if failing == "clocks":
        monkeypatch.setattr("casetrail.sunlight.counting.reports", endless)
    with closing(open_database(url)) as database, pytest.raises(KeyboardInterrupt):
        take(database, log, datetime(2099, 1, 1, tzinfo=UTC))


def a_clock(
    number: int,
    clock: str,
    due: timedelta,
    ended: timedelta | None,
    met: bool = False,
    case_id: str = "case-1",
    owed_by: str = "det.kim",
) -> tuple[object, ...]:
    """A run that began ten days ago; ``due`` and ``ended`` are times before now."""
    at = {"started_at": NOW - 10 * DAY, "due_at": NOW - due, "ended_at": None if ended is None else NOW - ended}
    row = {"case_id": case_id, "number": 1000 + number, "clock": clock, "met": int(met), "owed_by": owed_by}
    row |= {name: micros(moment) for name, moment in at.items() if moment is not None}
    return tuple(row.get(column.name) for column in CLOCK.columns)


def test_runs_of_clocks_are_counted_by_how_they_went(views: Database) -> None:
    views.run("DELETE FROM clock")
    assert by_clock(views) == {}
    runs = [
        a_clock(0, "screening", 3 * DAY, 4 * DAY, met=True),
        a_clock(1, "screening", 3 * DAY, 2 * DAY, met=True),
        a_clock(2, "screening", 3 * DAY, 2 * DAY),
        a_clock(3, "screening", 3 * DAY, 4 * DAY),
        a_clock(4, "screening", 3 * DAY, None),
        a_clock(5, "decision", -3 * DAY, None),
        a_clock(6, "decision", -3 * DAY, None),
    ]
    views.run_many(CLOCK.insert(), runs)
    assert by_clock(views) == {
        "screening": {
            frozenset({"met"}): things(1, "case-1"),
            frozenset({"late", "met_late"}): things(1, "case-1"),
            frozenset({"late", "missed"}): things(2, "case-1"),
            frozenset({"lapsed"}): things(1, "case-1"),
        },
        "decision": {frozenset({"running"}): things(2, "case-1")},
    }


def test_how_many_reports_stand_behind_a_count_is_counted_up_to_five(views: Database) -> None:
    views.run("DELETE FROM clock")
    runs = [a_clock(number, "screening", 3 * DAY, None, case_id=f"case-{number % 4 + 1}") for number in range(9)]
    runs += [a_clock(number, "decision", 3 * DAY, None, case_id=f"case-{number % 5 + 1}") for number in range(9)]
    runs += [a_clock(number, "review", 3 * DAY, None, case_id=f"case-{number + 1}") for number in range(9)]
    views.run_many(CLOCK.insert(), [(one[0], at, *one[2:]) for at, one in enumerate(runs)])
    late = frozenset({"late", "missed"})
    assert by_clock(views) == {
        "screening": {late: things(9, "case-1", "case-2", "case-3", "case-4")},
        "decision": {late: Things(9, MANY)},
        "review": {late: Things(9, MANY)},
    }


def test_runs_of_clocks_are_counted_by_the_month_of_receipt_and_the_offence_of_their_report(
    views: Database, log: EmbeddedLog
) -> None:
    expected: dict[tuple[str, OffenceGroup], set[str]] = {}
    owed = {case_id for (case_id,) in views.rows("SELECT DISTINCT case_id FROM clock")}
    for case in folded(log):
        facts = case.facts
        if facts.received_at is not None and case.id in owed:
            group = group_of(",".join(facts.offences))
            expected.setdefault((f"{facts.received_at:%Y-%m}", group), set()).add(case.id)
    found = clocks(views, NOW)
    assert found.keys() == expected.keys()
    assert len(expected) > 10
    for place, kinds in found.items():
        about = frozenset[str]().union(*(one.about for states in kinds.values() for one in states.values()))
        assert capped(about) == capped(frozenset(expected[place]))
    runs = sum(one.number for kinds in found.values() for states in kinds.values() for one in states.values())
    assert views.rows("SELECT count(*) FROM clock") == [(runs,)]


def by_clock(views: Database) -> Kinds:
    """The runs of all reports together."""
    found: dict[str, dict[frozenset[str], Things]] = {}
    for kinds in clocks(views, NOW).values():
        for clock, states in kinds.items():
            for state, some in states.items():
                before = found.setdefault(clock, {}).get(state)
                found[clock][state] = some if before is None else before.with_others(some)
    return found


def things(count: int, *about: str) -> Things:
    return Things(count, frozenset(about or ["C-1"]))


def a_finding(
    number: int,
    since: timedelta,
    settled: timedelta | None = None,
    detector: str = "untouched",
    about: str = "case",
    subject: str = "",
) -> tuple[object, ...]:
    row = {"finding": f"{number:016x}", "detector": detector, "about": about, "subject": subject or f"C-{number}",
           "month": "", "agency": "metro-pd", "since": micros(NOW - since)}  # fmt: skip
    row |= {} if settled is None else {"settled_at": micros(NOW - settled)}
    return tuple(row.get(column.name) for column in FINDING.columns)


def test_findings_are_counted_by_how_long_they_have_been_open(views: Database) -> None:
    views.run("DELETE FROM finding")
    ages = (30 * DAY, 30 * DAY + HOUR, 200 * DAY, 400 * DAY, 401 * DAY, -HOUR)
    rows = [a_finding(number, age) for number, age in enumerate(ages)]
    rows += [a_finding(10, 40 * DAY, settled=DAY), a_finding(11, 40 * DAY, settled=-DAY)]
    views.run_many(FINDING.insert(), rows)
    expected: Kinds = {
        "untouched": {
            frozenset({"open", "open_30"}): things(1, "C-0"),
            frozenset({"open", "open_90"}): things(2, "C-1", "C-11"),
            frozenset({"open", "open_365"}): things(1, "C-2"),
            frozenset({"open", "open_longer"}): things(2, "C-3", "C-4"),
            frozenset({"settled"}): things(1, "C-10"),
        }
    }
    assert findings(views, NOW) == expected


def test_findings_about_people_and_machines_stand_by_themselves_and_each_for_itself(views: Database) -> None:
    views.run("DELETE FROM finding")
    rows = [a_finding(number, DAY, detector="untouched", subject="C-1") for number in range(6)]
    rows += [a_finding(number, DAY, None, "overloaded", "person", "det.kim") for number in range(6, 12)]
    rows += [a_finding(number, DAY, None, "silent_machine", "machine", "watchdog") for number in range(12, 14)]
    views.run_many(FINDING.insert(), rows)
    young = frozenset({"open", "open_30"})
    assert findings(views, NOW) == {"untouched": {young: things(6, "C-1")}}
    assert work(views, NOW) == {
        "overloaded": {young: Things(6, MANY)},
        "silent_machine": {young: things(2, f"{12:016x}", f"{13:016x}")},
    }


def test_escalations_that_nobody_answered_are_counted(views: Database) -> None:
    deadline = '{"a":["decision",null,%d,["holder"],%s],"b":["decision",null,%d,[],null,null]}'
    for answered, case_id in (("null,null", "case-1"), ('5,"supervisor"', "case-2"), ('5,"holder"', "case-3")):
        missed(views, case_id, deadline % (micros(NOW - DAY), answered, micros(NOW - DAY)))
    assert escalations(views, NOW) == {
        "decision": {
            frozenset({"unanswered"}): things(2, "case-1", "case-3"),
            frozenset({"answered"}): things(1, "case-2"),
        }
    }


@pytest.mark.parametrize("due", [DAY, 2 * DAY], ids=["as it was missed", "moved since"])
def test_a_supervisor_who_answers_an_alarm_about_himself_does_not_make_it_answered(
    views: Database, due: timedelta
) -> None:
    views.run("DELETE FROM clock")
    for number, answered in enumerate(("supervisor", "commander"), 1):
        review = f'{{"a":["supervisor_review",null,{micros(NOW - DAY)},["supervisor"],5,"{answered}"]}}'
        missed(views, f"case-{number}", review)
        views.run_many(
            CLOCK.insert(),
            [a_clock(0, "supervisor_review", due, None, case_id=f"case-{number}", owed_by="unit/supervisor")],
        )
    assert escalations(views, NOW) == {
        "supervisor_review": {
            frozenset({"unanswered"}): things(1, "case-1"),
            frozenset({"answered"}): things(1, "case-2"),
        }
    }


def missed(views: Database, case_id: str, deadlines: str) -> None:
    """As if so much had been recorded of missed deadlines of a case."""
    views.run(
        "UPDATE case_status SET state = replace(state, '\"facts\":{', ?) WHERE case_id = ?",
        (f'"facts":{{"deadlines":{deadlines},', case_id),
    )
