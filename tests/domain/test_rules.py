"""Every rule refuses what it is there to refuse, and lets the like of it pass."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from casetrail.domain.actions import Action, ActionRejected, Actor, Body, Imported
from casetrail.domain.assignment import Acknowledged, Assigned, Reassigned
from casetrail.domain.case import Case
from casetrail.domain.closure import ClosureApproved, ClosureRefused, ClosureRequested, ExceptionalConditions, Reopened
from casetrail.domain.codes import (
    Clearance,
    ClosureRefusal,
    ConcernAnswer,
    ConcernKind,
    ConcernOutcome,
    CorrectionReason,
    Disposition,
    HandoverReason,
    MergeReason,
    ReferralReason,
    Relation,
    ReopeningReason,
    ResumptionReason,
    ReviewResult,
    Role,
    ScreeningReason,
    SealedName,
    Service,
    Step,
    SuspensionReason,
)
from casetrail.domain.concern import ConcernAnswered, ConcernClosed, ConcernRaised
from casetrail.domain.deciding import CLOCK_TOLERANCE, decide, decide_by_1
from casetrail.domain.intake import ScreenedIn, ScreenedOut
from casetrail.domain.investigation import InvestigativeStepTaken, NoteAdded, SupervisorReviewed
from casetrail.domain.linking import FactCorrected, Linked, Merged
from casetrail.domain.referral import (
    ReferralAccepted,
    ReferralCompleted,
    ReferralDeclined,
    ReferralMade,
    ReferralWithdrawn,
)
from casetrail.domain.rules import RULES, Rule, rule
from casetrail.domain.sealed import SealedField
from casetrail.domain.shapes import body_from_plain
from casetrail.domain.status import Status
from casetrail.domain.suspension import LONGEST_SUSPENSION, Resumed, Suspended
from tests.actions import (
    CLINIC,
    DETECTIVE,
    HAPPENED,
    INTAKE,
    OTHER_DETECTIVE,
    OTHER_SERGEANT,
    REGISTRAR,
    SERGEANT,
    action,
    report,
)
from tests.domain.escalation_examples import ESCALATION_EXAMPLES
from tests.domain.registry_examples import REGISTRY_EXAMPLES

RECORDED = HAPPENED + timedelta(hours=1)
OLD = Imported(bytes(32), 7, "old-rms")
ADVOCATE = Actor("adv.kim", "advocates", Role.PARTNER)


def sealed(name: SealedName) -> tuple[SealedField, ...]:
    """One sealed field, as the submitter would make it."""
    return (SealedField(name, bytes(32), bytes(12), b"sealed"),)


RATIONALE = sealed(SealedName.RATIONALE)
NARRATIVE = sealed(SealedName.NARRATIVE)
ALL_CONDITIONS = ExceptionalConditions(True, True, True, True)

REPORTED = action(report(), INTAKE)
SCREENED = action(ScreenedIn(ScreeningReason.ALLEGES_CRIME), INTAKE)
ASSIGNED = action(Assigned(DETECTIVE.id))
STEP = action(InvestigativeStepTaken(Step.RECORDS_REQUESTED), DETECTIVE)
REFERRED = action(ReferralMade("ref-1", Service.MEDICAL_EVALUATION, CLINIC.agency), DETECTIVE)
COMPLETED = action(ReferralCompleted("ref-1"), CLINIC)
RAISED = action(ConcernRaised("con-1", ConcernKind.NO_RESPONSE), CLINIC)
ANSWERED = action(ConcernAnswered("con-1", ConcernAnswer.EXPLAINED), SERGEANT)
SUSPENDED = action(Suspended(SuspensionReason.AWAITING_LAB, HAPPENED + timedelta(days=10)), SERGEANT)


def closing(disposition: Disposition = Disposition.INACTIVATED, **fields: object) -> ClosureRequested:
    """A closure as it may be asked for."""
    return ClosureRequested(disposition, **{"sealed": RATIONALE, **fields})  # type: ignore[arg-type]


NOTHING: tuple[Action, ...] = ()
RECEIVED = (REPORTED,)
WAITING = (REPORTED, SCREENED)
HELD = (*WAITING, ASSIGNED)
ASKED = (*HELD, action(closing(), DETECTIVE))
CLOSED = (*ASKED, action(ClosureApproved(), SERGEANT))
OUT = (REPORTED, action(ScreenedOut(ScreeningReason.NOT_A_CRIME), INTAKE))
GONE = (*HELD, action(Merged("C-2", MergeReason.SAME_INCIDENT), SERGEANT))


@dataclass(frozen=True)
class Example:
    """Given a history, ``refused`` meets the rule ``code``, and ``accepted`` (given ``instead``, if set) does not."""

    code: str
    given: tuple[Action, ...]
    refused: Action
    accepted: Action
    instead: tuple[Action, ...] | None = None
    key: str | None = None
    """The key that ``refused`` is appended under, where it is not the case's."""


