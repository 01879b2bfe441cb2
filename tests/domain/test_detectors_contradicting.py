"""Cases closed as what their log does not show."""

from datetime import timedelta

import pytest

from casetrail.domain.actions import Body
from casetrail.domain.assignment import Assigned
from casetrail.domain.closure import ClosureApproved, ClosureRequested, ExceptionalConditions
from casetrail.domain.codes import Clearance, CorrectionReason, Disposition, ReferralReason, SealedName, Service
from casetrail.domain.codes import Step as Kind
from casetrail.domain.investigation import InvestigativeStepTaken
from casetrail.domain.linking import FactCorrected
from casetrail.domain.referral import ReferralAccepted, ReferralDeclined, ReferralMade, ReferralWithdrawn
from casetrail.domain.sealed import SealedField
from tests.actions import CLINIC, DETECTIVE, HAPPENED, INTAKE, REGISTRAR, report
from tests.domain.clock_histories import Story, day
from tests.domain.clock_stories import IN, PROSECUTOR, RATIONALE, REOPENED, held
from tests.domain.detecting import found, numbers, only, with_settings

NAME = "disposition_not_shown"
ARREST, REFERRED = Disposition.CLEARED_BY_ARREST, Disposition.REFERRED_TO_PROSECUTOR
DECLINED, EXCEPTION = Disposition.DECLINED_BY_PROSECUTOR, Disposition.CLEARED_EXCEPTIONALLY
MADE = ReferralMade("p1", Service.PROSECUTOR, PROSECUTOR.agency)
WITHDRAWN = ReferralWithdrawn("p1", ReferralReason.MADE_IN_ERROR)
REFUSED = ReferralDeclined("p1", ReferralReason.INSUFFICIENT_EVIDENCE)
NAMED = SealedField(SealedName.SUSPECT_NAME, bytes(32), bytes(12), b"sealed")


def asked(disposition: Disposition) -> ClosureRequested:
    if disposition is not EXCEPTION:
        return ClosureRequested(disposition, sealed=RATIONALE, basis_number=1)
    return ClosureRequested(
        disposition, Clearance.VICTIM_REFUSED, ExceptionalConditions(True, True, True, True), sealed=RATIONALE
    )


def closed(disposition: Disposition, *bodies: Body, story: Story | None = None) -> Story:
    """A case that is closed on the fifth day, after what the holder did on the second."""
    story = story or held()
    for body in bodies:
        story.tell(day(2), body, PROSECUTOR if isinstance(body, ReferralAccepted | ReferralDeclined) else DETECTIVE)
    return story.tell(day(5), asked(disposition), DETECTIVE).tell(day(5), ClosureApproved())


def step(kind: Kind) -> InvestigativeStepTaken:
    return InvestigativeStepTaken(kind)


def test_who_is_said_to_be_arrested_must_have_been() -> None:
    one = only(closed(ARREST, step(Kind.SUSPECT_INTERVIEWED)), NAME, day(6))
    assert (one.since, numbers(one), one.is_open) == (day(5), [7, 6], True)
    assert one.says == "closed as cleared by arrest, and by the log nobody was arrested"
    assert found(closed(ARREST, step(Kind.ARREST_MADE)), NAME, day(6)) == []
    assert only(closed(ARREST).tell(day(9), REOPENED), NAME, day(10)).settled_at == day(9)


def test_an_arrest_counts_also_after_the_case_was_reopened() -> None:
    story = closed(ARREST, step(Kind.ARREST_MADE)).tell(day(9), REOPENED).tell(day(9), Assigned(DETECTIVE.id))
    assert found(story.tell(day(10), asked(ARREST), DETECTIVE).tell(day(10), ClosureApproved()), NAME, day(99)) == []


@pytest.mark.parametrize("kind", [Kind.SUSPECT_IDENTIFIED, Kind.SUSPECT_INTERVIEWED, Kind.ARREST_MADE])
def test_who_clears_a_case_exceptionally_knows_a_suspect(kind: Kind) -> None:
    assert only(closed(EXCEPTION), NAME, day(6)).says.endswith("by the log no suspect is known")
    assert found(closed(EXCEPTION, step(kind)), NAME, day(6)) == []
    assert found(closed(EXCEPTION, story=held(sealed=(NAMED,))), NAME, day(6)) == []


def test_what_is_referred_to_the_prosecutor_has_a_referral() -> None:
    assert only(closed(REFERRED, step(Kind.PROSECUTOR_CONSULTED)), NAME, day(6)).says.endswith("to a prosecutor")
    for more in ([], [ReferralAccepted("p1")], [REFUSED]):
        assert found(closed(REFERRED, MADE, *more), NAME, day(6)) == []
    to_itself = ReferralMade("p1", Service.PROSECUTOR, "metro-pd")
    other = ReferralMade("p1", Service.VICTIM_ADVOCACY, PROSECUTOR.agency)
    for story in (closed(REFERRED, to_itself), closed(REFERRED, other), closed(REFERRED, MADE, WITHDRAWN)):
        assert only(story, NAME, day(6)).since == day(5)
    again = ReferralMade("p2", Service.PROSECUTOR, PROSECUTOR.agency)
    assert found(closed(REFERRED, MADE, WITHDRAWN, again), NAME, day(6)) == []


