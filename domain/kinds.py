"""Every kind of action, in the order of a case's life. Their order is that of the branches on the log: only append."""

from typing import Final

from casetrail.domain.actions import ActionRejected, Body, SubmissionUnreadable
from casetrail.domain.answering import FindingAnswered, FindingTold
from casetrail.domain.assignment import Acknowledged, Assigned, Reassigned, Released
from casetrail.domain.closure import ClosureApproved, ClosureRefused, ClosureRequested, Reopened
from casetrail.domain.concern import ConcernAnswered, ConcernClosed, ConcernRaised
from casetrail.domain.contact import VictimContactAttempted, VictimContactMade
from casetrail.domain.escalation import DeadlineMissed, Escalated, EscalationAnswered
from casetrail.domain.extension import DecisionExtended
from casetrail.domain.heartbeat import Heartbeat
from casetrail.domain.intake import ReportReceived, ScreenedIn, ScreenedOut
from casetrail.domain.investigation import InvestigativeStepTaken, NoteAdded, SupervisorReviewed
from casetrail.domain.linking import FactCorrected, Linked, Merged
from casetrail.domain.referral import (
    ReferralAccepted,
    ReferralCompleted,
    ReferralDeclined,
    ReferralMade,
    ReferralWithdrawn,
)
from casetrail.domain.registry import AgencyRegistered, PersonJoined, PersonLeft, PersonMoved, PolicyAdopted
from casetrail.domain.suspension import Resumed, Suspended

ACTION_KINDS: Final[tuple[type[Body], ...]] = (
    ReportReceived,
    ScreenedIn,
    ScreenedOut,
    Assigned,
    Acknowledged,
    Reassigned,
    Released,
    VictimContactAttempted,
    VictimContactMade,
    ReferralMade,
    ReferralAccepted,
    ReferralCompleted,
    ReferralDeclined,
    ReferralWithdrawn,
    InvestigativeStepTaken,
    SupervisorReviewed,
    NoteAdded,
    Suspended,
    Resumed,
    ClosureRequested,
    ClosureApproved,
    ClosureRefused,
    Reopened,
    Merged,
    Linked,
    FactCorrected,
    ConcernRaised,
    ConcernAnswered,
    DecisionExtended,
    AgencyRegistered,
    PersonJoined,
    PersonMoved,
    PersonLeft,
    PolicyAdopted,
    DeadlineMissed,
    Escalated,
    EscalationAnswered,
    ConcernClosed,
    FindingAnswered,
    Heartbeat,
    FindingTold,
)
"""What can be asked for. Accepted, the same body stands in the event."""

EVENT_KINDS: Final[tuple[type[Body], ...]] = (ActionRejected, SubmissionUnreadable, *ACTION_KINDS)
"""What can stand in an event: the two outcomes that are no fact first, so that the actions' branches can grow."""

KIND_BY_NAME: Final[dict[str, type[Body]]] = {kind.__name__: kind for kind in EVENT_KINDS}
