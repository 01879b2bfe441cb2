"""Reports of grave offences that are merged into a lesser matter, before the child was offered an interview."""

from collections.abc import Callable
from random import Random

import pytest

from casetrail.domain.actions import Actor, Body
from casetrail.domain.case import Recorded
from casetrail.domain.codes import (
    AgencyKind,
    CorrectionReason,
    MergeReason,
    Offence,
    ReferralReason,
    Relation,
    Role,
    SealedName,
    Service,
    TokenKind,
)
from casetrail.domain.codes import Step as Kind
from casetrail.domain.detectors.finding import Finding
from casetrail.domain.intake import OffenceAlleged
from casetrail.domain.investigation import InvestigativeStepTaken
from casetrail.domain.linking import FactCorrected, Linked, Merged
from casetrail.domain.policy_file import parse_policy
from casetrail.domain.referral import (
    ReferralAccepted,
    ReferralCompleted,
    ReferralDeclined,
    ReferralMade,
    ReferralWithdrawn,
)
from casetrail.domain.sealed import SealedField, Token
from tests.actions import CLINIC, DETECTIVE, INTAKE, REGISTRAR, SERGEANT, report
from tests.domain.clock_histories import DAY, Story, day
from tests.domain.clock_stories import CONTACT, FONDLING, IN, SIMPLE, STEP
from tests.domain.detecting import SECOND, history_of, judge
from tests.domain.policies import within
from tests.domain.populations import Doing
from tests.domain.surveying import evidence, found, known, reopened, told

DETECTOR = "merged_unheard"
CENTER = Actor("cac.ng", "cac", Role.PARTNER)
INTERVIEW = ReferralMade("r1", Service.FORENSIC_INTERVIEW, CENTER.agency)
ATTENDED = InvestigativeStepTaken(Kind.FORENSIC_INTERVIEW_ATTENDED)
CHILD_NAME = SealedField(SealedName.CHILD_NAME, bytes(32), bytes(12), b"sealed")


def grave(at: float, **changes: object) -> Doing:
    return day(at), INTAKE, report(**changes)


def lesser(at: float, **changes: object) -> Doing:
    return day(at), INTAKE, report(offences=SIMPLE, **changes)


def into(case_id: str, at: float) -> Doing:
    return day(at), SERGEANT, Merged(case_id, MergeReason.SAME_CHILD_AND_SUSPECT)


def doing(at: float, body: Body, actor: Actor = DETECTIVE) -> Doing:
    return day(at), actor, body


def corrected(at: float, offences: tuple[OffenceAlleged, ...]) -> Doing:
    return day(at), INTAKE, FactCorrected(1, CorrectionReason.NEW_INFORMATION, offences=offences)


def accepted(at: float) -> list[Doing]:
    """A partner says yes to an interview."""
    return [doing(at, INTERVIEW), doing(at + 0.01, ReferralAccepted("r1"), CENTER)]


def worked(at: float) -> list[Doing]:
    """A lesser matter, worked as one."""
    return [lesser(at), doing(at + 0.1, IN, INTAKE), doing(at + 0.2, CONTACT), doing(at + 0.3, STEP)]


def all_in(*cases: list[Recorded]) -> list[Finding]:
    return found(cases, DETECTOR, day(99))


def test_a_rape_that_is_merged_into_a_lesser_matter_is_seen_when_an_interview_must_have_been_offered() -> None:
    cases = [told("A", grave(0), into("B", 0.5)), told("B", *worked(-9), doing(1, STEP))]
    assert found(cases, DETECTOR, day(7.5)) == []
    (one,) = found(cases, DETECTOR, day(7.5) + SECOND)  # five business days, from Monday to Monday
    assert (one.subject, one.since, one.is_open, evidence(one)) == ("A", day(7.5), True, ["A#2", "A#1"])
    assert one.says == "merged, with a grave offence for which no interview is owed there, and none was offered"