def exceptional(**conditions: bool) -> Body:
    return closing(
        Disposition.CLEARED_EXCEPTIONALLY,
        clearance=Clearance.PROSECUTION_DECLINED,
        conditions=replace(ALL_CONDITIONS, **conditions),
    )


EXAMPLES = (
    # what an action must be at all
    Example("wrong-key", RECEIVED, SCREENED, SCREENED, key="C-2"),
    Example("duplicate-action", HELD, replace(STEP, action_id=ASSIGNED.action_id), STEP),
    Example(
        "unknown-code",
        RECEIVED,
        action(body_from_plain(ScreenedIn, {"reason": "a_hunch"}), INTAKE),
        action(body_from_plain(ScreenedIn, {"reason": "child_at_risk"}), INTAKE),
    ),
    Example("not-an-id", WAITING, action(Assigned("Jane Doe")), action(Assigned("det.jane"))),
    Example("reserved-case-id", NOTHING, action(report(), INTAKE, "registry"), action(report(), INTAKE, "registry-1")),
    Example(
        "occurred-in-the-future",
        RECEIVED,
        replace(SCREENED, occurred_at=RECORDED + CLOCK_TOLERANCE + timedelta(microseconds=1)),
        replace(SCREENED, occurred_at=RECORDED + CLOCK_TOLERANCE),
    ),
    Example(
        "import-by-registrar",
        NOTHING,
        action(report(), INTAKE, imported=OLD),
        action(report(), REGISTRAR, imported=OLD),
    ),
    Example(
        "import-after-live",
        RECEIVED,
        action(SCREENED.body, REGISTRAR, imported=OLD),
        action(SCREENED.body, REGISTRAR, imported=OLD),
        instead=(action(report(), REGISTRAR, imported=OLD),),
    ),
    Example("role-may-not", WAITING, replace(ASSIGNED, actor=DETECTIVE), ASSIGNED),
    # where a case must stand
    Example("no-such-case", NOTHING, SCREENED, SCREENED, instead=RECEIVED),
    Example("case-exists", RECEIVED, action(report(), INTAKE), action(report(), INTAKE), instead=NOTHING),
    Example("case-merged", GONE, STEP, action(Linked("C-3", Relation.SAME_CHILD))),
    Example("not-screened-in", RECEIVED, ASSIGNED, ASSIGNED, instead=WAITING),
    Example("case-screened-out", OUT, ASSIGNED, action(Reopened(ReopeningReason.AUDIT))),
    Example("case-closed", CLOSED, STEP, action(Reopened(ReopeningReason.AUDIT))),
    Example("closure-pending", ASKED, SUSPENDED, SUSPENDED, instead=HELD),
    Example("no-closure-requested", HELD, action(ClosureApproved()), action(ClosureApproved()), instead=ASKED),
    Example(
        "not-suspended",
        HELD,
        action(Resumed(ResumptionReason.NEW_INFORMATION)),
        action(Resumed(ResumptionReason.NEW_INFORMATION)),
        instead=(*HELD, SUSPENDED),
    ),
    Example(
        "case-still-open",
        HELD,
        action(Reopened(ReopeningReason.AUDIT)),
        action(Reopened(ReopeningReason.AUDIT)),
        instead=CLOSED,
    ),
    Example("already-screened", HELD, action(SCREENED.body), SCREENED, instead=RECEIVED),
    # intake
    Example("offence-needed", NOTHING, action(report(offences=()), INTAKE), action(report(), INTAKE)),
    Example(
        "screening-reason-does-not-fit",
        RECEIVED,
        action(ScreenedOut(ScreeningReason.CHILD_AT_RISK), INTAKE),
        action(ScreenedOut(ScreeningReason.OUTSIDE_JURISDICTION), INTAKE),
    ),
    # assignment
    Example("already-assigned", HELD, action(Assigned(OTHER_DETECTIVE.id)), ASSIGNED, instead=WAITING),
    Example(
        "nobody-holds",
        WAITING,
        action(Reassigned(DETECTIVE.id, HandoverReason.LEAVE)),
        action(Reassigned(OTHER_DETECTIVE.id, HandoverReason.LEAVE)),
        instead=HELD,
    ),
    Example(
        "same-holder",
        HELD,
        action(Reassigned(DETECTIVE.id, HandoverReason.WORKLOAD)),
        action(Reassigned(OTHER_DETECTIVE.id, HandoverReason.WORKLOAD)),
    ),
    Example("not-the-holder", HELD, action(Acknowledged(), OTHER_DETECTIVE), action(Acknowledged(), DETECTIVE)),
    Example(
        "already-acknowledged",
        (*HELD, action(Acknowledged(), DETECTIVE)),
        action(Acknowledged(), DETECTIVE),
        action(Acknowledged(), DETECTIVE),
        instead=HELD,
    ),
    # referral
    Example(
        "referral-exists",
        (*HELD, REFERRED),
        action(REFERRED.body, DETECTIVE),
        action(ReferralMade("ref-2", Service.MEDICAL_EVALUATION, CLINIC.agency), DETECTIVE),
    ),
    Example("no-such-referral", HELD, COMPLETED, COMPLETED, instead=(*HELD, REFERRED)),
    Example(
        "referral-ended",
        (*HELD, REFERRED, COMPLETED),
        action(COMPLETED.body, CLINIC),
        COMPLETED,
        instead=(*HELD, REFERRED),
    ),
    Example(
        "referral-accepted",
        (*HELD, REFERRED, action(ReferralAccepted("ref-1"), CLINIC)),
        action(ReferralAccepted("ref-1"), CLINIC),
        COMPLETED,
    ),
    Example("agency-not-asked", (*HELD, REFERRED), action(COMPLETED.body, ADVOCATE), COMPLETED),
    Example(
        "agency-did-not-refer",
        (*HELD, REFERRED),
        action(ReferralWithdrawn("ref-1", ReferralReason.NOT_NEEDED), CLINIC),
        action(ReferralWithdrawn("ref-1", ReferralReason.NOT_NEEDED), OTHER_SERGEANT),
    ),
    # investigation
    Example(
        "own-case",
        (*WAITING, action(Assigned(SERGEANT.id), OTHER_SERGEANT)),
        action(SupervisorReviewed(ReviewResult.CONTINUE), SERGEANT),
        action(SupervisorReviewed(ReviewResult.CONTINUE), OTHER_SERGEANT),
    ),
    Example("nothing-noted", HELD, action(NoteAdded(())), action(NoteAdded(NARRATIVE))),
    # suspension
    Example("review-date-past", HELD, action(Suspended(SuspensionReason.OTHER, HAPPENED)), SUSPENDED),
    Example(
        "review-date-too-far",
        HELD,
        action(Suspended(SuspensionReason.OTHER, HAPPENED + LONGEST_SUSPENSION + timedelta(microseconds=1))),
        action(Suspended(SuspensionReason.OTHER, HAPPENED + LONGEST_SUSPENSION)),
    ),
    # closure
    Example("rationale-needed", HELD, action(closing(sealed=NARRATIVE), DETECTIVE), action(closing(), DETECTIVE)),
    Example(
        "clearance-does-not-fit",
        HELD,
        action(closing(clearance=Clearance.VICTIM_REFUSED), DETECTIVE),
        action(exceptional(), DETECTIVE),
    ),
    Example(
        "conditions-not-met",
        HELD,
        action(exceptional(probable_cause=False), DETECTIVE),
        action(exceptional(), DETECTIVE),
    ),
    Example(
        "transfer-not-acknowledged",
        HELD,
        action(closing(Disposition.TRANSFERRED, transferred_to="county"), DETECTIVE),
        action(closing(Disposition.TRANSFERRED, transferred_to="county", acknowledgement="K-9"), DETECTIVE),
    ),
    Example(
        "unfounded-needs-basis",
        (*HELD, STEP),
        action(closing(Disposition.UNFOUNDED, basis_number=5), DETECTIVE),
        action(closing(Disposition.UNFOUNDED, basis_number=4), DETECTIVE),
    ),
    Example(
        "closing-takes-two",
        (*HELD, action(closing(), SERGEANT)),
        action(ClosureApproved(), SERGEANT),
        action(ClosureApproved(), OTHER_SERGEANT),
    ),
    # linking
    Example("same-case", HELD, action(Linked("C-1", Relation.SAME_CHILD)), action(Linked("C-2", Relation.SAME_CHILD))),
    Example(
        "no-such-fact",
        HELD,
        action(FactCorrected(9, CorrectionReason.ENTERED_WRONG, happened_at=HAPPENED)),
        action(FactCorrected(3, CorrectionReason.ENTERED_WRONG, happened_at=HAPPENED)),
    ),
    Example(
        "nothing-corrected",
        HELD,
        action(FactCorrected(1, CorrectionReason.ENTERED_WRONG)),
        action(FactCorrected(1, CorrectionReason.ENTERED_WRONG, immediate_danger=True)),
    ),
    Example(
        "correction-does-not-fit",
        HELD,
        action(FactCorrected(2, CorrectionReason.ENTERED_WRONG, immediate_danger=True)),
        action(FactCorrected(1, CorrectionReason.ENTERED_WRONG, immediate_danger=True)),
    ),
    # concern
    Example(
        "concern-exists",
        (*HELD, RAISED),
        action(RAISED.body, CLINIC),
        action(ConcernRaised("con-2", ConcernKind.NO_RESPONSE), CLINIC),
    ),
    Example("no-such-concern", HELD, ANSWERED, ANSWERED, instead=(*HELD, RAISED)),
    Example("concern-answered", (*HELD, RAISED, ANSWERED), action(ANSWERED.body), ANSWERED, instead=(*HELD, RAISED)),
    # registry, extension
    *(Example(*row) for row in REGISTRY_EXAMPLES),
    # escalation, findings, heartbeats
    *(Example(*row) for row in ESCALATION_EXAMPLES),
)
BY_CODE = {example.code: example for example in EXAMPLES}
OF_IMPORTS = {"import-by-registrar", "import-after-live"}
FREE = sorted(code for code, rule in RULES.items() if not rule.binds_imported)
BINDING = sorted(code for code, rule in RULES.items() if rule.binds_imported and code not in OF_IMPORTS)


