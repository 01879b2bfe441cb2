"""Answers to alarms: nobody's word ends that those above are told; and the first rule set let it."""

from casetrail.domain.actions import Action, ActionRejected
from casetrail.domain.case import Case
from casetrail.domain.codes import Level
from casetrail.domain.deciding import decide, decide_by_1
from tests.actions import DETECTIVE, HAPPENED, INTAKE, SERGEANT
from tests.domain.escalation_examples import MISSED, answered, escalated
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
