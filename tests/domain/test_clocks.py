"""Every clock of the field starts, is due, is stopped, paused, missed and lapses as its table says."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import pytest

from casetrail.domain.actions import Actor, Body
from casetrail.domain.assignment import Acknowledged, Assigned, Reassigned, Released
from casetrail.domain.clocks import ClockState, clocks
from casetrail.domain.closure import ClosureApproved
from casetrail.domain.codes import (
    AgencyKind,
    ConcernAnswer,
    ConcernKind,
    HandoverReason,
    Offence,
    ReferralReason,
    SealedName,
    Service,
)
from casetrail.domain.concern import ConcernAnswered, ConcernRaised
from casetrail.domain.intake import OffenceAlleged
from casetrail.domain.investigation import NoteAdded
from casetrail.domain.policy import InForce
from casetrail.domain.policy_file import parse_policy
from casetrail.domain.referral import (
    ReferralAccepted,
    ReferralCompleted,
    ReferralDeclined,
    ReferralMade,
    ReferralWithdrawn,
)
from casetrail.domain.sealed import SealedField
from tests.actions import CLINIC, DETECTIVE, HAPPENED, INTAKE, OTHER_DETECTIVE, SERGEANT
from tests.domain.clock_histories import DAY, HOUR, Story, day
from tests.domain.clock_stories import (
    ASKED,
    ATTEMPT,
    CONTACT,
    DESK,
    FONDLING,
    HOLDER,
    IN,
    LAPSED,
    LEADER,
    MERGED,
    MET,
    MET_LATE,
    MISSED,
    OUT,
    POLICE_AS_PARTNER,
    PROSECUTOR,
    REFUSED,
    REOPENED,
    RESUMED,
    REVIEW,
    RUNNING,
    SIMPLE,
    STEP,
    TRUANCY,
    WORKLOAD,
    answered,
    approved,
    assistance_asked,
    extended,
    held,
    received,
    referred,
    runs_of,
    screened,
    suspended,
)
from tests.domain.policies import changed, preset


class Row(NamedTuple):
    """A line of the field's table of time limits."""

    clock: str
    begin: Callable[[], Story]
    stop: Callable[[Story, datetime], Story]
    due: datetime
    owed_by: str


TABLE: Final = [
    Row("danger_contact", lambda: held(immediate_danger=True), answered(CONTACT, DETECTIVE), day(1), HOLDER),
    Row("first_response", received, answered(CONTACT, INTAKE), day(1), DESK),
    Row("first_response", held, answered(STEP, DETECTIVE), day(1), HOLDER),
    Row("first_response", lambda: held(offences=TRUANCY), answered(STEP, DETECTIVE), day(3), HOLDER),
    Row("assistance_answer", assistance_asked, answered(ReferralAccepted("r1"), POLICE_AS_PARTNER), day(1), DESK),
    Row("assistance_answer", assistance_asked, answered(ReferralDeclined("r1", ReferralReason.NO_CAPACITY), POLICE_AS_PARTNER), day(1), DESK),
    Row("assistance_answer", assistance_asked, answered(STEP, SERGEANT), day(1), DESK),
    Row("screening", received, answered(IN, INTAKE), day(3), DESK),
    Row("screening", received, answered(OUT, INTAKE), day(3), DESK),
    Row("assignment", screened, answered(Assigned(DETECTIVE.id), SERGEANT), day(1), DESK),
    Row("acknowledgement", lambda: screened().tell(day(0), Assigned(DETECTIVE.id)), answered(Acknowledged(), DETECTIVE), day(1), HOLDER),
    Row("victim_contact", held, answered(CONTACT, DETECTIVE), day(14), HOLDER),
    Row("forensic_interview", lambda: held().tell(day(0), ReferralMade("r1", Service.FORENSIC_INTERVIEW, CLINIC.agency)), answered(ReferralAccepted("r1"), CLINIC), day(7), HOLDER),
    Row("forensic_interview", lambda: held(offences=(OffenceAlleged(Offence.AGGRAVATED_ASSAULT),)).tell(day(0), ReferralMade("r1", Service.FORENSIC_INTERVIEW, CLINIC.agency)), answered(ReferralDeclined("r1", ReferralReason.NO_CAPACITY), CLINIC), day(7), HOLDER),
    Row("medical_evaluation", lambda: referred(Service.MEDICAL_EVALUATION, acute=True), answered(ReferralCompleted("r1"), CLINIC), day(3), CLINIC.agency),
    Row("referral_answer", referred, answered(ReferralAccepted("r1"), CLINIC), day(2), CLINIC.agency),
    Row("concern_answer", lambda: held().tell(day(0), ConcernRaised("c1", ConcernKind.NO_RESPONSE), CLINIC), answered(ConcernAnswered("c1", ConcernAnswer.EXPLAINED), SERGEANT), day(7), LEADER),
    Row("closure_decision", lambda: held().tell(day(0), ASKED, DETECTIVE), answered(REFUSED, SERGEANT), day(7), LEADER),
    Row("closure_decision", lambda: held().tell(day(0), ASKED, DETECTIVE), answered(ClosureApproved(), SERGEANT), day(7), LEADER),
    Row("decision", lambda: held(offences=SIMPLE), approved, day(45), HOLDER),
    Row("decision", lambda: held(offences=FONDLING), approved, day(120), HOLDER),
    Row("decision", lambda: held(offences=SIMPLE).tell(day(0), ReferralMade("r1", Service.PROSECUTOR, "prosecutor"), DETECTIVE), answered(ReferralCompleted("r1"), PROSECUTOR), day(45), HOLDER),
    Row("extended_decision", lambda: held().tell(day(0), extended(day(20))), approved, day(20), HOLDER),
    Row("extended_decision", lambda: held().tell(day(0), extended(day(45))), answered(extended(day(60)), SERGEANT), day(45), HOLDER),
    Row("decision", lambda: held(offences=SIMPLE), lambda story, at: story.tell(at, extended(at + DAY)), day(45), HOLDER),
    Row("suspension_review", lambda: held().tell(day(0), suspended(day(9))), answered(RESUMED, SERGEANT), day(9), LEADER),
    Row("suspension_review", lambda: held().tell(day(0), suspended(day(30))), approved, day(30), LEADER),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.clock}-{row.due:%j}")
