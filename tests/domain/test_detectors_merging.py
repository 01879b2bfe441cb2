"""Reports that are merged into a case that does not go on; and mergers that are undone again and again."""

from datetime import timedelta
from random import Random

import pytest

from casetrail.domain.actions import Actor
from casetrail.domain.case import Recorded
from casetrail.domain.closure import ClosureApproved
from casetrail.domain.codes import ContactMethod, CorrectionReason, MergeReason, Role, SealedName, Service
from casetrail.domain.contact import VictimContactMade
from casetrail.domain.detectors.finding import Finding
from casetrail.domain.detectors.following import FARTHEST
from casetrail.domain.investigation import NoteAdded
from casetrail.domain.linking import FactCorrected, Merged
from casetrail.domain.policy_file import parse_policy
from casetrail.domain.referral import ReferralCompleted, ReferralMade
from casetrail.domain.sealed import SealedField
from tests.actions import CLINIC, DETECTIVE, INTAKE, OTHER_SERGEANT, SERGEANT, report
from tests.domain.clock_histories import day
from tests.domain.clock_stories import ASKED, CONTACT, IN, MERGED, OUT, REOPENED, REVIEW, STEP, held
from tests.domain.detecting import SECOND, found, numbers, only, with_settings
from tests.domain.policies import within
from tests.domain.populations import Doing, recorded
from tests.domain.surveying import evidence, reopened, told
from tests.domain.surveying import found as found_in

DETECTOR = "merged_away"
AUDITOR = Actor("aud.fox", "state-oversight", Role.AUDITOR)
NOTE = NoteAdded((SealedField(SealedName.NARRATIVE, bytes(32), bytes(12), b"sealed"),))
INTERVIEW = ReferralMade("r1", Service.MEDICAL_EVALUATION, CLINIC.agency)


def reported(at: float) -> Doing:
    return day(at), INTAKE, report(immediate_danger=True)


def into(case_id: str, at: float) -> Doing:
    return day(at), SERGEANT, Merged(case_id, MergeReason.DUPLICATE_REPORT)


def out(at: float) -> Doing:
    return day(at), INTAKE, OUT


def closed(at: float) -> list[Doing]:
    return [(day(at - 3), INTAKE, IN), (day(at - 1), SERGEANT, ASKED), (day(at), OTHER_SERGEANT, ClosureApproved())]


# --- merged into a case that does not go on ---


def test_a_report_that_is_merged_into_a_case_that_is_not_there_is_seen_when_it_must_have_been_screened() -> None:
    cases = [told("A", reported(0), into("NO-SUCH", 1))]
    assert found_in(cases, DETECTOR, day(4)) == []
    (one,) = found_in(cases, DETECTOR, day(4) + SECOND)
    assert (one.subject, one.since, one.is_open, evidence(one)) == ("A", day(4), True, ["A#2"])
    assert one.says == "merged into NO-SUCH, of which the log has no report"


@pytest.mark.parametrize("end", [[out(10)], closed(10)], ids=["screened out", "closed"])
def test_a_report_that_is_merged_into_a_case_that_had_ended_is_seen(end: list[Doing]) -> None:
    cases = [told("OLD", reported(0), *end), told("NEW", reported(20), into("OLD", 20.1))]
    (one,) = found_in(cases, DETECTOR, day(99))
    assert (one.subject, one.since, one.says) == ("NEW", day(23.1), "merged into OLD, which had ended")
    assert evidence(one) == ["NEW#2", f"OLD#{1 + len(end)}"]


def test_reports_that_are_merged_in_a_circle_are_all_seen() -> None:
    cases = [
        told("A", reported(0), into("B", 1)),
        told("B", reported(0), into("C", 2)),
        told("C", reported(0), into("A", 3)),
    ]
    found_all = found_in(cases, DETECTOR, day(99))
    assert {one.subject: (one.since, evidence(one)) for one in found_all} == {
        "A": (day(6), ["C#2", "A#2"]), "B": (day(6), ["C#2", "B#2"]), "C": (day(6), ["C#2"]),
    }  # fmt: skip
    assert {one.says for one in found_all} == {"merged in a circle"}
    assert len({one.id for one in found_all}) == 3


