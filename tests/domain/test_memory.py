"""A case that was written down between two events is the case that it was."""

from datetime import timedelta

from hypothesis import given, settings

from casetrail.domain.actions import Action, ActionRejected, SubmissionUnreadable
from casetrail.domain.case import Case
from casetrail.domain.codes import ScreeningReason
from casetrail.domain.deciding import decide
from casetrail.domain.intake import ScreenedIn
from casetrail.domain.memory import KIND_NAMES, MEMORY, dump_case, load_case
from tests.actions import HAPPENED, INTAKE, action, report
from tests.domain.histories import played, submissions

RECORDED = HAPPENED + timedelta(hours=1)


def remembered(case: Case) -> Case:
    return load_case(case.id, dump_case(case))


@settings(max_examples=80, deadline=None)
@given(submissions())
def test_a_remembered_case_equals_the_folded_one(submitted: list[Action]) -> None:
    for case in played(submitted):
        again = remembered(case)
        assert again.facts == case.facts
        assert again == case
        assert dump_case(again) == dump_case(case)


def test_an_empty_case_is_remembered() -> None:
    assert remembered(Case.unreported("C-1")) == Case.unreported("C-1")


def test_a_remembered_case_still_knows_an_action_whose_id_is_all_zeros() -> None:
    case = Case.unreported("C-1")
    first = action(report(), INTAKE, action_id=bytes(16))
    case.record(first, decide(case, first, RECORDED), RECORDED)
    second = action(ScreenedIn(ScreeningReason.ALLEGES_CRIME), INTAKE, action_id=bytes(16))
    for known in (case, remembered(case)):
        assert decide(known, second, RECORDED) == ActionRejected("ScreenedIn", "duplicate-action", None)


def test_unreadable_submissions_are_remembered_as_events_without_an_action() -> None:
    case = Case.unreported("C-1")
    case.record(None, SubmissionUnreadable("not-framed", 1, b"C-1", b"?"), RECORDED)
    first = action(report(), INTAKE)
    case.record(first, decide(case, first, RECORDED), RECORDED)
    case.collect_events()
    assert remembered(case) == case
    assert case.numbers == {first.action_id: 2}


def test_a_text_has_room_for_every_kind_of_event_and_names_its_form() -> None:
    assert len(KIND_NAMES) < 256  # a kind is one byte in the text
    assert len(MEMORY) == 16
