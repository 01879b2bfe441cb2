"""Cases of people who have left, and alarms that nobody answers."""

from datetime import datetime

from casetrail.domain.actions import Body
from casetrail.domain.assignment import Assigned, Reassigned, Released
from casetrail.domain.case import Case, Recorded
from casetrail.domain.clocks import ClockState
from casetrail.domain.codes import AgencyKind, ConcernAnswer, ConcernKind, ConcernOutcome, HandoverReason, Role
from casetrail.domain.concern import ConcernAnswered, ConcernClosed, ConcernRaised
from casetrail.domain.deciding import decide
from casetrail.domain.detectors.finding import Finding
from casetrail.domain.detectors.history import History
from casetrail.domain.leaving import Departure, Departures, departures
from casetrail.domain.policy import InForce
from casetrail.domain.registry import AgencyRegistered, PersonJoined, PersonLeft, PersonMoved
from tests.actions import CLINIC, DETECTIVE, HAPPENED, OTHER_DETECTIVE, REGISTRAR, action
from tests.domain.clock_histories import Story, day
from tests.domain.clock_stories import WORKLOAD, approved, held
from tests.domain.detecting import SECOND, found, judge, leaf, numbers, seen
from tests.domain.policies import preset


def left(
    at: float, *, known: float | None = None, unit: str | None = "child-crimes", back: float | None = None
) -> Departures:
    """One detective's departure."""
    known_at = day(at if known is None else known)
    gone = Departure(unit, day(at), known_at, 7, bytes(32), None if back is None else day(back))
    return {DETECTIVE.id: [gone]}


def found_of(story: Story, departures: Departures, now: datetime) -> list[Finding]:
    history = History("C-1", departures)
    for event in story.events:
        history.follow(event, leaf(event))
    return list(judge(detectors=["holder_left"]).case(history, now))


def test_a_case_of_somebody_who_left_is_seen_after_a_business_day() -> None:
    assert found_of(held(), left(1), day(2)) == []
    (one,) = found_of(held(), left(1), day(2) + SECOND)
    assert (one.since, [str(event).split(":")[0] for event in one.evidence]) == (day(2), ["registry#7", "C-1#3"])
    (later,) = found_of(held(), left(1, known=30), day(31))
    assert later.since == day(30) and later.id == one.id, "it can be seen once the registry knows"
    assert len(found_of(held(), left(1, unit=None), day(9))) == 1, "who leaves the agency leaves every unit"


def test_who_has_left_holds_the_case_no_longer_and_is_told_of_nothing() -> None:
    (one,) = found_of(held(), left(1), day(9))
    assert one.holder is None and one.says == f"its holder {DETECTIVE.id} has left the unit"
    assert one.told()[0].who == ("child-crimes/intake",)
    (back,) = found_of(held(), left(1, back=10), day(11))
    assert back.holder == DETECTIVE.id


def test_nor_does_a_finding_over_several_cases_name_who_has_left() -> None:
    events = [(event, leaf(event)) for event in held().events]
    one = judge(detectors=["reported_again"])
    for gone, holder in ((left(1), None), (left(1, back=5), DETECTIVE.id)):
        history, _ = History.with_clocks("C-1", events, InForce([(HAPPENED, preset())]), day(9), gone)
        trace = one.trace(history)
        assert trace is not None and trace.holder == holder


def test_who_left_after_the_case_had_ended_is_named() -> None:
    ended = approved(held(), day(3))
    for gone, holder in (
        (left(1), None),
        (left(4), DETECTIVE.id),
        (left(1, back=2), DETECTIVE.id),
        (left(1, back=4), None),
    ):
        history = History("C-1", gone)
        for event in ended.events:
            history.follow(event, leaf(event))
        assert history.holder == holder


def test_what_was_handed_over_or_has_ended_in_time_is_no_finding() -> None:
    assert found_of(held().tell(day(1.5), Reassigned(OTHER_DETECTIVE.id, WORKLOAD)), left(1), day(99)) == []
    assert found_of(held().tell(day(1.5), Released(HandoverReason.LEFT_AGENCY)), left(1), day(99)) == []
    assert found_of(approved(held(), day(1.5)), left(1), day(99)) == []
    assert found_of(held(), left(1, unit="burglary"), day(99)) == []
    assert found_of(held(), {OTHER_DETECTIVE.id: left(1)[DETECTIVE.id]}, day(99)) == []


def test_handing_it_over_later_settles_it_and_so_does_a_return() -> None:
    handed = held().tell(day(20), Reassigned(OTHER_DETECTIVE.id, WORKLOAD))
    (one,) = found_of(handed, left(1), day(99))
    assert one.settled_at == day(20) and one.settled_by is not None
    (back,) = found_of(handed, left(1, back=10), day(99))
    assert (back.settled_at, back.settled_by) == (day(10), None)
    assert found_of(held(), left(1, back=1.5), day(99)) == []
    assert found_of(held(), left(1, back=10), day(9))[0].is_open


def test_a_case_that_is_given_to_somebody_who_had_left_is_seen_too() -> None:
    story = held().tell(day(5), Released(HandoverReason.LEAVE)).tell(day(10), Assigned(DETECTIVE.id))
    earlier, later = sorted(found_of(story, left(1), day(99)), key=lambda one: one.since)
    assert (earlier.settled_at, later.since) == (day(5), day(11))
    assert [event.case_id for event in later.evidence] == ["C-1", "registry"] and later.id != earlier.id