def test_so_is_one_that_is_screened_out_as_known_from_it_even_if_somebody_has_looked_at_that() -> None:
    link = doing(0.4, Linked("B", Relation.SAME_CHILD), INTAKE)
    (one,) = all_in(told("A", grave(0), link, known(0.5)), told("B", *worked(-9)))
    assert (one.since, evidence(one)) == (day(7.5), ["A#3", "A#1"]) and one.says.startswith("screened out as known")
    assert all_in(told("A", grave(0), known(0.5))) == [], "led_nowhere finds it"


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        ([lesser(0)], []),
        ([grave(0, offences=(OffenceAlleged(Offence.FAMILY_NONVIOLENT),))], []),
        ([grave(0), corrected(0.1, SIMPLE)], []),
        ([grave(0), *accepted(0.1)], []),
        ([grave(0), doing(0.1, IN, INTAKE), doing(0.2, ATTENDED)], []),
        ([grave(0)], [corrected(1, FONDLING)]),
        ([grave(0)], accepted(1)),
        ([grave(0)], accepted(-5)),
        ([grave(0)], [doing(-5, IN, INTAKE), doing(-4, ATTENDED)]),
        ([grave(0)], [doing(1, INTERVIEW), doing(2, ReferralDeclined("r1", ReferralReason.OUTSIDE_CRITERIA), CENTER)]),
        ([grave(0)], [*accepted(1), doing(2, ReferralWithdrawn("r1", ReferralReason.FAMILY_DECLINED))]),
        ([grave(0), *accepted(0.1)], [doing(5, STEP)]),
    ],
    ids=[
        "lesser", "neglect", "corrected before", "accepted here", "attended here", "grave there", "offered there",
        "offered there before", "attended there before", "declined", "the family declines", "accepted, and worked there",
    ],
)  # fmt: skip
def test_where_nothing_is_owed_or_an_interview_was_offered_in_time_it_is_no_finding(
    mine: list[Doing], other: list[Doing]
) -> None:
    assert all_in(told("A", *mine, into("B", 0.5)), told("B", lesser(-9), *other)) == []


def test_a_case_of_a_grave_offence_owes_it_by_itself_also_if_it_has_ended() -> None:
    assert all_in(told("A", grave(0), into("B", 0.5)), told("B", grave(-9))) == []
    through = [told("A", grave(0), into("B", 0.5)), told("B", lesser(-9), into("C", 2)), told("C", grave(-20))]
    assert all_in(*through) == []


@pytest.mark.parametrize(
    ("mine", "other", "by"),
    [
        ([reopened(9)], [], "A#3"),
        ([], [corrected(9, FONDLING)], "B#5"),
        ([], accepted(9), "B#6"),
        ([], [doing(9, ATTENDED)], "B#5"),
        ([doing(9, Linked("C", Relation.SAME_CHILD))], [], None),
    ],
)
def test_what_settles_it(mine: list[Doing], other: list[Doing], by: str | None) -> None:
    (one,) = all_in(told("A", grave(0), into("B", 0.5), *mine), told("B", *worked(-9), *other), told("C", grave(0)))
    settled_by = one.settled_by and f"{one.settled_by.case_id}#{one.settled_by.number}"
    assert (one.since, settled_by) == (day(7.5), by)


def test_an_interview_that_is_withdrawn_or_that_nobody_comes_to_after_the_merger_is_offered_no_longer() -> None:
    withdrawn = doing(9, ReferralWithdrawn("r1", ReferralReason.NOT_NEEDED))
    (one,) = all_in(told("A", grave(0), *accepted(0.1), into("B", 0.5), withdrawn), told("B", *worked(-9)))
    assert (one.since, evidence(one)) == (day(9), ["A#4", "A#1", "A#5"])
    missed = doing(9, ReferralCompleted("r1", holder_attended=False), CENTER)
    mine = told("A", grave(0), *accepted(0.1), into("B", 0.5), missed)
    (one,) = all_in(mine, told("B", *worked(-9), doing(9.5, STEP)))
    assert (one.since, one.is_open) == (day(9), True)
    (one,) = all_in(mine, told("B", *worked(-9), doing(12, ATTENDED)))
    assert one.settled_at == day(12), "the recording was watched"
    for completed in (ReferralCompleted("r1", holder_attended=True), ReferralCompleted("r1")):
        mine = told("A", grave(0), *accepted(0.1), into("B", 0.5), doing(9, completed, CENTER))
        assert all_in(mine, told("B", *worked(-9))) == []


def test_an_interview_that_is_arranged_after_one_was_missed_counts() -> None:
    missed = doing(9, ReferralCompleted("r1", holder_attended=False), CENTER)
    again = doing(21, ReferralMade("r2", Service.FORENSIC_INTERVIEW, CENTER.agency))
    held = doing(22, ReferralCompleted("r2", holder_attended=True), CENTER)
    mine = [grave(0), *accepted(0.1), into("B", 0.5), missed, reopened(20)]
    (one,) = all_in(told("A", *mine, again, held, into("B", 30)), told("B", *worked(-9)))
    assert (one.since, one.settled_at) == (day(9), day(20))
    assert len(all_in(told("A", *mine, into("B", 30)), told("B", *worked(-9)))) == 2