def test_the_case_at_the_end_of_the_mergers_counts() -> None:
    ended = told("Z", reported(0), out(1))
    cases = [ended, told("B", reported(2), into("Z", 9)), told("A", reported(2), into("B", 3))]
    assert {one.subject: evidence(one) for one in found_in(cases, DETECTOR, day(99))} == {
        "A": ["B#2", "A#2", "Z#2"], "B": ["B#2", "Z#2"],
    }  # fmt: skip
    goes_on = told("Z", reported(0), out(1), reopened(5))
    assert found_in([goes_on, *cases[1:]], DETECTOR, day(99)) == []


def test_mergers_that_lead_on_and_on_lead_nowhere() -> None:
    cases = [told(f"C{n:03}", reported(0), into(f"C{n + 1:03}", 200 - n)) for n in range(FARTHEST + 5)]
    cases.append(told(f"C{FARTHEST + 5:03}", reported(0)))
    assert {one.subject for one in found_in(cases, DETECTOR, day(999))} == {f"C{n:03}" for n in range(5)}


def worked(at: float) -> Doing:
    return day(at), DETECTIVE, STEP


def reviewed(at: float, by: Actor = OTHER_SERGEANT) -> Doing:
    return day(at), by, REVIEW


def noted(at: float, by: Actor) -> Doing:
    return day(at), by, NOTE


def closed_again(at: float) -> list[Doing]:
    return [(day(at - 1), SERGEANT, ASKED), (day(at), OTHER_SERGEANT, ClosureApproved())]


def test_a_merger_into_a_case_that_goes_on_is_no_finding_also_when_that_is_closed_after_it_was_worked() -> None:
    goes_on = told("B", reported(0), (day(1), DETECTIVE, CONTACT), (day(2), DETECTIVE, STEP))
    assert found_in([goes_on, told("A", reported(1), into("B", 2))], DETECTOR, day(99)) == []
    later = told("B", reported(0), worked(8), *closed(10))
    assert found_in([later, told("A", reported(1), into("B", 2))], DETECTOR, day(99)) == []
    again = told("B", reported(0), worked(8), *closed(10), reopened(11), *closed_again(21))
    assert found_in([again, told("A", reported(1), into("B", 2))], DETECTOR, day(99)) == []


def test_a_merger_into_a_case_that_is_closed_with_nothing_more_done_there_is_seen() -> None:
    cases = [told("B", reported(0), worked(0.5), *closed(10)), told("A", reported(1), into("B", 9))]
    assert found_in(cases, DETECTOR, day(13)) == []
    (one,) = found_in(cases, DETECTOR, day(13) + SECOND)
    assert (one.subject, one.since, one.is_open, evidence(one)) == ("A", day(13), True, ["B#5", "A#2"])
    assert one.says == "merged into B, which has ended, and nothing more had been done there"


def test_a_case_that_is_reopened_and_closed_again_with_nothing_done_has_done_nothing_for_the_report() -> None:
    old = told("OLD", reported(0), worked(5), *closed(10), reopened(22), *closed_again(24))
    (one,) = found_in([old, told("NEW", reported(20), into("OLD", 20.1))], DETECTOR, day(99))
    assert (one.subject, one.since, evidence(one)) == ("NEW", day(27), ["OLD#8", "NEW#2"])
    done = told("OLD", reported(0), worked(5), *closed(10), reopened(22), worked(22.5), *closed_again(24))
    assert found_in([done, told("NEW", reported(20), into("OLD", 20.1))], DETECTOR, day(99)) == []


