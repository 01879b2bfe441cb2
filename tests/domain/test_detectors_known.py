"""Reports that are screened out as known already: they are judged by whether a case goes on that has them."""

from datetime import timedelta
from random import Random

import pytest

from casetrail.domain.actions import Actor
from casetrail.domain.case import Recorded
from casetrail.domain.codes import ContactMethod, CorrectionReason, MergeReason, Relation, SealedName
from casetrail.domain.contact import VictimContactMade
from casetrail.domain.detectors.finding import Finding
from casetrail.domain.detectors.following import FARTHEST
from casetrail.domain.investigation import NoteAdded
from casetrail.domain.linking import FactCorrected, Linked, Merged
from casetrail.domain.sealed import SealedField
from tests.actions import DETECTIVE, INTAKE, SERGEANT, report
from tests.domain.clock_histories import day
from tests.domain.clock_stories import CONTACT, IN, OUT
from tests.domain.detecting import SECOND, with_settings
from tests.domain.populations import Doing, recorded
from tests.domain.surveying import evidence, found, known, reopened, told

NOTE = NoteAdded((SealedField(SealedName.NARRATIVE, bytes(32), bytes(12), b"sealed"),))
AWAY, UNSEEN = "merged_away", "merged_unseen"


def reported(at: float, *, danger: bool = True) -> Doing:
    return day(at), INTAKE, report(immediate_danger=danger)


def linked(case_id: str, at: float) -> Doing:
    return day(at), INTAKE, Linked(case_id, Relation.SAME_INCIDENT)


def seen(at: float) -> Doing:
    return day(at), DETECTIVE, VictimContactMade(ContactMethod.IN_PERSON)


def out(at: float) -> Doing:
    return day(at), INTAKE, OUT


# --- the case that is said to have it does not go on ---


def test_a_report_that_is_said_to_be_known_from_a_case_that_is_not_there_is_seen() -> None:
    cases = [told("A", reported(0), linked("NO-SUCH", 0.2), known(1))]
    assert found(cases, AWAY, day(4)) == []
    (one,) = found(cases, AWAY, day(4) + SECOND)
    assert (one.subject, one.since, one.is_open, evidence(one)) == ("A", day(4), True, ["A#3"])
    assert one.says == "said to be known from NO-SUCH, of which the log has no report"


def test_a_report_that_is_said_to_be_known_from_a_case_that_had_ended_is_seen() -> None:
    old = told("OLD", reported(0), out(1))
    (one,) = found([old, told("NEW", reported(20), linked("OLD", 20), known(20.1))], AWAY, day(99))
    assert (one.since, one.says) == (day(23.1), "said to be known from OLD, which had ended")
    assert evidence(one) == ["NEW#3", "OLD#2"]


def test_two_reports_of_which_each_is_said_to_be_known_from_the_other_are_both_seen() -> None:
    cases = [
        told("A", reported(0), linked("B", 0.2), known(0.3)),
        told("B", reported(0), linked("A", 0.2), known(0.5)),
    ]
    both = found(cases, AWAY, day(99))
    assert {one.subject: (one.since, evidence(one)) for one in both} == {
        "A": (day(3.5), ["B#3", "A#3"]), "B": (day(3.5), ["B#3"]),
    }  # fmt: skip
    assert {one.says for one in both} == {"merged in a circle"}
    (first,) = found(cases, UNSEEN, day(99))
    assert (first.subject, first.since) == ("B", day(1)), "the danger of A was owed by nobody then"


def test_what_is_known_from_a_case_that_is_known_from_another_is_followed_there_and_through_mergers() -> None:
    merged = (day(1), SERGEANT, Merged("C", MergeReason.SAME_INCIDENT))
    cases = [told("A", reported(0), linked("B", 0.2), known(0.3)), told("B", reported(0), merged)]
    (first, second) = found([*cases, told("C", reported(0), out(0.5))], AWAY, day(99))
    assert {one.subject: evidence(one) for one in (first, second)} == {
        "A": ["B#2", "A#3", "C#2"], "B": ["B#2", "C#2"],
    }  # fmt: skip
    assert found([*cases, told("C", reported(0))], AWAY, day(99)) == []