def test_a_clock_of_the_table_is_due_when_the_table_says(row: Row) -> None:
    story = row.begin()
    running = story.only(row.clock, HAPPENED)
    assert (running.started_at, running.due_at, running.state) == (HAPPENED, row.due, RUNNING)
    assert (running.owed_by, running.ended_at, running.ended_by) == (row.owed_by, None, None)
    assert running.is_owed and not running.is_overdue
    assert story.only(row.clock, row.due).state is RUNNING
    missed = story.only(row.clock, row.due + timedelta(microseconds=1))
    assert (missed.state, missed.is_owed, missed.is_overdue) == (MISSED, True, True)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.clock}-{row.due:%j}")
@pytest.mark.parametrize(("after", "state"), [(timedelta(), MET), (HOUR, MET_LATE)])
def test_a_clock_of_the_table_is_stopped_in_time_or_late(row: Row, after: timedelta, state: ClockState) -> None:
    story = row.begin()
    started = len(story.events)
    found = row.stop(story, row.due + after).runs(row.clock, day(500))[0]
    assert (found.state, found.ended_at, found.is_owed) == (state, row.due + after, False)
    assert found.ended_by is not None and found.started_by is not None
    assert found.ended_by > started >= found.started_by


def test_each_clock_of_the_policy_is_in_the_table_or_repeats() -> None:
    assert {rule.name for rule in preset().clocks} == {row.clock for row in TABLE} | {"supervisor_review", "progress"}


# --- clocks that begin anew ---


def test_a_review_is_owed_every_30_days() -> None:
    story = held().tell(day(20), REVIEW).tell(day(51), REVIEW)
    assert runs_of(story.runs("supervisor_review", day(60))) == [
        (day(0), day(20), MET), (day(20), day(51), MET_LATE), (day(51), None, RUNNING),
    ]  # fmt: skip
    assert story.runs("supervisor_review", day(60))[-1].owed_by == LEADER


def test_a_reassignment_gains_no_time_for_a_review_or_for_progress() -> None:
    story = held().tell(day(13), Reassigned(OTHER_DETECTIVE.id, WORKLOAD))
    (review,), (progress,) = story.runs("supervisor_review", day(14)), story.runs("progress", day(15))
    assert (review.due_at, progress.due_at, progress.state) == (day(30), day(14), MISSED)
    assert progress.owed_by == OTHER_DETECTIVE.id