def lived(case_id: str, history: Iterable[Action]) -> Case:
    """A case with this history, all of it accepted."""
    case = Case.unreported(case_id)
    for past in history:
        body = decide(case, past, RECORDED)
        assert body is past.body, f"the example's own history is refused: {body}"
        case.record(past, body, RECORDED)
    return case


def refusal(case: Case, asked: Action, key: str | None = None) -> str | None:
    """The code of the rule that refuses the action; None where it is accepted."""
    body = decide(case, asked, RECORDED, key)
    return body.code if isinstance(body, ActionRejected) else None


def as_imported(live: Action) -> Action:
    """The same action as the registrar imports it from an old system."""
    return replace(live, actor=replace(live.actor, role=Role.REGISTRAR), imported=OLD)


def test_every_rule_has_an_example_and_every_example_a_rule() -> None:
    assert sorted(example.code for example in EXAMPLES) == sorted(RULES)


@pytest.mark.parametrize("code", BY_CODE)
def test_the_rule_refuses_what_it_is_there_for(code: str) -> None:
    example = BY_CODE[code]
    assert refusal(lived(example.refused.case_id, example.given), example.refused, example.key) == code


@pytest.mark.parametrize("code", BY_CODE)
def test_the_rule_lets_the_like_pass(code: str) -> None:
    example = BY_CODE[code]
    given = example.given if example.instead is None else example.instead
    assert refusal(lived(example.accepted.case_id, given), example.accepted) is None