TOKENS = [(), (Token(TokenKind.CHILD, bytes([1]) * 32),)]
"""Without the token of a child, and with one: then each offer of an interview lasts for itself."""


@pytest.mark.parametrize("tokens", TOKENS)
def test_the_word_of_an_agency_that_the_registry_does_not_know_offers_nothing(tokens: tuple[Token, ...]) -> None:
    cases = [told("A", grave(0, tokens=tokens), *accepted(0.1), into("B", 0.5)), told("B", *worked(-9))]
    for agencies, count in (
        ({CLINIC.agency: AgencyKind.MEDICAL}, 1),
        ({CENTER.agency: AgencyKind.CHILD_ADVOCACY_CENTER}, 0),
    ):
        one = judge(detectors=[DETECTOR], agencies=agencies)
        for events in cases:
            one.count(history_of(events, events[0].originator_id))
        assert len(list(one.many(day(99)))) == count


@pytest.mark.parametrize("settled", [False, True])
def test_a_report_that_is_learned_to_be_grave_after_it_was_said_to_be_known(settled: bool) -> None:
    mine = [lesser(0), doing(0.4, Linked("B", Relation.SAME_CHILD), INTAKE), known(0.5), corrected(20, FONDLING)]
    if settled:
        mine.append(corrected(25, SIMPLE))
    (one,) = all_in(told("A", *mine), told("B", *worked(-9)))
    assert (one.since, one.settled_at) == (day(20), day(25) if settled else None)
    assert evidence(one) == ["A#3", "A#4"]


def test_a_case_counts_since_the_link_that_leads_there_and_for_what_is_so_still() -> None:
    mine = told(
        "A", grave(0), doing(0.4, Linked("B", Relation.SAME_CHILD), INTAKE), known(0.5),
        doing(30, Linked("C", Relation.SAME_CHILD), INTAKE),
    )  # fmt: skip
    other = told("B", *worked(-9))
    (one,) = all_in(mine, other, told("C", grave(-20)))
    assert (one.since, one.settled_at) == (day(7.5), day(30))
    assert one.settled_by is not None and (one.settled_by.case_id, one.settled_by.number) == ("A", 4)
    (one,) = all_in(mine, other, told("C", grave(-20), corrected(-10, SIMPLE)))
    assert (one.since, one.is_open) == (day(7.5), True)


def test_an_interview_that_was_withdrawn_before_the_merger_gains_and_costs_no_time() -> None:
    withdrawn = doing(0.3, ReferralWithdrawn("r1", ReferralReason.NOT_NEEDED))
    (one,) = all_in(told("A", grave(0), *accepted(0.1), withdrawn, into("B", 0.5)), told("B", *worked(-9)))
    assert (one.since, evidence(one)) == (day(7.5), ["A#5", "A#1"])


@pytest.mark.parametrize("tokens", TOKENS)
def test_what_the_unit_itself_was_asked_for_and_gave_is_no_interview_either(tokens: tuple[Token, ...]) -> None:
    police = Actor("sgt.archer", "metro-pd", Role.PARTNER)
    asked = ReferralMade("p1", Service.FORENSIC_INTERVIEW, police.agency)
    for attended in (None, True, False):
        done = doing(2, ReferralCompleted("p1", attended), police)
        other = told("B", *worked(-9), doing(1, asked, CLINIC), done)
        assert len(all_in(told("A", grave(0), into("B", 0.5)), other)) == 1
        mine = told("A", grave(0, tokens=tokens), doing(0.1, asked, CLINIC), into("B", 0.5), done)
        assert len(all_in(mine, told("B", *worked(-9)))) == 1


def test_of_what_an_old_system_had_merged_it_is_not_asked() -> None:
    other = told("B", *worked(-9))

    def story(*, merged_before: bool) -> list[Recorded]:
        told_of = Story().tell(day(0), report(), REGISTRAR, imported=True, late=400 * DAY)
        into_other = Merged("B", MergeReason.SAME_INCIDENT)
        if merged_before:
            return told_of.tell(day(1), into_other, REGISTRAR, imported=True, late=400 * DAY).events
        return told_of.tell(day(402), into_other).events

    assert found([story(merged_before=True), other], DETECTOR, day(900)) == []
    assert len(found([story(merged_before=False), other], DETECTOR, day(900))) == 1


def test_an_interview_that_nobody_came_to_before_the_merger_was_offered_and_is_found_as_such() -> None:
    missed = doing(0.3, ReferralCompleted("r1", holder_attended=False), CENTER)
    assert all_in(told("A", grave(0), *accepted(0.1), missed, into("B", 0.5)), told("B", *worked(-9))) == []