def test_a_referral_that_is_withdrawn_after_the_closure_is_found_then() -> None:
    story = closed(REFERRED, MADE).tell(day(7), WITHDRAWN, DETECTIVE)
    assert found(story, NAME, day(7)) == []
    one = only(story, NAME, day(8))
    assert (one.since, numbers(one), one.is_open) == (day(7), [7, 6, 8], True)
    assert only(story.tell(day(9), REOPENED), NAME, day(99)).settled_at == day(9)
    reopened = closed(REFERRED, MADE).tell(day(6), REOPENED).tell(day(7), WITHDRAWN, DETECTIVE)
    assert found(reopened, NAME, day(99)) == []
    two = closed(REFERRED, MADE, ReferralMade("p2", Service.PROSECUTOR, PROSECUTOR.agency))
    assert found(two.tell(day(7), WITHDRAWN, DETECTIVE), NAME, day(99)) == []
    of_another = closed(REFERRED, MADE, ReferralMade("r1", Service.VICTIM_ADVOCACY, CLINIC.agency))
    withdrawn = ReferralWithdrawn("r1", ReferralReason.NOT_NEEDED)
    assert found(of_another.tell(day(7), withdrawn, DETECTIVE), NAME, day(99)) == []


def test_what_a_prosecutor_is_said_to_have_declined_was_put_before_one() -> None:
    assert only(closed(DECLINED), NAME, day(6)).says.endswith("no prosecutor has declined or was consulted")
    assert only(closed(DECLINED, MADE), NAME, day(6)).is_open
    assert found(closed(DECLINED, MADE, REFUSED), NAME, day(6)) == []
    no_room = ReferralDeclined("p1", ReferralReason.NO_CAPACITY)
    assert found(closed(DECLINED, MADE, no_room), NAME, day(6)) == [], "whatever the reason"
    assert found(closed(DECLINED, step(Kind.PROSECUTOR_CONSULTED)), NAME, day(6)) == []
    later = closed(DECLINED, MADE).tell(day(8), REFUSED, PROSECUTOR)
    assert only(later, NAME, day(9)).settled_at == day(8)


def test_prosecution_that_is_said_to_be_declined_was_put_before_a_prosecutor_where_a_case_is_cleared_exceptionally() -> (
    None
):
    def cleared(*bodies: Body, clearance: Clearance = Clearance.PROSECUTION_DECLINED) -> Story:
        story = held().tell(day(1), step(Kind.SUSPECT_INTERVIEWED), DETECTIVE)
        for body in bodies:
            story.tell(day(2), body, PROSECUTOR if isinstance(body, ReferralDeclined) else DETECTIVE)
        conditions = ExceptionalConditions(True, True, True, True)
        request = ClosureRequested(EXCEPTION, clearance, conditions, sealed=RATIONALE)
        return story.tell(day(5), request, DETECTIVE).tell(day(5), ClosureApproved())

    one = only(cleared(), NAME, day(6))
    assert (one.since, one.is_open) == (day(5), True)
    assert one.says == "closed as cleared exceptionally, and by the log no prosecutor has declined or was consulted"
    assert only(cleared(MADE), NAME, day(6)).is_open
    assert found(cleared(MADE, REFUSED), NAME, day(6)) == []
    assert found(cleared(step(Kind.PROSECUTOR_CONSULTED)), NAME, day(6)) == []
    assert only(cleared(MADE).tell(day(8), REFUSED, PROSECUTOR), NAME, day(9)).settled_at == day(8)
    assert found(cleared(clearance=Clearance.VICTIM_REFUSED), NAME, day(6)) == []


def test_other_dispositions_and_those_that_an_agency_leaves_out_say_nothing_of_the_log() -> None:
    for disposition in (Disposition.INACTIVATED, Disposition.UNFOUNDED, Disposition.ADMINISTRATIVELY_CLOSED):
        assert found(closed(disposition), NAME, day(6)) == []
    policy = with_settings(f'[detectors.{NAME}]\ndispositions = ["cleared_by_arrest"]')
    assert found(closed(REFERRED), NAME, day(6), policy) == []
    assert len(found(closed(ARREST), NAME, day(6), policy)) == 1


def test_what_an_old_system_closed_is_not_judged() -> None:
    story = Story()
    for body in (report(), IN, Assigned(DETECTIVE.id), asked(ARREST), ClosureApproved()):
        story.tell(HAPPENED, body, REGISTRAR, imported=True, late=timedelta(days=400))
    assert found(story, NAME, day(900)) == []


def test_where_neither_a_suspect_is_known_nor_a_prosecutor_has_declined_naming_the_one_does_not_settle_the_other() -> (
    None
):
    def neither() -> Story:
        conditions = ExceptionalConditions(True, True, True, True)
        request = ClosureRequested(EXCEPTION, Clearance.PROSECUTION_DECLINED, conditions, sealed=RATIONALE)
        story = held().tell(day(2), MADE, DETECTIVE).tell(day(5), request, DETECTIVE)
        return story.tell(day(5), ClosureApproved())

    named = FactCorrected(1, CorrectionReason.NEW_INFORMATION, sealed=(NAMED,))
    one = only(neither().tell(day(7), named, INTAKE), NAME, day(20))
    says = "no suspect is known and no prosecutor has declined or was consulted"
    assert (one.is_open, one.says) == (True, f"closed as cleared exceptionally, and by the log {says}")
    assert only(neither().tell(day(7), REFUSED, PROSECUTOR), NAME, day(20)).is_open
    both = neither().tell(day(7), named, INTAKE).tell(day(9), REFUSED, PROSECUTOR)
    assert only(both, NAME, day(20)).settled_at == day(9)