def test_reports_that_lead_on_and_on_lead_nowhere() -> None:
    cases = [told(f"C{n:03}", reported(0), linked(f"C{n + 1:03}", 0.1), known(0.2)) for n in range(FARTHEST + 5)]
    cases.append(told(f"C{FARTHEST + 5:03}", reported(0)))
    assert {one.subject for one in found(cases, AWAY, day(99))} == {f"C{n:03}" for n in range(5)}


# --- where it goes on ---


@pytest.mark.parametrize("links", [[linked("OPEN", 0.2)], [linked("OLD", 0.1), linked("OPEN", 0.2)]])
def test_a_second_call_about_a_case_that_is_at_work_is_no_finding(links: list[Doing]) -> None:
    cases = [told("OLD", reported(-9), out(-8)), told("OPEN", reported(-1), (day(-0.9), INTAKE, IN), seen(0.1))]
    assert found([*cases, told("A", reported(0), *links, known(0.3))], AWAY, day(99)) == []
    assert found([*cases, told("A", reported(0), *links, known(0.3))], UNSEEN, day(99)) == []


@pytest.mark.parametrize(
    ("old", "new", "by"),
    [
        ([out(1), reopened(40)], [], "OLD#3"),
        ([out(1)], [reopened(40)], "NEW#4"),
        ([out(1)], [linked("OPEN", 40)], "NEW#4"),
    ],
    ids=["the other is reopened", "it is reopened itself", "it is linked with one that goes on"],
)
def test_what_lets_the_report_go_on_settles_it(old: list[Doing], new: list[Doing], by: str) -> None:
    cases = [told("NEW", reported(20), linked("OLD", 20), known(21), *new), told("OLD", reported(0), *old)]
    cases.append(told("OPEN", reported(19)))
    (one,) = found(cases, AWAY, day(99))
    assert (one.since, one.settled_at) == (day(24), day(40))
    assert one.settled_by is not None and f"{one.settled_by.case_id}#{one.settled_by.number}" == by
    (before,) = found(cases, AWAY, day(39))
    assert before.is_open and before.id == one.id


def test_a_link_that_comes_after_the_screening_gains_no_time() -> None:
    late = told("A", reported(0), known(1), linked("NO-SUCH", 2))
    assert [(one.since, evidence(one)) for one in found([late], AWAY, day(99))] == [(day(4), ["A#3", "A#2"])]
    later = told("A", reported(0), known(1), linked("NO-SUCH", 9))
    assert [one.since for one in found([later], AWAY, day(99))] == [day(9)]
    assert found([told("A", reported(0), known(1))], AWAY, day(99)) == [], "led_nowhere finds that"


def test_what_is_screened_out_for_another_reason_goes_on_nowhere_and_is_said_to() -> None:
    assert found([told("A", reported(0), linked("NO-SUCH", 0.2), out(1))], AWAY, day(99)) == []


def test_what_counts_as_known_already_is_what_led_nowhere_says() -> None:
    cases = [told("A", reported(0), linked("NO-SUCH", 0.2), known(1)), told("B", reported(0), out(1), linked("X", 2))]
    policy = with_settings('[detectors.led_nowhere]\nknown = ["not_a_crime"]')
    assert [one.subject for one in found(cases, AWAY, day(99), policy)] == ["B"]


