"""A watchdog has every missed deadline recorded once, and who is told of it, however it is stopped, started or doubled."""

import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from casetrail.audit.balance import balance
from casetrail.consumers.watchdog import Watchdog
from casetrail.domain.actions import Action, ActionRejected, Actor, Body
from casetrail.domain.codes import (
    AgencyKind,
    ContactMethod,
    Desk,
    EscalationAnswer,
    Level,
    ScreeningReason,
    SealedName,
    Service,
)
from casetrail.domain.contact import VictimContactMade
from casetrail.domain.escalation import DeadlineMissed, Escalated, EscalationAnswered, Recipient
from casetrail.domain.intake import ScreenedOut
from casetrail.domain.investigation import NoteAdded
from casetrail.domain.referral import ReferralMade
from casetrail.domain.registry import AgencyRegistered
from casetrail.domain.sealed import SealedField
from casetrail.eventlog.codec import encode_action
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.errors import LogUnreachable
from casetrail.eventlog.opening import init_log, open_log
from casetrail.eventlog.port import Entry, Topic
from casetrail.projections.case_store import CaseStore
from casetrail.projections.errors import ViewUnreachable
from tests.actions import DETECTIVE, HAPPENED, INTAKE, REGISTRAR, SERGEANT, action, report
from tests.consumers.watching import WATCHDOG, World, facts_of, settle
from tests.domain.clock_histories import day
from tests.domain.registry_examples import COMMANDER
from tests.histories import record_all

CASETRAIL = (sys.executable, "-c", "from casetrail.cli.main import main; main()")
CONTACT = VictimContactMade(ContactMethod.IN_PERSON)
WHOLE = [DeadlineMissed, Level.HOLDER, Level.SUPERVISOR, Level.COMMANDER]
KILLS = 10
CASES = 1200


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def of_clock(world: World, clock: str = "first_response") -> list[object]:
    """What is recorded of one clock, in order: the missed deadline, the levels, the answer."""
    found: list[object] = []
    for body in world.recorded():
        if getattr(body, "clock", None) == clock:
            found.append(body.level if isinstance(body, Escalated) else type(body))
    return found


def test_a_missed_deadline_is_recorded_and_escalated_step_by_step(world: World) -> None:
    world.report()
    watchdog = world.watchdog()
    world.go_on(watchdog, day(1))
    assert world.recorded() == []
    world.go_on(watchdog, day(1.25))
    assert world.recorded() == [
        DeadlineMissed("first_response", day(1), None, 1),
        Escalated("first_response", day(1), Level.HOLDER, (Recipient("child-crimes", Desk.INTAKE),)),
    ]
    world.go_on(watchdog, day(2.25))
    assert of_clock(world) == [DeadlineMissed, Level.HOLDER, Level.SUPERVISOR]
    world.go_on(watchdog, day(30))
    assert of_clock(world) == [DeadlineMissed, Level.HOLDER, Level.SUPERVISOR, Level.COMMANDER], "there are no partners"
    watchdog.close()
    assert world.refused() == []


def test_it_says_that_it_happened_when_it_was_due_and_never_later_than_it_is_recorded(world: World) -> None:
    world.report()
    watchdog = world.watchdog()
    world.go_on(watchdog, day(9), timedelta(days=2))
    watchdog.close()
    for event in world.events():
        if isinstance(event.body, Escalated):
            assert event.occurred_at is not None and event.body.due_at <= event.occurred_at <= event.recorded_at


def test_an_answer_ends_the_escalation_and_what_is_done_does_too(world: World) -> None:
    world.report(2)
    watchdog = world.watchdog()
    world.go_on(watchdog, day(1.5))
    answer = EscalationAnswered("first_response", day(1), EscalationAnswer.BEING_WORKED_NOW)
    world.tell(day(1.5), answer, COMMANDER)
    world.tell(day(1.5), CONTACT, DETECTIVE, "C-2")
    world.go_on(watchdog, day(30))
    watchdog.close()
    assert of_clock(world) == [DeadlineMissed, Level.HOLDER, EscalationAnswered]
    of_second = [body for body in world.recorded("C-2") if getattr(body, "clock", None) == "first_response"]
    assert [type(body) for body in of_second] == [DeadlineMissed, Escalated]


