"""What starts and stops clocks: the happenings of a case, read off its events and off what they change.

Some follow from the change rather than from the kind of event: an imported history may assign a case that nobody screened,
or screen one in anew that was screened out. Whoever is assigned was screened in, and what was not open is reopened.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from casetrail.domain.actions import Body, Unaccepted
from casetrail.domain.assignment import Acknowledged, Assigned, Reassigned, Released
from casetrail.domain.case import Case, Recorded
from casetrail.domain.closure import ClosureApproved, ClosureRefused, ClosureRequested
from casetrail.domain.codes import ContactMethod, Service
from casetrail.domain.concern import ConcernAnswered, ConcernClosed, ConcernRaised
from casetrail.domain.contact import REACHED, Reached, VictimContactAttempted, VictimContactMade
from casetrail.domain.extension import DecisionExtended
from casetrail.domain.intake import ReportReceived, ScreenedIn, ScreenedOut
from casetrail.domain.investigation import CLERICAL, HEARING, InvestigativeStepTaken, SupervisorReviewed
from casetrail.domain.referral import (
    ReferralAccepted,
    ReferralCompleted,
    ReferralDeclined,
    ReferralMade,
    ReferralWithdrawn,
)
from casetrail.domain.status import OPEN, Status
from casetrail.domain.suspension import Resumed, Suspended


class Happening(StrEnum):
    """What can start or stop a clock."""

    REPORT_RECEIVED = "report_received"
    SCREENED_IN = "screened_in"
    SCREENED_OUT = "screened_out"
    ASSIGNED = "assigned"  # to somebody, while nobody held the case
    REASSIGNED = "reassigned"  # from one to another
    RELEASED = "released"
    HOLDER_LEFT = "holder_left"  # by the registry: nobody holds the case, until it is handed over
    HOLDER_BACK = "holder_back"  # by the registry: in the unit again, the case not having been handed over
    ACKNOWLEDGED = "acknowledged"
    CONTACT_ATTEMPTED = "contact_attempted"  # a letter, too
    FAMILY_CONTACT = "family_contact"  # with a caregiver, not with the child
    VICTIM_CONTACT = "victim_contact"
    VICTIM_SEEN = "victim_seen"  # a contact in person
    INVESTIGATIVE_STEP = "investigative_step"
    REVIEWED = "reviewed"
    REFERRAL_MADE = "referral_made"  # to another agency than the one that is responsible
    ASSISTANCE_ASKED = "assistance_asked"  # a referral to the responsible agency itself
    REFERRAL_ACCEPTED = "referral_accepted"
    REFERRAL_COMPLETED = "referral_completed"
    REFERRAL_DECLINED = "referral_declined"
    REFERRAL_WITHDRAWN = "referral_withdrawn"
    CHARGED = "charged"  # the prosecutor has completed a referral
    EXTENDED = "extended"  # the decision, for good cause
    SUSPENDED = "suspended"  # or renewed
    RESUMED = "resumed"
    CLOSURE_REQUESTED = "closure_requested"
    CLOSED = "closed"
    CLOSURE_REFUSED = "closure_refused"
    REOPENED = "reopened"  # to be assigned
    REOPENED_UNSCREENED = "reopened_unscreened"  # to be screened again
    CONCERN_RAISED = "concern_raised"
    CONCERN_ANSWERED = "concern_answered"
    CONCERN_CLOSED = "concern_closed"  # by those who raised it, or oversight


class Happened(NamedTuple):
    """A happening. ``subject`` is the id of the referral or concern that it is about, if it is about one.

    ``partner``: the agency that was asked, where it is about a referral.
    """

    what: Happening
    subject: str | None = None
    service: Service | None = None
    acute: bool = False
    partner: str | None = None


class Before(NamedTuple):
    """What a case was before an event."""

    is_open: bool
    screened_in: bool | None
    holder: str | None


PLAIN: Final[dict[type[Body], Happening]] = {
    ReportReceived: Happening.REPORT_RECEIVED,
    ScreenedIn: Happening.SCREENED_IN,
    ScreenedOut: Happening.SCREENED_OUT,
    Released: Happening.RELEASED,
    Acknowledged: Happening.ACKNOWLEDGED,
    VictimContactAttempted: Happening.CONTACT_ATTEMPTED,
    SupervisorReviewed: Happening.REVIEWED,
    Suspended: Happening.SUSPENDED,
    Resumed: Happening.RESUMED,
    DecisionExtended: Happening.EXTENDED,
    ClosureRequested: Happening.CLOSURE_REQUESTED,
    ClosureApproved: Happening.CLOSED,
    ClosureRefused: Happening.CLOSURE_REFUSED,
}
OF_CONTACTS: Final = {
    Reached.CHILD: Happening.VICTIM_CONTACT,
    Reached.FAMILY: Happening.FAMILY_CONTACT,
    Reached.NOBODY: Happening.CONTACT_ATTEMPTED,
}
OF_REFERRALS: Final[dict[type[Body], Happening]] = {
    ReferralMade: Happening.REFERRAL_MADE,
    ReferralAccepted: Happening.REFERRAL_ACCEPTED,
    ReferralCompleted: Happening.REFERRAL_COMPLETED,
    ReferralDeclined: Happening.REFERRAL_DECLINED,
    ReferralWithdrawn: Happening.REFERRAL_WITHDRAWN,
}
OF_CONCERNS: Final[dict[type[Body], Happening]] = {
    ConcernRaised: Happening.CONCERN_RAISED,
    ConcernAnswered: Happening.CONCERN_ANSWERED,
    ConcernClosed: Happening.CONCERN_CLOSED,
}
OF_ITSELF: Final[dict[type[Body], tuple[Happened, ...]]] = {kind: (Happened(what),) for kind, what in PLAIN.items()}
"""What happens with these is the same in every case: it is made once."""
ABOUT_A_REFERRAL: Final = frozenset({Happening.REFERRAL_MADE, Happening.ASSISTANCE_ASKED})
ABOUT_A_CONCERN: Final = frozenset({Happening.CONCERN_RAISED})


class Change(NamedTuple):
    """What an accepted action has changed: how the case was before it, what happened, and where it stands after it."""

    before: Before
    found: Sequence[Happened]
    status: Status
    is_open: bool


def bring_on(case: Case, event: Recorded, was_open: bool | None = None) -> Change | None:
    """Bring a case on by its next event, and say what that changed; None where it is no accepted action.

    ``was_open``: whether it is open before the event, where that is known.
    """
    action, body = event.action, event.body
    if action is None or isinstance(body, Unaccepted):
        case.fold(event.originator_version, event.timestamp, action, body)
        return None
    facts = case.facts
    screened_in = facts.screened_in
    before = Before(case.is_open if was_open is None else was_open, screened_in, facts.holder)
    case.fold(event.originator_version, event.timestamp, action, body)
    status = case.status
    is_open = status in OPEN
    found: Sequence[Happened] | None = OF_ITSELF.get(type(body))
    if found is None:
        found = tuple(_by_kind(before, body, case))
    if (screened_in is None and facts.screened_in) or (is_open and not before.is_open):
        found = (*found, *_by_change(before, body, case, is_open))
    return Change(before, found, status, is_open)


def _by_kind(before: Before, body: Body, case: Case) -> Iterator[Happened]:
    kind = type(body)
    if isinstance(body, VictimContactMade):
        yield Happened(OF_CONTACTS[REACHED[body.method]])
        if body.method is ContactMethod.IN_PERSON:
            yield Happened(Happening.VICTIM_SEEN)
    elif isinstance(body, InvestigativeStepTaken):
        if body.step not in CLERICAL:
            yield Happened(Happening.INVESTIGATIVE_STEP)
        if body.step in HEARING:
            yield Happened(Happening.VICTIM_CONTACT)
    elif isinstance(body, Assigned | Reassigned):
        yield Happened(Happening.ASSIGNED if before.holder is None else Happening.REASSIGNED)
    elif what := OF_CONCERNS.get(kind):
        yield Happened(what, vars(body)["concern"])
    elif what := OF_REFERRALS.get(kind):
        yield from _of_referral(what, vars(body)["referral"], case)


def _of_referral(what: Happening, subject: str, case: Case) -> Iterator[Happened]:
    referral = case.facts.referrals[subject]
    if what is Happening.REFERRAL_MADE and referral.to_agency == case.facts.agency:
        what = Happening.ASSISTANCE_ASKED
    yield Happened(what, subject, referral.service, referral.acute, referral.to_agency)
    if what is Happening.REFERRAL_COMPLETED and referral.service is Service.PROSECUTOR:
        yield Happened(Happening.CHARGED, partner=referral.to_agency)


def _by_change(before: Before, body: Body, case: Case, is_open: bool) -> list[Happened]:
    screened = case.facts.screened_in
    found = []
    if screened and before.screened_in is None and not isinstance(body, ScreenedIn):
        found.append(Happened(Happening.SCREENED_IN))
    if is_open and not before.is_open and not isinstance(body, ReportReceived):
        found.append(Happened(Happening.REOPENED if screened else Happening.REOPENED_UNSCREENED))
    return found
