"""What the registry means for clocks: who has left holds nothing, and each agency is held to what it has adopted."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from casetrail.domain.assignment import Reassigned, Released
from casetrail.domain.clocks import Clock, ClockState, clocks
from casetrail.domain.codes import HandoverReason
from casetrail.domain.leaving import Departure
from casetrail.domain.policy import Adopted, InForce
from casetrail.domain.policy_file import parse_policy
from tests.actions import DETECTIVE, HAPPENED, OTHER_DETECTIVE
from tests.domain.clock_histories import CASE_ID, Story, day
from tests.domain.clock_stories import DESK, STEP, WORKLOAD, approved, held, received
from tests.domain.policies import preset, within

POLICIES = InForce([(HAPPENED, preset())])


def left(at: datetime, unit: str | None = "child-crimes", back_at: datetime | None = None) -> Departure:
    """The detective left a unit (None: the agency)."""
    return Departure(unit, at, at, 7, bytes(32), back_at)


def judged(story: Story, now: datetime, *gone: Departure, person: str = DETECTIVE.id) -> Mapping[str, Sequence[Clock]]:
    """The clocks of a case by their names, each one's runs in order."""
    found: dict[str, list[Clock]] = {}
    for one in clocks(CASE_ID, story.events, POLICIES, now, {person: gone}):
        found.setdefault(one.name, []).append(one)
    return {name: sorted(runs, key=lambda one: one.started_at) for name, runs in found.items()}


def test_what_somebody_held_who_left_waits_for_an_assignment() -> None:
    for unit in ("child-crimes", None):
        run = judged(held(), day(5), left(day(2), unit))["assignment"][-1]
        assert (run.started_at, run.due_at, run.state, run.owed_by) == (day(2), day(3), ClockState.MISSED, DESK)
        assert run.started_by is None and run.is_overdue


def test_what_the_holder_owed_who_left_is_owed_by_the_intake_desk() -> None:
    assert judged(held(), day(2), left(day(3)))["decision"][0].owed_by == DETECTIVE.id
    assert judged(held(), day(3), left(day(3)))["decision"][0].owed_by == DESK


def test_who_left_owes_no_acknowledgement() -> None:
    story = received()
    from casetrail.domain.assignment import Assigned
    from tests.actions import INTAKE
    from tests.domain.clock_stories import IN

    story.tell(day(0), IN, INTAKE).tell(day(0), Assigned(DETECTIVE.id))
    assert judged(story, day(1), left(day(0.5)))["acknowledgement"][0].state is ClockState.LAPSED


def test_a_handover_answers_it() -> None:
    story = held().tell(day(2.5), Reassigned(OTHER_DETECTIVE.id, WORKLOAD))
    found = judged(story, day(9), left(day(2)))
    assert (found["assignment"][-1].state, found["assignment"][-1].ended_at) == (ClockState.MET, day(2.5))
    assert found["decision"][0].owed_by == OTHER_DETECTIVE.id


def test_letting_the_case_go_gains_no_time_for_the_assignment() -> None:
    story = held().tell(day(6), Released(HandoverReason.LEFT_AGENCY))
    assert judged(story, day(6), left(day(2)))["assignment"][-1].due_at == day(3)


def test_who_comes_back_before_it_was_handed_over_holds_it_again() -> None:
    found = judged(held(), day(9), left(day(2), back_at=day(2.5)))
    assert (found["assignment"][-1].state, found["decision"][0].owed_by) == (ClockState.LAPSED, DETECTIVE.id)
    assert judged(held(), day(9), left(day(2), back_at=day(8)))["assignment"][-1].state is ClockState.MISSED


def test_whoever_leaves_twice_leaves_it_twice() -> None:
    found = judged(held(), day(20), left(day(2), back_at=day(2.5)), left(day(10)))
    assert [run.started_at for run in found["assignment"]] == [day(0), day(2), day(10)]
    assert found["decision"][0].owed_by == DESK


def test_what_is_given_to_somebody_who_had_left_waits_for_an_assignment_at_once() -> None:
    run = judged(held(), day(9), left(day(-2)))["assignment"][-1]
    assert (run.started_at, run.owed_by, run.state) == (day(0), DESK, ClockState.MISSED)
    assert judged(held(), day(9), left(day(-2)))["decision"][0].owed_by == DESK
    assert judged(held(), day(9), left(day(-2), back_at=day(3)))["assignment"][-1].started_at == day(0)


def test_another_unit_or_a_departure_that_was_over_or_another_person_is_no_matter() -> None:
    for gone, person in (
        (left(day(2), "homicide"), DETECTIVE.id),
        (left(day(-2), back_at=day(-1)), DETECTIVE.id),
        (left(day(2)), "det.99"),
    ):
        assert len(judged(held(), day(9), gone, person=person)["assignment"]) == 1


def test_of_a_case_that_had_ended_nothing_is_owed_when_its_holder_leaves() -> None:
    found = judged(approved(held(), day(1)), day(9), left(day(2)))
    assert len(found["assignment"]) == 1 and not any(run.is_owed for runs in found.values() for run in runs)


def test_an_act_after_the_departure_changes_nothing() -> None:
    story = held().tell(day(4), STEP, DETECTIVE)
    assert judged(story, day(5), left(day(2)))["assignment"][-1].state is ClockState.MISSED


# --- adopted policies ---


def test_each_agency_is_held_to_what_it_adopted_itself() -> None:
    lax = parse_policy(within("clocks.screening", "72 hours", "30 days"))
    for agency, state in (("metro-pd", ClockState.RUNNING), ("clinic", ClockState.MISSED)):
        policies = Adopted(preset(), [(agency, day(-1), lax)], "clinic")
        (screening,) = [one for one in clocks(CASE_ID, received().events, policies, day(4)) if one.name == "screening"]
        assert screening.state is state


def test_until_something_is_adopted_the_default_is_in_force() -> None:
    ours, theirs = preset("missouri"), parse_policy(within("clocks.screening", "72 hours", "30 days"))
    policies = Adopted(preset(), [("metro-pd", day(5), ours), ("clinic", day(1), theirs)], "metro-pd")
    assert policies.at(day(4)) is preset() and policies.at(day(5)) is ours
    assert policies.of("clinic").at(day(5)) is theirs and policies.of("nobody").at(day(5)) is preset()
    assert Adopted(preset(), [("clinic", day(1), theirs)], None).at(day(5)) is preset()