def test_nobody_ends_with_an_answer_that_those_above_are_told(world: World) -> None:
    world.report()
    world.tell(day(0.1), AgencyRegistered("inspectorate", AgencyKind.OVERSIGHT), REGISTRAR, "registry")
    watchdog = world.watchdog()
    for at, actor in ((1.1, DETECTIVE), (2.5, SERGEANT), (4.5, COMMANDER)):
        world.go_on(watchdog, day(at))
        answer = EscalationAnswered("first_response", day(1), EscalationAnswer.NOTHING_OWED)
        world.tell(day(at), answer, actor)
    world.go_on(watchdog, day(30))
    watchdog.close()
    said = [one for one in of_clock(world) if one is not EscalationAnswered]
    assert said == [DeadlineMissed, Level.HOLDER, Level.SUPERVISOR, Level.COMMANDER, Level.OVERSIGHT]
    assert world.refused() == []


def test_where_somebody_above_has_answered_those_below_are_not_told(world: World) -> None:
    world.report()
    watchdog = world.watchdog()
    world.go_on(watchdog, day(1.1))
    watchdog.close()
    answer = EscalationAnswered("first_response", day(1), EscalationAnswer.RESOURCES_ASKED_FOR)
    world.tell(day(6), answer, COMMANDER)  # the watchdog was away: nobody was told of it meanwhile
    late = world.watchdog()
    world.go_on(late, day(30))
    late.close()
    assert of_clock(world) == [DeadlineMissed, Level.HOLDER, EscalationAnswered]
    assert world.refused() == []


def test_those_with_oversight_are_told_once_the_registry_knows_them(world: World) -> None:
    world.report()
    watchdog = world.watchdog()
    world.go_on(watchdog, day(10), timedelta(days=1))
    world.tell(day(10), AgencyRegistered("inspectorate", AgencyKind.OVERSIGHT), REGISTRAR, "registry")
    world.go_on(watchdog, day(30), timedelta(days=1))
    watchdog.close()
    told = [body for body in world.recorded() if isinstance(body, Escalated) and body.level is Level.OVERSIGHT]
    assert told and all(one.told == (Recipient("inspectorate"),) for one in told)


def test_who_comes_late_is_told_of_what_is_owed_still(world: World) -> None:
    world.report()
    watchdog = world.watchdog()
    world.go_on(watchdog, day(40), timedelta(days=1))
    world.tell(day(40), AgencyRegistered("inspectorate", AgencyKind.OVERSIGHT), REGISTRAR, "registry")
    world.go_on(watchdog, day(41), timedelta(days=1))
    world.tell(day(41), ReferralMade("ref-1", Service.VICTIM_ADVOCACY, "advocates"), DETECTIVE)
    world.go_on(watchdog, day(42), timedelta(days=1))
    watchdog.close()
    usual = [DeadlineMissed, Level.HOLDER, Level.SUPERVISOR, Level.COMMANDER]
    assert of_clock(world) == [*usual, Level.OVERSIGHT, Level.PARTNERS]
    again = world.watchdog("another file")
    settle(again)
    again.close()
    assert of_clock(world) == [*usual, Level.OVERSIGHT, Level.PARTNERS] and world.refused() == []


def test_a_watchdog_that_was_away_records_what_it_missed_and_tells_only_of_what_is_still_owed(world: World) -> None:
    world.report(2)
    world.tell(day(20), CONTACT, DETECTIVE, "C-2")
    watchdog = world.watchdog()
    settle(watchdog)
    watchdog.close()
    assert of_clock(world) == [DeadlineMissed, Level.HOLDER, Level.SUPERVISOR, Level.COMMANDER]
    of_second = [body for body in world.recorded("C-2") if getattr(body, "clock", None) == "first_response"]
    assert [type(body) for body in of_second] == [DeadlineMissed]


