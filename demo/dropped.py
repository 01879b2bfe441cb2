"""The 149: how each of them was dropped. The patterns are those that were found in Kansas City, Houston and Arizona.

What is told here is what people did and left undone; whether and when anybody sees it is up to the detectors.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Final, NamedTuple

from casetrail.demo.people import (
    CASEWORKER,
    CENTER,
    CLINIC,
    CLINICIAN,
    DETECTIVES,
    HOTLINE_WORKER,
    INTAKE,
    INTERVIEWER,
)
from casetrail.demo.telling import DAY, HOUR, Report, Scene, Telling, step
from casetrail.demo.unit import Unit
from casetrail.domain.actions import Actor
from casetrail.domain.assignment import Acknowledged, Assigned, Reassigned, Released
from casetrail.domain.closure import ClosureApproved, ClosureRequested
from casetrail.domain.codes import (
    ConcernKind,
    ContactFailure,
    ContactMethod,
    Disposition,
    HandoverReason,
    ReviewResult,
    ScreeningReason,
    Service,
    Step,
    SuspensionReason,
)
from casetrail.domain.concern import ConcernRaised
from casetrail.domain.contact import VictimContactAttempted, VictimContactMade
from casetrail.domain.intake import ScreenedIn, ScreenedOut
from casetrail.domain.investigation import SupervisorReviewed
from casetrail.domain.referral import ReferralAccepted, ReferralCompleted, ReferralMade
from casetrail.domain.suspension import Suspended

OVERBURDENED: Final = next(one.actor for one in DETECTIVES if one.actor.id == "det.05")


class Dropping:
    """One report that is dropped: what was begun with it, before it was left."""

    def __init__(self, report: Report, unit: Unit, chance: Random) -> None:
        self.report, self.unit, self.chance, self.hours = report, unit, chance, unit.hours
        self.telling = Telling(report, chance)
        self.at = report.at
        """When something was last done with it."""

    def days(self, least: float, most: float) -> timedelta:
        """A span of days."""
        return self.chance.uniform(least, most) * DAY

    def screened(self, least: float = 0.1, most: float = 2) -> None:
        """Screened in."""
        self.at = self.report.at + self.days(least, most)
        self.telling.say(self.at, INTAKE, ScreenedIn(ScreeningReason.ALLEGES_CRIME))

    def looked_at(self) -> None:
        """Somebody on call went there, or telephoned, on the first day."""
        at = self.report.at + self.chance.uniform(1, 20) * HOUR
        officer = self.unit.on_call(at)
        if self.chance.random() < 0.5:
            self.telling.work(at, officer, VictimContactMade(ContactMethod.IN_PERSON))
        else:
            self.telling.work(at, officer, VictimContactAttempted(ContactMethod.PHONE, ContactFailure.NO_ANSWER))

    def assigned(self, least: float = 0.5, most: float = 6, to: Actor | None = None) -> None:
        """Given to an investigator."""
        self.at = self.hours.after(self.at + self.days(least, most), 1)
        self.holder = to or self.unit.assign(self.at)
        if to is not None:
            self.unit.burden(to, self.at)
        self.telling.say(self.at, self.unit.sergeant(self.at, self.holder), Assigned(self.holder.id))

    def acknowledged(self) -> None:
        """The investigator has seen it."""
        self.at = self.hours.works(self.chance, self.holder.id, self.at, 8)
        self.telling.say(self.at, self.holder, Acknowledged())

    def worked(self, kind: Step, least: float = 0.5, most: float = 3) -> None:
        """The holder took a step."""
        self.at = self.hours.works(self.chance, self.holder.id, self.at + self.days(least, most))
        self.telling.work(self.at, self.holder, step(kind))

    def met(self) -> None:
        """The holder met the family."""
        self.at = self.hours.works(self.chance, self.holder.id, self.at + self.days(0.2, 2))
        self.telling.work(self.at, self.holder, VictimContactMade(ContactMethod.IN_PERSON))

    def begun(self, to: Actor | None = None) -> None:
        """Taken up as it should be: looked at, screened, given to somebody who has seen it."""
        self.looked_at()
        self.screened(0.05, 0.6)
        self.assigned(0.1, 1.5, to)
        self.acknowledged()

    def asked_to_close(self, disposition: Disposition, asker: Actor | None = None) -> None:
        """Somebody asked for the closure."""
        body = ClosureRequested(disposition)
        self.telling.say(self.at, asker or self.holder, body, rationale="Invented: no leads.")

    def suspended(self, reason: SuspensionReason, least: float, most: float) -> None:
        """A sergeant let it rest, and nobody looked at it again."""
        self.at = self.hours.after(self.at + self.days(least, most), 1)
        self.telling.say(self.at, self.unit.second_sergeant(self.at), Suspended(reason, self.at + self.days(25, 30)))


# --- how they were dropped ---


def never_screened(drop: Dropping) -> None:
    """Received, filed, and nothing else."""


def never_assigned(drop: Dropping) -> None:
    """Screened in; nobody was ever given the case."""
    if drop.chance.random() < 0.2:
        drop.looked_at()
    drop.screened(0.1, 2.5)


def screened_away(drop: Dropping) -> None:
    """Screened out for want of information that nobody had asked for."""
    at = drop.report.at + drop.days(0.3, 6)
    drop.telling.say(at, INTAKE, ScreenedOut(ScreeningReason.INSUFFICIENT_INFORMATION))


def never_worked(drop: Dropping) -> None:
    """Assigned; the holder never did anything."""
    if drop.chance.random() < 0.3:
        drop.looked_at()
    drop.screened()
    drop.assigned()
    if drop.chance.random() < 0.6:
        drop.acknowledged()


def never_contacted(drop: Dropping) -> None:
    """Papers were moved for some weeks; nobody ever spoke with the child."""
    drop.screened(0.05, 0.5)
    drop.telling.work(drop.at + HOUR, drop.unit.on_call(drop.at), step(Step.RECORDS_REQUESTED))
    drop.assigned(0.2, 2)
    drop.acknowledged()
    for kind in (Step.RECORDS_RECEIVED, Step.CORRESPONDENCE, Step.RECORDS_REQUESTED):
        drop.worked(kind, 4, 11)


def met_once(drop: Dropping) -> None:
    """A family was met once, and never contacted again."""
    drop.screened(0.05, 0.6)
    drop.assigned(0.1, 1)
    drop.acknowledged()
    drop.met()


def piled_on_one(drop: Dropping) -> None:
    """While a post was vacant, one investigator was given all that came in, and got to none of it."""
    drop.screened(0.1, 1)
    drop.assigned(0.1, 1, OVERBURDENED)


def left_behind(drop: Dropping) -> None:
    """Begun; then the holder left, and nobody took over."""
    drop.begun(drop.unit.next_to_leave(drop.report.at))
    if drop.chance.random() < 0.5:
        drop.worked(Step.SUSPECT_IDENTIFIED, 1, 5)


def released(drop: Dropping) -> None:
    """The holder left and let it go; nobody was given it."""
    drop.begun()
    drop.at = drop.hours.after(drop.at + drop.days(3, 12), 2)
    drop.telling.say(drop.at, drop.unit.sergeant(drop.at), Released(HandoverReason.WORKLOAD))


def partner_left_waiting(drop: Dropping) -> None:
    """The advocacy centre interviewed the child, the clinic examined it; no detective came, then or later."""
    if drop.chance.random() < 0.5:
        drop.looked_at()
    drop.screened(0.1, 1)
    made = drop.at + drop.days(0.1, 1)
    drop.telling.say(made, drop.unit.sergeant(made), ReferralMade("f1", Service.FORENSIC_INTERVIEW, CENTER))
    drop.telling.say(drop.hours.after(made, 6), INTERVIEWER, ReferralAccepted("f1"))
    drop.assigned(0.5, 3)
    held = drop.hours.after(max(made, drop.at) + drop.days(2, 7), 2)
    drop.telling.say(held, INTERVIEWER, ReferralCompleted("f1", holder_attended=False))
    if drop.chance.random() < 0.4:
        acute = ReferralMade("m1", Service.MEDICAL_EVALUATION, CLINIC, acute=True)
        drop.telling.say(made + HOUR, drop.unit.sergeant(made), acute)
        drop.telling.say(made + 20 * HOUR, CLINICIAN, ReferralCompleted("m1"))


def ignored_alarm(drop: Dropping) -> None:
    """A partner asked what was being done. Nobody answered."""
    never_worked(drop)
    raised = max(drop.at, drop.report.at) + drop.days(4, 12)
    asker = drop.chance.choice((CASEWORKER, CLINICIAN, HOTLINE_WORKER))
    drop.telling.say(raised, asker, ConcernRaised("c1", ConcernKind.NO_RESPONSE))


def closed_without_work(drop: Dropping) -> None:
    """Closed; a suspect was named and never interviewed, or nothing was done at all. One sergeant tried it alone first."""
    drop.begun()
    if drop.chance.random() < 0.6:
        drop.worked(Step.SUSPECT_IDENTIFIED)
    drop.at = drop.hours.works(drop.chance, drop.holder.id, drop.at + drop.days(3, 14))
    if drop.chance.random() < 0.4:
        alone = drop.unit.sergeant(drop.at)
        drop.asked_to_close(Disposition.INACTIVATED, alone)
        drop.telling.say(drop.at + HOUR, alone, ClosureApproved())
        other = drop.unit.sergeant(drop.at + DAY, other_than=alone)
        drop.telling.say(drop.at + DAY, other, ClosureApproved())
    else:
        drop.asked_to_close(Disposition.INACTIVATED)
        drop.telling.say(drop.at + drop.days(0.1, 1), drop.unit.sergeant(drop.at + DAY), ClosureApproved())


def rubber_stamp(drop: Dropping) -> None:
    """Closed at the end of a month, within seconds of being asked for, with a stack of others."""
    drop.begun()
    drop.worked(Step.SUSPECT_IDENTIFIED, 0.5, 2)
    last = _end_of_month(drop.at)
    drop.at = drop.hours.after(max(last - 3 * DAY, drop.at), drop.chance.uniform(4, 6))
    drop.asked_to_close(Disposition.INACTIVATED)
    drop.telling.stamp(drop.unit.second_sergeant(drop.at), ClosureApproved())


def _end_of_month(at: datetime) -> datetime:
    following = (at.replace(day=1) + 32 * DAY).replace(day=1)
    return following.replace(hour=0, minute=0, second=0, microsecond=0)


def for_lack_of_personnel(drop: Dropping) -> None:
    """Suspended for lack of personnel, like all that came in that month; never looked at again."""
    drop.looked_at()
    drop.screened(0.05, 0.8)
    drop.suspended(SuspensionReason.LACK_OF_PERSONNEL, 1, 7)


def suspended_for_ever(drop: Dropping) -> None:
    """The suspect was not found in a week. Suspended, and never looked at again."""
    drop.begun()
    drop.suspended(SuspensionReason.SUSPECT_NOT_FOUND, 2, 8)


def shuffled(drop: Dropping) -> None:
    """Handed from one to the next, and worked by none."""
    drop.begun()
    for _ in range(4):
        drop.at = drop.hours.after(drop.at + drop.days(2, 6), 1)
        drop.holder = drop.unit.assign(drop.at, drop.holder)
        body = Reassigned(drop.holder.id, HandoverReason.WORKLOAD)
        drop.telling.say(drop.at, drop.unit.sergeant(drop.at, drop.holder), body)


def inherited(drop: Dropping) -> None:
    """The holder left; weeks later all of it was handed to the next one on the first day, who never got to it."""
    drop.begun(drop.unit.next_to_leave(drop.report.at))
    successor, first_day = drop.unit.successor(drop.holder)
    at = drop.hours.after(first_day, drop.chance.uniform(1, 2))
    drop.unit.hold(drop.holder, at)
    drop.unit.burden(successor, at)
    body = Reassigned(successor.id, HandoverReason.LEFT_AGENCY)
    drop.telling.say(at, drop.unit.sergeant(at), body)


def entered_late(drop: Dropping) -> None:
    """Nothing was done. The evening before a review, three weeks of work were entered."""
    drop.screened(0.1, 1)
    drop.assigned(0.2, 2)
    drop.acknowledged()
    evening = drop.hours.after(drop.at + drop.days(19, 27), 7)
    for number, day in enumerate((0.8, 4, 9)):
        done = drop.report.at + day * DAY
        body = VictimContactMade(ContactMethod.PHONE) if number == 0 else step(Step.WITNESS_INTERVIEWED)
        drop.telling.late(done, evening + number * HOUR / 12, drop.holder, body)
    review = SupervisorReviewed(ReviewResult.CONTINUE)
    drop.telling.say(drop.hours.after(evening, 6), drop.unit.sergeant(evening, drop.holder), review)


def reported_again(drop: Dropping) -> None:
    """Screened out after one telephone call. Weeks later the same child was reported again."""
    at = drop.report.at + drop.chance.uniform(2, 12) * HOUR
    drop.telling.work(at, INTAKE, VictimContactMade(ContactMethod.PHONE))
    drop.telling.say(at + drop.days(0.5, 2), INTAKE, ScreenedOut(ScreeningReason.NOT_A_CRIME))


Days = tuple[float, float]
"""Days of the story, from and to."""


class Pattern(NamedTuple):
    """A way of being dropped: its name, how many of the 149, what is told, where it was found, and when it happens.

    ``own``: the detectors that look for just this way.
    """

    name: str
    reports: int
    tell: Callable[[Dropping], None]
    found_in: str
    own: tuple[str, ...]
    when: tuple[Days, ...] = ()
    """Where it is no matter of a certain time, this is empty."""


PATTERNS: Final = (
    Pattern("never screened", 24, never_screened, "Houston", ("never_screened",)),
    Pattern("never assigned", 21, never_assigned, "Houston", ("never_assigned",)),
    Pattern("screened away", 3, screened_away, "Arizona", ("screened_out_unasked", "led_nowhere")),
    Pattern("never worked", 15, never_worked, "Kansas City", ("never_begun", "untouched")),
    Pattern("victim never contacted", 6, never_contacted, "Kansas City", ("no_contact",)),
    Pattern("met once, never again", 8, met_once, "Kansas City", ("contact_lost",)),
    Pattern("piled on one", 5, piled_on_one, "Kansas City", ("overloaded", "too_many_new"), ((866, 882),)),
    Pattern("left behind", 8, left_behind, "Kansas City", ("holder_left",), ((376, 398), (836, 858), (1184, 1206))),
    Pattern("let go, held by nobody", 4, released, "Kansas City", ("held_by_nobody",)),
    Pattern("inherited in bulk", 12, inherited, "Kansas City", ("bulk_handover",), ((834, 858),)),
    Pattern("partner left waiting", 10, partner_left_waiting, "Kansas City", ("partner_waiting", "interview_missed")),
    Pattern("alarm ignored", 4, ignored_alarm, "Arizona", ("ignored_alarm",)),
    Pattern("closed without work", 7, closed_without_work, "Kansas City", ("closed_without_work",)),
    Pattern("rubber stamp", 6, rubber_stamp, "Houston", ("rubber_stamp",), ((585, 598),)),
    Pattern("convenient code", 5, for_lack_of_personnel, "Houston", ("convenient_code",), ((515, 538),)),
    Pattern("forbidden code", 2, for_lack_of_personnel, "Houston", ("forbidden_code",), ((760, 1380),)),
    Pattern("suspended for ever", 3, suspended_for_ever, "Houston", ("suspended_for_ever", "rested_long")),
    Pattern("shuffled", 2, shuffled, "practice", ("shuffled",)),
    Pattern("entered late", 2, entered_late, "Kansas City", ("entered_late", "late_entries")),
    Pattern("reported again", 2, reported_again, "Arizona", ("reported_again",)),
)


def dropped(pattern: Pattern, report: Report, unit: Unit, chance: Random) -> list[Scene]:
    """All that happens to a report that is dropped in this way."""
    drop = Dropping(report, unit, chance)
    pattern.tell(drop)
    return drop.telling.scenes()
