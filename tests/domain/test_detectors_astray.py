"""Reports that are merged into a case about another child, or screened out as known from one."""

from hashlib import sha256

import pytest

from casetrail.domain.case import Recorded
from casetrail.domain.codes import CorrectionReason, MergeReason, Relation, SealedName, TokenKind
from casetrail.domain.linking import FactCorrected, Linked, Merged
from casetrail.domain.sealed import SealedField, Token
from tests.actions import DETECTIVE, INTAKE, SERGEANT, report
from tests.domain.clock_histories import day
from tests.domain.clock_stories import CONTACT, OUT, STEP
from tests.domain.detecting import SECOND
from tests.domain.populations import Doing
from tests.domain.surveying import evidence, found, known, reopened, told

ASTRAY, AWAY, UNSEEN = "merged_astray", "merged_away", "merged_unseen"
CHILD, SUSPECT, ADDRESS = TokenKind.CHILD, TokenKind.SUSPECT, TokenKind.ADDRESS
Who = tuple[TokenKind, str]
ADA, BEN = (CHILD, "Ada"), (CHILD, "Ben")


def tokens(*who: Who) -> tuple[Token, ...]:
    return tuple(Token(kind, sha256(name.encode()).digest()) for kind, name in who)


def about(at: float, *who: Who) -> Doing:
    return day(at), INTAKE, report(tokens=tokens(*who))


def corrected(at: float, *who: Who) -> Doing:
    sealed = (SealedField(SealedName.CHILD_NAME, bytes(32), bytes(12), b"sealed"),)
    return day(at), INTAKE, FactCorrected(1, CorrectionReason.NEW_INFORMATION, sealed=sealed, tokens=tokens(*who))


def linked(case_id: str, at: float) -> Doing:
    return day(at), INTAKE, Linked(case_id, Relation.SAME_CHILD)


def into(case_id: str, at: float) -> Doing:
    return day(at), SERGEANT, Merged(case_id, MergeReason.SAME_INCIDENT)


def sink(*more: Doing) -> list[Recorded]:
    """A case about another child that is worked all the time."""
    return told("SINK", about(-5, BEN), *[(day(at), DETECTIVE, STEP) for at in range(-4, 90, 9)], *more)


def test_a_report_that_is_merged_into_a_case_about_another_child_is_seen_though_that_one_is_worked() -> None:
    cases = [sink(), told("A", about(0, ADA), into("SINK", 1))]
    assert found(cases, ASTRAY, day(4)) == []
    (one,) = found(cases, ASTRAY, day(4) + SECOND)
    assert (one.subject, one.since, one.is_open, evidence(one)) == ("A", day(4), True, ["A#2", "A#1", "SINK#1"])
    assert one.says == "merged into SINK, which tells of another child"
    assert found(cases, AWAY, day(99)) == []


def test_so_is_one_that_is_said_to_be_known_from_it() -> None:
    (one,) = found([sink(), told("A", about(0, ADA), linked("SINK", 0.5), known(1))], ASTRAY, day(99))
    assert (one.since, evidence(one)) == (day(4), ["A#3", "A#1", "SINK#1"])
    assert one.says == "said to be known from SINK, which tells of another child"


def test_many_reports_of_many_children_in_one_case_are_each_seen() -> None:
    cases = [told(f"A{n:02}", about(n / 2, (CHILD, f"child {n}")), into("SINK", n / 2 + 0.2)) for n in range(60)]
    assert len(found([sink(), *cases], ASTRAY, day(99))) == 60


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ([ADA], [ADA]),
        ([ADA, BEN], [ADA]),
        ([ADA, (SUSPECT, "Sam")], [BEN, (SUSPECT, "Sam")]),
        ([ADA, (ADDRESS, "Elm")], [BEN, (ADDRESS, "Elm")]),
        ([(ADDRESS, "Elm")], [BEN]),
        ([ADA], [(SUSPECT, "Sam")]),
        ([], [BEN]),
        ([ADA], []),
    ],
)
def test_reports_that_have_somebody_in_common_or_name_no_child_may_be_merged(
    mine: list[Who], theirs: list[Who]
) -> None:
    cases = [told("B", about(0, *theirs)), told("A", about(0, *mine), into("B", 1))]
    assert found(cases, ASTRAY, day(99)) == []


@pytest.mark.parametrize(
    ("mine", "theirs", "by"),
    [
        ([], [corrected(40, (ADDRESS, "Elm"))], "B#2"),
        ([reopened(40)], [], "A#3"),
    ],
)
def test_a_correction_and_reopening_settle_it(mine: list[Doing], theirs: list[Doing], by: str) -> None:
    cases = [told("B", about(0, BEN), *theirs), told("A", about(0, ADA, (ADDRESS, "Elm")), into("B", 1), *mine)]
    (one,) = found(cases, ASTRAY, day(99))
    assert (one.since, one.settled_at) == (day(4), day(40))
    assert one.settled_by is not None and f"{one.settled_by.case_id}#{one.settled_by.number}" == by
    (before,) = found(cases, ASTRAY, day(39))
    assert before.is_open and before.id == one.id


def test_a_correction_in_time_is_enough_and_one_that_first_names_a_child_begins_it() -> None:
    mine = told("A", about(0, ADA), into("B", 1))
    assert found([told("B", about(0, BEN), corrected(3, ADA)), mine], ASTRAY, day(99)) == []
    (one,) = found([told("B", about(0), corrected(9, BEN)), mine], ASTRAY, day(99))
    assert (one.since, evidence(one)) == (day(12), ["B#2", "A#2", "A#1", "B#1"])


def test_of_several_links_one_with_the_same_child_is_enough_and_only_that_case_is_meant() -> None:
    mine = told("A", about(0, ADA), linked("OLD", 0.1), linked("SINK", 0.2), known(0.5))
    ended = told("OLD", about(-50, ADA), (day(-49), INTAKE, OUT))
    assert found([sink(), ended, mine], ASTRAY, day(99)) == []
    (one,) = found([sink(), ended, mine], AWAY, day(99))
    assert (one.since, one.says) == (day(3.5), "said to be known from OLD, which had ended")
    goes_on = told("OLD", about(-5, ADA))
    assert found([sink(), goes_on, mine], AWAY, day(99)) == []


def test_a_link_with_the_right_case_settles_it() -> None:
    mine = told("A", about(0, ADA), linked("SINK", 0.2), known(1), linked("B", 20))
    (one,) = found([sink(), told("B", about(-5, ADA)), mine], ASTRAY, day(99))
    assert (one.since, one.settled_at) == (day(4), day(20))
    assert found([told("A", about(0, ADA), known(1))], ASTRAY, day(99)) == [], "led_nowhere finds that"
    assert found([told("A", about(0, ADA), into("NO-SUCH", 1))], ASTRAY, day(99)) == [], "merged_away finds that"


def test_that_another_child_was_seen_is_nothing_to_a_child_in_danger() -> None:
    seen = (day(0.5), DETECTIVE, CONTACT)
    mine = told("A", (day(0), INTAKE, report(tokens=tokens(ADA), immediate_danger=True)), into("B", 0.2))
    (one,) = found([told("B", about(-1, BEN), seen), mine], UNSEEN, day(99))
    assert (one.since, one.is_open) == (day(1), True)
    (one,) = found([told("B", about(-1, BEN), seen, corrected(9, ADA)), mine], UNSEEN, day(99))
    assert one.settled_at == day(9)
    assert found([told("B", about(-1, ADA), seen), mine], UNSEEN, day(99)) == []