@pytest.mark.parametrize("code", FREE)
def test_a_rule_that_old_systems_did_not_know_does_not_bind_their_histories(code: str) -> None:
    example = BY_CODE[code]
    case = lived(example.refused.case_id, map(as_imported, example.given))
    assert refusal(case, as_imported(example.refused)) is None


@pytest.mark.parametrize("code", BINDING)
def test_a_rule_without_which_the_history_has_no_meaning_binds_imported_ones_too(code: str) -> None:
    example = BY_CODE[code]
    case = lived(example.refused.case_id, map(as_imported, example.given))
    assert refusal(case, as_imported(example.refused), example.key) == code


def test_an_import_gets_around_no_rule_once_a_case_is_live() -> None:
    case = lived("C-1", (as_imported(REPORTED), as_imported(SCREENED), ASSIGNED))
    closure = as_imported(action(closing(sealed=()), DETECTIVE))
    assert refusal(case, closure) == "import-after-live"


@pytest.mark.parametrize(
    "asked",
    [
        action(ReferralAccepted("ref-1"), CLINIC),
        COMPLETED,
        action(ReferralDeclined("ref-1", ReferralReason.NO_CAPACITY), CLINIC),
        action(ReferralWithdrawn("ref-1", ReferralReason.NOT_NEEDED), DETECTIVE),
        action(ConcernRaised("con-2", ConcernKind.NO_RESPONSE), CLINIC),
        ANSWERED,
        action(ConcernClosed("con-1", ConcernOutcome.SETTLED), CLINIC),
    ],
    ids=lambda asked: type(asked.body).__name__,
)
def test_partners_are_heard_in_a_merged_case_as_in_any_other_since_the_second_rule_set(asked: Action) -> None:
    before = (*HELD, REFERRED, RAISED)
    merged = lived("C-1", (*before, action(Merged("C-2", MergeReason.SAME_INCIDENT), SERGEANT)))
    assert refusal(merged, asked) is None is refusal(lived("C-1", before), asked)
    assert decide_by_1(merged, asked, RECORDED) == ActionRejected(type(asked.body).__name__, "case-merged")
    assert decide_by_1(lived("C-1", before), asked, RECORDED) is asked.body
    live = action(NoteAdded(NARRATIVE), DETECTIVE)
    assert refusal(merged, live) == "case-merged"


