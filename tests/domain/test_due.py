"""An open case always has something due next, and somebody who owes it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings

from casetrail.domain.actions import Action
from casetrail.domain.assignment import Acknowledged, Assigned, Released
from casetrail.domain.case import Case
from casetrail.domain.closure import ClosureApproved, ClosureRequested
from casetrail.domain.codes import (
    ConcernKind,
    ContactMethod,
    Disposition,
    HandoverReason,
    MergeReason,
    Offence,
    ScreeningReason,
    SealedName,
    Service,
    SuspensionReason,
)
from casetrail.domain.concern import ConcernRaised
from casetrail.domain.contact import VictimContactMade
from casetrail.domain.deciding import decide
from casetrail.domain.due import Due, DueKind, business_days_after, dues, next_due
from casetrail.domain.intake import OffenceAlleged, ScreenedIn, ScreenedOut
from casetrail.domain.linking import Merged
from casetrail.domain.referral import ReferralMade
from casetrail.domain.sealed import SealedField
from casetrail.domain.status import Status
from casetrail.domain.suspension import Suspended
from tests.actions import CLINIC, DETECTIVE, HAPPENED, INTAKE, SERGEANT, action, report
from tests.domain.histories import played, submissions

OWED_BY_OTHERS = {DueKind.CONCERN_ANSWER, DueKind.REFERRAL_ANSWER, DueKind.MEDICAL_EVALUATION}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SCREENED = action(ScreenedIn(ScreeningReason.ALLEGES_CRIME), INTAKE)
HELD = (action(report(), INTAKE), SCREENED, action(Assigned(DETECTIVE.id)))
RATIONALE = (SealedField(SealedName.RATIONALE, bytes(32), bytes(12), b"sealed"),)
ASKED = (*HELD, action(ClosureRequested(Disposition.INACTIVATED, sealed=RATIONALE), DETECTIVE))


def lived(*history: Action) -> Case:
    case = Case.unreported("C-1")
    for past in history:
        recorded_at = HAPPENED + 300 * DAY
        assert decide(case, past, recorded_at) is past.body
        case.record(past, past.body, recorded_at)
    return case


def owed(case: Case) -> dict[DueKind, Due]:
    return {due.kind: due for due in dues(case)}


@settings(max_examples=80, deadline=None)
@given(submissions())
def test_an_open_case_always_has_something_due_and_somebody_who_owes_it(submitted: list[Action]) -> None:
    for case in played(submitted):
        all_due = dues(case)
        assert next_due(case) == (all_due[0] if all_due else None)
        assert all(due.owed_by and due.since <= due.at for due in all_due)
        if case.is_open:
            assert any(due.kind not in OWED_BY_OTHERS for due in all_due)
        else:
            assert OWED_BY_OTHERS.issuperset(due.kind for due in all_due)
        if case.status is Status.UNREPORTED:
            assert not all_due


def test_nothing_is_due_before_a_report() -> None:
    assert dues(Case.unreported("C-1")) == []


def test_a_report_is_screened_and_answered_even_where_nobody_is_named() -> None:
    due = owed(lived(action(report(), INTAKE)))
    assert due[DueKind.SCREENING] == Due(HAPPENED + 72 * HOUR, DueKind.SCREENING, "child-crimes/intake", HAPPENED)
    assert due[DueKind.FIRST_RESPONSE].at == HAPPENED + 24 * HOUR
    assert due[DueKind.FIRST_RESPONSE].owed_by == "child-crimes/intake"


def test_a_case_that_nobody_holds_is_owed_an_assignment_by_the_intake_desk() -> None:
    later = HAPPENED + 3 * DAY
    case = lived(*HELD, action(Released(HandoverReason.LEFT_AGENCY), SERGEANT, at=later))
    due = owed(case)[DueKind.ASSIGNMENT]
    assert due == Due(later + DAY, DueKind.ASSIGNMENT, "child-crimes/intake", later)


def test_the_holder_owes_acknowledgement_then_progress() -> None:
    assert owed(lived(*HELD))[DueKind.ACKNOWLEDGEMENT].owed_by == DETECTIVE.id
    due = owed(lived(*HELD, action(Acknowledged(), DETECTIVE)))
    assert DueKind.ACKNOWLEDGEMENT not in due
    assert due[DueKind.PROGRESS] == Due(HAPPENED + 14 * DAY, DueKind.PROGRESS, DETECTIVE.id, HAPPENED)
    assert due[DueKind.SUPERVISOR_REVIEW].owed_by == "child-crimes/supervisor"


def test_a_child_in_danger_is_seen_within_a_day() -> None:
    calm = owed(lived(action(report(), INTAKE)))[DueKind.VICTIM_CONTACT]
    danger = owed(lived(action(report(immediate_danger=True), INTAKE)))[DueKind.VICTIM_CONTACT]
    assert (calm.at - calm.since, danger.at - danger.since) == (14 * DAY, DAY)


def test_a_contact_with_the_victim_is_owed_until_one_is_made() -> None:
    contact = action(VictimContactMade(ContactMethod.PHONE), DETECTIVE)
    assert DueKind.VICTIM_CONTACT in owed(lived(*HELD))
    assert DueKind.VICTIM_CONTACT not in owed(lived(*HELD, contact))
    assert DueKind.FIRST_RESPONSE not in owed(lived(*HELD, contact))


@pytest.mark.parametrize(("offence", "days"), [(Offence.SIMPLE_ASSAULT, 45), (Offence.FONDLING, 120)])
def test_the_law_gives_a_decision_45_days_and_120_for_sexual_abuse(offence: Offence, days: int) -> None:
    case = lived(action(report(offences=(OffenceAlleged(offence),)), INTAKE))
    assert owed(case)[DueKind.DECISION].at == HAPPENED + days * DAY


def test_a_suspended_case_is_owed_its_review_by_the_supervisor() -> None:
    review = HAPPENED + 9 * DAY
    case = lived(*HELD, action(Suspended(SuspensionReason.AWAITING_LAB, review)))
    assert next_due(case) == Due(review, DueKind.SUSPENSION_REVIEW, "child-crimes/supervisor", review)


def test_a_closure_that_was_asked_for_is_owed_a_decision() -> None:
    due = next_due(lived(*ASKED))
    assert due == Due(HAPPENED + 7 * DAY, DueKind.CLOSURE_DECISION, "child-crimes/supervisor", HAPPENED)


def test_entering_a_report_late_gains_no_time() -> None:
    early = HAPPENED - 20 * DAY
    assert owed(lived(action(report(), INTAKE, at=early)))[DueKind.SCREENING].at == early + 72 * HOUR


@pytest.mark.parametrize(
    "ended",
    [
        pytest.param((*ASKED, action(ClosureApproved())), id="closed"),
        pytest.param((HELD[0], action(ScreenedOut(ScreeningReason.NOT_A_CRIME), INTAKE)), id="screened out"),
    ],
)
def test_a_case_that_has_ended_owes_nothing_but_an_answer_to_a_concern(ended: tuple[Action, ...]) -> None:
    assert dues(lived(*ended)) == []
    due = next_due(lived(*ended, action(ConcernRaised("con-1", ConcernKind.CLOSED_WITHOUT_WORK), CLINIC)))
    assert due == Due(HAPPENED + 7 * DAY, DueKind.CONCERN_ANSWER, "child-crimes/supervisor", HAPPENED)


def test_a_partner_still_owes_an_answer_when_the_case_has_ended() -> None:
    referred = action(ReferralMade("ref-1", Service.MEDICAL_EVALUATION, CLINIC.agency, acute=True), DETECTIVE)
    case = lived(*HELD, referred, *ASKED[3:], action(ClosureApproved()))
    assert {kind: due.owed_by for kind, due in owed(case).items()} == {
        DueKind.REFERRAL_ANSWER: CLINIC.agency,
        DueKind.MEDICAL_EVALUATION: CLINIC.agency,
    }
    assert owed(case)[DueKind.MEDICAL_EVALUATION].at == HAPPENED + 72 * HOUR


def test_a_merged_case_owes_nothing_but_to_partners() -> None:
    raised = action(ConcernRaised("con-1", ConcernKind.OTHER), CLINIC)
    merged = lived(*HELD, raised, action(Merged("C-2", MergeReason.SAME_INCIDENT)))
    assert [due.kind for due in dues(merged)] == [DueKind.CONCERN_ANSWER]


def moment(day: int, hour: int = 9) -> datetime:
    """A moment of March 2026, the 2nd of which is a Monday."""
    return datetime(2026, 3, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        pytest.param(moment(2), 1, moment(3), id="Monday to Tuesday"),
        pytest.param(moment(6), 1, moment(9), id="Friday to Monday"),
        pytest.param(moment(5), 2, moment(9), id="Thursday over the weekend"),
        pytest.param(moment(2), 5, moment(9), id="a week"),
        pytest.param(moment(7, 15), 1, moment(10, 0), id="Saturday counts from Monday 0:00"),
        pytest.param(moment(8, 23), 2, moment(11, 0), id="Sunday counts from Monday 0:00"),
        pytest.param(moment(4), 12, moment(20), id="two weeks and two days"),
        pytest.param(moment(3), 0, moment(3), id="none"),
    ],
)
def test_business_days_leave_out_weekends(start: datetime, days: int, end: datetime) -> None:
    assert business_days_after(start, days) == end