def test_played_time_records_who_would_have_been_told_of_what_is_done_since(world: World) -> None:
    world.report()
    world.tell(day(3), CONTACT, DETECTIVE)
    world.clock.now = day(30)
    watchdog = world.watchdog(played=True)
    settle(watchdog)
    watchdog.close()
    assert of_clock(world) == [DeadlineMissed, Level.HOLDER, Level.SUPERVISOR]


def test_played_time_ends_at_its_moment_whenever_all_was_recorded(world: World) -> None:
    world.report(2)
    world.tell(day(50), CONTACT, DETECTIVE, "C-2")
    world.clock.now = day(60)
    world.tell(day(0), report(), INTAKE, "C-3")  # it is entered only now
    for until in (2.5, 40):
        watchdog = world.watchdog(f"until {until}", played=True, ahead=timedelta(days=until - 60))
        settle(watchdog)
        watchdog.close()
        said = [one for one in world.events() if isinstance(one.body, DeadlineMissed | Escalated)]
        assert {one.case_id for one in said} == {"C-1", "C-2", "C-3"}
        assert all(one.occurred_at is not None and one.occurred_at <= day(until) for one in said)
    assert of_clock(world) == WHOLE


def test_looking_every_hour_or_once_in_the_end_records_the_same(tmp_path: Path) -> None:
    worlds = []
    for name, step in (("often", timedelta(hours=3)), ("once", timedelta(days=400))):
        (tmp_path / name).mkdir()
        world = World(tmp_path / name)
        world.report()
        world.tell(day(0.1), ScreenedOut(ScreeningReason.NOT_A_CRIME), INTAKE)
        world.tell(day(0.2), report(), INTAKE, "C-2")
        watchdog = world.watchdog()
        world.go_on(watchdog, day(90), step)
        watchdog.close()
        worlds.append(facts_of(world.log))
    assert worlds[0] == worlds[1] and len(worlds[0]) > 10


def test_a_watchdog_that_lost_its_file_doubles_nothing(world: World) -> None:
    world.report(3)
    world.clock.now = day(60)
    for file in ("one", "two", "one"):
        watchdog = world.watchdog(file)
        settle(watchdog)
        watchdog.close()
    facts = facts_of(world.log)
    assert len(set(facts)) == len(facts) > 9
    assert world.refused() == [], "what is recorded is not even submitted again"


def test_two_watchdogs_at_once_record_everything_once(world: World) -> None:
    world.report(20)
    world.clock.now = day(60)
    both = [world.watchdog("one"), world.watchdog("two")]
    for watchdog in both:  # both have read the log, and neither knows of the other
        watchdog.step(0.0)
    for watchdog in both:
        settle(watchdog)
        watchdog.close()
    facts = facts_of(world.log)
    assert len(set(facts)) == len(facts)
    (world.folder / "single").mkdir()
    single = World(world.folder / "single")
    single.report(20)
    single.clock.now = day(60)
    watchdog = single.watchdog()
    settle(watchdog)
    watchdog.close()
    assert facts_of(single.log) == facts
    assert set(world.refused()) <= {"duplicate-action"}


def test_the_second_watchdog_on_one_file_waits_until_the_first_is_gone(world: World) -> None:
    first = world.watchdog()
    with pytest.raises(ViewUnreachable):
        world.watchdog()
    first.close()
    world.watchdog().close()


def test_what_could_not_be_submitted_is_submitted_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.report()
    world.clock.now = day(2)
    watchdog = world.watchdog()

    def unreachable(*_: object) -> None:
        raise LogUnreachable("gone")

    with monkeypatch.context() as broken:
        broken.setattr("casetrail.consumers.watchdog.submit", unreachable)
        with pytest.raises(LogUnreachable):
            settle(watchdog)
    watchdog.close()
    again = world.watchdog()
    settle(again)
    again.close()
    assert of_clock(world)[0] is DeadlineMissed