@pytest.mark.parametrize(
    "more",
    [
        [worked(8.5)],
        [reviewed(9.5)],
        [(day(7.5), DETECTIVE, INTERVIEW), (day(9.5), CLINIC, ReferralCompleted("r1", holder_attended=True))],
    ],
    ids=["worked between report and merger", "reviewed after it", "a partner has done his part"],
)
def test_what_was_done_for_the_report_lets_the_other_case_be_closed(more: list[Doing]) -> None:
    b = sorted([reported(0), worked(0.5), *closed(10), *more], key=lambda one: one[0])
    cases = [told("B", *b), told("A", reported(8), into("B", 9))]
    assert found_in(cases, DETECTOR, day(99)) == []


@pytest.mark.parametrize(
    "more",
    [
        [worked(7.9)],
        [reviewed(8.9)],
        [reviewed(9.5, SERGEANT)],
        [noted(9.5, OTHER_SERGEANT)],
        [noted(11, SERGEANT)],
        [noted(11, INTAKE)],
    ],
    ids=["before the report", "before the merger", "by who merged it", "a note while open", "a note by who merged it", "by a clerk"],
)  # fmt: skip
def test_what_was_done_before_or_by_who_merged_it_does_not(more: list[Doing]) -> None:
    b = sorted([reported(0), worked(0.5), *closed(10), *more], key=lambda one: one[0])
    cases = [told("B", *b), told("A", reported(8), into("B", 9))]
    assert [one.is_open for one in found_in(cases, DETECTOR, day(99))] == [True]


def test_work_from_before_the_other_cases_own_report_answers_one_that_came_earlier() -> None:
    b = recorded("B", [(one[0], one) for one in (reported(10), *closed(20))])
    with_work = recorded(
        "B", [(max(one[0], day(10)), one) for one in (reported(10), worked(5))] + [(one[0], one) for one in closed(20)]
    )
    mine = told("A", reported(3), into("B", 10.5))
    assert [one.is_open for one in found_in([b, mine], DETECTOR, day(99))] == [True]
    assert found_in([with_work, mine], DETECTOR, day(99)) == []


def test_of_two_who_reviewed_a_case_the_earlier_one_counts_where_the_later_one_merged_the_report() -> None:
    b = [reported(0), (day(7), INTAKE, IN), reviewed(9.2), reviewed(9.4, SERGEANT), reviewed(9.6, SERGEANT)]
    cases = [told("B", *b, *closed(10)[1:]), told("A", reported(8), into("B", 9))]
    assert found_in(cases, DETECTOR, day(99)) == []


@pytest.mark.parametrize("by", [OTHER_SERGEANT, AUDITOR])
def test_a_note_of_somebody_who_answers_for_it_settles_that_the_other_case_had_ended(by: Actor) -> None:
    cases = [told("B", reported(0), *closed(10), noted(40, by)), told("A", reported(20), into("B", 21))]
    (one,) = found_in(cases, DETECTOR, day(99))
    assert (one.since, one.settled_at) == (day(24), day(40))
    soon = [told("B", reported(0), *closed(10), noted(23, by)), cases[1]]
    assert found_in(soon, DETECTOR, day(99)) == []


def test_a_case_that_is_reopened_in_time_for_the_new_report_is_no_finding() -> None:
    old = told("OLD", reported(0), out(1), reopened(22))
    assert found_in([old, told("NEW", reported(20), into("OLD", 20.1))], DETECTOR, day(99)) == []


@pytest.mark.parametrize(
    ("old", "new", "by"),
    [
        ([reported(0), out(1), reopened(40)], [], "OLD#3"),
        ([reported(0), out(1)], [reopened(40)], "NEW#3"),
        ([reported(40)], [], "OLD#1"),
    ],
    ids=["the other is reopened", "it is reopened itself", "the other is reported"],
)
def test_what_lets_the_report_go_on_settles_it(old: list[Doing], new: list[Doing], by: str) -> None:
    cases = [told("NEW", reported(20), into("OLD", 21), *new), told("OLD", *old)]
    (one,) = found_in(cases, DETECTOR, day(99))
    assert (one.since, one.settled_at) == (day(24), day(40))
    assert one.settled_by is not None and f"{one.settled_by.case_id}#{one.settled_by.number}" == by
    (before,) = found_in(cases, DETECTOR, day(39))
    assert before.is_open and before.id == one.id


