"""Reports that name a suspect, and are merged into a case that is closed without hearing anybody."""

from random import Random
from time import process_time

import pytest

from casetrail.domain.actions import Body
from casetrail.domain.assignment import Assigned
from casetrail.domain.case import Recorded
from casetrail.domain.closure import ClosureApproved, ClosureRequested, Reopened
from casetrail.domain.codes import (
    CorrectionReason,
    Disposition,
    MergeReason,
    Relation,
    ReopeningReason,
    SealedName,
    TokenKind,
)
from casetrail.domain.codes import Step as Kind
from casetrail.domain.detectors.finding import Finding
from casetrail.domain.investigation import InvestigativeStepTaken
from casetrail.domain.linking import FactCorrected, Linked, Merged
from casetrail.domain.sealed import SealedField, Token
from tests.actions import DETECTIVE, INTAKE, OTHER_SERGEANT, REGISTRAR, SERGEANT, report
from tests.domain.clock_histories import CASE_ID, DAY, Story, day
from tests.domain.clock_stories import ASKED, CONTACT, IN, RATIONALE, STEP
from tests.domain.detecting import SECOND
from tests.domain.populations import Doing
from tests.domain.surveying import evidence, found, known, reopened, told

DETECTOR = "merged_unmet"
SUSPECT = Token(TokenKind.SUSPECT, bytes(32))
SEALED = (SealedField(SealedName.SUSPECT_NAME, bytes(32), bytes(12), b"sealed"),)
HEARD = InvestigativeStepTaken(Kind.SUSPECT_INTERVIEWED)
ARRESTED = InvestigativeStepTaken(Kind.ARREST_MADE)
IDENTIFIED = InvestigativeStepTaken(Kind.SUSPECT_IDENTIFIED)
AWAY = ClosureRequested(Disposition.TRANSFERRED, transferred_to="sheriff", acknowledgement="S-1", sealed=RATIONALE)


def doing(at: float, body: Body) -> Doing:
    return day(at), DETECTIVE, body


def naming(at: float) -> Doing:
    return day(at), INTAKE, report(tokens=(SUSPECT,))


def into(case_id: str, at: float) -> Doing:
    return day(at), SERGEANT, Merged(case_id, MergeReason.SAME_INCIDENT)


def worked(at: float, *more: Doing) -> list[Doing]:
    """A case in which no suspect is named, and what else was done there."""
    return [
        (day(at), INTAKE, report()), (day(at), INTAKE, IN), (day(at), SERGEANT, Assigned(DETECTIVE.id)),
        doing(at + 0.1, CONTACT), doing(at + 0.2, STEP), *more,
    ]  # fmt: skip


def closed(at: float, asked: Body = ASKED) -> list[Doing]:
    return [doing(at - 0.1, asked), (day(at), OTHER_SERGEANT, ClosureApproved())]


def all_in(*cases: list[Recorded]) -> list[Finding]:
    return found(cases, DETECTOR, day(199))


A = told("A", naming(0), into("B", 1))


def test_a_suspect_whom_a_merged_report_names_is_heard_before_the_other_case_is_closed() -> None:
    cases = [A, told("B", *worked(-5), *closed(9))]
    assert found(cases, DETECTOR, day(9)) == []
    (one,) = found(cases, DETECTOR, day(9) + SECOND)
    assert (one.subject, one.since, one.is_open) == ("A", day(9), True)
    assert evidence(one) == ["B#7", "A#2", "A#1"]
    assert one.says == "merged, with a suspect whom nobody has interviewed or arrested, and closed as B"