def test_a_correction_of_something_else_changes_nothing_of_the_offence() -> None:
    danger = doing(0.2, FactCorrected(1, CorrectionReason.NEW_INFORMATION, immediate_danger=True), INTAKE)
    assert len(all_in(told("A", grave(0), danger, into("B", 0.5)), told("B", *worked(-9)))) == 1


def test_an_examination_is_no_interview() -> None:
    exam = ReferralMade("m1", Service.MEDICAL_EVALUATION, CLINIC.agency)
    other = told("B", *worked(-9), doing(1, exam), doing(2, ReferralCompleted("m1"), CLINIC))
    assert len(all_in(told("A", grave(0), into("B", 0.5)), other)) == 1


def test_a_case_about_another_child_counts_for_nothing() -> None:
    one, other = ((Token(TokenKind.CHILD, bytes([number]) * 32),) for number in (1, 2))
    cases = [told("A", grave(0, tokens=one), into("B", 0.5)), told("B", grave(-9, tokens=other))]
    assert len(all_in(*cases)) == 1
    assert all_in(cases[0], told("B", grave(-9, tokens=one))) == []


def test_that_an_offence_is_alleged_no_longer_in_the_other_case_is_a_finding_from_then_on() -> None:
    changes = [corrected(4, FONDLING), corrected(20, SIMPLE), corrected(25, FONDLING), corrected(30, SIMPLE)]
    first, second = all_in(told("A", grave(0), into("B", 0.5)), told("B", lesser(-9), *changes))
    assert [(one.since, one.settled_at) for one in (first, second)] == [(day(20), day(25)), (day(30), None)]
    assert [evidence(one) for one in (first, second)] == [["A#2", "A#1", "B#3"], ["B#5", "A#2", "A#1"]]
    assert first.id != second.id


def test_how_soon_an_interview_is_offered_is_what_the_clock_says() -> None:
    cases = [told("A", grave(0), into("B", 0.5)), told("B", *worked(-9))]
    soon = parse_policy(within("clocks.forensic_interview", '"5 days"', '"1 day"'))
    assert found(cases, DETECTOR, day(9), soon)[0].since == day(1.5)


@pytest.mark.parametrize("seed", range(24))
def test_what_was_seen_stays_seen_whatever_is_recorded_later(seed: int) -> None:
    chance = Random(seed)
    withdrawn = ReferralWithdrawn("r1", ReferralReason.NOT_NEEDED)
    some: list[Callable[[float], list[Doing]]] = [
        lambda at: [corrected(at, FONDLING)], lambda at: [corrected(at, SIMPLE)], accepted,
        lambda at: [doing(at, withdrawn)], lambda at: [doing(at, STEP)],
    ]  # fmt: skip
    later = [one for at in range(1, 20) for one in chance.choice(some)(float(at))]
    other, mine = told("B", lesser(0), *later), told("A", grave(0), into("B", chance.randrange(9) + 0.5))
    before: dict[str, Finding] = {}
    for moment in range(70):
        cases = [[event for event in case if event.timestamp <= day(moment / 3)] for case in (other, mine)]
        listed = {one.id: one for one in found([case for case in cases if case], DETECTOR, day(moment / 3))}
        for name, one in before.items():
            assert (listed[name].since, listed[name].evidence) == (one.since, one.evidence)
            assert one.is_open or listed[name].settled_at == one.settled_at
        before = listed


# --- another child, whom the same suspect or address makes known ---

AT_HOME = Token(TokenKind.ADDRESS, b"h" * 32)


def of(child: bytes, at: float, *more: Token, **changes: object) -> Doing:
    """A grave report about a child at the same address as the others."""
    return grave(at, tokens=(Token(TokenKind.CHILD, child * 32), AT_HOME, *more), **changes)


def heard(child: bytes = b"a") -> list[Doing]:
    """The case of a child who was interviewed weeks ago."""
    attended = doing(-20, ATTENDED)
    return [of(child, -30), doing(-29.9, IN, INTAKE), *accepted(-29), attended]