def test_a_refusal_is_not_asked_for_again_and_again(world: World) -> None:
    world.report()
    watchdog = world.watchdog()
    settle(watchdog)
    (first, *_) = watchdog.called_for(watchdog.watch("C-1", day(2)))
    early = action(first.body, world.tell(day(0), report(), INTAKE, "C-2").actor, "C-1", day(0.1), first.action_id)
    world.log.append(Topic.ACTIONS, [Entry(b"C-1", encode_action(early))])  # somebody takes the id for something else
    world.go_on(watchdog, day(3))
    watchdog.close()
    assert len(world.events()) < 12


def wanted_ids(world: World, watchdog: Watchdog, now: datetime) -> list[Action]:
    """What the watchdog will submit by then, if nothing else happens: anybody can reckon the ids."""
    settle(watchdog)
    return list(watchdog.called_for(watchdog.watch("C-1", now)))


NOTE = NoteAdded((SealedField(SealedName.NARRATIVE, bytes(32), bytes(12), b"a note"),))
TAKING: dict[str, Callable[[Action], tuple[Body, Actor]]] = {
    "an accepted note": lambda _: (NOTE, DETECTIVE),
    "what the role may not": lambda wanted: (wanted.body, DETECTIVE),
    "a watchdog's for another deadline": lambda _: (DeadlineMissed("screening", HAPPENED, None, 1), WATCHDOG),
    "a watchdog's that is refused": lambda _: (DeadlineMissed("screening", HAPPENED, None, 99), WATCHDOG),
}


@pytest.mark.parametrize("taking", TAKING.values(), ids=TAKING)
def test_whoever_takes_the_ids_of_a_deadline_for_something_else_silences_nothing(
    world: World, taking: Callable[[Action], tuple[Body, Actor]]
) -> None:
    world.report()
    watchdog = world.watchdog()
    for wanted in wanted_ids(world, watchdog, day(30)):
        body, actor = taking(wanted)
        world.take(wanted.action_id, day(0.1), body, actor)
    before = len(world.refused())
    world.go_on(watchdog, day(30))
    watchdog.close()
    assert of_clock(world) == WHOLE
    assert len(world.refused()) == before, "what was taken once is not asked for under that id again"


def test_ids_that_are_taken_again_and_again_silence_nothing(world: World) -> None:
    world.report()
    watchdog = world.watchdog()
    for _ in range(5):
        for wanted in wanted_ids(world, watchdog, day(30)):
            world.take(wanted.action_id, day(0.1), NOTE, DETECTIVE)
    world.go_on(watchdog, day(30))
    watchdog.close()
    assert of_clock(world) == WHOLE


def test_this_very_action_is_not_tried_again_where_it_was_refused_for_good(world: World) -> None:
    world.report()
    watchdog = world.watchdog()
    missed = next(one for one in wanted_ids(world, watchdog, day(2)) if isinstance(one.body, DeadlineMissed))
    assert isinstance(missed.body, DeadlineMissed)
    hopeless = replace(missed.body, started_by=99)
    world.take(missed.action_id, day(3), hopeless, missed.actor, missed.occurred_at)
    watchdog.step(0.0)
    watch = watchdog.watch("C-1", day(2))
    assert isinstance(watch.event(2).body, ActionRejected)
    assert watchdog._next_try(watch, hopeless, missed.occurred_at) is None
    again = watchdog._next_try(watch, missed.body, missed.occurred_at)
    assert again is not None and again.action.action_id != missed.action_id, "and what was refused in its place is"
    watchdog.close()


def test_what_was_missed_before_a_given_time_is_left_to_the_lists(world: World) -> None:
    world.report()
    world.clock.now = day(60)
    watchdog = world.watchdog(since=day(10))
    settle(watchdog)
    watchdog.close()
    assert world.recorded() and all(getattr(body, "due_at", day(0)) >= day(10) for body in world.recorded())


