"""Answers to alarms: nobody's word ends that those above are told; and the first rule set let it. Who is told of findings."""

from casetrail.domain.actions import Action, ActionRejected, Actor
from casetrail.domain.case import Case
from casetrail.domain.codes import Level, Role
from casetrail.domain.deciding import decide, decide_by_1
from tests.actions import DETECTIVE, HAPPENED, INTAKE, SERGEANT, action, report
from tests.domain.escalation_examples import MISSED, TOLD, WATCHDOG, answered, escalated
from tests.domain.registry_examples import COMMANDER


def told(*actions: Action) -> Case:
    """A case in which these were recorded."""
    case = Case.unreported("C-1")
    for one in actions:
        case.fold(case.version + 1, HAPPENED, one, one.body)
    return case


def test_the_first_rule_set_let_any_answer_end_an_escalation_and_the_second_only_up_to_its_level() -> None:
    case = told(*MISSED, answered(DETECTIVE))
    refused = ActionRejected("Escalated", "escalation-answered")
    for level in (Level.SUPERVISOR, Level.COMMANDER, Level.PARTNERS, Level.OVERSIGHT):
        asked = escalated(level)
        assert decide_by_1(case, asked, HAPPENED) == refused
        assert decide(case, asked, HAPPENED) is asked.body
    assert decide(case, escalated(Level.HOLDER), HAPPENED) == refused


def test_whoever_stands_above_answers_after_those_below_and_not_the_other_way() -> None:
    case = told(*MISSED, answered(DETECTIVE))
    for actor in (SERGEANT, COMMANDER):
        asked = answered(actor)
        assert decide(case, asked, HAPPENED) is asked.body
        assert decide_by_1(case, asked, HAPPENED) == ActionRejected("EscalationAnswered", "escalation-answered")
    case = told(*MISSED, answered(SERGEANT))
    for actor in (DETECTIVE, INTAKE, SERGEANT):
        assert decide(case, answered(actor), HAPPENED) == ActionRejected("EscalationAnswered", "escalation-answered")


def test_only_a_machine_has_it_recorded_that_people_were_told_of_a_finding_and_that_changes_no_case() -> None:
    before = told(*MISSED)
    facts = vars(before.facts).copy()
    assert decide(before, TOLD, HAPPENED) is TOLD.body
    for role in set(Role) - {Role.SYSTEM}:
        refused = decide(before, action(TOLD.body, Actor("somebody", "metro-pd", role)), HAPPENED)
        assert refused == ActionRejected("FindingTold", "role-may-not")
    after = told(*MISSED, TOLD)
    assert vars(after.facts) == facts and after.status is before.status


def test_of_a_finding_people_are_told_in_its_case_even_where_no_report_was_accepted_or_in_the_registry() -> None:
    for key in ("C-9", "registry"):
        assert decide(Case.unreported(key), action(TOLD.body, WATCHDOG, key), HAPPENED) is TOLD.body
    machine = "machine:w1:2026-03"
    refused = decide(Case.unreported(machine), action(TOLD.body, WATCHDOG, machine), HAPPENED)
    assert refused == ActionRejected("FindingTold", "reserved-case-id")
    case = told(TOLD)
    received = action(report(), INTAKE)
    assert decide(case, received, HAPPENED) is received.body, "and the report is accepted all the same"