@pytest.mark.parametrize("by", ["token", "sealed name", "correction", "step"])
def test_however_the_suspect_is_named(by: str) -> None:
    begun: dict[str, list[Doing]] = {
        "token": [naming(0)],
        "sealed name": [(day(0), INTAKE, report(sealed=SEALED))],
        "correction": [
            (day(0), INTAKE, report()), (day(0.1), INTAKE, FactCorrected(1, CorrectionReason.NEW_INFORMATION, sealed=SEALED)),
        ],
        "step": [(day(0), INTAKE, report()), (day(0), INTAKE, IN), doing(0.1, IDENTIFIED)],
    }  # fmt: skip
    assert len(all_in(told("A", *begun[by], into("B", 1)), told("B", *worked(-5), *closed(9)))) == 1


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        ([(day(0), INTAKE, report())], [*worked(-5), *closed(9)]),
        ([naming(0)], worked(-5)),
        ([naming(0)], [*worked(-5, doing(-3, HEARD)), *closed(9)]),
        ([naming(0)], [*worked(-5, doing(3, ARRESTED)), *closed(9)]),
        ([naming(0), (day(0), INTAKE, IN), doing(0.5, HEARD)], [*worked(-5), *closed(9)]),
        ([naming(0)], [*worked(-5, doing(3, IDENTIFIED)), *closed(9)]),
        ([naming(0)], [*worked(-5), *closed(9, AWAY)]),
    ],
    ids=["none named", "open", "heard before", "arrested", "heard here", "named there, too", "transferred"],
)
def test_where_none_is_named_or_one_was_met_or_others_go_on_it_is_no_finding(
    mine: list[Doing], other: list[Doing]
) -> None:
    assert all_in(told("A", *mine, into("B", 1)), told("B", *other)) == []


def test_a_suspect_who_is_named_after_the_closure_is_found_since_then() -> None:
    link = day(0.5), INTAKE, Linked("B", Relation.SAME_CHILD)
    named = day(20), INTAKE, FactCorrected(1, CorrectionReason.NEW_INFORMATION, sealed=SEALED)
    (one,) = all_in(told("A", (day(0), INTAKE, report()), link, known(1), named), told("B", *worked(-5), *closed(9)))
    assert (one.since, one.is_open) == (day(20), True)


def test_a_suspect_who_is_met_only_afterwards_was_not_met() -> None:
    mine = told("A", naming(0), into("B", 1), reopened(15), doing(16, HEARD))
    (one,) = all_in(mine, told("B", *worked(-5), *closed(9)))
    assert (one.since, one.settled_at) == (day(9), day(15))


def test_a_case_that_is_reported_or_linked_only_afterwards_was_not_open_then() -> None:
    link, other = (day(0.5), INTAKE, Linked("B", Relation.SAME_CHILD)), told("B", *worked(-5), *closed(9))
    later = day(0.6), INTAKE, Linked("C", Relation.SAME_CHILD)
    (one,) = all_in(told("A", naming(0), link, later, known(1)), other, told("C", *worked(30)))
    assert (one.since, one.is_open) == (day(9), True)
    later = day(30), INTAKE, Linked("C", Relation.SAME_CHILD)
    (one,) = all_in(told("A", naming(0), link, known(1), later), other, told("C", *worked(-5)))
    assert (one.since, one.is_open) == (day(9), True)


def test_of_a_closure_that_an_old_system_kept_nothing_is_asked() -> None:
    old, late = Story(), 400 * DAY
    for at, body in enumerate((report(), IN, Assigned(DETECTIVE.id), CONTACT, STEP, ASKED, ClosureApproved())):
        old.tell(day(at), body, REGISTRAR, imported=True, late=late)
    mine = told("A", naming(410), into(CASE_ID, 411))
    assert found([mine, old.events], DETECTOR, day(999)) == []
    old.tell(day(420), Reopened(ReopeningReason.AUDIT)).tell(day(420), Assigned(DETECTIVE.id))
    old.tell(day(421), ASKED, DETECTIVE).tell(day(421), ClosureApproved(), OTHER_SERGEANT)
    assert [one.since for one in found([mine, old.events], DETECTOR, day(999))] == [day(421)]


def test_a_case_that_was_closed_before_is_reopened_in_time() -> None:
    other = [*worked(-20), *closed(-9)]
    (one,) = all_in(A, told("B", *other))
    assert (one.since, one.is_open, evidence(one)) == (day(4), True, ["A#2", "B#7", "A#1"])
    assert all_in(A, told("B", *other, reopened(3))) == []
    assert [one.settled_at for one in all_in(A, told("B", *other, reopened(8)))] == [day(8)]


def test_it_is_settled_by_reopening_either_case_and_each_closure_is_found() -> None:
    other = [*worked(-5), *closed(9), reopened(20)]
    again = [(day(20), SERGEANT, Assigned(DETECTIVE.id)), *closed(30)]
    first, second = all_in(A, told("B", *other, *again))
    assert [(one.since, one.settled_at) for one in (first, second)] == [(day(9), day(20)), (day(30), None)]
    assert first.id != second.id
    heard = [again[0], doing(25, HEARD), *again[1:]]
    (one,) = all_in(A, told("B", *other, *heard))
    assert one.settled_at == day(20)
    mine = told("A", naming(0), into("B", 1), reopened(15))
    assert [one.settled_at for one in all_in(mine, told("B", *worked(-5), *closed(9)))] == [day(15)]


