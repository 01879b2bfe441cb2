"""A victim who is said to have been heard through a partner, in a case in which there is none."""

import pytest

from casetrail.domain.actions import Actor, Body
from casetrail.domain.assignment import Assigned
from casetrail.domain.codes import ConcernKind, ContactMethod, CorrectionReason, Role, SealedName, Service
from casetrail.domain.concern import ConcernRaised
from casetrail.domain.contact import VictimContactMade
from casetrail.domain.detectors import history
from casetrail.domain.escalation import DeadlineMissed
from casetrail.domain.investigation import NoteAdded
from casetrail.domain.linking import FactCorrected
from casetrail.domain.referral import ReferralMade
from casetrail.domain.sealed import SealedField
from tests.actions import CLINIC, DETECTIVE, HAPPENED, report
from tests.domain.clock_histories import DAY, Story, day
from tests.domain.clock_stories import IN, SIMPLE, STEP, approved, held
from tests.domain.detecting import found, numbers, only, seen

CLOSED, NO_CONTACT = "closed_without_work", "no_contact"
THROUGH = VictimContactMade(ContactMethod.THROUGH_PARTNER)
HOTLINE = Actor("hotline.7", "hotline", Role.REPORTER)
ASKS = ReferralMade("r1", Service.CHILD_PROTECTIVE_SERVICES, "childrens-division")


def through(story: Story | None = None) -> Story:
    story = story or held(offences=SIMPLE)
    return story.tell(day(0.5), THROUGH, DETECTIVE).tell(day(0.6), STEP, DETECTIVE)


def reported_by_a_hotline() -> Story:
    story = Story().tell(HAPPENED, report(offences=SIMPLE), HOTLINE)
    return story.tell(day(0), IN).tell(day(0), Assigned(DETECTIVE.id))


def test_a_contact_through_a_partner_that_there_is_none_of_is_none() -> None:
    assert numbers(seen(through(), NO_CONTACT, day(14))) == [3, 1]
    one = only(approved(through(), day(2)), CLOSED, day(3))
    assert (one.since, one.says) == (day(2), "closed without victim contact")


def test_it_is_one_where_a_partner_reported_was_asked_or_says_something() -> None:
    asked = held(offences=SIMPLE).tell(day(0.1), ASKS, DETECTIVE)
    says = held(offences=SIMPLE).tell(day(0.1), ConcernRaised("c1", ConcernKind.NO_RESPONSE), CLINIC)
    for story in (reported_by_a_hotline(), asked, says):
        assert found(through(story), NO_CONTACT, day(30)) == []
        assert found(approved(story, day(2)), CLOSED, day(3)) == []


def test_a_partner_that_is_named_afterwards_settles_it() -> None:
    early = through().tell(day(1), ASKS, DETECTIVE)
    assert found(early, NO_CONTACT, day(30)) == []
    assert found(approved(early, day(2)), CLOSED, day(3)) == []
    assert only(through().tell(day(20), ASKS, DETECTIVE), NO_CONTACT, day(30)).settled_at == day(20)
    late = approved(through(), day(2)).tell(day(4), ConcernRaised("c1", ConcernKind.OTHER), CLINIC)
    assert only(late, CLOSED, day(5)).is_open, "when it was closed nobody was named"


@pytest.mark.parametrize("other", [ContactMethod.IN_PERSON, ContactMethod.PHONE])
def test_any_other_contact_with_the_child_is_enough(other: ContactMethod) -> None:
    story = through().tell(day(1), VictimContactMade(other), DETECTIVE)
    assert found(story, NO_CONTACT, day(14)) == []
    assert found(approved(story, day(2)), CLOSED, day(3)) == []


def test_another_agencys_watchdog_or_auditor_is_no_partner() -> None:
    missed: Body = DeadlineMissed("first_response", day(1), started_by=1)
    watchdog = Actor("watchdog", "county", Role.SYSTEM)
    assert len(found(through().tell(day(2), missed, watchdog), NO_CONTACT, day(20))) == 1
    note = NoteAdded((SealedField(SealedName.NARRATIVE, bytes(32), bytes(12), b"sealed"),))
    auditor = Actor("auditor", "state", Role.AUDITOR)
    assert len(found(through().tell(day(2), note, auditor), NO_CONTACT, day(20))) == 1


def test_nor_is_one_from_before_the_report_that_counts_since_the_receipt_is_corrected() -> None:
    earlier = FactCorrected(1, CorrectionReason.ENTERED_WRONG, happened_at=day(-5))

    def corrected(story: Story) -> Story:
        return story.tell(day(-5), THROUGH, DETECTIVE, late=6 * DAY).tell(day(2), earlier)

    assert only(corrected(held(offences=SIMPLE)), NO_CONTACT, day(30)).is_open
    assert found(corrected(held(offences=SIMPLE).tell(day(0.1), ASKS, DETECTIVE)), NO_CONTACT, day(30)) == []
    assert found(corrected(held(offences=SIMPLE)).tell(day(3), ASKS, DETECTIVE), NO_CONTACT, day(30)) == []


def test_that_there_is_no_partner_is_looked_for_once_however_many_such_contacts_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With some thousand of them each further event of the case took seconds."""
    story = held(offences=SIMPLE)
    for number in range(40):
        story.tell(day(1 + number / 100), THROUGH, DETECTIVE)
    looked: list[int] = []
    names_another = history._names_another

    def counting(step: history.Step, own: str) -> bool:
        looked.append(step.number)
        return names_another(step, own)

    monkeypatch.setattr(history, "_names_another", counting)
    assert len(found(story, NO_CONTACT, day(30))) == 1
    assert len(looked) == len(story.events)