@pytest.mark.parametrize("act", [CONTACT, ATTEMPT, STEP])
def test_progress_is_owed_from_act_to_act(act: Body) -> None:
    found = held().tell(day(10), act, DETECTIVE).runs("progress", day(25))
    assert runs_of(found) == [(day(0), day(10), MET), (day(10), None, MISSED)]


def test_notes_and_reviews_are_no_progress() -> None:
    note = NoteAdded((SealedField(SealedName.NARRATIVE, bytes(32), bytes(12), b"x"),))
    assert held().tell(day(10), note, DETECTIVE).tell(day(11), REVIEW).only("progress", day(15)).state is MISSED


def test_asking_for_a_closure_ends_progress_and_its_refusal_starts_it_anew() -> None:
    found = held().tell(day(10), ASKED, DETECTIVE).tell(day(30), REFUSED).runs("progress", day(31))
    assert runs_of(found) == [(day(0), day(10), MET), (day(30), None, RUNNING)]


def test_an_attempt_is_no_contact_and_no_first_response() -> None:
    story = held().tell(day(0.5), ATTEMPT, DETECTIVE)
    assert story.only("victim_contact", day(15)).state is MISSED
    assert story.only("first_response", day(2)).state is MISSED


def test_a_new_holder_acknowledges_anew() -> None:
    story = screened().tell(day(0), Assigned(DETECTIVE.id)).tell(day(0.5), Reassigned(OTHER_DETECTIVE.id, WORKLOAD))
    found = story.runs("acknowledgement", day(4))
    assert runs_of(found) == [(day(0), day(0.5), LAPSED), (day(0.5), None, MISSED)]
    assert [one.owed_by for one in found] == [DETECTIVE.id, OTHER_DETECTIVE.id]


def test_a_missed_clock_stays_missed_when_nobody_owes_it_any_longer() -> None:
    story = screened().tell(day(0), Assigned(DETECTIVE.id)).tell(day(4), Released(HandoverReason.LEFT_AGENCY))
    found = story.only("acknowledgement", day(5))
    assert (found.state, found.is_owed, found.is_overdue, found.ended_at) == (MISSED, False, False, day(4))


def test_a_case_that_was_let_go_waits_for_an_assignment() -> None:
    story = held().tell(day(2), Released(HandoverReason.LEFT_AGENCY))
    found = story.runs("assignment", day(2))
    assert runs_of(found) == [(day(0), day(0), MET), (day(2), None, RUNNING)]
    assert found[-1].owed_by == DESK == story.only("decision", day(2)).owed_by


# --- the end of a case ---


def test_with_the_case_ends_what_is_owed_in_it_but_not_what_is_owed_to_partners() -> None:
    story = referred().tell(day(0), ConcernRaised("c1", ConcernKind.OTHER), CLINIC)
    owed = {one.name for one in approved(story, day(1)).clocks(day(1)) if one.is_owed}
    assert owed == {"referral_answer", "concern_answer"}
    assert story.only("supervisor_review", day(99)).state is LAPSED
    assert story.only("concern_answer", day(99)).state is MISSED


def test_in_a_merged_case_only_referrals_and_concerns_are_owed_and_can_be_answered() -> None:
    story = referred().tell(day(0), ConcernRaised("c1", ConcernKind.OTHER), CLINIC).tell(day(1), MERGED)
    assert {one.name for one in story.clocks(day(99)) if one.is_owed} == {"referral_answer", "concern_answer"}
    assert story.only("supervisor_review", day(99)).state is LAPSED
    story.tell(day(2), ConcernRaised("c2", ConcernKind.OTHER), CLINIC)
    found = {one.subject: (one.state, one.due_at) for one in story.runs("concern_answer", day(99))}
    assert found == {"c1": (MISSED, day(7)), "c2": (MISSED, day(9))}
    story.tell(day(3), ConcernAnswered("c1", ConcernAnswer.EXPLAINED), DETECTIVE)
    story.tell(day(3), ReferralAccepted("r1"), CLINIC)
    assert {one.subject for one in story.clocks(day(99)) if one.is_owed} == {"c2"}