RAISED = ConcernRaised("c1", ConcernKind.NO_RESPONSE)


def test_a_concern_that_nobody_answers_is_seen_after_five_business_days() -> None:
    assert numbers(seen(held().tell(day(0), RAISED, CLINIC), "ignored_alarm", day(7))) == [5]


def of_concerns(story: Story) -> list[Finding]:
    """The concerns that were ignored. Deadlines were missed too, by day 99."""
    return [one for one in found(story, "ignored_alarm", day(99)) if one.deadline is None]


def test_only_an_answer_to_the_same_concern_settles_it() -> None:
    answer = ConcernAnswered("c1", ConcernAnswer.EXPLAINED)
    assert of_concerns(held().tell(day(0), RAISED, CLINIC).tell(day(5), answer)) == []
    (late,) = of_concerns(held().tell(day(0), RAISED, CLINIC).tell(day(30), answer))
    assert late.settled_at == day(30)
    (ended,) = of_concerns(approved(held().tell(day(0), RAISED, CLINIC), day(1)))
    assert ended.is_open
    other = held().tell(day(0), ConcernRaised("c2", ConcernKind.NO_RESPONSE), CLINIC).tell(day(0), RAISED, CLINIC)
    (second,) = of_concerns(other.tell(day(3), answer))
    assert second.evidence[0].number == 5


def test_those_who_raised_a_concern_settle_it_by_closing_it() -> None:
    closed = ConcernClosed("c1", ConcernOutcome.SETTLED)
    (one,) = of_concerns(held().tell(day(0), RAISED, CLINIC).tell(day(30), closed, CLINIC))
    assert one.settled_at == day(30)
    story = held().tell(day(0), RAISED, CLINIC).tell(day(3), closed, CLINIC)
    assert of_concerns(story) == []
    assert story.only("concern_answer", day(99)).state is ClockState.LAPSED, "nobody owes an answer any longer"


# --- the registry ---


def registry(*doings: tuple[float, Body]) -> Departures:
    """What a registry knows of departures, from what was recorded in it."""
    case = Case.unreported("registry")
    begin = [(0.0, AgencyRegistered("metro-pd", AgencyKind.LAW_ENFORCEMENT))]
    for at, body in [*begin, *doings]:
        asked = action(body, REGISTRAR, "registry", day(at))
        made = decide(case, asked, day(at))
        assert made is body, made
        case.record(asked, made, day(at))
    return departures([(event, leaf(event)) for event in case.collect_events() if isinstance(event, Recorded)])


JOINED = PersonJoined(DETECTIVE.id, "metro-pd", Role.INVESTIGATOR, "child-crimes")


def moved(unit: str) -> PersonMoved:
    return PersonMoved(DETECTIVE.id, Role.INVESTIGATOR, unit)


def test_who_leaves_the_agency_or_goes_to_another_unit_has_left_the_unit() -> None:
    for at, body in ((4.0, PersonLeft(DETECTIVE.id)), (4.0, moved("burglary"))):
        (one,) = registry((0, JOINED), (at, body))[DETECTIVE.id]
        assert (one.unit, one.at, one.number, one.back_at) == ("child-crimes", day(4), 3, None)
        (found,) = found_of(held(), registry((0, JOINED), (at, body)), day(99))
        assert found.since == day(7), "the weekend does not count"
    assert registry((0, JOINED)) == {}
    promoted = PersonMoved(DETECTIVE.id, Role.SUPERVISOR, "child-crimes")
    assert registry((0, JOINED), (5, promoted)) == {}


def test_who_comes_back_to_the_unit_is_back() -> None:
    back = registry((0, JOINED), (5, PersonLeft(DETECTIVE.id)), (9, JOINED))
    assert [(one.at, one.back_at) for one in back[DETECTIVE.id]] == [(day(5), day(9))]
    there_and_back = registry((0, JOINED), (5, moved("burglary")), (9, moved("child-crimes")))
    units = [(one.unit, one.back_at) for one in there_and_back[DETECTIVE.id]]
    assert units == [("child-crimes", day(9)), ("burglary", None)]
    elsewhere = registry(
        (0, JOINED),
        (5, PersonLeft(DETECTIVE.id)),
        (9, PersonJoined(DETECTIVE.id, "metro-pd", Role.INVESTIGATOR, "burglary")),
    )
    assert [one.back_at for one in elsewhere[DETECTIVE.id]] == [None]


def test_a_unit_of_the_same_name_in_another_agency_is_no_return() -> None:
    other = AgencyRegistered("other-pd", AgencyKind.LAW_ENFORCEMENT)
    there = PersonJoined(DETECTIVE.id, "other-pd", Role.INVESTIGATOR, "child-crimes")
    for joined, unit in ((JOINED, "child-crimes"), (PersonJoined(DETECTIVE.id, "metro-pd", Role.INVESTIGATOR), None)):
        gone = registry((0, other), (0, joined), (5, PersonLeft(DETECTIVE.id)), (6, there))
        assert [(one.unit, one.agency, one.back_at) for one in gone[DETECTIVE.id]] == [(unit, "metro-pd", None)]
        assert len(found_of(held(), gone, day(99))) == 1
