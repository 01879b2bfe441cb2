"""Reports that are sent away: screened out again and again, or passed on to somebody who never says that he has them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from casetrail.domain.closure import ClosureRequested
from casetrail.domain.codes import AgencyKind, Disposition, ScreeningReason, Service
from casetrail.domain.detectors.closing import INVESTIGATING, REOPENED, request_before
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case
from casetrail.domain.detectors.history import WORK, History, Step
from casetrail.domain.detectors.offering import OF_REFERRALS
from casetrail.domain.detectors.settings import Laxer, Setting, Settings, days, hours
from casetrail.domain.happenings import Happening
from casetrail.domain.intake import ScreenedOut
from casetrail.domain.investigation import NoteAdded
from casetrail.domain.linking import Linked, Merged
from casetrail.domain.policy import Condition
from casetrail.domain.referral import (
    ReferralAccepted,
    ReferralCompleted,
    ReferralDeclined,
    ReferralMade,
    ReferralWithdrawn,
)

NOTE: Final = ""  # no referral has this id
TAKING_OVER: Final = (Service.OTHER, Service.CHILD_PROTECTIVE_SERVICES)
"""For what an agency is asked that is to take a report over: an interview or an examination is only its part of the work."""
OVER: Final = (*REOPENED, Happening.SCREENED_OUT, Happening.CLOSED)
"""After these it is no longer asked who has a case that ended before: it goes on here, or another end is judged by itself."""


@detector(
    Setting("most", 1, "how often a report may be screened out before anything is done about it", least=1, most=100),
    needs=[Happening.SCREENED_OUT],
)
def screened_out_again(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A report that is screened out, reopened and screened out again, and that nobody works in between.

    Rule: the report has been screened out more often than the setting allows, and since the first of these times nobody in
    the unit contacted the victim, tried to, or took an investigative step.

    Evidence: every screening out since.

    Settled by: a contact, an attempt or an investigative step.

    May be wrong: where a report is reopened because something was entered wrong, and rightly screened out again.

    Found in: practice: each reopening gives every time limit anew.
    """
    for place, chain, standard in history.too_often(settings, Happening.SCREENED_OUT, *WORK):
        says = f"screened out {len(chain)} times, and nothing was done in between"
        settled = history.until(place, history.shows_work)
        yield of_case(history, standard, chain[-1].known_at, chain, says, settled, now)