def test_how_long_it_may_take_is_what_screening_takes_and_a_setting() -> None:
    cases = [told("A", reported(0), into("NO-SUCH", 1))]
    soon = with_settings('[detectors.merged_away]\nlimit = "1 hours"'.replace("1 hours", "1 hour"))
    assert found_in(cases, DETECTOR, day(2), soon)[0].since == day(1) + timedelta(hours=1)


def test_a_merger_counts_among_the_ways_in_which_work_ends() -> None:
    from casetrail.domain.detectors.counting import What, counted
    from tests.domain.detecting import history_of

    events: list[Recorded] = told("A", reported(0), into("B", 1))
    groups = [one.group for one in counted(history_of(events, "A"), lambda _: timedelta(days=7))]
    assert [(one.what, one.person.id, one.key) for one in groups] == [
        (What.ENDED, SERGEANT.id, "MergeReason:duplicate_report")
    ]


# --- a child in danger, merged before anybody saw it ---


def calm(at: float) -> Doing:
    return day(at), INTAKE, report()


def corrected(at: float, danger: bool) -> Doing:
    return day(at), INTAKE, FactCorrected(1, CorrectionReason.ENTERED_WRONG, immediate_danger=danger)


def visited(at: float, method: ContactMethod = ContactMethod.IN_PERSON) -> Doing:
    return day(at), DETECTIVE, VictimContactMade(method)


def test_a_report_of_danger_that_is_merged_into_a_case_without_it_is_seen_when_the_child_must_have_been_seen() -> None:
    cases = [told("A", reported(2), into("B", 2.1)), told("B", calm(0), visited(1))]
    assert found_in(cases, "merged_unseen", day(3)) == []
    (one,) = found_in(cases, "merged_unseen", day(3) + SECOND)
    assert (one.subject, one.since, one.is_open, evidence(one)) == ("A", day(3), True, ["A#2", "A#1"])
    assert found_in(cases, DETECTOR, day(99)) == []


def test_a_merger_after_the_limit_is_seen_at_once() -> None:
    (one,) = found_in([told("A", reported(0), into("B", 5)), told("B", calm(0))], "merged_unseen", day(6))
    assert one.since == day(5)


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        ([calm(0)], []),
        ([reported(0), visited(0.5)], []),
        ([reported(0)], [visited(0.9)]),
        ([reported(0)], [corrected(0.9, True)]),
        ([reported(0), corrected(0.1, False)], [visited(0.9)]),
    ],
    ids=["no danger", "seen before", "seen in the other case", "danger there, too", "seen, and corrected away"],
)
def test_where_there_is_no_danger_or_somebody_saw_the_child_in_time_it_is_no_finding(
    mine: list[Doing], other: list[Doing]
) -> None:
    cases = [told("A", *mine, into("B", 0.7)), told("B", calm(0), *other)]
    assert found_in(cases, "merged_unseen", day(99)) == []


def test_who_was_with_the_child_when_the_report_was_written_has_seen_it() -> None:
    def seen_at(at: float) -> list[Finding]:
        mine = recorded("A", [(day(1), reported(1)), (day(1), visited(at)), (day(1.2), into("B", 1.2))])
        return found_in([mine, told("B", calm(0))], "merged_unseen", day(99))

    assert seen_at(0.9) == []
    assert len(seen_at(-0.5)) == 1, "that was for something else"


def test_a_danger_that_is_corrected_away_before_the_merger_counts_as_alleged() -> None:
    cases = [told("A", reported(0), corrected(0.1, False), into("B", 0.2)), told("B", calm(0))]
    assert [one.subject for one in found_in(cases, "merged_unseen", day(99))] == ["A"]


