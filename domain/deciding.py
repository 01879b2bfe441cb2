"""Deciding: from a case and an action, the body of the event that answers it. A pure function, with no clock of its own.

Recorder, replay, simulation and audit all call ``decide``, so the same submission meets the same rules everywhere.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from casetrail.domain import kinds  # noqa: F401  (every rule is defined once all kinds are)
from casetrail.domain.actions import Action, ActionRejected, Body, Malformed, kind_of
from casetrail.domain.answering import FindingAnswered, FindingTold
from casetrail.domain.case import Case
from casetrail.domain.codes import Role
from casetrail.domain.concern import ConcernAnswered, ConcernClosed, ConcernRaised
from casetrail.domain.escalation import Escalated, EscalationAnswered
from casetrail.domain.heartbeat import HEARTBEAT_KEY, Heartbeat
from casetrail.domain.intake import CASE_EXISTS
from casetrail.domain.referral import ReferralAccepted, ReferralCompleted, ReferralDeclined, ReferralWithdrawn
from casetrail.domain.registry import REGISTRY, REGISTRY_KINDS, REGISTRY_ONLY
from casetrail.domain.reserved import is_reserved
from casetrail.domain.rules import Refused, Rule, UnknownRuleSet, rule
from casetrail.domain.shapes import check_shape
from casetrail.domain.status import UNMERGED, Status

CLOCK_TOLERANCE: Final = timedelta(minutes=5)

DUPLICATE_ACTION: Final = rule(
    "duplicate-action", "This action id has been answered in this case already; nothing was doubled.",
    binds_imported=True,
)  # fmt: skip
WRONG_KEY: Final = rule(
    "wrong-key", "The record's key is not the case id of the action that it carries.", binds_imported=True
)
RESERVED_CASE_ID: Final = rule("reserved-case-id", "This id is not a case's.", binds_imported=True)
IN_THE_FUTURE: Final = rule(
    "occurred-in-the-future", "What is recorded has happened: its time lies at most 5 minutes (of clock error) ahead.",
    binds_imported=True,
)  # fmt: skip
IMPORT_BY_REGISTRAR: Final = rule(
    "import-by-registrar", "Histories of an old system are imported in the role of registrar.", binds_imported=True
)
IMPORT_AFTER_LIVE: Final = rule(
    "import-after-live",
    "Nothing is imported into a case that is live: otherwise an import would get around every rule on who may act.",
    binds_imported=True,
)
ROLE_MAY_NOT: Final = rule("role-may-not", "Somebody in this role cannot have this recorded.", "practice")
NO_SUCH_CASE: Final = rule(
    "no-such-case", "No report has been received under this case id in this log.", binds_imported=True
)
CASE_MERGED: Final = rule(
    "case-merged",
    "The case has been merged into another: nothing is recorded of it but links, its reopening, concerns, and answers to "
    "referrals, concerns and alarms.",
    binds_imported=True,
)  # fmt: skip
NOT_SCREENED_IN: Final = rule("not-screened-in", "The report has not been screened in yet.")
SCREENED_OUT: Final = rule("case-screened-out", "The report has been screened out: reopen the case first.")
CASE_CLOSED: Final = rule("case-closed", "The case is closed: reopen it first.")
CLOSURE_PENDING: Final = rule("closure-pending", "A closure has been asked for and is not decided yet.")
NO_CLOSURE_ASKED: Final = rule("no-closure-requested", "No closure has been asked for.", binds_imported=True)
NOT_SUSPENDED: Final = rule("not-suspended", "The case is not suspended.")
STILL_OPEN: Final = rule("case-still-open", "The case is open: there is nothing to reopen.")
ALREADY_SCREENED: Final = rule("already-screened", "The report has been screened already.")

BY_STATUS: Final[dict[Status, Rule]] = {
    Status.UNREPORTED: NO_SUCH_CASE,
    Status.MERGED: CASE_MERGED,
    Status.RECEIVED: NOT_SCREENED_IN,
    Status.SCREENED_OUT: SCREENED_OUT,
    Status.CLOSED: CASE_CLOSED,
    Status.CLOSURE_REQUESTED: CLOSURE_PENDING,
}
BY_KIND: Final[dict[str, Rule]] = {
    "ReportReceived": CASE_EXISTS,
    "ClosureApproved": NO_CLOSURE_ASKED,
    "ClosureRefused": NO_CLOSURE_ASKED,
    "Resumed": NOT_SUSPENDED,
    "Reopened": STILL_OPEN,
    "ScreenedIn": ALREADY_SCREENED,
    "ScreenedOut": ALREADY_SCREENED,
}

When = Mapping[type[Body], frozenset[Status]]
"""At which statuses some kinds of action are recorded, by another rule set than the newest."""
WHEN_BY_1: Final[When] = dict.fromkeys(
    (
        ConcernRaised, ConcernAnswered, ConcernClosed,
        ReferralAccepted, ReferralCompleted, ReferralDeclined, ReferralWithdrawn,
    ),
    UNMERGED,
)  # fmt: skip
Checks = Mapping[type[Body], Callable[[Any, Case, Action], None]]
"""How some kinds of action are checked by another rule set than the newest."""
CHECKS_BY_1: Final[Checks] = {
    Escalated: Escalated.check_by_1,
    EscalationAnswered: EscalationAnswered.check_by_1,
}

ONLY_RESERVED: Final = frozenset({*REGISTRY_KINDS, Heartbeat})
"""What is recorded of no case."""


def decide(case: Case, action: Action, recorded_at: datetime, key: str | None = None) -> Body:
    """The body of the event that answers ``action``: its own when every rule allows it, else an ``ActionRejected``.

    ``recorded_at`` is the log's append time of the action, ``key`` the key that it was appended under (None: the
    action's own case id).
    """
    return _decided(case, action, recorded_at, key, {}, {})


def decide_by_1(case: Case, action: Action, recorded_at: datetime, key: str | None = None) -> Body:
    """The same by rule set 1: it heard nobody in a merged case, not even the partners, and any answer ended an escalation."""
    return _decided(case, action, recorded_at, key, WHEN_BY_1, CHECKS_BY_1)


def _decided(
    case: Case, action: Action, recorded_at: datetime, key: str | None, otherwise: When, checks: Checks
) -> Body:
    try:
        _check(case, action, recorded_at, action.case_id if key is None else key, otherwise, checks)
    except Refused as refused:
        return ActionRejected(kind_of(action.body), refused.rule.code, refused.field or None)
    return action.body


def _check(case: Case, action: Action, recorded_at: datetime, key: str, otherwise: When, checks: Checks) -> None:
    WRONG_KEY.require(action.case_id == key, action)
    DUPLICATE_ACTION.require(action.action_id not in case.numbers, action)
    body, role, status = action.body, action.actor.role, case.status
    if isinstance(body, Malformed):
        raise body.refusal
    check_shape(action)
    _check_place(body, action)
    if action.occurred_at > recorded_at:
        IN_THE_FUTURE.require(action.occurred_at <= recorded_at + CLOCK_TOLERANCE, action)
    if action.imported is not None:
        IMPORT_BY_REGISTRAR.require(role is Role.REGISTRAR, action)
        IMPORT_AFTER_LIVE.require(not case.facts.live, action)
    if role not in body.roles:
        ROLE_MAY_NOT.require(False, action)
    if status not in otherwise.get(type(body), body.when) and not _is_of_finding_in_registry(body, action):
        _not_now(status, body).require(False, action)
    check = checks.get(type(body)) if checks else None
    if check is None:
        body.check(case, action)
    else:
        check(body, case, action)


def _check_place(body: Body, action: Action) -> None:
    """Cases have histories, and so have the registry and machines: each of these only its own kinds of action."""
    if not is_reserved(action.case_id) and type(body) not in ONLY_RESERVED:
        return
    if isinstance(body, REGISTRY_KINDS):
        REGISTRY_ONLY.require(action.case_id == REGISTRY, action)
    elif isinstance(body, Heartbeat):
        HEARTBEAT_KEY.require(action.case_id != REGISTRY and is_reserved(action.case_id), action)
    elif not _is_of_finding_in_registry(body, action):
        RESERVED_CASE_ID.require(not is_reserved(action.case_id), action)


def _is_of_finding_in_registry(body: Body, action: Action) -> bool:
    """Whether somebody is told of a finding, or answers it, that is about no case, but about people, units or machines."""
    return isinstance(body, FindingAnswered | FindingTold) and action.case_id == REGISTRY


def _not_now(status: Status, body: Any) -> Rule:
    """The rule by which ``body`` cannot be recorded while a case stands at ``status``."""
    kind = type(body).__name__
    if status in (Status.UNREPORTED, Status.MERGED) and kind != "ReportReceived":
        return BY_STATUS[status]
    return BY_KIND.get(kind) or BY_STATUS.get(status, CASE_EXISTS)


Decide = Callable[[Case, Action, datetime, str | None], Body]

RULE_SETS: Final[Mapping[int, Decide]] = {1: decide_by_1, 2: decide}
"""How each version of the rule set decides. ``rules.RULE_SET`` is the newest.

A version stays as it is for ever: logs hold events that name it, and auditors judge them by it. So a rule is never
changed in place: the changed one stands in a new version, beside the old. Golden histories (``tests/audit/golden``) hold
every version to what it decided on the day it came into force.
"""


def deciding_by(rule_set: int) -> Decide:
    """The function that decides by a version of the rule set. Raises ``UnknownRuleSet``."""
    found = RULE_SETS.get(rule_set)
    if found is None:
        raise UnknownRuleSet(rule_set)
    return found