@detector(
    Setting("limit", days(2), "within what time the log shows who has the report now", clock="referral_answer"),
    Setting("limit_in_danger", hours(24), "the same where the report says that a child is in danger", "RSMo 210.145",
            clock="danger_contact"),
    Setting("known", (ScreeningReason.DUPLICATE_REPORT,), "screened out so, a case is linked with the one that is meant",
            codes=ScreeningReason),
    Setting("elsewhere", (ScreeningReason.OTHER_AGENCY_RESPONSIBLE, ScreeningReason.OUTSIDE_JURISDICTION), "screened out "
            "so, another agency says that it has the report", codes=ScreeningReason),
    Setting("taken", (Disposition.TRANSFERRED,), "closed so, the agency that is named says that it has the case",
            codes=Disposition),
    Setting("takers", INVESTIGATING, "kinds of agency that investigate: the word of others does not count, where the "
            "registry knows any agency", codes=AgencyKind, laxer=Laxer.MORE),
    Setting("services", TAKING_OVER, "who accepts a referral for one of these takes the report over", codes=Service,
            laxer=Laxer.MORE),
    needs=[Happening.SCREENED_OUT, Happening.CLOSED],
)  # fmt: skip
def led_nowhere(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A report that was passed on, and that nobody says he has.

    Rule: a report was screened out as known already, and within the limit the case is linked with no other ("merged away"
    judges whether the one with which it is linked goes on). Or it was screened out because another agency is responsible
    or it happened elsewhere, or closed because another agency took it, and within the limit the log has no word of that
    agency, or of any where none is named: it has accepted no referral, and written no note afterwards. Only an agency that
    investigates is heard, and a referral only where it was asked to take the report over: a clinic that examines the child
    does not have the report. Where the referral is withdrawn or declined afterwards, nobody has the report from then on.
    Where no agency is named, a note of the one that reported says nothing. That somebody in the unit writes down the
    other's acknowledgement is not enough.

    Evidence: the screening, or the approval of the closure and the request that it approved; before these the withdrawal,
    where there is one.

    Settled by: the link, the word of the other agency, or reopening the case.

    May be wrong: where the other agency does not take part in the log, or the registry does not know it. Once it is
    registered, a note in its name, or a referral that it accepts, settles it.

    Found in: Arizona, where reports were put aside though the law demanded that all be investigated; and practice: nobody
    looks for a report that somebody else has.
    """
    linked: int | None = None
    for place, step in history.which(Happening.SCREENED_OUT, Happening.CLOSED):
        body = step.action.body
        asked = None if isinstance(body, ScreenedOut) else request_before(history, place)
        standard = settings(step.known_at)
        if isinstance(body, ScreenedOut) and body.reason in standard.codes("known"):
            linked = _first_link(history) if linked is None else linked
            if place < linked:
                yield _unlinked(history, settings, place, now)
        elif isinstance(body, ScreenedOut) and body.reason in standard.codes("elsewhere"):
            yield from _untaken(history, settings, place, [step], body.referred_to, now)
        elif asked is not None:
            wanted = asked.action.body
            if isinstance(wanted, ClosureRequested) and wanted.disposition in standard.codes("taken"):
                yield from _untaken(history, settings, place, [step, asked], wanted.transferred_to, now)


def _unlinked(history: History, settings: SettingsAt, place: int, now: datetime) -> Finding | None:
    """A report that was screened out as known, and that no link leads on from."""
    step = history.steps[place]
    standard = settings(step.known_at)
    since = standard.due(_limit(history), step.known_at, history.conditions)
    settled = history.until(place, lambda later: _is_link(later) or later.is_any(*REOPENED))
    says = "screened out as known already, and linked with no other case"
    return of_case(history, standard, since, [step], says, settled, now)


def _untaken(
    history: History, settings: SettingsAt, place: int, steps: Sequence[Step], agency: str | None, now: datetime
) -> Iterator[Finding | None]:
    """A case that another agency is said to have. ``agency``: which one, where it is named."""
    standard = settings(steps[0].known_at)
    taker = _Taker(history, standard, agency)
    for lost, settled in taker.spells_without(place):
        since = standard.due(_limit(history), lost.known_at, history.conditions)
        evidence = steps if lost is steps[0] else [lost, *steps]
        yield of_case(history, standard, since, evidence, taker.says(lost), settled, now)


def _limit(history: History) -> str:
    """The limit that a case has."""
    return "limit_in_danger" if Condition.IMMEDIATE_DANGER in history.conditions else "limit"


def _first_link(history: History) -> int:
    """The place of the first link with another case; beyond the last step where there is none."""
    return next((place for place, step in enumerate(history.steps) if _is_link(step)), len(history.steps))


def _is_link(step: Step) -> bool:
    return isinstance(step.body, Linked | Merged)


@dataclass
class _Taker:
    """Who is said to have a case: ``agency``, or any that investigates where none is named."""

    history: History
    standard: Settings
    agency: str | None
    asked: set[str] = field(default_factory=set)
    """The referrals by which a report is passed on."""
    word: set[str] = field(default_factory=set)
    """Those of them that stand accepted, and ``NOTE`` where the agency has written one."""

    def spells_without(self, place: int) -> Iterator[tuple[Step, Step | None]]:
        """From when until when nobody has a case that ended at a place: the end, or a withdrawal; and what settled it."""
        steps = self.history.steps
        for earlier, step in self.history.which(*OF_REFERRALS):
            if earlier >= place:
                break
            self._follow(step)
        lost = None if self.word else steps[place]
        for later in steps[place + 1 :]:
            self._follow(later)
            if self._is_note(later):
                self.word.add(NOTE)
            is_over = later.is_any(*OVER)
            if lost is not None and (self.word or is_over):
                yield lost, later
                lost = None
            elif lost is None and not self.word:
                lost = later
            if is_over:
                return
        if lost is not None:
            yield lost, None

    def says(self, lost: Step) -> str:
        """What is found since somebody who had the case has it no longer, or since it ended."""
        to = f"passed on to {self.agency or 'nobody who is named'}"
        if self.agency is not None and not self._investigates(self.agency):
            is_known = self.agency in self.history.agencies
            return f"{to}, which {'does not investigate' if is_known else 'the registry does not know'}"
        if isinstance(lost.body, ReferralDeclined | ReferralWithdrawn):
            how = "declined" if isinstance(lost.body, ReferralDeclined) else "withdrawn"
            return f"{to}, and the referral that had been accepted was {how}"
        return f"{to}, and the log has no word of it from there"

    def _follow(self, step: Step) -> None:
        """Note what a step says of referrals."""
        body = step.body
        if isinstance(body, ReferralMade):
            self.asked.discard(body.referral)  # an imported one may have the id of another
            if body.service in self.standard.codes("services"):
                self.asked.add(body.referral)
        elif isinstance(body, ReferralAccepted | ReferralCompleted):
            if body.referral in self.asked and self._is_of(step):
                self.word.add(body.referral)
        elif isinstance(body, ReferralDeclined | ReferralWithdrawn):
            self.word.discard(body.referral)

    def _is_note(self, step: Step) -> bool:
        """Whether it is a note by which the agency says that it has the case: who reported it may only ask how it stands."""
        reported_in = self.history.case.facts.reported_in
        writes_of_own = self.agency is None and step.action.actor.agency == reported_in
        return isinstance(step.body, NoteAdded) and self._is_of(step) and not writes_of_own

    def _is_of(self, step: Step) -> bool:
        """Whether it is the word of that agency; of any other than the case's own where none is named."""
        actor = step.action.actor.agency
        is_other = actor != self.history.case.facts.agency
        return is_other and self.agency in (None, actor) and self._investigates(actor)

    def _investigates(self, agency: str) -> bool:
        known = self.history.agencies
        return not known or known.get(agency) in self.standard.codes("takers")