def test_when_a_merger_is_undone_all_is_owed_since_it_was() -> None:
    story = referred().tell(day(1), MERGED).tell(day(9), REOPENED)
    found = story.only("referral_answer", day(9))
    assert (found.state, found.due_at, found.is_overdue) == (MISSED, day(2), True)
    due = {one.name: one.due_at for one in story.clocks(day(9)) if one.is_owed}
    kept = {one.name: one.due_at for one in referred().clocks(day(9)) if one.is_owed}
    assert due == kept | {"assignment": day(10)}


def test_merging_and_reopening_again_and_again_gains_no_time() -> None:
    story = held()
    for number in range(1, 20):
        story.tell(day(10 * number), MERGED).tell(day(10 * number), REOPENED).tell(
            day(10 * number), Assigned(DETECTIVE.id)
        )
    found = {name: runs_of(story.runs(name, day(191))) for name in ("decision", "victim_contact", "progress")}
    assert found == {name: [(day(0), None, MISSED)] for name in found}


def test_what_a_reopened_merger_undoes_is_owed_no_longer() -> None:
    for body, name in ((suspended(day(20)), "suspension_review"), (ASKED, "closure_decision")):
        story = held().tell(day(1), body).tell(day(2), MERGED).tell(day(9), REOPENED)
        assert runs_of(story.runs(name, day(99))) == [(day(1), day(2), LAPSED)]
    handed = screened().tell(day(0), Assigned(DETECTIVE.id)).tell(day(0), MERGED).tell(day(0), REOPENED)
    assert handed.only("acknowledgement", day(1)).state is LAPSED


def test_a_report_that_is_screened_out_owes_nothing_until_it_is_reopened() -> None:
    story = received().tell(day(1), OUT, INTAKE)
    assert not [one for one in story.clocks(day(1)) if one.is_owed]
    story.tell(day(10), REOPENED)
    assert {one.name: one.due_at for one in story.clocks(day(10)) if one.is_owed} == {
        "first_response": day(11), "screening": day(13), "victim_contact": day(24), "decision": day(130),
    }  # fmt: skip


def test_a_child_in_danger_is_seen_anew_when_a_wrong_end_is_undone() -> None:
    """What was owed at first is owed again: also where the case was ended within the first day, and before it was due."""
    for ended in (
        received(immediate_danger=True).tell(day(0.1), OUT, INTAKE),
        approved(held(immediate_danger=True), day(0.1)),
    ):
        assert not [one for one in ended.clocks(day(9)) if one.is_owed or one.state is MISSED]
        story = ended.tell(day(10), REOPENED).tell(day(30), CONTACT, INTAKE)
        for name, due in (("danger_contact", day(11)), ("first_response", day(11)), ("victim_contact", day(24))):
            first, again = story.runs(name, day(99))
            assert (first.state, again.state, again.due_at) == (LAPSED, MET_LATE, due)


def test_a_reopened_case_is_begun_anew_and_waits_for_an_assignment_and_a_decision() -> None:
    story = approved(held(), day(3)).tell(day(21), REOPENED)
    assert {one.name for one in story.clocks(day(21)) if one.is_owed} == {
        "first_response", "assignment", "victim_contact", "decision",
    }  # fmt: skip


def test_a_withdrawn_referral_is_owed_no_longer() -> None:
    from casetrail.domain.referral import ReferralWithdrawn

    story = referred().tell(day(1), ReferralWithdrawn("r1", ReferralReason.NOT_NEEDED), DETECTIVE)
    assert story.only("referral_answer", day(9)).state is LAPSED


# --- each referral, each concern ---


def test_every_referral_and_every_concern_has_its_own_clock() -> None:
    story = referred().tell(day(1), ReferralMade("r2", Service.MENTAL_HEALTH, "counsel"), DETECTIVE)
    story.tell(day(1.5), ReferralAccepted("r1"), CLINIC)
    found = {one.subject: (one.state, one.owed_by) for one in story.runs("referral_answer", day(2))}
    assert found == {"r1": (MET, CLINIC.agency), "r2": (RUNNING, "counsel")}


# --- who answers a referral ---

AGENCIES: Final = {
    "metro-pd": AgencyKind.LAW_ENFORCEMENT,
    CLINIC.agency: AgencyKind.MEDICAL,
    PROSECUTOR.agency: AgencyKind.PROSECUTION,
}


