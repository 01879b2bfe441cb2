"""What is due next in a case, and who owes it. An open case always has such a thing.

Deadlines are computed from the facts, never declared. The limits below are the defaults of Missouri law (RSMo 210.145,
210.183) and, where it says practice, of common practice. A clock starts when something happened (``occurred_at``), not
when it was entered: entering a report late gains no time. Business days are Monday to Friday, in UTC.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from casetrail.domain.case import Case, Referral, ReferralState
from casetrail.domain.codes import Service
from casetrail.domain.parties import intake_desk, supervisor_desk
from casetrail.domain.status import OPEN, Status


class DueKind(StrEnum):
    """What is owed."""

    SCREENING = "screening"
    FIRST_RESPONSE = "first_response"
    ASSIGNMENT = "assignment"
    ACKNOWLEDGEMENT = "acknowledgement"
    VICTIM_CONTACT = "victim_contact"
    PROGRESS = "progress"
    SUPERVISOR_REVIEW = "supervisor_review"
    DECISION = "decision"
    SUSPENSION_REVIEW = "suspension_review"
    CLOSURE_DECISION = "closure_decision"
    REFERRAL_ANSWER = "referral_answer"
    MEDICAL_EVALUATION = "medical_evaluation"
    CONCERN_ANSWER = "concern_answer"


SCREENING_LIMIT: Final = timedelta(hours=72)  # RSMo 210.145: risk assessment
FIRST_RESPONSE_LIMIT: Final = timedelta(hours=24)  # RSMo 210.145: investigation begins
DANGER_CONTACT_LIMIT: Final = timedelta(hours=24)  # RSMo 210.145: a child in immediate danger is seen
CONTACT_LIMIT: Final = timedelta(days=14)  # practice: the first contact is progress that counts
PROGRESS_LIMIT: Final = timedelta(days=14)  # practice
REVIEW_LIMIT: Final = timedelta(days=30)  # practice
DECISION_LIMIT: Final = timedelta(days=45)  # RSMo 210.183
DECISION_LIMIT_SEXUAL_ABUSE: Final = timedelta(days=120)  # RSMo 210.183
ACUTE_EVALUATION_LIMIT: Final = timedelta(hours=72)  # practice: evidence is time-limited
ASSIGNMENT_DAYS: Final = 1  # business days, practice
ACKNOWLEDGEMENT_DAYS: Final = 1  # business days, practice
REFERRAL_ANSWER_DAYS: Final = 2  # business days, practice
CLOSURE_DECISION_DAYS: Final = 5  # business days, practice
CONCERN_ANSWER_DAYS: Final = 5  # business days, practice


class Due(NamedTuple):
    """Something owed: by when (UTC), what, by whom (a person, a unit's desk ``UNIT/intake``, or an agency), since when."""

    at: datetime
    kind: DueKind
    owed_by: str
    since: datetime


def dues(case: Case) -> list[Due]:
    """All that is owed in a case, the most urgent first. A case that has ended may still owe a partner an answer."""
    return sorted(_dues(case))


def next_due(case: Case) -> Due | None:
    """What is owed first. An open case always owes something."""
    return min(_dues(case), default=None)


def _dues(case: Case) -> Iterator[Due]:
    facts, status = case.facts, case.status
    if facts.received_at is None:
        return
    if status in OPEN:
        yield from _owed_by_unit(case, facts.received_at, status)
    for referral in facts.referrals.values():
        yield from _owed_by_partner(referral)
    for concern in facts.concerns.values():
        if concern.answered_at is None and concern.closed_at is None:
            limit = business_days_after(concern.raised_at, CONCERN_ANSWER_DAYS)
            yield Due(limit, DueKind.CONCERN_ANSWER, supervisor_desk(facts.unit), concern.raised_at)


def _owed_by_unit(case: Case, received: datetime, status: Status) -> Iterator[Due]:
    """What the unit owes while a case is open."""
    facts = case.facts
    desk, leader = intake_desk(facts.unit), supervisor_desk(facts.unit)
    holder = facts.holder or desk
    if status is Status.RECEIVED:
        yield Due(received + SCREENING_LIMIT, DueKind.SCREENING, desk, received)
    if status is Status.SUSPENDED:
        assert facts.suspended_until is not None
        yield Due(facts.suspended_until, DueKind.SUSPENSION_REVIEW, leader, facts.suspended_until)
    if facts.closure is not None:
        asked = facts.closure.asked_at
        yield Due(business_days_after(asked, CLOSURE_DECISION_DAYS), DueKind.CLOSURE_DECISION, leader, asked)
    if status not in (Status.SUSPENDED, Status.CLOSURE_REQUESTED):
        yield from _work_owed(case, received, holder, leader)
    if status is not Status.RECEIVED and facts.holder is None:
        since = facts.free_since or received
        yield Due(business_days_after(since, ASSIGNMENT_DAYS), DueKind.ASSIGNMENT, desk, since)


def _work_owed(case: Case, received: datetime, holder: str, leader: str) -> Iterator[Due]:
    """What is owed while a case waits to be worked, or is."""
    facts = case.facts
    if facts.first_act_at is None:
        yield Due(received + FIRST_RESPONSE_LIMIT, DueKind.FIRST_RESPONSE, holder, received)
    if facts.first_contact_at is None:
        limit = DANGER_CONTACT_LIMIT if facts.immediate_danger else CONTACT_LIMIT
        yield Due(received + limit, DueKind.VICTIM_CONTACT, holder, received)
    decision = DECISION_LIMIT_SEXUAL_ABUSE if case.alleges_sexual_abuse else DECISION_LIMIT
    yield Due(received + decision, DueKind.DECISION, holder, received)
    if facts.holder is None or facts.assigned_at is None:
        return
    assigned = facts.assigned_at
    if facts.acknowledged_at is None:
        limit_at = business_days_after(assigned, ACKNOWLEDGEMENT_DAYS)
        yield Due(limit_at, DueKind.ACKNOWLEDGEMENT, facts.holder, assigned)
    else:
        since = max(assigned, facts.last_act_at or assigned)
        yield Due(since + PROGRESS_LIMIT, DueKind.PROGRESS, facts.holder, since)
    since = max(assigned, facts.reviewed_at or assigned)
    yield Due(since + REVIEW_LIMIT, DueKind.SUPERVISOR_REVIEW, leader, since)


def _owed_by_partner(referral: Referral) -> Iterator[Due]:
    made = referral.made_at
    if referral.state is ReferralState.MADE:
        limit = business_days_after(made, REFERRAL_ANSWER_DAYS)
        yield Due(limit, DueKind.REFERRAL_ANSWER, referral.to_agency, made)
    if referral.acute and referral.service is Service.MEDICAL_EVALUATION and referral.ended_at is None:
        yield Due(made + ACUTE_EVALUATION_LIMIT, DueKind.MEDICAL_EVALUATION, referral.to_agency, made)


def business_days_after(moment: datetime, days: int) -> datetime:
    """The moment ``days`` business days after ``moment``, at the same time of day (from a weekend: from Monday 0:00)."""
    weekday = moment.weekday()
    if weekday >= 5:
        moment = moment.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=7 - weekday)
        weekday = 0
    weeks, rest = divmod(days, 5)
    over_weekend = 2 if weekday + rest >= 5 else 0
    return moment + timedelta(days=7 * weeks + rest + over_weekend)
