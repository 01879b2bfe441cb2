"""Reports that were handled well: how a case goes in a unit that does its work, with all that comes between.

People have days off, work is entered by and by, laboratories take their time, victims are hard to reach, a sergeant
refuses a closure. What stands here is a story of good work; no detector was asked what it would like.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Final

from casetrail.demo.people import (
    ADVOCATE,
    ADVOCATES,
    ATTORNEY,
    CASEWORKER,
    CENTER,
    CLINIC,
    CLINICIAN,
    DEPUTY,
    HOTLINE_WORKER,
    INTAKE,
    INTERVIEWER,
    LIAISON,
    POLICE,
    PROSECUTOR,
    SHERIFF,
)
from casetrail.demo.telling import DAY, HOUR, MINUTE, Report, Scene, step
from casetrail.demo.unit import Unit
from casetrail.demo.working import ROUTINE, Working
from casetrail.domain.actions import Actor, Body
from casetrail.domain.assignment import Acknowledged, Assigned
from casetrail.domain.closure import ClosureApproved, ClosureRefused, ClosureRequested, ExceptionalConditions
from casetrail.domain.codes import (
    Clearance,
    ClosureRefusal,
    ConcernAnswer,
    ConcernKind,
    ContactFailure,
    ContactMethod,
    Disposition,
    ReferralReason,
    Relation,
    ScreeningReason,
    Service,
    Step,
)
from casetrail.domain.concern import ConcernAnswered, ConcernRaised
from casetrail.domain.contact import VictimContactAttempted, VictimContactMade
from casetrail.domain.intake import ScreenedIn, ScreenedOut
from casetrail.domain.linking import Linked
from casetrail.domain.referral import ReferralAccepted, ReferralCompleted, ReferralDeclined, ReferralMade

SCREENED_OUT: Final = 0.13
OUT: Final = {
    ScreeningReason.NOT_A_CRIME: 48,
    ScreeningReason.OTHER_AGENCY_RESPONSIBLE: 27,
    ScreeningReason.OUTSIDE_JURISDICTION: 15,
    ScreeningReason.INSUFFICIENT_INFORMATION: 10,
}
ELSEWHERE: Final = {
    ScreeningReason.OTHER_AGENCY_RESPONSIBLE: (Service.CHILD_PROTECTIVE_SERVICES, CASEWORKER),
    ScreeningReason.OUTSIDE_JURISDICTION: (Service.OTHER, DEPUTY),
}
"""Who is asked to take over what is screened out so."""
ENDS: Final = {
    Disposition.REFERRED_TO_PROSECUTOR: 36,
    Disposition.CLEARED_BY_ARREST: 17,
    Disposition.INACTIVATED: 16,
    Disposition.UNFOUNDED: 12,
    Disposition.DECLINED_BY_PROSECUTOR: 11,
    Disposition.CLEARED_EXCEPTIONALLY: 4,
    Disposition.TRANSFERRED: 4,
}
"""How cases end, and how often in a hundred."""
WITHOUT_SUSPECT: Final = frozenset({Disposition.INACTIVATED, Disposition.UNFOUNDED, Disposition.TRANSFERRED})


def hours_until(chance: Random, middle: float, spread: float) -> timedelta:
    """How long something takes: half the time less than ``middle`` hours, now and then much more (log-normal)."""
    return middle * chance.lognormvariate(0, spread) * HOUR


def handled(report: Report, unit: Unit, chance: Random) -> list[Scene]:
    """All that happens in a case that is handled well."""
    return Handled(report, unit, chance).told()


class Handled(Working):
    """One case, from its report to its end."""

    is_heard = False
    """Whether the suspect is interviewed in the course of the work."""

    def told(self) -> list[Scene]:
        """Its scenes, in the order in which they are entered."""
        screened = self.report.at + HOUR / 2 + hours_until(self.chance, 2, 0.9)
        for earlier in self.report.again:
            seen = hours_until(self.chance, 3, 1.2)
            self.telling.say(screened + seen, INTAKE, Linked(earlier, Relation.SAME_CHILD))
        if self.chance.random() < SCREENED_OUT and not self.report.in_danger:
            self._screen_out(screened)
            return self.telling.scenes()
        self.telling.say(screened, INTAKE, ScreenedIn(self._reason()))
        self._respond()
        self._assign(screened)
        self._investigate()
        self._close()
        self.unit.hold(self.holder, self.at)
        return self.telling.scenes()

    # --- the first day ---

    def _reason(self) -> ScreeningReason:
        return ScreeningReason.CHILD_AT_RISK if self.report.in_danger else ScreeningReason.ALLEGES_CRIME

    def _screen_out(self, at: datetime) -> None:
        reason = self.chance.choices(list(OUT), weights=list(OUT.values()))[0]
        if reason is ScreeningReason.INSUFFICIENT_INFORMATION:
            self.telling.work(at, INTAKE, VictimContactAttempted(ContactMethod.PHONE, ContactFailure.WRONG_DETAILS))
            at += self.chance.uniform(6, 26) * HOUR
        elif reason is ScreeningReason.NOT_A_CRIME and self.is_serious:  # that there was no rape is not known by itself
            self.telling.work(at, INTAKE, VictimContactMade(ContactMethod.PHONE))
            at += self.chance.uniform(0.5, 3) * HOUR
        to = None
        if reason in ELSEWHERE:
            service, taker = ELSEWHERE[reason]
            to = taker.agency
            self._pass_on(at, INTAKE, service, taker)
        self.telling.say(at, INTAKE, ScreenedOut(reason, to))

    def _pass_on(self, at: datetime, actor: Actor, service: Service, to: Actor) -> None:
        """Another agency is asked to take over what is its own, and says that it has it."""
        self.telling.late(at - MINUTE, at - MINUTE / 2, actor, ReferralMade("o1", service, to.agency))
        self.telling.late(at + HOUR, at + 1.2 * HOUR, to, ReferralAccepted("o1"))

    def _respond(self) -> None:
        """Somebody goes there on the first day, as the law wants it, or speaks with the family."""
        wanted = hours_until(self.chance, 2 if self.report.in_danger else 5, 0.6)
        at = self.report.at + min(wanted, self.chance.uniform(16, 23) * HOUR)
        self._assist(at)
        officer, kind = self.unit.on_call(at), self.chance.random()
        self.is_reached = self.report.in_danger or kind < 0.6
        if self.is_reached:
            self.telling.on_duty(at, officer, VictimContactMade(self._method()))
        else:
            if kind < 0.75:
                self.telling.on_duty(at, officer, VictimContactAttempted(ContactMethod.PHONE, ContactFailure.NO_ANSWER))
            first = self.chance.choice((Step.SCENE_VISITED, Step.RECORDS_REQUESTED))
            self.telling.on_duty(at + HOUR / 2, officer, step(first))
        self.at = self.contact_at = at

    def _assist(self, answered: datetime) -> None:
        """Now and then the Children's Division asks the police to come along."""
        if self.telling.by_hotline and self.chance.random() < 0.12:
            asked = self.report.at + self.chance.uniform(0.3, 1.5) * HOUR
            service = Service.CHILD_PROTECTIVE_SERVICES
            self.telling.say(asked, CASEWORKER, ReferralMade("a1", service, POLICE))
            self.telling.say(max(asked + HOUR / 2, answered), LIAISON, ReferralAccepted("a1"))
            self.telling.say(max(asked, answered) + 3 * DAY, LIAISON, ReferralCompleted("a1"))

    def _assign(self, screened: datetime) -> None:
        at = self.hours.after(screened, self.chance.uniform(0.2, 5))
        self.assigned_at = self.reviewed_at = self.acted_at = at
        self._hold(self.unit.assign(at))
        self.telling.say(at, self.unit.sergeant(at, self.holder), Assigned(self.holder.id))
        seen = self.hours.works(self.chance, self.holder.id, at, 6)
        self.telling.say(seen, self.holder, Acknowledged())
        self.acknowledged_at = seen

    # --- weeks of work ---

    def _investigate(self) -> None:
        self.end = self._ending()
        self.ends_as = self.chance.choices(list(ENDS), weights=list(ENDS.values()))[0]
        self.todo = self._plan()
        self.waits_after = self.chance.randrange(3, 6) if self.chance.random() < 0.07 else None
        acts = 0
        self.at = max(self.at, self.acknowledged_at)
        while self.todo and self.todo[0] == self._reach:
            self._act(self.todo.pop(0))
        self._refer()
        while self.todo or self.at < self.end:
            self._act(self._next())
            acts += 1
            if acts == self.waits_after:
                self._wait()
        self._concern()

    def _ending(self) -> datetime:
        """By when the work is to be done: most cases well within the law's limit, a few not."""
        share = self.chance.betavariate(2.5, 3.4) * (1.0 if self.is_sexual else 1.08)
        return self.report.at + share * self.limit

    def _plan(self) -> list[Callable[[datetime], Body]]:
        """What an investigation like this one needs, in its order."""
        plan: list[Callable[[datetime], Body]] = []
        if not self.is_reached:
            plan.append(self._reach)
        steps = list(self.chance.sample(ROUTINE, self.chance.randrange(1, 3)))
        if self.ends_as not in WITHOUT_SUSPECT or self.chance.random() < 0.3:
            steps += [Step.SUSPECT_IDENTIFIED, Step.SUSPECT_INTERVIEWED]
            self.is_heard = True
        if self.ends_as is Disposition.CLEARED_BY_ARREST:
            steps.append(Step.ARREST_MADE)
        return plan + [lambda _, kind=kind: step(kind) for kind in steps]

    # --- partners ---

    def _refer(self) -> None:
        is_examined = self.is_sexual and self.chance.random() < 0.3
        is_acute = self.chance.random() < 0.3
        if is_examined and is_acute:
            self._examination(is_acute)
        if self.is_serious:
            self._interview()
        if is_examined and not is_acute:
            self._examination(is_acute)
        if self.is_serious and self.chance.random() < 0.35:
            made = self.hours.works(self.chance, self.holder.id, self.at, 9)
            self.telling.say(made, self.holder, ReferralMade("v1", Service.VICTIM_ADVOCACY, ADVOCATES))
            self.telling.say(self.hours.after(made, self.chance.uniform(1, 12)), ADVOCATE, ReferralAccepted("v1"))
            self.telling.say(made + self.chance.uniform(20, 60) * DAY, ADVOCATE, ReferralCompleted("v1"))

    def _interview(self) -> None:
        """The child is interviewed at the advocacy centre. The holder watches, or once in a while the recording afterwards."""
        made = self.hours.works(self.chance, self.holder.id, self.at, 6)
        held = self.hours.works(self.chance, self.holder.id, self.hours.after(made, self.chance.uniform(14, 65)))
        self.telling.say(made, self.holder, ReferralMade("f1", Service.FORENSIC_INTERVIEW, CENTER))
        accepted = self.hours.after(made, self.chance.uniform(0.5, 9))
        self.telling.say(accepted, INTERVIEWER, ReferralAccepted("f1", held))
        self.at = made
        attended = self.chance.random() > 0.003
        self._early_acts(held)
        self.telling.say(held + self.chance.uniform(1, 3) * HOUR, INTERVIEWER, ReferralCompleted("f1", attended))
        at = held if attended else self.hours.works(self.chance, self.holder.id, held + HOUR, 12)
        self.telling.work(at, self.holder, step(Step.FORENSIC_INTERVIEW_ATTENDED))
        self.at = self.acted_at = max(self.at, at)

    def _early_acts(self, until: datetime) -> None:
        """What is done before the interview."""
        while self.todo and self.at + 7 * DAY < until:
            self._act(self.todo.pop(0))

    def _examination(self, acute: bool) -> None:
        made = self.assigned_at + self.chance.uniform(0.3, 2) * HOUR if acute else self.at + HOUR
        done = (
            made + self.chance.uniform(3, 40) * HOUR if acute else self.hours.after(made, self.chance.uniform(20, 70))
        )
        asker = self.unit.sergeant(made) if acute else self.holder
        self.telling.say(made, asker, ReferralMade("m1", Service.MEDICAL_EVALUATION, CLINIC, acute))
        accepted = made + HOUR if acute else self.hours.after(made, self.chance.uniform(0.5, 10))
        self.telling.say(accepted, CLINICIAN, ReferralAccepted("m1"))
        self.telling.say(done, CLINICIAN, ReferralCompleted("m1"))
        self._early_acts(done)
        fetched = self._turn(max(done, self.at) + self.chance.uniform(0.1, 2) * DAY)
        if fetched < done:
            fetched = self.hours.works(self.chance, self.holder.id, done, 9)
        self.telling.work(fetched, self.holder, step(Step.RECORDS_RECEIVED))
        self.at = self.acted_at = max(self.at, fetched)

    def _concern(self) -> None:
        """Somebody asks what is being done, and is answered."""
        if self.chance.random() < 0.012:
            raised = self.assigned_at + self.chance.uniform(0.1, 0.9) * (self.at - self.assigned_at)
            asker = CASEWORKER if self.chance.random() < 0.5 else HOTLINE_WORKER
            answered = self.hours.after(raised, self.chance.uniform(2, 30))
            sergeant = self.unit.sergeant(answered, self.holder)
            self.telling.say(raised, asker, ConcernRaised("c1", ConcernKind.NO_RESPONSE))
            self.telling.say(answered, sergeant, ConcernAnswered("c1", ConcernAnswer.EXPLAINED))

    # --- the end ---

    def _close(self) -> None:
        """The holder asks for the closure, a sergeant looks through the file, and may send it back."""
        self._prosecutor()
        while self.at > self.acted_at + 8 * DAY:
            self._act(self._another())
        self._hear_suspect()
        asked = self._turn(self.at + self.chance.uniform(0.3, 4) * DAY)
        if self.ends_as is Disposition.TRANSFERRED:
            self._pass_on(asked, self.holder, Service.OTHER, DEPUTY)
        self.telling.say(asked, self.holder, self._request(), rationale="Invented: what was done, and what it showed.")
        decided = self.hours.after(asked, self.chance.uniform(1, 24))
        sergeant = self.unit.sergeant(decided, self.holder)
        if self.chance.random() < 0.05:
            self.telling.say(decided, sergeant, ClosureRefused(ClosureRefusal.WORK_REMAINS))
            self.at = decided
            self._act(self._another())
            asked = self._turn(self.at + self.chance.uniform(0.5, 4) * DAY)
            self.telling.say(asked, self.holder, self._request(), rationale="Invented: what was missing.")
            decided = self.hours.after(asked, self.chance.uniform(1, 24))
            sergeant = self.unit.sergeant(decided, self.holder)
        self.telling.say(decided, sergeant, ClosureApproved())
        self.at = decided

    def _prosecutor(self) -> None:
        """The file goes to the prosecutor, who charges, or declines before the case is closed."""
        if self.ends_as not in (Disposition.REFERRED_TO_PROSECUTOR, Disposition.DECLINED_BY_PROSECUTOR):
            return
        made = self._turn(self.at + self.chance.uniform(0.2, 2) * DAY)
        self.telling.say(made, self.holder, ReferralMade("p1", Service.PROSECUTOR, PROSECUTOR))
        self.telling.work(made, self.holder, step(Step.PROSECUTOR_CONSULTED))
        self.acted_at = made
        answered = self.hours.after(made, self.chance.uniform(2, 16))
        self.telling.say(answered, ATTORNEY, ReferralAccepted("p1"))
        if self.ends_as is Disposition.DECLINED_BY_PROSECUTOR:
            self.at = self.hours.after(answered, self.chance.uniform(4, 40))
            self.telling.say(self.at, ATTORNEY, ReferralDeclined("p1", ReferralReason.INSUFFICIENT_EVIDENCE))
        else:
            self.at = made
            self.telling.say(answered + self.chance.uniform(15, 70) * DAY, ATTORNEY, ReferralCompleted("p1"))

    def _hear_suspect(self) -> None:
        """Whoever is named by a report is heard, also where nothing comes of it; not where another agency goes on."""
        if not self.is_heard and self.ends_as is not Disposition.TRANSFERRED:
            self._do_late(Step.SUSPECT_INTERVIEWED)

    def _do_late(self, kind: Step) -> None:
        self.telling.late(self.acted_at, self.acted_at + HOUR / 2, self.holder, step(kind))

    def _request(self) -> ClosureRequested:
        match self.ends_as:
            case Disposition.CLEARED_EXCEPTIONALLY:
                reason = self.chance.choice((Clearance.PROSECUTION_DECLINED, Clearance.VICTIM_REFUSED))
                if reason is Clearance.PROSECUTION_DECLINED:  # whoever says that has asked a prosecutor
                    self._do_late(Step.PROSECUTOR_CONSULTED)
                return ClosureRequested(self.ends_as, reason, ExceptionalConditions(True, True, True, True))
            case Disposition.TRANSFERRED:
                return ClosureRequested(self.ends_as, transferred_to=SHERIFF, acknowledgement="S-14-0212")
            case _:
                return ClosureRequested(self.ends_as)