def stopped(name: str, service: Service, by: Actor, body: Body, *agencies: str) -> bool:
    """Whether an answer to a referral stops a clock of the case, where the registry knows these agencies."""
    story = held(offences=FONDLING).tell(day(1), ReferralMade("r1", service, by.agency), DETECTIVE)
    story.tell(day(2), body, by)
    known = {agency: AGENCIES[agency] for agency in agencies}
    found = clocks("C-1", story.events, InForce([(HAPPENED, preset())], known), day(3))
    return all(one.state is MET for one in found if one.name == name)


def test_a_units_answer_to_itself_stops_no_clock_of_the_case() -> None:
    declined, completed = ReferralDeclined("r1", ReferralReason.NOT_NEEDED), ReferralCompleted("r1")
    for agencies in ((), AGENCIES):
        assert not stopped("forensic_interview", Service.FORENSIC_INTERVIEW, POLICE_AS_PARTNER, declined, *agencies)
        assert not stopped("decision", Service.PROSECUTOR, POLICE_AS_PARTNER, completed, *agencies)
        assert stopped("forensic_interview", Service.FORENSIC_INTERVIEW, CLINIC, declined, *agencies)
        assert stopped("decision", Service.PROSECUTOR, PROSECUTOR, completed, *agencies)


def test_an_agency_that_the_registry_does_not_know_is_taken_at_its_word_only_where_it_knows_none() -> None:
    accepted = ReferralAccepted("r1")
    assert stopped("forensic_interview", Service.FORENSIC_INTERVIEW, CLINIC, accepted)
    assert not stopped("forensic_interview", Service.FORENSIC_INTERVIEW, CLINIC, accepted, "metro-pd")
    assert not stopped("decision", Service.PROSECUTOR, CLINIC, ReferralCompleted("r1"), *AGENCIES)


def test_the_unit_answers_for_the_assistance_that_it_was_asked_for() -> None:
    story = assistance_asked().tell(day(0.5), ReferralAccepted("r1"), POLICE_AS_PARTNER)
    assert story.only("assistance_answer", day(9)).state is MET


def test_only_an_acute_medical_evaluation_has_a_clock() -> None:
    assert referred(Service.MEDICAL_EVALUATION).runs("medical_evaluation", day(1)) == []
    assert referred(Service.VICTIM_ADVOCACY, acute=True).runs("medical_evaluation", day(1)) == []


def test_another_service_is_no_forensic_interview() -> None:
    assert referred().tell(day(1), ReferralAccepted("r1"), CLINIC).only("forensic_interview", day(9)).state is MISSED


def arranged(body: Body | None, *more: Body, service: Service = Service.FORENSIC_INTERVIEW) -> Story:
    """A report of which a partner was asked for an interview before it is screened in on the second day."""
    story = received(offences=FONDLING).tell(day(0.1), ReferralMade("r1", service, CLINIC.agency), DETECTIVE)
    for one in (body, *more):
        if one is not None:
            story.tell(day(0.5), one, DETECTIVE if isinstance(one, ReferralWithdrawn) else CLINIC)
    return story.tell(day(2), IN, INTAKE)


@pytest.mark.parametrize("body", [ReferralAccepted("r1"), ReferralCompleted("r1")])
def test_a_forensic_interview_that_was_arranged_before_the_screening_is_not_owed_again(body: Body) -> None:
    found = arranged(body).only("forensic_interview", day(99))
    assert (found.state, found.started_at, found.ended_at, found.ended_by) == (MET, day(2), day(2), 3)
    story = arranged(None).tell(day(2.5), body, CLINIC)
    assert story.only("forensic_interview", day(99)).state is MET, "nor is one of which that is said afterwards"


def test_an_interview_that_was_only_asked_for_or_will_not_be_held_after_all_is_owed() -> None:
    withdrawn = ReferralWithdrawn("r1", ReferralReason.NOT_NEEDED)
    declined = ReferralDeclined("r1", ReferralReason.NO_CAPACITY)
    for story in (
        arranged(None), arranged(declined), arranged(withdrawn), arranged(ReferralAccepted("r1"), withdrawn),
        arranged(ReferralAccepted("r1"), declined), arranged(ReferralAccepted("r1"), service=Service.VICTIM_ADVOCACY),
    ):  # fmt: skip
        assert story.only("forensic_interview", day(99)).state is MISSED