@pytest.mark.parametrize("where", ["A", "OLD"])
def test_a_note_of_a_supervisor_in_either_case_settles_it_and_one_of_the_clerk_does_not(where: str) -> None:
    def cases(by: Actor, at: float) -> list[list[Recorded]]:
        more = {where: [(day(at), by, NOTE)]}
        old = told("OLD", reported(0), out(1), *more.get("OLD", []))
        return [old, told("A", reported(20), linked("OLD", 20), known(21), *more.get("A", []))]

    assert [one.settled_at for one in found(cases(SERGEANT, 40), AWAY, day(99))] == [day(40)]
    assert [one.settled_at for one in found(cases(INTAKE, 40), AWAY, day(99))] == [None]
    assert found(cases(SERGEANT, 23), AWAY, day(99)) == []


def test_a_second_call_about_what_was_dealt_with_since_is_no_finding() -> None:
    done = told("OLD", reported(0), seen(0.9), out(1))
    assert found([done, told("A", reported(0.5), linked("OLD", 1), known(1.5))], AWAY, day(99)) == []


# --- a child in danger ---


def test_a_child_in_danger_who_is_said_to_be_known_must_have_been_seen() -> None:
    quiet = told("B", reported(-1, danger=False), (day(-0.5), DETECTIVE, CONTACT))
    new = [reported(0), linked("B", 0.2), known(0.3)]
    (one,) = found([quiet, told("A", *new)], UNSEEN, day(99))
    assert (one.since, one.is_open, evidence(one)) == (day(1), True, ["A#3", "A#1"])
    assert one.says == "screened out as known, with a child in immediate danger whom nobody had seen"
    visited = told("B", reported(-1, danger=False), seen(0.5))
    assert found([visited, told("A", *new)], UNSEEN, day(99)) == []
    owing = told("B", reported(-1))
    assert found([owing, told("A", *new)], UNSEEN, day(99)) == [], "the danger there is that case's own"


def test_the_danger_of_a_case_that_had_ended_is_owed_by_nobody() -> None:
    over = told("B", reported(-2), out(-1))
    (one,) = found([over, told("A", reported(0), linked("B", 0.2), known(0.3))], UNSEEN, day(99))
    assert (one.since, one.is_open) == (day(1), True)
    again = told("B", reported(-2), out(-1), reopened(5))
    (one,) = found([again, told("A", reported(0), linked("B", 0.2), known(0.3))], UNSEEN, day(99))
    assert one.settled_at == day(5)


def test_that_somebody_has_seen_the_child_counts_since_the_link_that_leads_there() -> None:
    visited = told("B", reported(-1, danger=False), seen(0.5))
    first = [reported(0), linked("NO-SUCH", 0.1), known(0.3)]
    (one,) = found([visited, told("A", *first, linked("B", 8))], UNSEEN, day(99))
    assert (one.since, one.settled_at) == (day(1), day(8))
    assert one.settled_by is not None and (one.settled_by.case_id, one.settled_by.number) == ("A", 4)
    late = told("A", reported(0), known(0.3), linked("NO-SUCH", 1.5))
    (one,) = found([late], UNSEEN, day(99))
    assert (one.since, evidence(one)) == (day(1.5), ["A#2", "A#3", "A#1"])
    assert one.since == day(1) + timedelta(hours=12)


# --- a danger of the case that is said to have it, which is corrected away ---


def corrected(at: float, danger: bool) -> Doing:
    return day(at), INTAKE, FactCorrected(1, CorrectionReason.ENTERED_WRONG, immediate_danger=danger)


def merged(case_id: str, at: float) -> Doing:
    return day(at), SERGEANT, Merged(case_id, MergeReason.SAME_INCIDENT)


def test_from_when_the_danger_of_the_case_that_is_said_to_have_it_is_corrected_away_nobody_owes_the_visit() -> None:
    mine = told("A", reported(2), linked("B", 2.1), known(2.2))
    before = told("B", reported(0), corrected(0.1, False))
    (one,) = found([mine, before], UNSEEN, day(99))
    assert (one.since, one.is_open, evidence(one)) == (day(3), True, ["A#3", "A#1"])
    after = told("B", reported(0), corrected(9, False))
    assert found([mine, after], UNSEEN, day(9)) == []
    (one,) = found([mine, after], UNSEEN, day(99))
    assert (one.since, one.is_open, evidence(one)) == (day(9), True, ["A#3", "A#1", "B#2"])
    assert one.says == "screened out as known, with a child in immediate danger whom nobody had seen"


