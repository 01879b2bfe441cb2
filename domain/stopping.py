"""A run of a clock: what it began with, and what can stop it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from casetrail.domain.happenings import Happened, Happening
from casetrail.domain.policy import ClockRule
from casetrail.domain.receipt import answers

ACTS: Final = frozenset(
    {
        Happening.CONTACT_ATTEMPTED,
        Happening.FAMILY_CONTACT,
        Happening.VICTIM_CONTACT,
        Happening.VICTIM_SEEN,
        Happening.INVESTIGATIVE_STEP,
        Happening.REVIEWED,
    }
)
"""What may be done at any time, and follows from nothing."""
WITHDRAWN: Final = frozenset({Happening.REFERRAL_WITHDRAWN, Happening.CONCERN_CLOSED})
"""After these nobody owes anything for the referral or concern any longer."""


@dataclass(slots=True)
class Run:
    """One run of a clock. ``subject``: the referral or concern that it runs for. Moments are UTC.

    ``start``: what started it. ``started_by`` and ``ended_by`` are numbers of events in the case; None where the registry
    says that the holder has left. ``met`` says whether what ended it is what it waited
    for. ``holder`` is who held the case then. ``stated`` is the date that the starting event names.
    """

    rule: ClockRule
    subject: str | None
    start: Happening
    started_at: datetime
    started_by: int | None
    stated: datetime | None = None
    ended_at: datetime | None = None
    ended_by: int | None = None
    met: bool = False
    holder: str | None = None

    def end(self, at: datetime, by: int | None, met: bool, holder: str | None) -> None:
        """Note what ended it. It cannot have ended before it started."""
        self.ended_at, self.ended_by, self.met, self.holder = max(at, self.started_at), by, met, holder

    def lasted(self, what: Happening, at: datetime) -> bool:
        """Whether it has ended, and what happened at a moment could have ended it earlier."""
        if self.ended_at is None or at >= self.ended_at:
            return False
        return at >= self.started_at or (self.start is Happening.REPORT_RECEIVED and self.may_be_stopped(what, at))

    def may_be_stopped(self, what: Happening, at: datetime) -> bool:
        """Whether what happened then can be what it waits for.

        An act from before its start is not, unless the report started it, and the act answers that.
        """
        if at >= self.started_at or what not in ACTS:
            return True
        return self.start is Happening.REPORT_RECEIVED and answers(at, self.started_at)

    def stops(self, one: Happened) -> bool:
        """Whether a happening is what this clock waits for."""
        return one.what in self.rule.stop and self._concerns(one)

    def voids(self, one: Happened) -> bool:
        """Whether after a happening nobody owes it any longer."""
        withdrawn = one.what in WITHDRAWN and self.subject is not None
        return (withdrawn or one.what in self.rule.void) and self._concerns(one)

    def _concerns(self, one: Happened) -> bool:
        """A happening of another referral or concern, or of another service, is none of this clock's business."""
        if one.subject is None:
            return True
        if self.subject is not None and self.subject != one.subject:
            return False
        return self.rule.service is None or one.service is None or self.rule.service is one.service