def test_cases_in_which_nothing_is_owed_are_not_watched(world: World) -> None:
    world.report(2)
    world.tell(day(0.1), ScreenedOut(ScreeningReason.NOT_A_CRIME), INTAKE, "C-2")
    watchdog = world.watchdog()
    settle(watchdog)
    assert watchdog._store.watched == 1
    watchdog.close()


# --- the log's clock is behind ---

FUTURE = "occurred-in-the-future"


def set_back(world: World) -> Watchdog:
    """The log's clock has been set back by ten days: what a watchdog submits by its own lies in the log's future."""
    world.report()
    world.ahead = timedelta(days=10)
    watchdog = world.watchdog()
    settle(watchdog)
    assert world.recorded() == [] and set(world.refused()) == {FUTURE}
    return watchdog


def test_what_was_ahead_of_the_logs_clock_is_told_once_that_is_right_again(world: World) -> None:
    watchdog = set_back(world)
    refused = world.refused()
    settle(watchdog)
    world.tell(day(0.1), report(), INTAKE, "C-2")  # the log's clock is seen to be behind still
    settle(watchdog)
    world.ahead = timedelta(0)
    world.tell(day(10), report(), INTAKE, "C-3")
    settle(watchdog)
    watchdog.close()
    assert of_clock(world) == WHOLE
    of_second = [one for one in world.events() if one.case_id == "C-2" and isinstance(one.body, ActionRejected)]
    assert len(world.refused()) == len(refused) + len(of_second), "nothing was refused a second time"


def test_where_nothing_shows_the_logs_clock_it_is_tried_once_in_a_while(world: World) -> None:
    watchdog = set_back(world)
    once = len(world.refused())
    world.ahead = timedelta(0)
    world.clock.now = day(10.9)
    settle(watchdog)
    assert world.recorded() == [] and len(world.refused()) == once
    world.clock.now = day(11.1)
    settle(watchdog)
    watchdog.close()
    assert of_clock(world) == WHOLE and len(world.refused()) == once


def test_a_clock_that_stays_behind_delays_what_is_told_and_does_not_fill_the_log(world: World) -> None:
    watchdog = set_back(world)
    first = [one.action_id for one in world.events() if isinstance(one.body, ActionRejected)]
    world.go_on(watchdog, day(30), timedelta(hours=1))
    watchdog.close()
    assert of_clock(world) == WHOLE
    facts = facts_of(world.log)
    assert len(set(facts)) == len(facts) > 9
    for event in world.events():
        if isinstance(event.body, DeadlineMissed):
            assert event.recorded_at <= event.body.due_at + timedelta(days=1, hours=1), "at most a day late"
    assert len(first) <= len(world.refused()) <= 10 * len(first), "once a day at most"


def test_two_watchdogs_and_one_without_its_file_try_again_under_one_id(world: World) -> None:
    first, second = set_back(world), world.watchdog("second")
    settle(second)
    world.ahead = timedelta(0)
    world.clock.now = day(12)
    for watchdog in (first, second):  # both have seen the refusals, and neither knows of the other
        watchdog.step(0.0)
    third = world.watchdog("third")
    for watchdog in (first, second, third):
        settle(watchdog)
        watchdog.close()
    assert of_clock(world) == WHOLE
    facts = facts_of(world.log)
    assert len(set(facts)) == len(facts)
    assert set(world.refused()) <= {FUTURE, "duplicate-action"}


def test_a_clock_that_is_set_right_between_the_deadline_and_who_is_told_of_it_loses_neither(world: World) -> None:
    world.report()
    watchdog = world.watchdog()
    settle(watchdog)
    wanted = list(watchdog.called_for(watchdog.watch("C-1", day(10))))
    for at, some in ((day(0.1), wanted[:1]), (day(10), wanted[1:])):
        world.clock.now = at
        world.log.append(Topic.ACTIONS, [Entry(b"C-1", encode_action(one)) for one in some])
    store = CaseStore(":memory:", world.log.name)
    record_all(world.log, store)
    store.close()
    assert {FUTURE, "no-such-deadline"} <= set(world.refused())
    settle(watchdog)
    watchdog.close()
    assert of_clock(world) == WHOLE


