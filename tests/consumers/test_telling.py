"""Whoever a finding is to be told to is told, once and on the record, until it is settled or somebody has answered."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from casetrail.consumers import telling
from casetrail.consumers.submitting import LONGEST_WAIT
from casetrail.consumers.telling import Teller
from casetrail.consumers.trying import Try
from casetrail.domain.actions import Actor
from casetrail.domain.answering import FindingAnswered, FindingTold
from casetrail.domain.assignment import Assigned
from casetrail.domain.closure import ClosureApproved, Reopened
from casetrail.domain.codes import (
    AgencyKind,
    ConcernKind,
    Desk,
    FindingAnswer,
    Level,
    MachineKind,
    ReopeningReason,
    Role,
    ScreeningReason,
)
from casetrail.domain.concern import ConcernRaised
from casetrail.domain.escalation import Recipient
from casetrail.domain.heartbeat import Heartbeat, machine_key
from casetrail.domain.intake import ScreenedIn
from casetrail.domain.registry import AgencyRegistered
from casetrail.eventlog.port import Topic
from casetrail.projections.database import Database, open_database
from casetrail.projections.telling import Untold, untold_findings
from tests.actions import CLINIC, DETECTIVE, INTAKE, OTHER_SERGEANT, REGISTRAR, SERGEANT, action, report
from tests.consumers.test_outbox import (  # noqa: F401  (fixtures)
    Box,
    Hook,
    Serving,
    by_mail,
    hook,
    lines_in,
    mail_server,
    outbox,
    run,
    to_hook,
)
from tests.consumers.watching import WATCHDOG, World, settle
from tests.domain.clock_histories import day
from tests.domain.registry_examples import COMMANDER
from tests.domain.test_rules import closing as asked_for

OUTBOX = Actor("host.outbox", "metro-pd", Role.SYSTEM)
UNWORKED = "closed_without_work"
WHOLE = [Level.HOLDER, Level.SUPERVISOR, Level.COMMANDER, Level.PARTNERS, Level.OVERSIGHT]
MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A log in which an agency has oversight."""
    made = World(tmp_path)
    made.tell(day(0), AgencyRegistered("inspectorate", AgencyKind.OVERSIGHT), REGISTRAR, "registry")
    return made


def close(world: World, case_id: str = "C-1", at: float = 0) -> None:
    """A case that the clinic reports is closed within a day, and nothing was done: no clock is missed."""
    world.tell(day(at), report(), CLINIC, case_id)
    world.tell(day(at + 0.1), ScreenedIn(ScreeningReason.ALLEGES_CRIME), INTAKE, case_id)
    world.tell(day(at + 0.1), Assigned(DETECTIVE.id), SERGEANT, case_id)
    world.tell(day(at + 0.2), asked_for(), DETECTIVE, case_id)
    world.tell(day(at + 0.3), ClosureApproved(), SERGEANT, case_id)


def watch(world: World, until: float, file: str = "watchdog", step: timedelta = timedelta(days=2)) -> None:
    """Let time pass with a watchdog that tells of findings."""
    watchdog = world.watchdog(file, telling=True)
    settle(watchdog)
    world.go_on(watchdog, day(until), step)
    watchdog.close()


def levels(world: World, detector: str = UNWORKED) -> list[Level]:
    return [one.level for one in world.told(detector)]


def test_a_closure_without_work_is_told_step_by_step_though_no_deadline_was_missed(world: World) -> None:
    close(world)
    watch(world, 1)
    assert [(one.level, one.told) for one in world.told(UNWORKED)] == [(Level.HOLDER, (Recipient(DETECTIVE.id),))]
    watch(world, 2)
    assert levels(world) == WHOLE[:2]
    watch(world, 20)
    assert levels(world) == WHOLE
    assert [one.told for one in world.told(UNWORKED)][1:] == [
        (Recipient("child-crimes", Desk.SUPERVISOR),),
        (Recipient("child-crimes", Desk.COMMANDER),),
        (Recipient("clinic"),),
        (Recipient("inspectorate"),),
    ]
    assert world.recorded() == [] and world.refused() == []