def test_a_danger_counts_since_the_link_that_leads_there_until_it_is_corrected_away() -> None:
    mine = told("A", reported(0), linked("NO-SUCH", 0.1), known(0.3), linked("B", 8))
    first, second = found([mine, told("B", reported(-1), corrected(12, False))], UNSEEN, day(99))
    assert [(one.since, one.settled_at) for one in (first, second)] == [(day(1), day(8)), (day(12), None)]
    assert first.settled_by is not None and (first.settled_by.case_id, first.settled_by.number) == ("A", 4)
    assert [evidence(one) for one in (first, second)] == [["A#3", "A#1"], ["B#2", "A#3", "A#1"]]
    (one,) = found([mine, told("B", reported(-1), corrected(7, False))], UNSEEN, day(99))
    assert (one.since, one.is_open) == (day(1), True), "by the time of the link there was none any longer"


def test_that_the_danger_there_had_been_dealt_with_ends_what_is_owed_also_where_the_link_came_late() -> None:
    mine = told("A", reported(0), linked("NO-SUCH", 0.1), known(0.3), linked("B", 8))
    assert [one.settled_at for one in found([mine, told("B", reported(-1), seen(-0.5))], UNSEEN, day(99))] == [None]
    late = recorded("B", [(day(-1), reported(-1)), (day(50), seen(-0.5))])
    first, second = found([mine, late], UNSEEN, day(99))
    assert [(one.since, one.settled_at) for one in (first, second)] == [(day(1), day(8)), (day(50), None)]


def test_a_danger_that_is_corrected_away_before_the_ended_case_is_reopened_settles_nothing() -> None:
    mine = told("A", reported(0), linked("B", 0.2), known(0.3))
    over = told("B", reported(-2), out(-1), corrected(3, False), reopened(5), corrected(7, True), corrected(9, False))
    first, second = found([mine, over], UNSEEN, day(99))
    assert [(one.since, one.settled_at) for one in (first, second)] == [(day(1), day(7)), (day(9), None)]


def test_a_case_that_had_ended_owes_no_visit_because_it_is_merged() -> None:
    mine = told("A", reported(0), linked("B", 0.2), known(0.3))
    over = told("B", reported(-2), out(-1), merged("C", 5))
    found_all = found([mine, over, told("C", reported(-9, danger=False))], UNSEEN, day(99))
    assert {one.subject: one.is_open for one in found_all} == {"A": True, "B": True}


@pytest.mark.parametrize("seed", range(24))
def test_what_was_seen_of_a_child_in_danger_stays_seen_whatever_comes_later(seed: int) -> None:
    chance = Random(seed)
    others = {}
    for name in "BC":
        later = [
            chance.choice((corrected(at, True), corrected(at, False), seen(at), out(at), reopened(at), merged("C", at)))
            for at in range(1, 20, 2)
        ]
        others[name] = told(name, reported(0, danger=chance.random() < 0.5), *later)
    links = [linked(chance.choice(("B", "C", "NO-SUCH")), at) for at in (9.3, chance.randrange(10, 20) + 0.5)]
    mine = told("A", reported(chance.randrange(9)), links[0], known(9.5), links[1])
    before: dict[str, Finding] = {}
    for moment in range(70):
        now = day(moment / 3)
        cases = [[event for event in case if event.timestamp <= now] for case in (*others.values(), mine)]
        all_found = {one.id: one for one in found([case for case in cases if case], UNSEEN, now) if one.subject == "A"}
        for name, one in before.items():
            assert (all_found[name].since, all_found[name].evidence) == (one.since, one.evidence)
            assert one.is_open or all_found[name].settled_at == one.settled_at
        before = all_found
