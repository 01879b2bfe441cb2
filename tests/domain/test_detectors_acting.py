"""People who act in a role in which the registry does not know them."""

from datetime import datetime, timedelta

import pytest

from casetrail.domain.actions import Actor, Body
from casetrail.domain.assignment import Assigned
from casetrail.domain.case import Case, Recorded
from casetrail.domain.closure import Reopened
from casetrail.domain.codes import AgencyKind, ReopeningReason, Role
from casetrail.domain.deciding import decide
from casetrail.domain.detectors.finding import Finding
from casetrail.domain.detectors.history import History
from casetrail.domain.posts import posts
from casetrail.domain.registry import REGISTRY, AgencyRegistered, PersonJoined, PersonLeft, PersonMoved
from tests.actions import DETECTIVE, INTAKE, OTHER_DETECTIVE, OTHER_SERGEANT, REGISTRAR, SERGEANT, action
from tests.domain.clock_histories import HOUR, Story, day
from tests.domain.clock_stories import CONTACT, IN, OUT, REVIEW, STEP, held, received
from tests.domain.detecting import SECOND, judge, leaf
from tests.domain.surveying import evidence

UNIT = "child-crimes"
CLAIMS = Actor(OTHER_DETECTIVE.id, "metro-pd", Role.SUPERVISOR)
COMMANDS = Actor(SERGEANT.id, "metro-pd", Role.COMMANDER)
JOINED = PersonJoined(OTHER_DETECTIVE.id, "metro-pd", Role.INVESTIGATOR, UNIT)
PROMOTED = PersonMoved(OTHER_DETECTIVE.id, Role.SUPERVISOR, UNIT)


class Register:
    """A registry that is told: each action is recorded at once unless it is said to be so many days late."""

    def __init__(self) -> None:
        self._case = Case.unreported(REGISTRY)
        self.events: list[Recorded] = []
        for agency in ("metro-pd", "other-pd"):
            self.say(-300, AgencyRegistered(agency, AgencyKind.LAW_ENFORCEMENT))

    def say(self, at: float, *bodies: Body, late: float = 0) -> "Register":
        for body in bodies:
            asked = action(body, REGISTRAR, REGISTRY, day(at))
            made = decide(self._case, asked, day(at + late))
            assert made is body, made
            self._case.record(asked, made, day(at + late))
        self.events += [event for event in self._case.collect_events() if isinstance(event, Recorded)]
        return self


def found(story: Story, registry: Register, now: datetime) -> list[Finding]:
    history = History("C-1", posts=posts([(event, leaf(event)) for event in registry.events]))
    for event in story.events:
        history.follow(event, leaf(event))
    return list(judge(detectors=["role_not_given"]).case(history, now))


def registered(*bodies: Body, at: float = -200) -> Register:
    return Register().say(at, *(bodies or (JOINED,)))


def screened_by(actor: Actor) -> Story:
    return received().tell(day(1), IN, actor)


def test_an_investigator_who_decides_as_a_supervisor_is_seen_at_once() -> None:
    story = screened_by(CLAIMS)
    assert found(story, registered(), day(1)) == []
    (one,) = found(story, registered(), day(1) + SECOND)
    assert (one.since, one.is_open, evidence(one)) == (day(1), True, ["C-1#2", "registry#3"])
    assert one.says == "acted as a supervisor, which the registry does not say"


@pytest.mark.parametrize("role", [Role.INTAKE, Role.INVESTIGATOR, Role.REGISTRAR, Role.PARTNER])
def test_whoever_leads_nobody_is_no_supervisor(role: Role) -> None:
    assert len(found(screened_by(CLAIMS), registered(PersonJoined(CLAIMS.id, "metro-pd", role)), day(9))) == 1


def test_a_supervisor_is_no_commander_and_a_commander_may_act_as_a_supervisor() -> None:
    def knows(role: Role) -> Register:
        return registered(PersonJoined(SERGEANT.id, "metro-pd", role))

    assert len(found(screened_by(COMMANDS), knows(Role.SUPERVISOR), day(9))) == 1
    assert found(screened_by(COMMANDS), knows(Role.COMMANDER), day(9)) == []
    assert found(screened_by(SERGEANT), knows(Role.COMMANDER), day(9)) == []