# --- killed ---

LONG_AGO = datetime(2025, 3, 3, 9, tzinfo=UTC)
ARGUMENTS = ("serve", "watchdog", "--now", "2025-06-01T00:00:00Z")


def old_log(path: Path) -> None:
    """A log with old reports that nobody has touched."""
    with EmbeddedLog.create(path, "metro", 1) as log:
        actions = [action(report(), INTAKE, f"C-{number}", LONG_AGO) for number in range(CASES)]
        log.append(Topic.ACTIONS, [Entry(one.case_id.encode(), encode_action(one)) for one in actions])
        store = CaseStore(":memory:", log.name)
        record_all(log, store)
        store.close()


def watch(path: Path) -> "subprocess.Popen[bytes]":
    command = [*CASETRAIL, "--log", f"sqlite:{path}", "--agency", "metro-pd", *ARGUMENTS]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=path.parent)


def test_a_watchdog_that_is_killed_again_and_again_doubles_nothing_and_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "killed").mkdir()
    (tmp_path / "left alone").mkdir()
    killed, alone = tmp_path / "killed" / "log.db", tmp_path / "left alone" / "log.db"
    old_log(killed)
    shutil.copy(killed, alone)
    assert watch(alone).wait(120) == 0
    chance, halfway = random.Random(5), set[int]()
    with open_log(f"sqlite:{killed}") as log:
        for _ in range(KILLS):
            process, begun = watch(killed), log.end_offsets(Topic.ACTIONS)[0]
            wanted = begun + chance.randrange(CASES)
            while process.poll() is None and log.end_offsets(Topic.ACTIONS)[0] <= wanted:
                time.sleep(0.002)
            time.sleep(chance.uniform(0, 0.1))
            process.kill()
            process.wait()
            halfway.add(log.end_offsets(Topic.ACTIONS)[0])
    assert watch(killed).wait(120) == 0
    with open_log(f"sqlite:{killed}") as log, open_log(f"sqlite:{alone}") as other:
        facts = facts_of(log)
        assert facts == facts_of(other) and len(set(facts)) == len(facts) == CASES * 12
        (counted,) = balance(log)
        assert (counted.pending, list(counted.faults)) == (0, [])
    assert len(halfway) > KILLS / 2, "most were killed halfway"


@contextmanager
def _serving(folder: Path, url: str, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    command = [*CASETRAIL, "--log", url, "--agency", "metro-pd", "serve", *words, "--health-port", "0"]
    with (folder / "out").open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=folder)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.broker
def test_on_a_broker_too(kafka_url: str, tmp_path: Path) -> None:
    init_log(kafka_url, partitions=2, replication=1, min_isr=1).close()
    cases = 60
    with open_log(kafka_url) as log:
        actions = [action(report(), INTAKE, f"C-{number}", LONG_AGO) for number in range(cases)]
        log.append(Topic.ACTIONS, [Entry(one.case_id.encode(), encode_action(one)) for one in actions])
        with _serving(tmp_path, kafka_url, "recorder", "--heartbeat", "0"):
            for rest in (1.2, 1.6):
                with _serving(tmp_path, kafka_url, *ARGUMENTS[1:], "--state", "w") as process:
                    threading.Event().wait(rest)
                    process.send_signal(signal.SIGKILL)
            two = [(tmp_path / name) for name in ("w", "other")]
            for state in two:
                with _serving(tmp_path, kafka_url, *ARGUMENTS[1:], "--state", str(state)) as process:
                    assert process.wait(120) == 0
            until = time.monotonic() + 60
            while len(facts := facts_of(log)) < cases * 12 and time.monotonic() < until:
                time.sleep(0.2)
        assert len(set(facts)) == len(facts) == cases * 12
        assert all(not one.faults for one in balance(log))