def test_a_danger_that_is_known_only_later_counts_from_then() -> None:
    cases = [told("A", calm(0), corrected(3, True), into("B", 3.5)), told("B", calm(0))]
    (one,) = found_in(cases, "merged_unseen", day(99))
    assert (one.since, evidence(one)) == (day(3.5), ["A#3", "A#2"])


def test_a_danger_that_the_other_case_has_dealt_with_before_owes_nothing_for_a_new_report() -> None:
    other = told("B", reported(0), visited(0.5))
    cases = [told("A", reported(9), into("B", 9.1)), other]
    (one,) = found_in(cases, "merged_unseen", day(99))
    assert (one.since, one.is_open, evidence(one)) == (day(10), True, ["A#2", "A#1"])
    seen = [cases[0], told("B", reported(0), visited(0.5), visited(9.5))]
    assert found_in(seen, "merged_unseen", day(99)) == []


def test_each_merger_of_a_child_in_danger_is_a_finding_of_its_own() -> None:
    twice = told("A", reported(0), into("B", 0.5), (day(3), SERGEANT, REOPENED), into("B", 4))
    first, second = found_in([twice, told("B", calm(0))], "merged_unseen", day(99))
    assert (first.since, first.settled_at, second.since, second.is_open) == (day(1), day(3), day(4), True)
    assert first.id != second.id


def test_a_danger_that_the_other_case_has_not_dealt_with_is_that_cases_own() -> None:
    cases = [told("A", reported(9), into("B", 9.1)), told("B", reported(0))]
    assert found_in(cases, "merged_unseen", day(99)) == []


def test_that_the_other_case_had_dealt_with_its_danger_is_seen_when_it_is_entered() -> None:
    late = recorded("B", [(day(0), reported(0)), (day(50), visited(0.5))])
    cases = [told("A", reported(9), into("B", 9.1)), late]
    assert found_in(cases, "merged_unseen", day(49)) == []
    (one,) = found_in(cases, "merged_unseen", day(99))
    assert one.since == day(50)


def test_a_danger_of_the_other_case_that_was_corrected_away_owes_no_visit() -> None:
    cases = [told("A", reported(2), into("B", 2.1)), told("B", reported(0), corrected(0.1, False))]
    (one,) = found_in(cases, "merged_unseen", day(99))
    assert (one.since, one.is_open, evidence(one)) == (day(3), True, ["A#2", "A#1"])


def test_from_when_the_danger_of_the_other_case_is_corrected_away_nobody_owes_the_visit() -> None:
    other = told("B", reported(0), corrected(9, False))
    merged = told("A", reported(2), into("B", 2.1))
    assert found_in([merged, other], "merged_unseen", day(9)) == []
    (one,) = found_in([merged, other], "merged_unseen", day(99))
    assert (one.since, evidence(one)) == (day(9), ["A#2", "A#1", "B#2"])
    owing = [told("A", reported(2), into("B", 2.1), (day(3), SERGEANT, REOPENED), into("C", 3.5)), other]
    (one,) = found_in([*owing, told("C", reported(1), corrected(20, False))], "merged_unseen", day(99))
    assert (one.since, evidence(one)) == (day(20), ["A#4", "A#1", "C#2"]), "the first merger was undone by then"


def test_a_danger_that_is_alleged_and_corrected_away_settles_it_no_longer_than_that() -> None:
    merged = told("A", reported(0), into("B", 0.5))
    changes = [corrected(4, True), corrected(5, False), corrected(7, True), corrected(8, False)]
    first, second, third = found_in([merged, told("B", calm(0), *changes)], "merged_unseen", day(99))
    assert [(one.since, one.settled_at) for one in (first, second, third)] == [
        (day(1), day(4)), (day(5), day(7)), (day(8), None),
    ]  # fmt: skip
    assert [evidence(one) for one in (first, second, third)] == [
        ["A#2", "A#1"], ["B#3", "A#2", "A#1"], ["B#5", "A#2", "A#1"],
    ]  # fmt: skip
    seen = [merged, told("B", calm(0), *changes[:2], visited(6))]
    assert [one.settled_at for one in found_in(seen, "merged_unseen", day(99))] == [day(4), day(6)]