def test_of_several_cases_in_which_it_is_known_one_that_is_open_or_met_a_suspect_suffices() -> None:
    links = [(day(0.5), INTAKE, Linked(other, Relation.SAME_CHILD)) for other in ("B", "C")]
    mine, other = told("A", naming(0), *links, known(1)), told("B", *worked(-5), *closed(9))
    assert all_in(mine, other, told("C", *worked(-5))) == []
    assert all_in(mine, other, told("C", *worked(-5, doing(2, HEARD)), *closed(5))) == []
    listed = all_in(mine, other, told("C", *worked(-5), *closed(12)))
    assert [(one.since, evidence(one)[0]) for one in listed] == [(day(12), "C#7")]


def test_of_several_cases_that_had_been_closed_one_finding_is_made_and_reopening_any_of_them_suffices() -> None:
    links = [(day(0.5), INTAKE, Linked(other, Relation.SAME_CHILD)) for other in ("B", "C")]
    mine, old = told("A", naming(0), *links, known(1)), [*worked(-20), *closed(-9)]
    (one,) = all_in(mine, told("B", *old), told("C", *old))
    assert (one.since, one.is_open, evidence(one)) == (day(4), True, ["A#4", "B#7", "A#1"])
    for name in "BC":
        others = [told(one, *old, *([reopened(8)] if one == name else [])) for one in "BC"]
        assert [one.settled_at for one in all_in(mine, *others)] == [day(8)]
    (one,) = all_in(mine, told("B", *worked(-5), *closed(9), reopened(20)), told("C", *worked(-5), *closed(12)))
    assert (one.since, one.settled_at) == (day(12), day(20))


def test_the_case_at_the_end_of_the_mergers_counts() -> None:
    through = told("B", *worked(-5), into("C", 2))
    assert [one.since for one in all_in(A, through, told("C", *worked(-5), *closed(9)))] == [day(9)]
    assert all_in(A, through, told("C", *worked(-5, doing(3, HEARD)), *closed(9))) == []
    assert all_in(A, told("B", *worked(-5, doing(0, HEARD)), into("C", 2)), told("C", *worked(-5), *closed(9))) == []


def test_who_merges_and_reopens_hundreds_of_times_keeps_nobody_from_judging() -> None:
    mine, other = [naming(0)], worked(0)
    for at in range(1, 601):
        mine += [into("B", at), reopened(at + 0.3)]
        other += [*closed(at + 0.5), reopened(at + 0.6), (day(at + 0.7), SERGEANT, Assigned(DETECTIVE.id))]
    cases = [told("A", *mine), told("B", *other)]
    begun = process_time()
    assert found(cases, DETECTOR, day(999)) == []
    assert process_time() - begun < 1  # each merger was judged against each closure, which took several seconds


@pytest.mark.parametrize("seed", range(24))
def test_what_was_seen_stays_seen_whatever_is_recorded_later(seed: int) -> None:
    chance = Random(seed)
    other = worked(0)
    mine = [naming(0), into("B", chance.randrange(30) + 0.5)]
    for at in range(2, 40, 2):
        some = ([*closed(at), reopened(at + 1), (day(at + 1.1), SERGEANT, Assigned(DETECTIVE.id))], [doing(at, STEP)])
        other += chance.choice((*some, *some, [doing(at, HEARD)]))
        if chance.random() < 0.1:
            mine += [reopened(at + 31), into("B", at + 31.5)]
    whole, parts = told("B", *other), told("A", *mine)
    before: dict[str, Finding] = {}
    for moment in range(0, 240, 2):
        cases = [[event for event in case if event.timestamp <= day(moment / 3)] for case in (whole, parts)]
        listed = {one.id: one for one in found([case for case in cases if case], DETECTOR, day(moment / 3))}
        for name, one in before.items():
            assert (listed[name].since, listed[name].evidence) == (one.since, one.evidence)
            assert one.is_open or listed[name].settled_at == one.settled_at
        before = listed
