"""What judgements promise, whichever database they live in: they are what anybody computes from the log alone."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from secrets import token_bytes
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casetrail.consumers.judging import Judging
from casetrail.consumers.projector import Projector
from casetrail.domain.actions import Action, Actor, Body, Imported
from casetrail.domain.answering import FindingAnswered, FindingTold
from casetrail.domain.clocks import PATIENCE, clocks
from casetrail.domain.closure import ClosureApproved, ClosureRequested
from casetrail.domain.codes import AgencyKind, Disposition, FindingAnswer, Level, Role, ScreeningReason, SealedName
from casetrail.domain.detectors import repeating
from casetrail.domain.detectors.acting import role_not_given
from casetrail.domain.detectors.history import History
from casetrail.domain.detectors.judging import Judge
from casetrail.domain.escalation import Recipient
from casetrail.domain.intake import ScreenedIn, ScreenedOut
from casetrail.domain.investigation import NoteAdded
from casetrail.domain.registry import REGISTRY, AgencyRegistered, PersonJoined, PersonMoved, PolicyAdopted
from casetrail.domain.sealed import SealedField
from casetrail.domain.values import EPOCH
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.partitioner import partition_for
from casetrail.eventlog.port import Topic
from casetrail.projections import judging_all, judging_many, rebuild
from casetrail.projections.database import open_database
from casetrail.projections.errors import ViewForeign, ViewMissing, ViewMoved, ViewUnreachable
from casetrail.projections.judgement_queries import STATE, WantedFindings, findings, horizon, stale
from casetrail.projections.judgement_tables import JUDGEMENT_TABLES
from casetrail.projections.judgements import Judgements
from casetrail.projections.judging_many import OF_MONTHS, OF_PERSONS, OF_REPORTS
from casetrail.projections.queries import at_micros, micros
from casetrail.projections.registry import registry_of
from casetrail.projections.telling import untold_findings
from casetrail.projections.views import Views
from tests.actions import CLINIC, INTAKE, OTHER_DETECTIVE, OTHER_SERGEANT, REGISTRAR, SERGEANT, action, report
from tests.conformance.views_kit import Tables, assert_same
from tests.conformance.views_kit import all_rows as rows_of
from tests.consumers.watching import WATCHDOG
from tests.domain.clock_stories import IN, RATIONALE
from tests.domain.policies import text_of
from tests.domain.registry_examples import COMMANDER
from tests.judged_histories import JudgedLog, histories_in

Fresh = Callable[[], str]
DAY = timedelta(days=1)
SHERIFF = Actor("desk.1", "sheriff", Role.PARTNER)
NOTE = NoteAdded((SealedField(SealedName.NARRATIVE, bytes(32), bytes(12), b"sealed"),))
RUN = ("case_id", "clock", "subject", "state", "owed_by", "started_at", "started_by", "due_at", "ended_at", "ended_by")
SAYS = ("finding", "detector", "about", "subject", "month", "since", "holder", "unit", "state", "settled_at",
        "settled_by", "levels_told", "untold", "says", "evidence")  # fmt: skip

UNHURRIED = settings(
    deadline=None,
    database=None,
    max_examples=int(os.environ.get("CASETRAIL_EXAMPLES", "10")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)

JUDGING_PROCESS = """
import os, signal, sys
from casetrail.consumers.judging import Judging
from casetrail.eventlog.opening import open_log
from casetrail.projections.database import open_database
from casetrail.projections.judgements import Judgements

log_url, views_url, statements = sys.argv[1], sys.argv[2], int(sys.argv[3])
log, database = open_log(log_url), open_database(views_url)

def dying(method):
    def run(*arguments):
        global statements
        statements -= 1
        if statements == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return method(*arguments)
    return run

judging = Judging(log, Judgements(database, log.name), batch=7)
database.run, database.run_many = dying(database.run), dying(database.run_many)
while judging.step(0.0):
    pass
