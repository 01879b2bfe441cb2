"""Detectors that look beyond one case: reported again, too many cases at once, closures approved without looking."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from casetrail.domain.actions import Actor
from casetrail.domain.assignment import Assigned, Reassigned
from casetrail.domain.case import Recorded
from casetrail.domain.closure import ClosureApproved
from casetrail.domain.codes import (
    CorrectionReason,
    HandoverReason,
    MergeReason,
    Relation,
    ReporterKind,
    SealedName,
    TokenKind,
)
from casetrail.domain.detectors.repeating import LATEST
from casetrail.domain.linking import FactCorrected, Linked, Merged
from casetrail.domain.policy_file import parse_policy
from casetrail.domain.sealed import SealedField, Token
from tests.actions import DETECTIVE, INTAKE, OTHER_DETECTIVE, OTHER_SERGEANT, SERGEANT, report
from tests.domain.clock_histories import HOUR, day
from tests.domain.clock_stories import ASKED, CONTACT, IN, OUT, REOPENED, STEP
from tests.domain.detecting import SECOND, numbers, with_settings
from tests.domain.policies import changed
from tests.domain.populations import Doing
from tests.domain.surveying import found, told


def token(name: str, kind: TokenKind = TokenKind.CHILD) -> Token:
    return Token(kind, sha256(name.encode()).digest())


def about(name: str, at: float, kind: TokenKind = TokenKind.CHILD) -> Doing:
    return day(at), INTAKE, report(tokens=(token(name, kind), token(f"only {name} {at}", TokenKind.ADDRESS)))


def worked(at: float) -> Doing:
    return day(at), DETECTIVE, STEP


def screened(at: float) -> Doing:
    return day(at), INTAKE, IN


# --- reported again ---


def test_a_new_report_is_compared_with_the_latest_ones_only() -> None:
    first, later = told("A", about("Ada", 0)), [told(f"B{number:02}", about("Ada", 40)) for number in range(LATEST + 5)]
    again = found([*later, first], "reported_again", day(99))
    assert sorted(one.evidence[0].case_id for one in again if one.subject == "A") == [f"B{n:02}" for n in range(LATEST)]


def test_a_child_who_is_reported_again_while_the_first_report_lies_quiet_is_seen_when_the_new_one_must_be_screened() -> (
    None
):
    cases = [told("A", about("Ada", 0)), told("B", about("Ada", 40))]
    assert found(cases, "reported_again", day(43)) == []
    (one,) = found(cases, "reported_again", day(43) + SECOND)
    assert (one.subject, one.since, one.is_open) == ("A", day(43), True)
    assert [str(event).split(":")[0] for event in one.evidence] == ["B#1", "A#1"]
    assert one.says == "reported again (child) as B while it lay quiet"
    assert found(reversed(cases), "reported_again", day(50)) == [one], "cases come in any order"


def test_a_case_that_is_being_worked_and_other_people_are_no_finding() -> None:
    at_work = told("A", about("Ada", 0), screened(1), worked(20))
    assert found([at_work, told("B", about("Ada", 40))], "reported_again", day(99)) == []
    assert len(found([at_work, told("B", about("Ada", 51))], "reported_again", day(99))) == 1
    assert found([told("A", about("Ada", 0)), told("B", about("Ben", 40))], "reported_again", day(99)) == []
    other_kind = told("B", about("Ada", 40, TokenKind.SUSPECT))
    assert found([told("A", about("Ada", 0)), other_kind], "reported_again", day(99)) == []


def test_a_case_that_was_closed_or_screened_out_within_the_year_counts_from_its_end() -> None:
    out = told("A", about("Ada", 0), (day(1), INTAKE, OUT))
    (one,) = found([out, told("B", about("Ada", 2))], "reported_again", day(99))
    assert (numbers(one), one.says) == ([1, 2], "reported again (child) as B while it had ended")
    assert len(found([out, told("B", about("Ada", 366))], "reported_again", day(999))) == 1
    assert found([out, told("B", about("Ada", 367))], "reported_again", day(999)) == []
    merged = told("A", about("Ada", 0), (day(1), SERGEANT, Merged("Z", MergeReason.SAME_INCIDENT)))
    assert found([merged, told("B", about("Ada", 40))], "reported_again", day(99)) == []


@pytest.mark.parametrize(
    ("in_a", "in_b"),
    [
        ([worked(45)], []),
        ([(day(45), INTAKE, Linked("B", Relation.SAME_CHILD))], []),
        ([], [(day(45), SERGEANT, Merged("A", MergeReason.SAME_INCIDENT))]),
    ],
)
def test_work_on_the_earlier_case_or_joining_the_two_settles_it(in_a: list[Doing], in_b: list[Doing]) -> None:
    cases = [told("A", about("Ada", 0), screened(1), *in_a), told("B", about("Ada", 40), screened(41), *in_b)]
    (one,) = found(cases, "reported_again", day(99))
    assert (one.since, one.settled_at) == (day(43), day(45))
    assert one.settled_by is not None and one.settled_by.case_id == ("A" if in_a else "B")
    assert found(cases, "reported_again", day(44))[0].is_open


def test_a_new_report_that_is_linked_while_it_is_screened_is_no_finding() -> None:
    out = told("A", about("Ada", 0), (day(1), INTAKE, OUT))
    link = (day(42), INTAKE, Linked("A", Relation.SAME_CHILD))
    assert found([out, told("B", about("Ada", 40), link)], "reported_again", day(99)) == []


def test_reopening_the_earlier_case_settles_it_and_each_new_report_is_a_finding() -> None:
    first = told("A", about("Ada", 0), (day(1), INTAKE, OUT), (day(60), SERGEANT, REOPENED))
    cases = [first, told("B", about("Ada", 40)), told("C", about("Ada", 50)), told("D", about("Ada", 61))]
    again = [one for one in found(cases, "reported_again", day(99)) if one.subject == "A"]
    assert [one.evidence[0].case_id for one in again] == ["B", "C"]
    assert {one.settled_at for one in again} == {day(60)} and len({one.id for one in again}) == 2


def test_by_what_a_report_is_recognised_is_a_setting() -> None:
    policy = with_settings('[detectors.reported_again]\nby = ["suspect", "address"]')
    cases = [told("A", about("Ada", 0)), told("B", about("Ada", 40))]
    assert found(cases, "reported_again", day(99), policy) == []


def identified(name: str, at: float, kind: TokenKind = TokenKind.CHILD) -> Doing:
    sealed = (SealedField(SealedName.CHILD_NAME, bytes(32), bytes(12), b"sealed"),)
    correction = FactCorrected(1, CorrectionReason.NEW_INFORMATION, sealed=sealed, tokens=(token(name, kind),))
    return day(at), INTAKE, correction


def anonymous(at: float) -> Doing:
    return day(at), INTAKE, report(reporter_kind=ReporterKind.ANONYMOUS)


def test_a_child_who_was_identified_after_an_anonymous_report_is_recognised_from_then_on() -> None:
    cases = [told("A", anonymous(0), identified("Ada", 10)), told("B", about("Ada", 40))]
    (one,) = found(cases, "reported_again", day(99))
    assert (one.subject, one.since, one.says) == ("A", day(43), "reported again (child) as B while it lay quiet")
    assert [str(event).split(":")[0] for event in one.evidence] == ["B#1", "A#1", "A#2"]


@pytest.mark.parametrize(
    ("first", "second", "correction"),
    [
        ([anonymous(0), identified("Ada", 60)], [about("Ada", 40)], "A#2"),
        ([about("Ada", 0)], [anonymous(40), identified("Ada", 60)], "B#2"),
    ],
)
def test_two_reports_that_turn_out_to_be_about_one_child_are_seen_when_that_is_known(
    first: list[Doing], second: list[Doing], correction: str
) -> None:
    cases = [told("A", *first), told("B", *second)]
    assert found(cases, "reported_again", day(63)) == []
    (one,) = found(cases, "reported_again", day(63) + SECOND)
    assert (one.subject, one.since) == ("A", day(63))
    assert str(one.evidence[-1]).startswith(correction)
    worked_since = [told("A", *first[:1], worked(50), *first[1:]), told("B", *second)]
    assert found(worked_since, "reported_again", day(99)) == []


def test_what_a_correction_says_once_more_changes_nothing() -> None:
    before = [told("A", about("Ada", 0)), told("B", about("Ada", 40))]
    after = [told("A", about("Ada", 0), identified("Ada", 70)), told("B", about("Ada", 40), identified("Ben", 50))]
    assert found(after, "reported_again", day(99)) == found(before, "reported_again", day(99))


# --- workload ---

LIMITS = parse_policy(
    changed(
        ("[workload.open_cases]\nmost = 30", "[workload.open_cases]\nmost = 3"),
        ("[workload.new_cases_a_month]\nmost = 12", "[workload.new_cases_a_month]\nmost = 5"),
        ("[workload.handed_over_a_day]\nmost = 10", "[workload.handed_over_a_day]\nmost = 2"),
    )
)


def given(case_id: str, at: float, *more: Doing, holder: str = "det.01") -> list[Recorded]:
    received = (day(at - 0.2), INTAKE, report())
    return told(case_id, received, screened(at - 0.1), (day(at), SERGEANT, Assigned(holder)), *more)


def ended(at: float) -> list[Doing]:
    return [(day(at), DETECTIVE, ASKED), (day(at) + HOUR, SERGEANT, ClosureApproved())]


def test_who_holds_more_cases_than_allowed_at_the_end_of_a_day_is_seen_then() -> None:
    cases = [given(f"C-{number}", number) for number in range(1, 5)]
    assert found(cases[:3], "overloaded", day(99), LIMITS) == []
    end = datetime(2026, 3, 7, tzinfo=UTC)
    assert found(cases, "overloaded", end, LIMITS) == []
    (one,) = found(cases, "overloaded", end + SECOND, LIMITS)
    assert (one.about.value, one.subject, one.holder, one.since) == ("person", "det.01", "det.01", end)
    assert one.says == "holds 4 open cases, where 3 are the most" and one.evidence[0].case_id == "C-4"


def test_closures_and_handovers_lighten_the_load_and_settle_it() -> None:
    cases = [given(f"C-{number}", number) for number in range(1, 4)]
    closed = given("C-4", 4, *ended(9))
    (one,) = found([*cases, closed], "overloaded", day(99), LIMITS)
    assert one.settled_at == datetime(2026, 3, 12, tzinfo=UTC) and not one.is_open
    passed_on = given("C-4", 4, (day(4.1), SERGEANT, Reassigned("det.02", HandoverReason.WORKLOAD)))
    assert found([*cases, passed_on], "overloaded", day(99), LIMITS) == []


def test_many_cases_on_one_day_are_seen_when_it_is_over() -> None:
    cases = [given(f"C-{number}", 1 + number / 100) for number in range(3)]
    assert found(cases[:2], "bulk_handover", day(99), LIMITS) == []
    (one,) = found(cases, "bulk_handover", day(99), LIMITS)
    assert (one.since, len(one.evidence)) == (datetime(2026, 3, 4, tzinfo=UTC), 3)
    others = [given(f"C-{number}", 1, holder=f"det.0{number}") for number in range(3)]
    assert found(others, "bulk_handover", day(99), LIMITS) == []


def test_too_many_new_cases_in_a_month_are_seen_when_it_is_over() -> None:
    cases = [given(f"C-{number}", 2 * number + 1, *ended(2 * number + 2)) for number in range(6)]
    assert found(cases[:5], "too_many_new", day(99), LIMITS) == []
    (one,) = found(cases, "too_many_new", day(99), LIMITS)
    assert (one.month, one.since, len(one.evidence)) == ("2026-03", datetime(2026, 4, 1, tzinfo=UTC), 6)
    assert found(cases, "too_many_new", one.since, LIMITS) == []


def test_a_policy_without_limits_finds_nobody_overloaded() -> None:
    without = parse_policy(LIMITS_TEXT_WITHOUT)
    cases = [given(f"C-{number}", 1 + number / 100) for number in range(40)]
    for name in ("overloaded", "bulk_handover", "too_many_new"):
        assert found(cases, name, day(99), without) == []
        assert len(found(cases, name, day(99))) == 1


LIMITS_TEXT_WITHOUT = changed().partition("[workload.open_cases]")[0]


# --- rubber stamp ---


def closed(
    case_id: str, at: float, after: timedelta, supervisor: Actor = SERGEANT, detective: Actor = DETECTIVE
) -> list[Recorded]:
    return told(
        case_id,
        (day(at - 0.5), INTAKE, report()),
        (day(at - 0.4), INTAKE, IN),
        (day(at - 0.3), SERGEANT, Assigned(detective.id)),
        (day(at - 0.2), detective, CONTACT),
        (day(at), detective, ASKED),
        (day(at) + after, supervisor, ClosureApproved()),
    )


def test_closures_that_are_approved_within_a_minute_are_seen_when_the_month_is_over() -> None:
    quick = [closed(f"C-{number}", number + 1, timedelta(seconds=30)) for number in range(5)]
    assert found(quick[:4], "rubber_stamp", day(99)) == []
    (one,) = found(quick, "rubber_stamp", day(99))
    assert (one.subject, one.month, len(one.evidence)) == (SERGEANT.id, "2026-03", 5)
    assert one.says == "approved 5 closures within a minute of the request"
    slow = [closed(f"C-{number}", number + 1, timedelta(minutes=5)) for number in range(9)]
    assert found(slow, "rubber_stamp", day(99)) == []


def test_closures_that_are_approved_in_bulk_are_seen() -> None:
    bulk = [closed(f"C-{number}", 3 + number / 1000, HOUR) for number in range(11)]
    (one,) = found(bulk, "rubber_stamp", day(99))
    assert one.says == "approved 11 closures on 2026-03-05"
    assert found(bulk[:10], "rubber_stamp", day(99)) == []


def test_a_supervisor_who_approves_nearly_always_for_the_same_one_is_seen() -> None:
    """Others' approvals are mixed, so that this one's cannot be chance."""
    chosen = [closed(f"A-{number}", 1 + number, HOUR) for number in range(12)]
    pairs = [(DETECTIVE, 4), (OTHER_DETECTIVE, 12)]
    mixed = [
        closed(f"B-{one.id}-{number}", 1.5 + number, HOUR, OTHER_SERGEANT, one)
        for one, count in pairs
        for number in range(count)
    ]
    (one,) = found([*chosen, *mixed], "rubber_stamp", day(99))
    assert (one.subject, one.says) == (SERGEANT.id, f"approved 12 closures, 12 of them for {DETECTIVE.id}")


def test_supervisors_whose_approvals_are_mixed_alike_are_no_finding() -> None:
    mixed = [
        closed(f"{supervisor.id}-{detective.id}-{number}", 1 + number, HOUR, supervisor, detective)
        for supervisor in (SERGEANT, OTHER_SERGEANT)
        for detective in (DETECTIVE, OTHER_DETECTIVE)
        for number in range(8)
    ]
    assert found(mixed, "rubber_stamp", day(99)) == []
