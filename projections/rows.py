"""The rows of the views, as pure functions of histories and events.

Times in the views are microseconds since 1970-01-01T00:00:00Z, so SQLite and PostgreSQL hold the same numbers.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from casetrail.domain.case import Case
from casetrail.domain.codes import Offence
from casetrail.domain.due import next_due
from casetrail.domain.memory import dump_case
from casetrail.domain.status import OPEN
from casetrail.domain.values import EPOCH
from casetrail.eventlog.codec import Event
from casetrail.eventlog.outcome import History
from casetrail.eventlog.port import Record

MICROSECOND: Final = timedelta(microseconds=1)
OFFENCE_BITS: Final = {offence: 1 << number for number, offence in enumerate(Offence)}

UNACCEPTED: Final = {"ActionRejected": "rejected", "SubmissionUnreadable": "unreadable"}

Row = tuple[Any, ...]


def micros(moment: datetime | None) -> int | None:
    """Microseconds since 1970, UTC."""
    return None if moment is None else (moment - EPOCH) // MICROSECOND


def case_row(history: History, partition: int, state: str | None = None) -> Row:
    """The row of a case in ``case_status``. ``state``: its folded text, where that is known already."""
    case = history.case
    facts, status, due = case.facts, case.status, next_due(case)
    return (
        case.id, partition, case.version, history.last_hash, status.value, int(status in OPEN), facts.agency,
        facts.unit, facts.holder, facts.report_number, facts.channel and facts.channel.value, facts.reported_in,
        ",".join(facts.offences), sum(OFFENCE_BITS[offence] for offence in set(facts.offences)),
        int(facts.immediate_danger), micros(facts.received_at), micros(facts.screened_at), micros(facts.assigned_at),
        micros(facts.acknowledged_at), micros(facts.free_since), micros(facts.first_contact_at),
        micros(facts.last_contact_at), micros(facts.last_act_at), micros(facts.reviewed_at),
        micros(facts.suspended_until), micros(facts.closed_at), facts.disposition and facts.disposition.value,
        facts.clearance and facts.clearance.value, facts.merged_into, facts.contacts, facts.contact_attempts,
        facts.steps, facts.handovers, facts.reopenings, sum(map(case.kinds.count, UNACCEPTED)), micros(case.last_occurred_at),
        micros(case.modified_on), due and due.kind.value, due and due.owed_by, micros(due and due.at),
        int(facts.imported), state or dump_case(case),
    )  # fmt: skip


def timeline_row(record: Record, event: Event) -> Row:
    """The row of an event in ``timeline``: the stored bytes themselves, and what finds them."""
    return (
        event.case_id, event.number, record.partition, record.offset, type(event.body).__name__,
        (event.recorded_at - EPOCH) // MICROSECOND, record.value,
    )  # fmt: skip


def referral_rows(case: Case) -> Iterable[Row]:
    """The rows of a case's referrals."""
    for name, it in case.facts.referrals.items():
        yield (
            case.id, name, it.service.value, it.from_agency, it.to_agency, int(it.acute), it.state.value,
            micros(it.made_at), micros(it.answered_at), micros(it.ended_at),
        )  # fmt: skip


def intake_measures(case: Case) -> list[tuple[str, str, str, str]]:
    """Where a case counts in the intake counts: by month of receipt, unit and first offence, once for each measure."""
    facts = case.facts
    received = facts.received_at
    if received is None:
        return []
    where = f"{received.year:04}-{received.month:02}", facts.unit, facts.offences[0].value if facts.offences else "90Z"
    measures = (
        ("received", True),
        ("screened_in", facts.screened_in is True),
        ("screened_out", facts.screened_in is False),
        ("assigned", facts.assigned_at is not None or facts.handovers > 0 or "Assigned" in case.kinds),
        ("contacted", facts.contacts > 0),
        ("worked", facts.steps > 0),
        ("closed", facts.closed_at is not None),
    )
    return [(*where, measure) for measure, holds in measures if holds]


def outcome_of(event: Event) -> str:
    """``accepted``, ``rejected`` or ``unreadable``."""
    return UNACCEPTED.get(type(event.body).__name__, "accepted")


def outcomes_of(case: Case) -> list[tuple[str, int]]:
    """How many of a case's events have which outcome; none that no event has."""
    refused = [(outcome, count) for kind, outcome in UNACCEPTED.items() if (count := case.kinds.count(kind))]
    accepted = len(case.kinds) - sum(count for _, count in refused)
    return [*refused, ("accepted", accepted)] if accepted else refused