def test_what_was_recorded_just_now_is_not_told_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The timeline has it a while before it is judged, and its id was taken by itself."""
    kept: list[Untold] = []

    def not_judged_yet(*of: Any, **more: Any) -> list[Untold]:
        kept[:] = kept or untold_findings(*of, **more)
        return list(kept)

    monkeypatch.setattr(telling, "untold_findings", not_judged_yet)
    close(world)
    for _ in range(3):
        watch(world, 1)
    assert kept and levels(world) == [Level.HOLDER] and world.refused() == []


def test_a_refusal_that_was_seen_by_a_clock_which_was_ahead_is_waited_for_from_now_on(world: World) -> None:
    close(world)
    refused, asked = (
        world.events()[-1],
        action(Reopened(ReopeningReason.AUDIT), SERGEANT, at=world.clock.now + LONGEST_WAIT),
    )
    teller = Teller(world.log, lambda: closing(open_database("sqlite:none")), OUTBOX, lambda: world.clock.now)
    one, now = Try(asked, refused), world.clock.now
    assert not teller._is_time(one, now + 366 * LONGEST_WAIT)
    assert not teller._is_time(one, now)
    assert teller._is_time(one, now + LONGEST_WAIT)


def test_who_is_told_of_a_finding_hears_of_it_by_mail_webhook_and_file(
    world: World,
    hook: Hook,  # noqa: F811
    mail_server: Serving,  # noqa: F811
) -> None:
    close(world)
    watch(world, 20)
    box = Box()
    hooked = to_hook(world, hook)[1].removeprefix('"*" = ')
    one = outbox(
        world,
        *by_mail(world, mail_server(box)),
        f'"child-crimes/commander" = {hooked}',
        '"clinic" = { file = "clinic.ndjson" }',
        '"inspectorate" = { file = "inspectorate.ndjson" }',
    )
    run(one)
    assert box.mail == [] and hook.got == [], "for a minute it is collected"
    world.clock.now += MINUTE
    run(one)
    one.close()
    mails = [content.decode() for _, content in box.mail]
    assert len(mails) == 2 and all("closed_without_work: 1" in mail and "C-1" in mail for mail in mails)
    assert {level for mail in mails for level in ("holder", "supervisor") if f"told: {level}" in mail} == {
        "holder",
        "supervisor",
    }
    assert len(hook.got) == 1 and b"casetrail.findings" in hook.got[0][1]
    (clinic,), (oversight,) = (lines_in(world.folder / f"{name}.ndjson") for name in ("clinic", "inspectorate"))
    (said,) = clinic["data"]["findings"]
    assert (said["case_id"], said["detector"], said["level"]) == ("C-1", UNWORKED, "partners")
    assert [said["level"] for said in oversight["data"]["findings"]] == ["oversight"]


def test_two_watchdogs_at_once_tell_once(world: World) -> None:
    close(world)
    both = [world.watchdog(name, telling=True) for name in ("one", "two")]
    world.clock.now = day(20)
    for watchdog in (*both, *both):
        watchdog.step(0.0)
    for watchdog in both:
        settle(watchdog)
        watchdog.close()
    assert levels(world) == WHOLE
    assert set(world.refused()) <= {"duplicate-action"}


def test_neither_a_restart_nor_a_rebuild_doubles_anything(world: World) -> None:
    close(world)
    watch(world, 20)
    for name in world.folder.glob("*views*"):
        name.unlink()
    watch(world, 21, "another file")
    watch(world, 20)
    assert levels(world) == WHOLE
    assert world.refused() == [], "what is on the record is not even submitted again"


@pytest.mark.parametrize(
    ("actor", "told"),
    [(DETECTIVE, WHOLE), (SERGEANT, WHOLE), (COMMANDER, [*WHOLE[:2], *WHOLE[3:]])],
    ids=lambda one: "",
)
def test_an_answer_ends_the_telling_up_to_the_level_of_whoever_answers(
    world: World, actor: Actor, told: list[Level]
) -> None:
    close(world)
    watch(world, 2)
    finding = world.told(UNWORKED)[0].finding
    world.tell(day(2), FindingAnswered(finding, UNWORKED, FindingAnswer.EXPLAINED), actor)
    watch(world, 20)
    assert levels(world) == told


def test_nobody_is_told_any_more_of_what_is_settled(world: World) -> None:
    close(world)
    watch(world, 2)
    world.tell(day(2), Reopened(ReopeningReason.AUDIT), OTHER_SERGEANT)
    watch(world, 20)
    assert levels(world) == WHOLE[:2]


def test_a_watchdog_that_begins_late_tells_of_what_is_open_still_and_of_all_steps_that_have_come(world: World) -> None:
    close(world)
    close(world, "C-2", 1)
    world.tell(day(2), Reopened(ReopeningReason.AUDIT), OTHER_SERGEANT)
    world.clock.now = day(10)
    watch(world, 10)
    assert [one.level for one in world.told(UNWORKED)] == WHOLE[:4]
    told = [one for one in world.events() if isinstance(one.body, FindingTold) and one.body.detector == UNWORKED]
    assert {one.case_id for one in told} == {"C-2"}
    assert all(one.occurred_at is not None and one.occurred_at <= one.recorded_at for one in told)


def test_what_was_found_before_a_given_time_is_left_to_the_lists(world: World) -> None:
    close(world)
    world.clock.now = day(10)
    watchdog = world.watchdog(since=day(5), telling=True)
    settle(watchdog)
    watchdog.close()
    assert levels(world) == []


def test_played_time_tells_of_what_is_settled_since(world: World) -> None:
    close(world)
    world.tell(day(2), Reopened(ReopeningReason.AUDIT), OTHER_SERGEANT)
    world.clock.now = day(20)
    watchdog = world.watchdog(played=True, telling=True)
    settle(watchdog)
    watchdog.close()
    assert levels(world) == WHOLE[:2]


def test_whoever_takes_the_ids_of_a_telling_for_something_else_silences_nothing(world: World) -> None:
    close(world)
    close(world, "C-2")
    world.clock.now = day(20)
    watchdog = world.watchdog(telling=True)
    assert watchdog._teller is not None
    with world.judged() as database:
        wanted = watchdog._teller._wanted(database)
    assert {one.case_id for one in wanted} == {"C-1", "C-2"}
    for one in wanted:
        if one.case_id == "C-1":
            body = FindingAnswered("0" * 16, UNWORKED, FindingAnswer.EXPLAINED)
            world.take(one.action_id, day(20), body, SERGEANT)
    settle(watchdog)
    watchdog.close()
    assert sorted(levels(world), key=WHOLE.index) == [level for level in WHOLE for _ in range(2)]
    assert world.refused() == []


def test_what_was_ahead_of_the_logs_clock_is_told_later(world: World) -> None:
    close(world)
    world.ahead = timedelta(days=10)
    watchdog = world.watchdog(telling=True)
    settle(watchdog)
    refused = world.refused()
    assert set(refused) == {"occurred-in-the-future"}
    settle(watchdog)
    assert world.refused() == refused, "it is not asked for again at once"
    world.clock.now += LONGEST_WAIT + world.ahead
    world.ahead = timedelta(0)
    settle(watchdog)
    watchdog.close()
    assert sorted(levels(world), key=WHOLE.index) == WHOLE[:4]


# --- who joins late ---

CENTER = Actor("cac.ng", "cac", Role.PARTNER)


def ask(world: World, at: float, actor: Actor, concern: str) -> None:
    """A partner asks what is being done."""
    world.tell(day(at), ConcernRaised(concern, ConcernKind.CLOSED_WITHOUT_WORK), actor)


def test_an_agency_that_joins_a_case_is_told_of_what_the_other_partners_were_told(world: World) -> None:
    close(world)
    watch(world, 20)
    ask(world, 20, CLINIC, "of-the-clinic")
    ask(world, 20.1, CENTER, "of-the-center")
    watch(world, 22)
    told = world.told(UNWORKED)
    assert [one.level for one in told] == [*WHOLE, Level.PARTNERS]
    assert [one.told for one in told if one.level is Level.PARTNERS] == [(Recipient("clinic"),), (Recipient("cac"),)]
    watch(world, 22, "another file")
    ask(world, 23, Actor("hotline.b", "hotline", Role.PARTNER), "of-the-hotline")
    both = [world.watchdog(name, telling=True) for name in ("one", "two")]
    world.clock.now = day(24)
    for watchdog in (*both, *both):
        settle(watchdog)
    for watchdog in both:
        watchdog.close()
    assert [one.told for one in world.told(UNWORKED)][len(WHOLE) + 1 :] == [(Recipient("hotline"),)]
    assert set(world.refused()) <= {"duplicate-action"}


def test_an_agency_that_gets_oversight_beside_another_is_told_of_what_is_open(world: World) -> None:
    close(world)
    close(world, "C-2", 10)
    world.tell(day(12), Reopened(ReopeningReason.AUDIT), OTHER_SERGEANT, "C-2")
    watch(world, 20)
    world.tell(day(20), AgencyRegistered("ombudsman", AgencyKind.OVERSIGHT), REGISTRAR, "registry")
    watch(world, 22)
    watch(world, 22, "another file")
    told = [one for one in world.told(UNWORKED) if one.level is Level.OVERSIGHT]
    assert [one.told for one in told] == [(Recipient("inspectorate"),), (Recipient("ombudsman"),)]
    assert world.refused() == []


def test_an_agency_that_joins_a_case_is_not_told_of_what_is_settled(world: World) -> None:
    close(world)
    watch(world, 20)
    world.tell(day(20), Reopened(ReopeningReason.AUDIT), OTHER_SERGEANT)
    ask(world, 20.1, CENTER, "of-the-center")
    watch(world, 22)
    assert levels(world) == WHOLE


# --- a flood ---


def test_findings_that_come_at_once_go_to_each_in_one_notification(world: World) -> None:
    for number in range(30):
        close(world, f"C-{number}")
    world.clock.now = day(20)
    watch(world, 20)
    one = outbox(world, "[addresses]", '"*" = { file = "told.ndjson" }')
    run(one)
    world.clock.now += MINUTE
    run(one)
    one.close()
    told = {line["data"]["told"]: line["data"]["findings"] for line in lines_in(world.folder / "told.ndjson")}
    assert {"child-crimes/supervisor", "child-crimes/commander", "clinic", "inspectorate"} <= told.keys()
    assert len(told) == len(lines_in(world.folder / "told.ndjson"))
    for findings in (told["clinic"], told["inspectorate"]):
        cases = [said["case_id"] for said in findings if said["detector"] == UNWORKED]
        assert sorted(cases) == sorted(f"C-{number}" for number in range(30))


def test_what_an_outbox_has_collected_when_it_is_stopped_is_sent_by_the_next_one(world: World) -> None:
    close(world)
    watch(world, 3)
    first = outbox(world, "[addresses]", '"*" = { file = "told.ndjson" }')
    run(first)
    first.close()
    world.clock.now += MINUTE
    for _ in range(2):
        again = outbox(world, "[addresses]", '"*" = { file = "told.ndjson" }')
        run(again)
        again.close()
    assert [line["data"]["told"] for line in lines_in(world.folder / "told.ndjson")] == [
        DETECTIVE.id,
        "child-crimes/supervisor",
    ]


# --- machines ---


def beat(world: World, at: float, kind: MachineKind) -> None:
    body = Heartbeat(f"host.{kind}", kind, 600)
    world.tell(day(at), body, WATCHDOG, machine_key(body.machine, day(at)))


def test_that_the_watchdog_is_silent_the_outbox_tells_and_nothing_else(world: World) -> None:
    close(world)
    beat(world, 0.5, MachineKind.WATCHDOG)
    beat(world, 0.5, MachineKind.NOTARY)
    world.clock.now = day(15)
    teller = Teller(world.log, world.judged, OUTBOX, lambda: world.clock.now, machine=MachineKind.WATCHDOG, every=0)
    while teller.step():
        pass
    assert levels(world) == []
    assert [(one.subject, one.level, one.told) for one in world.told("silent_machine")] == [
        ("watchdog", Level.HOLDER, (Recipient("metro-pd"),)),
        ("watchdog", Level.OVERSIGHT, (Recipient("inspectorate"),)),
    ]
    assert {one.case_id for one in world.events() if isinstance(one.body, FindingTold)} == {"registry"}


@contextmanager
def as_left(world: World) -> Iterator[Database]:
    """The views as somebody left them."""
    with closing(open_database(f"sqlite:{world.folder / 'log.db.views'}")) as database:
        yield database


def test_while_the_judgements_lack_events_nobody_is_told_but_that_the_projector_is_silent(world: World) -> None:
    close(world)
    beat(world, 0.5, MachineKind.PROJECTOR)
    with world.judged():
        pass
    beat(world, 0.6, MachineKind.NOTARY)  # there is no projector any more that would take it in
    world.clock.now = day(2)
    said: list[str | None] = []
    teller = Teller(world.log, lambda: as_left(world), WATCHDOG, lambda: world.clock.now, noted=said.append, every=0)
    while teller.step():
        pass
    assert levels(world) == []
    assert [one.subject for one in world.told("silent_machine")] == ["projector"]
    assert said and all(text is not None and "projector" in text for text in said)


def test_where_there_are_no_judgements_that_is_said(world: World) -> None:
    close(world)
    world.clock.now = day(2)
    said: list[str | None] = []
    teller = Teller(world.log, lambda: as_left(world), WATCHDOG, lambda: world.clock.now, noted=said.append, every=0)
    assert teller.step() == 0
    assert len(said) == 1 and said[0] is not None and "views rebuild" in said[0]
    assert all(not isinstance(one.body, FindingTold) for one in world.events())
    assert world.log.end_offsets(Topic.ACTIONS) == world.log.end_offsets(Topic.EVENTS)