def test_a_refused_closure_stays_in_the_history_and_changes_nothing() -> None:
    case = lived("C-1", (*HELD, action(closing(), SERGEANT)))
    before, facts = case.version, vars(case.facts).copy()
    asked = action(ClosureApproved(), SERGEANT)
    body = decide(case, asked, RECORDED)
    case.record(asked, body, RECORDED)
    assert body == ActionRejected("ClosureApproved", "closing-takes-two", None)
    assert case.version == before + 1
    assert case.kinds[-1] == "ActionRejected"
    assert vars(case.facts) == facts
    assert not case.is_fact(case.version)
    assert case.status is Status.CLOSURE_REQUESTED


def test_a_supervisors_no_leaves_the_case_open_and_the_request_on_record() -> None:
    case = lived("C-1", (*ASKED, action(ClosureRefused(ClosureRefusal.WORK_REMAINS), SERGEANT)))
    assert case.status is Status.ASSIGNED
    assert case.kinds[-2:] == ["ClosureRequested", "ClosureRefused"]


@pytest.mark.parametrize(
    "closer",
    [
        pytest.param(SERGEANT, id="who asked"),
        pytest.param(Actor(DETECTIVE.id, "metro-pd", Role.SUPERVISOR), id="who held the case when it was asked"),
        pytest.param(Actor(OTHER_DETECTIVE.id, "metro-pd", Role.COMMANDER), id="who holds it now"),
    ],
)
def test_nobody_who_asked_or_holds_or_held_decides_on_a_closure(closer: Actor) -> None:
    reassigned = action(Reassigned(OTHER_DETECTIVE.id, HandoverReason.WORKLOAD))
    case = lived("C-1", (*HELD, action(closing(), SERGEANT), reassigned))
    assert refusal(case, action(ClosureApproved(), closer)) == "closing-takes-two"
    assert refusal(case, action(ClosureRefused(ClosureRefusal.WORK_REMAINS), closer)) == "closing-takes-two"
    assert refusal(case, action(ClosureApproved(), OTHER_SERGEANT)) is None


def test_a_repeated_submission_is_answered_once_and_doubles_nothing() -> None:
    case = lived("C-1", (*HELD, STEP))
    case.record(STEP, decide(case, STEP, RECORDED), RECORDED)
    assert case.facts.steps == 1
    assert case.kinds[-1] == "ActionRejected"
    assert case.numbers[STEP.action_id] == 4


def test_a_refused_action_uses_up_its_id() -> None:
    early = action(ASSIGNED.body)
    case = lived("C-1", RECEIVED)
    case.record(early, decide(case, early, RECORDED), RECORDED)
    assert refusal(case, early) == "duplicate-action"


def test_a_refusal_names_the_field_and_never_its_value() -> None:
    body = decide(lived("C-1", WAITING), action(Assigned("Jane Doe")), RECORDED)
    assert body == ActionRejected("Assigned", "not-an-id", "holder")
    assert "Jane" not in repr(body)


def test_two_rules_cannot_have_one_code() -> None:
    with pytest.raises(ValueError, match="two rules have the code wrong-key"):
        rule("wrong-key", "Again.")


@pytest.mark.parametrize("code", RULES)
def test_a_rule_says_what_it_is_in_a_sentence_and_where_it_comes_from(code: str) -> None:
    found: Rule = RULES[code]
    assert found.code == code
    assert found.source
    assert found.sentence.endswith((".", ").")) and found.sentence[0].isupper()