def test_whom_the_registry_does_not_know_is_taken_at_their_word() -> None:
    assert found(screened_by(SERGEANT), registered(), day(9)) == []
    assert found(screened_by(CLAIMS), Register(), day(9)) == []
    assert found(screened_by(CLAIMS), registered(at=2), day(9)) == [], "it was known only afterwards"


def test_other_roles_are_nobodys_rank() -> None:
    story = held().tell(day(1), CONTACT, OTHER_DETECTIVE).tell(day(2), STEP, OTHER_DETECTIVE)
    intake = PersonJoined(OTHER_DETECTIVE.id, "metro-pd", Role.INTAKE)
    assert found(story, registered(intake), day(9)) == []


def test_who_has_left_or_works_elsewhere_has_no_role_here() -> None:
    leads = PersonJoined(CLAIMS.id, "metro-pd", Role.SUPERVISOR)
    assert len(found(screened_by(CLAIMS), registered(leads, PersonLeft(CLAIMS.id)), day(9))) == 1
    elsewhere = PersonJoined(CLAIMS.id, "other-pd", Role.SUPERVISOR)
    assert len(found(screened_by(CLAIMS), registered(elsewhere), day(9))) == 1
    abroad = Actor(CLAIMS.id, "county-sheriff", Role.SUPERVISOR)  # whose people the registry does not know
    assert found(screened_by(abroad), registered(leads, PersonLeft(CLAIMS.id)), day(9)) == []


def test_what_counts_is_the_role_at_the_time_of_the_act() -> None:
    leads = PersonJoined(CLAIMS.id, "metro-pd", Role.SUPERVISOR)
    late = received().tell(day(1), IN, CLAIMS, late=timedelta(days=2))
    until_then = registered(leads).say(2, PersonMoved(CLAIMS.id, Role.INVESTIGATOR))
    assert found(late, until_then, day(9)) == [], "entered only after the supervisor had become an investigator"
    assert len(found(received().tell(day(3), IN, CLAIMS), until_then, day(9))) == 1


def test_a_promotion_that_the_registry_is_told_of_later_settles_it() -> None:
    (one,) = found(screened_by(CLAIMS), registered().say(0, PROMOTED, late=5), day(9))
    assert (one.settled_at, one.settled_by) == (day(5), None)
    assert found(screened_by(CLAIMS), registered().say(0, PROMOTED, late=5), day(4))[0].is_open
    (one,) = found(screened_by(CLAIMS), registered().say(4, PROMOTED), day(9))
    assert one.is_open, "it says nothing of the days before"


def test_a_review_or_a_reopening_by_another_leader_settles_it() -> None:
    story = screened_by(CLAIMS).tell(day(2), Assigned(DETECTIVE.id), CLAIMS)
    assert found(story.tell(day(3), REVIEW, CLAIMS), registered(), day(9))[0].is_open
    (one,) = found(story.tell(day(4), REVIEW, SERGEANT), registered(), day(9))
    assert one.settled_at == day(4) and one.settled_by is not None
    out = received().tell(day(1), OUT, CLAIMS).tell(day(2), Reopened(ReopeningReason.AUDIT), OTHER_SERGEANT)
    assert found(out, registered(), day(9))[0].settled_at == day(2)


def test_whoever_is_no_leader_either_settles_nothing() -> None:
    other = Actor(DETECTIVE.id, "metro-pd", Role.SUPERVISOR)
    register = registered(JOINED, PersonJoined(DETECTIVE.id, "metro-pd", Role.INVESTIGATOR, UNIT))
    one, another = found(screened_by(CLAIMS).tell(day(3), REVIEW, other), register, day(9))
    assert one.is_open and another.is_open
    assert [evidence(found) for found in (one, another)] == [["C-1#2", "registry#3"], ["C-1#3", "registry#4"]]


def test_of_each_person_only_the_first_act_is_named_until_it_is_settled() -> None:
    story = screened_by(CLAIMS).tell(day(2), Assigned(DETECTIVE.id), CLAIMS)
    assert len(found(story, registered(), day(9))) == 1
    story.tell(day(3), REVIEW, SERGEANT).tell(day(4), REVIEW, CLAIMS)
    assert [evidence(one)[0] for one in found(story, registered(), day(9))] == ["C-1#2", "C-1#5"]
    assert found(received().tell(day(1) + HOUR, IN, INTAKE), registered(), day(9)) == []