"""
"""Judges to the end, unless it kills itself before its nth statement (0: never)."""


def all_rows(url: str) -> Tables:
    """All that the judgements hold, in an order that does not depend on how they came about."""
    return rows_of(url, JUDGEMENT_TABLES)


def make(url: str, log: EmbeddedLog) -> None:
    """Make empty views and judgements."""
    with closing(open_database(url, create=True)) as database:
        Views.create(database, log.name)
        Judgements.create(database, log.name)


def projector_at(url: str, log: EmbeddedLog, batch: int = 5000) -> Projector:
    """A projector of the status views."""
    return Projector(log, Views(open_database(url), log.name), batch)


def judging_at(url: str, log: EmbeddedLog, batch: int = 5000) -> Judging:
    """Who judges beside it."""
    return Judging(log, Judgements(open_database(url), log.name), batch)


def project_to_end(url: str, log: EmbeddedLog) -> None:
    """Bring the status views up to date."""
    with closing(projector_at(url, log)) as projector:
        while projector.step(0.0):
            pass


def follow_to_end(url: str, log: EmbeddedLog, batch: int = 5000) -> None:
    """Bring views and judgements up to date."""
    with closing(projector_at(url, log, batch)) as projector, closing(judging_at(url, log, batch)) as judging:
        while projector.step(0.0) or judging.step(0.0):
            pass


def rebuilt_rows(fresh: Fresh, log: EmbeddedLog) -> Tables:
    """What a rebuild from zero gives."""
    url = fresh()
    rebuild.rebuild(log, f"sqlite:{log.path}", url)
    return all_rows(url)


def by_the_log(log: EmbeddedLog, now: datetime) -> tuple[list[Any], list[Any]]:
    """Every run of a clock and every finding as of ``now``, computed from the log alone."""
    cases = dict(histories_in(log))
    registry = registry_of(cases.get(REGISTRY, []))
    judge, runs, found = Judge(registry.policies), list[Any](), list[Any]()
    for case_id, events in cases.items():
        for one in clocks(case_id, [event for event, _ in events], registry.policies, now, registry.departures):
            runs.append((case_id, one.name, one.subject, one.state.value, one.owed_by, one.started_at, one.started_by,
                         one.due_at, one.ended_at, one.ended_by))  # fmt: skip
        history = History(case_id, registry.departures, registry.posts)
        for event, leaf in events:
            history.follow(event, leaf)
        found += judge.case(history, now)
        judge.count(history)
    found += judge.many(now)
    return sorted(runs, key=repr), sorted((_said(one, now) for one in found), key=repr)


def _said(one: Any, now: datetime) -> tuple[Any, ...]:
    return (
        one.id, one.detector, one.about.value, one.subject, one.month, one.since, one.holder, one.unit or None,
        "open" if one.is_open else "settled", one.settled_at, one.settled_by and str(one.settled_by),
        [], [told.level for told in one.told() if one.is_open and told.at <= now], one.says,
        [str(event) for event in one.evidence],
    )  # fmt: skip


def by_the_views(url: str, now: datetime) -> tuple[list[Any], list[Any]]:
    """The same from the judgements."""
    names = ", ".join(STATE if name == "state" else name for name in RUN).replace(":now", str(micros(now)))
    with closing(open_database(url)) as database:
        runs = [
            tuple(at_micros(value) if name.endswith("_at") else value for name, value in zip(RUN, row, strict=True))
            for row in database.rows(f"SELECT {names} FROM clock")
        ]
        found = findings(database, now, WantedFindings(settled=True, limit=10**6))
    return sorted(runs, key=repr), sorted((tuple(row[name] for name in SAYS) for row in found), key=repr)


class JudgementsKit:
    """The promises."""

    @pytest.fixture
    def fresh(self) -> Fresh:
        """Gives, each time, the address of a place without views; what was there before may be gone."""
        raise NotImplementedError

    # --- going along, from zero, and by the log: three ways to the same ---

    @UNHURRIED
    @given(seed=st.integers(0, 2**32), partitions=st.integers(1, 3), data=st.data())
    def test_going_along_gives_what_a_rebuild_gives_and_what_the_log_says(
        self, fresh: Fresh, seed: int, partitions: int, data: st.DataObject
    ) -> None:
        with tempfile.TemporaryDirectory() as directory:
            told = JudgedLog(Path(directory) / "log", seed, partitions=partitions)
            url = fresh()
            make(url, told.log)
            for _ in range(data.draw(st.integers(1, 4), label="restarts")):
                told.go_on(data.draw(st.integers(0, 120), label="submissions"))
                batches = data.draw(st.tuples(st.integers(1, 60), st.integers(1, 60)), label="batches")
                with (
                    closing(projector_at(url, told.log, batches[0])) as projector,
                    closing(judging_at(url, told.log, batches[1])) as judging,
                ):
                    for _ in range(data.draw(st.integers(0, 9), label="steps")):
                        projector.step(0.0)
                        judging.step(0.0)
            follow_to_end(url, told.log)
            went_along = all_rows(url)
            for days in data.draw(st.lists(st.integers(0, 500), min_size=1, max_size=3), label="days"):
                now = told.now + days * DAY + timedelta(minutes=6)
                assert by_the_views(url, now) == by_the_log(told.log, now)
            assert_same(went_along, rebuilt_rows(fresh, told.log))
            told.log.close()

    def test_who_was_told_of_a_finding_and_what_was_answered_is_known(self, fresh: Fresh, tmp_path: Path) -> None:
        told = JudgedLog(tmp_path / "log", 5, cases=30)
        told.go_on(300)
        url, now = fresh(), told.now
        later = now + PATIENCE  # then whoever is told at once is told of what was found at the last event
        rebuild.rebuild(told.log, told.url, url)
        with closing(open_database(url)) as database:
            before = untold_findings(database, later, EPOCH)
        first = {one.finding: one for one in reversed(before)}
        assert len(first) > 10 and {one.key for one in before} > {REGISTRY}
        for one in first.values():
            body: Body = FindingTold(one.finding, one.detector, one.step.level, (Recipient("somebody"),), one.subject)
            told.take(Action(token_bytes(16), one.key, one.step.at, WATCHDOG, body))
        answered = first.popitem()[1]
        body = FindingAnswered(answered.finding, answered.detector, FindingAnswer.EXPLAINED)
        told.take(Action(token_bytes(16), answered.key, now, COMMANDER, body))
        follow_to_end(url, told.log)
        with closing(open_database(url)) as database:
            after = untold_findings(database, later, EPOCH)
            rows = {row["finding"]: row for row in findings(database, later, WantedFindings(limit=10**6))}
        assert set(after) < set(before) and not set(after) & set(first.values())
        assert all(row["levels_told"] == [first[name].step.level] for name, row in rows.items() if name in first)
        left = {one.finding: [it.step.level for it in after if it.finding == one.finding] for one in after}
        assert left == {name: row["untold"] for name, row in rows.items() if row["untold"]}
        assert not {Level.HOLDER, Level.SUPERVISOR, Level.COMMANDER} & set(left.get(answered.finding, []))
        assert_same(all_rows(url), rebuilt_rows(fresh, told.log))

    def test_who_is_registered_later_is_heard_and_cases_that_were_passed_on_are_judged_anew(
        self, fresh: Fresh, tmp_path: Path
    ) -> None:
        told = JudgedLog(tmp_path / "log", 17)
        elsewhere = ScreenedOut(ScreeningReason.OTHER_AGENCY_RESPONSIBLE, SHERIFF.agency)
        away = ClosureRequested(
            Disposition.TRANSFERRED, transferred_to="clinic", acknowledgement="A-1", sealed=RATIONALE
        )
        for case_id, acts in (
            ("C-1", ((report(), INTAKE), (elsewhere, INTAKE), (NOTE, SHERIFF))),
            (
                "C-2",
                (
                    (report(), INTAKE),
                    (IN, INTAKE),
                    (away, SERGEANT),
                    (ClosureApproved(), OTHER_SERGEANT),
                    (NOTE, CLINIC),
                ),
            ),
        ):
            for body, actor in acts:
                told.take(action(body, actor, case_id, told.now))
        url = fresh()
        make(url, told.log)
        found = []
        for registered in ((), ("clinic", AgencyKind.MEDICAL), (SHERIFF.agency, AgencyKind.LAW_ENFORCEMENT)):
            if registered:
                told.take(action(AgencyRegistered(*registered), REGISTRAR, REGISTRY, told.now))
            follow_to_end(url, told.log)
            assert_same(all_rows(url), rebuilt_rows(fresh, told.log))
            rows = by_the_views(url, told.now + 30 * DAY)[1]
            assert rows == by_the_log(told.log, told.now + 30 * DAY)[1]
            found.append({(row[3], row[1]) for row in rows})
        unheard, (advised, unworked) = ("C-1", "led_nowhere"), (("C-2", "led_nowhere"), ("C-2", "closed_without_work"))
        assert not {unheard, advised, unworked} & found[0], "while none is registered, each is taken at its word"
        assert {unheard, advised, unworked} <= found[1]
        assert {advised, unworked} <= found[2] and unheard not in found[2]

    def test_of_many_reports_with_one_token_only_the_latest_are_compared(
        self, fresh: Fresh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in (repeating, judging_many):
            monkeypatch.setattr(module, "LATEST", 2)
        told = JudgedLog(tmp_path / "log", 16, cases=60)
        url = fresh()
        make(url, told.log)
        for _ in range(6):
            told.go_on(120)
            follow_to_end(url, told.log, 9)
        now = told.now + 400 * DAY
        assert by_the_views(url, now) == by_the_log(told.log, now)
        went_along = all_rows(url)
        assert_same(went_along, rebuilt_rows(fresh, told.log))
        monkeypatch.undo()
        assert len(rebuilt_rows(fresh, told.log)["finding"]) > len(went_along["finding"]), "it made no difference"

    def test_findings_are_those_of_any_moment_and_clocks_of_any_that_no_event_lies_after(
        self, fresh: Fresh, tmp_path: Path
    ) -> None:
        told = JudgedLog(tmp_path / "log", 5, cases=30)
        told.go_on(900)
        url = fresh()
        rebuild.rebuild(told.log, told.url, url)
        with closing(open_database(url)) as database:
            latest = horizon(database)
        assert latest is not None and told.now - timedelta(hours=1) <= latest <= told.now + timedelta(minutes=5)
        assert by_the_views(url, latest) == by_the_log(told.log, latest)
        whole = by_the_log(told.log, latest + 4000 * DAY)
        assert by_the_views(url, latest + 4000 * DAY) == whole
        reached = {row[1] for row in whole[1]}
        assert reached >= {
            "never_begun",
            "overloaded",
            "late_entries",
            "same_answer",
            "reported_again",
            "holder_left",
        }, reached

    def test_a_rebuild_in_several_processes_gives_the_same_rows(
        self, fresh: Fresh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told = JudgedLog(tmp_path / "log", 6, cases=20, partitions=3)
        told.go_on(500)
        expected = rebuilt_rows(fresh, told.log)
        found = {row[1] for row in expected["finding"]}
        for some in (OF_PERSONS, OF_MONTHS, OF_REPORTS):
            assert found.intersection(some), found
        monkeypatch.setattr(rebuild, "FEW", 1)
        for name in ("PERSONS", "MONTHS", "AT_ONCE"):
            monkeypatch.setattr(judging_all, name, 2)
        url = fresh()
        rebuild.rebuild(told.log, told.url, url, processes=2)
        assert_same(all_rows(url), expected)

    # --- one after the other ---

    def test_nothing_is_judged_before_the_status_views_have_seen_it(self, fresh: Fresh, tmp_path: Path) -> None:
        told = JudgedLog(tmp_path / "log", 7)
        told.go_on(60)
        url = fresh()
        make(url, told.log)
        with closing(judging_at(url, told.log)) as judging:
            assert judging.step(0.0) == 0 and set(judging.positions.values()) == {0}
            project_to_end(url, told.log)
            while judging.step(0.0):
                pass
            assert judging.positions == told.log.end_offsets(Topic.EVENTS)

    def test_the_slower_of_two_is_told_and_changes_nothing(self, fresh: Fresh, tmp_path: Path) -> None:
        told = JudgedLog(tmp_path / "log", 8)
        told.go_on(150)
        url = fresh()
        make(url, told.log)
        project_to_end(url, told.log)
        with closing(judging_at(url, told.log, 20)) as slow:
            slow.step(0.0)
            follow_to_end(url, told.log)
            before = all_rows(url)
            with pytest.raises(ViewMoved):
                slow.step(0.0)
        assert_same(all_rows(url), before)

    def test_what_the_registry_says_later_of_somebodys_role_is_judged_anew(self, fresh: Fresh, tmp_path: Path) -> None:
        told, url = JudgedLog(tmp_path / "log", 17), fresh()
        make(url, told.log)
        claims, begin = Actor(OTHER_DETECTIVE.id, "metro-pd", Role.SUPERVISOR), told.now

        def take(case_id: str, actor: Actor, body: Body, at: datetime) -> list[tuple[datetime, datetime | None]]:
            told.now += DAY / 24
            told.take(Action(token_bytes(16), case_id, at, actor, body))
            follow_to_end(url, told.log)
            with closing(open_database(url)) as database:
                rows = findings(database, told.now + DAY, WantedFindings(detectors=[role_not_given.name], settled=True))
            assert by_the_views(url, told.now + DAY) == by_the_log(told.log, told.now + DAY)
            return [(row["since"], row["settled_at"]) for row in rows]

        take(REGISTRY, REGISTRAR, AgencyRegistered("metro-pd", AgencyKind.LAW_ENFORCEMENT), begin)
        take(REGISTRY, REGISTRAR, PersonJoined(claims.id, "metro-pd", Role.INVESTIGATOR), begin)
        take("C-1", INTAKE, report(), told.now)
        ((since, settled_at),) = take("C-1", claims, ScreenedIn(ScreeningReason.ALLEGES_CRIME), told.now)
        assert settled_at is None
        promoted = take(REGISTRY, REGISTRAR, PersonMoved(claims.id, Role.SUPERVISOR), begin + DAY / 12)
        assert promoted == [(since, since + DAY / 24)]

    def test_what_events_make_stale_is_noted_with_them_and_judged_afterwards(
        self, fresh: Fresh, tmp_path: Path
    ) -> None:
        told = JudgedLog(tmp_path / "log", 13)
        told.go_on(300)
        url = fresh()
        make(url, told.log)
        project_to_end(url, told.log)
        with closing(open_database(url)) as database:
            judgements = Judgements(database, told.log.name)
            rebuild.catch_up(told.log, judgements)
            noted = stale(database)
            assert noted > 0
            with closing(open_database(url)) as other:  # whoever judged first has died
                found = [0]
                judgements = Judgements(other, told.log.name)
                while some := judgements.judge_stale():
                    found.append(some)
                    assert stale(database) <= noted - sum(found)
            assert stale(database) == 0 and len(found) > 2
        assert_same(all_rows(url), rebuilt_rows(fresh, told.log))

    def test_what_has_been_made_stale_again_meanwhile_stays_stale(
        self, fresh: Fresh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told = JudgedLog(tmp_path / "log", 14, cases=4)
        told.go_on(200)
        url = fresh()
        make(url, told.log)
        project_to_end(url, told.log)
        with closing(open_database(url)) as mine, closing(open_database(url)) as others:
            slow, fast = Judgements(mine, told.log.name), Judgements(others, told.log.name)
            rebuild.catch_up(told.log, slow)
            before = all_rows(url)
            with pytest.raises(ViewMoved):  # it does not know how far the other is
                fast.judge_stale()
            fast = Judgements(others, told.log.name)
            judged_anew = slow._judge_anew

            def overtaken(some: Any) -> None:
                """The other judges the same, and what comes then makes it stale again, before this one has written."""
                fast.judge_all_stale()
                fast._stale.note([one for one, _ in some])
                judged_anew(some)

            monkeypatch.setattr(slow, "_judge_anew", overtaken)
            with pytest.raises(ViewMoved, match="meanwhile"):
                slow.judge_stale()
            assert stale(mine) > 0 and stale(mine) < len(before["stale"])
            fast.judge_all_stale()
        follow_to_end(url, told.log)
        assert_same(all_rows(url), rebuilt_rows(fresh, told.log))

    def test_judgements_that_were_left_out_or_are_of_another_log_are_refused(
        self, fresh: Fresh, tmp_path: Path
    ) -> None:
        told = JudgedLog(tmp_path / "log", 9)
        told.go_on(20)
        url = fresh()
        rebuild.rebuild(told.log, told.url, url, judged=False)
        with closing(open_database(url)) as database, pytest.raises(ViewMissing, match="views rebuild"):
            Judgements(database, told.log.name)
        url = fresh()
        make(url, told.log)
        with closing(open_database(url)) as database, pytest.raises(ViewForeign, match="views rebuild"):
            Judgements(database, "other")

    def test_a_rebuild_beside_a_busy_judge_does_not_fail(self, fresh: Fresh, tmp_path: Path) -> None:
        told = JudgedLog(tmp_path / "log", 12)
        told.go_on(300)
        url = fresh()
        make(url, told.log)
        stop = threading.Event()
        failures: list[BaseException] = []

        def follow() -> None:
            while not stop.is_set():
                try:
                    with closing(projector_at(url, told.log, 5)) as one, closing(judging_at(url, told.log, 1)) as other:
                        while not stop.is_set():
                            one.step(0.0)
                            other.step(0.0)
                except (ViewMoved, ViewUnreachable):
                    continue
                except BaseException as error:
                    failures.append(error)
                    return

        thread = threading.Thread(target=follow)
        thread.start()
        try:
            for _ in range(3):
                rebuild.rebuild(told.log, told.url, url)
                told.go_on(15)
        finally:
            stop.set()
            thread.join()
        assert failures == []
        follow_to_end(url, told.log)
        assert_same(all_rows(url), rebuilt_rows(fresh, told.log))

    def test_imports_are_judged_anew_when_it_is_known_since_when_the_log_is_in_use(
        self, fresh: Fresh, tmp_path: Path
    ) -> None:
        """The registry stands in another partition, and is read later: an agency's first word is about all agencies' imports."""
        told = JudgedLog(tmp_path / "log", 15)
        url, begun = fresh(), told.now
        make(url, told.log)
        case_id = next(one for one in map("C-{}".format, range(9)) if _partition(one) != _partition(REGISTRY))
        told.now = begun + 100 * DAY
        origin = Imported(bytes(32), 2, "old-system")
        told.take(Action(token_bytes(16), case_id, begun, REGISTRAR, report(agency="metro-pd"), origin))
        follow_to_end(url, told.log)
        assert self._imported_when_live(url, told) == []
        clinic = Actor("cmd.lee", "clinic", Role.COMMANDER)
        registered = AgencyRegistered("clinic", AgencyKind.MEDICAL)
        for day, body in ((1, registered), (80, PolicyAdopted(begun + 80 * DAY, text_of().encode()))):
            told.now = begun + day * DAY
            told.take(Action(token_bytes(16), REGISTRY, told.now, clinic, body))
            follow_to_end(url, told.log)
            assert self._imported_when_live(url, told) == ([case_id] if day == 1 else [])
            assert_same(all_rows(url), rebuilt_rows(fresh, told.log))
            assert by_the_views(url, begun + 200 * DAY) == by_the_log(told.log, begun + 200 * DAY)

    def _imported_when_live(self, url: str, told: JudgedLog) -> list[str]:
        with closing(open_database(url)) as database:
            found = findings(database, told.now + 400 * DAY, WantedFindings(settled=True, limit=10**6))
        return [row["subject"] for row in found if row["detector"] == "imported_when_live"]

    # --- crashes ---

    def test_killed_judges_lose_nothing_and_double_nothing(self, fresh: Fresh, tmp_path: Path) -> None:
        chance = random.Random(8)
        told = JudgedLog(tmp_path / "log", 10, cases=20)
        told.go_on(600)
        url = fresh()
        make(url, told.log)
        project_to_end(url, told.log)
        codes = []
        for _ in range(6):
            command = [sys.executable, "-c", JUDGING_PROCESS, told.url, url, str(chance.randrange(2, 200))]
            codes.append(subprocess.run(command, check=False).returncode)
        assert codes.count(-signal.SIGKILL) >= 3 and set(codes) <= {0, -signal.SIGKILL}
        follow_to_end(url, told.log)
        assert_same(all_rows(url), rebuilt_rows(fresh, told.log))

    def test_rows_that_cannot_be_written_do_not_move_the_position(
        self, fresh: Fresh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told = JudgedLog(tmp_path / "log", 11)
        told.go_on(200)
        url = fresh()
        make(url, told.log)
        project_to_end(url, told.log)
        with closing(open_database(url)) as database:
            judging = Judging(told.log, Judgements(database, told.log.name), 50)
            judging.step(0.0)
            before = all_rows(url)
            with monkeypatch.context() as broken:
                broken.setattr(database, "run_many", _full_disk)
                with pytest.raises(OSError, match="full"):
                    judging.step(0.0)
            assert_same(all_rows(url), before)
            while judging.step(0.0):  # the very same goes on, with nothing in memory that is not stored
                pass
        assert_same(all_rows(url), rebuilt_rows(fresh, told.log))


def _partition(key: str) -> int:
    """In which of the two partitions a case stands."""
    return partition_for(key.encode(), 2)


def _full_disk(*_: object) -> None:
    raise OSError("the disk is full")