@pytest.mark.parametrize("seed", range(12))
def test_what_was_seen_of_a_child_in_danger_stays_seen_whatever_is_corrected_later(seed: int) -> None:
    chance = Random(seed)
    begun = chance.choice((reported, calm))(0)
    later = [chance.choice((corrected(at, True), corrected(at, False), visited(at))) for at in range(1, 12)]
    other, mine = told("B", begun, *later), told("A", reported(chance.randrange(9)), into("B", 9.5))
    before: dict[str, Finding] = {}
    for moment in range(40):
        known = [[event for event in case if event.timestamp <= day(moment / 3)] for case in (other, mine)]
        found = {one.id: one for one in found_in([case for case in known if case], "merged_unseen", day(moment / 3))}
        for name, one in before.items():
            assert (found[name].since, found[name].evidence) == (one.since, one.evidence)
            assert one.is_open or found[name].settled_at == one.settled_at
        before = found


def test_a_telephone_call_is_no_visit() -> None:
    cases = [told("A", reported(0), into("B", 0.5)), told("B", calm(0), visited(0.9, ContactMethod.PHONE))]
    assert len(found_in(cases, "merged_unseen", day(99))) == 1


@pytest.mark.parametrize(
    ("more", "others", "by"),
    [
        ([], [told("B", calm(0), visited(9))], "B#2"),
        ([], [told("B", calm(0), corrected(9, True))], "B#2"),
        ([(day(9), SERGEANT, REOPENED)], [told("B", calm(0))], "A#3"),
        ([], [told("B", calm(0), into("C", 3)), told("C", calm(0), visited(9))], "C#2"),
        ([], [told("B", calm(0), into("A", 3)), told("C", calm(0))], None),
        ([], [], None),
    ],
    ids=["seen there", "danger there", "reopened", "merged on, and seen there", "in a circle", "into none"],
)
def test_what_settles_it(more: list[Doing], others: list[list[Recorded]], by: str | None) -> None:
    cases = [told("A", reported(0), into("B", 0.5), *more), *others]
    (one,) = found_in(cases, "merged_unseen", day(99))
    assert one.since == day(1)
    settled_by = one.settled_by and f"{one.settled_by.case_id}#{one.settled_by.number}"
    assert (one.settled_at, settled_by) == (by and day(9), by)
    (before,) = found_in(cases, "merged_unseen", day(8))
    assert before.is_open and before.id == one.id


def test_how_soon_a_child_in_danger_is_seen_is_what_the_clock_says() -> None:
    cases = [told("A", reported(0), into("B", 0.1)), told("B", calm(0))]
    soon = parse_policy(within("clocks.danger_contact", '"24 hours"', '"6 hours"'))
    assert found_in(cases, "merged_unseen", day(9), soon)[0].since == day(0.25)


# --- merged again and again ---


def test_a_case_that_is_merged_and_reopened_and_merged_again_is_seen() -> None:
    story = held().tell(day(1), MERGED).tell(day(2), REOPENED).tell(day(3), MERGED).tell(day(4), REOPENED)
    assert numbers(only(story.tell(day(5), MERGED), "merged_again", day(6))) == [5, 7, 9]
    story.tell(day(6), REOPENED).tell(day(7), ASKED).tell(day(7), ClosureApproved(), OTHER_SERGEANT)
    assert only(story, "merged_again", day(8)).settled_at == day(7)


def test_a_merger_that_was_an_error_is_no_finding() -> None:
    story = held().tell(day(1), MERGED).tell(day(2), REOPENED).tell(day(3), MERGED)
    assert found(story, "merged_again", day(99)) == []