def test_a_child_who_is_reported_after_another_was_heard_is_heard_itself_though_its_report_is_merged() -> None:
    cases = [told("B", of(b"b", 0), into("A", 0.5)), told("A", *heard(), doing(1, STEP))]
    assert found(cases, DETECTOR, day(7.5)) == []
    (one,) = found(cases, DETECTOR, day(7.5) + SECOND)
    assert (one.subject, one.since, one.is_open, evidence(one)) == ("B", day(7.5), True, ["B#2", "B#1"])
    link = doing(0.4, Linked("A", Relation.SAME_ADDRESS), INTAKE)
    (one,) = all_in(told("B", of(b"b", 0), link, known(0.5)), told("A", *heard()))
    assert one.says.startswith("screened out as known")


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        ([of(b"a", 0)], heard()),
        ([grave(0, tokens=(AT_HOME,))], heard()),
        ([of(b"b", 0)], [*heard()[:2]]),
        ([of(b"b", 0)], [*heard()[:2], *accepted(1)]),
        ([of(b"b", 0)], [*heard(), doing(1, ATTENDED)]),
        ([of(b"b", 0), *accepted(0.1)], heard()),
        ([of(b"b", 0), doing(0.1, IN, INTAKE), doing(0.2, ATTENDED)], heard()),
    ],
)
def test_the_same_child_and_one_who_is_offered_an_interview_of_its_own_accuse_nobody(
    mine: list[Doing], other: list[Doing]
) -> None:
    assert all_in(told("B", *mine, into("A", 0.5)), told("A", *other)) == []


def test_an_interview_that_is_offered_in_the_other_case_afterwards_settles_it() -> None:
    again = ReferralMade("r2", Service.FORENSIC_INTERVIEW, CENTER.agency)
    later = [*heard(), doing(9, again), doing(10, ReferralAccepted("r2"), CENTER)]
    (one,) = all_in(told("B", of(b"b", 0), into("A", 0.5)), told("A", *later))
    assert (one.since, one.settled_at) == (day(7.5), day(10))


def test_a_correction_that_says_that_it_is_one_child_settles_it() -> None:
    name = (Token(TokenKind.CHILD, b"b" * 32),)
    other = FactCorrected(1, CorrectionReason.ENTERED_WRONG, sealed=(CHILD_NAME,), tokens=name)
    (one,) = all_in(told("B", of(b"b", 0), into("A", 0.5)), told("A", *heard(), doing(12, other, INTAKE)))
    assert (one.since, one.settled_at, one.is_open) == (day(7.5), day(12), False)
    early = told("A", *heard(), doing(3, other, INTAKE))
    assert all_in(told("B", of(b"b", 0), into("A", 0.5)), early) == []


def test_an_interview_that_was_offered_for_the_other_child_and_withdrawn_is_none() -> None:
    again = [
        doing(1, ReferralMade("r2", Service.FORENSIC_INTERVIEW, CENTER.agency)),
        doing(2, ReferralAccepted("r2"), CENTER),
    ]
    withdrawn = [*heard(), *again, doing(3, ReferralWithdrawn("r2", ReferralReason.NOT_NEEDED))]
    (one,) = all_in(told("B", of(b"b", 0), into("A", 0.5)), told("A", *withdrawn))
    assert one.is_open and one.since == day(7.5)
    no_room = [*heard(), again[0], doing(2, ReferralDeclined("r2", ReferralReason.NO_CAPACITY), CENTER)]
    assert len(all_in(told("B", of(b"b", 0), into("A", 0.5)), told("A", *no_room))) == 1
    family = [*heard(), *again, doing(3, ReferralWithdrawn("r2", ReferralReason.FAMILY_DECLINED))]
    assert all_in(told("B", of(b"b", 0), into("A", 0.5)), told("A", *family)) == []


@pytest.mark.parametrize("tokens", TOKENS)
def test_what_a_partner_has_no_room_for_after_all_or_gives_to_nobody_was_not_offered_whether_tokens_are_used_or_not(
    tokens: tuple[Token, ...],
) -> None:
    """With the token of a child each offer lasts for itself: there they had lasted for ever."""
    no_room = doing(0.3, ReferralDeclined("r1", ReferralReason.NO_CAPACITY), CENTER)
    mine = told("A", grave(0, tokens=tokens), *accepted(0.1), no_room, into("B", 0.5))
    (one,) = all_in(mine, told("B", *worked(-9)))
    assert (one.since, one.is_open) == (day(7.5), True)
    missed = doing(9, ReferralCompleted("r1", holder_attended=False), CENTER)
    mine = told("A", grave(0, tokens=tokens), *accepted(0.1), into("B", 0.5), missed)
    (one,) = all_in(mine, told("B", *worked(-9)))
    assert (one.since, one.is_open) == (day(9), True)
    given = told("A", grave(0, tokens=tokens), doing(0.1, INTERVIEW), into("B", 0.5), missed)
    (one,) = all_in(given, told("B", *worked(-9)))
    assert (one.since, one.is_open) == (day(7.5), True)