def test_what_the_unit_answers_to_itself_before_the_screening_is_no_interview() -> None:
    story = received(offences=FONDLING).tell(day(0.1), ReferralMade("r1", Service.FORENSIC_INTERVIEW, "metro-pd"))
    story.tell(day(0.2), ReferralAccepted("r1"), POLICE_AS_PARTNER).tell(day(2), IN, INTAKE)
    assert story.only("forensic_interview", day(99)).state is MISSED


def test_an_interview_from_before_a_case_was_reopened_is_owed_anew_unless_only_a_merger_is_undone() -> None:
    for ended, state in ((OUT, MISSED), (MERGED, MET)):
        story = received(offences=FONDLING)
        story.tell(day(0.1), ReferralMade("r1", Service.FORENSIC_INTERVIEW, CLINIC.agency), DETECTIVE)
        story.tell(day(0.5), ReferralCompleted("r1"), CLINIC)
        story.tell(day(1), ended).tell(day(3), REOPENED).tell(day(4), IN, INTAKE)
        assert story.only("forensic_interview", day(99)).state is state


def test_an_interview_that_was_arranged_before_stops_no_other_clock() -> None:
    """Beside the clock of the interview, a case has the same clocks as one in which that was arranged afterwards."""
    before = arranged(ReferralAccepted("r1"))
    after = arranged(None).tell(day(2.1), ReferralAccepted("r1"), CLINIC)

    def others(story: Story) -> set[tuple[object, ...]]:
        found = [one for one in story.clocks(day(99)) if one.name not in ("forensic_interview", "referral_answer")]
        return {(one.name, one.subject, one.started_at, one.due_at, one.ended_at, one.state) for one in found}

    assert others(before) == others(after)


def test_a_clock_that_a_referral_starts_is_not_met_by_another_one_before_it() -> None:
    """The interview must be held within ten days of being promised: each of them."""
    own = """
[clocks.interview_held]
start = ["referral_accepted"]
stop = ["referral_completed"]
service = "forensic_interview"
limit = "10 days"
owed_by = "holder"
escalation = "usual"
source = "practice"
"""
    story = arranged(ReferralAccepted("r1"), ReferralCompleted("r1"))
    story.tell(day(3), ReferralMade("r2", Service.FORENSIC_INTERVIEW, CLINIC.agency), DETECTIVE)
    found = story.tell(day(4), ReferralAccepted("r2"), CLINIC).runs(
        "interview_held", day(99), (HAPPENED, parse_policy(changed() + own))
    )
    assert runs_of(found) == [(day(0.5), day(0.5), MET), (day(4), None, MISSED)]


def test_a_request_for_assistance_is_no_referral_to_a_partner() -> None:
    assert assistance_asked().runs("referral_answer", day(1)) == []
    assert referred().runs("assistance_answer", day(1)) == []


# --- kinds of cases ---


def test_clocks_for_some_cases_run_in_these_only() -> None:
    names = {one.name for one in held(offences=SIMPLE).clocks(day(0))}
    assert "danger_contact" not in names and "forensic_interview" not in names and "first_response" in names


def test_a_report_of_neglect_with_another_statute_is_answered_within_a_day() -> None:
    for offences in (TRUANCY + SIMPLE, (OffenceAlleged(Offence.FAMILY_NONVIOLENT, "568.050"),)):
        assert held(offences=offences).only("first_response", day(0)).due_at == day(1)


@pytest.mark.parametrize(("statute", "is_sexual"), [("566.083", True), ("568.045", False), (None, False)])
def test_sexual_misconduct_is_known_by_its_statute(statute: str | None, is_sexual: bool) -> None:
    story = held(offences=(OffenceAlleged(Offence.OTHER, statute),))
    assert ("forensic_interview" in {one.name for one in story.clocks(day(0))}) is is_sexual
    assert story.only("decision", day(1)).due_at == day(120 if is_sexual else 45)


def test_a_statute_beside_another_offence_makes_no_sexual_misconduct_of_it() -> None:
    story = held(offences=(OffenceAlleged(Offence.OTHER), OffenceAlleged(Offence.SIMPLE_ASSAULT, "566.083")))
    assert "forensic_interview" not in {one.name for one in story.clocks(day(0))}
