"""Cases that ended without the work that must come before."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from casetrail.domain.closure import ClosureApproved, ClosureRequested, Reopened
from casetrail.domain.codes import (
    AgencyKind,
    ContactMethod,
    Disposition,
    ReopeningReason,
    SealedName,
    Service,
    TokenKind,
)
from casetrail.domain.codes import Step as Kind
from casetrail.domain.contact import UNHEARD, VictimContactMade
from casetrail.domain.detectors.attending import denied_to_holders
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.offering import Allegations, Referrals
from casetrail.domain.detectors.settings import Laxer, Setting, Settings
from casetrail.domain.happenings import Happening
from casetrail.domain.intake import ReportReceived
from casetrail.domain.investigation import CLERICAL, HEARING, InvestigativeStepTaken
from casetrail.domain.linking import FactCorrected
from casetrail.domain.policy import Condition
from casetrail.domain.referral import (
    ReferralAccepted,
    ReferralCompleted,
    ReferralDeclined,
    ReferralMade,
    ReferralWithdrawn,
)

REOPENED: Final = (Happening.REOPENED, Happening.REOPENED_UNSCREENED)
MET: Final = frozenset({Kind.SUSPECT_INTERVIEWED, Kind.ARREST_MADE})
"""Steps by which a suspect was heard, or could have been: nobody who is arrested must speak."""


class Needed(StrEnum):
    """What must come before a closure."""

    VICTIM_CONTACT = "victim_contact"
    INVESTIGATIVE_STEP = "investigative_step"
    SUSPECT_INTERVIEW = "suspect_interview"  # where a suspect was identified
    SEEING_THE_CHILD = "seeing_the_child"  # where it is said to be in danger
    FORENSIC_INTERVIEW = "forensic_interview"  # offered, where a grave offence is alleged


UNSEEN: Final = tuple(method for method in ContactMethod if method is not ContactMethod.IN_PERSON)
"""Contacts by which nobody has seen the child."""
SEEN_BY_PARTNERS: Final = (Service.FORENSIC_INTERVIEW, Service.MEDICAL_EVALUATION)
"""Whoever gives these has seen the child."""
INVESTIGATING: Final = (AgencyKind.LAW_ENFORCEMENT, AgencyKind.CHILD_PROTECTIVE_SERVICES)
"""Agencies that can take a report over. Others have their part in a case, and investigate nothing."""
ANEW: Final = (ReopeningReason.NEW_INFORMATION, ReopeningReason.NEW_REPORT, ReopeningReason.AUDIT,
               ReopeningReason.PARTNER_CONCERN, ReopeningReason.COURT_ORDER)  # fmt: skip
TELLING: Final = frozenset(
    {
        VictimContactMade,
        InvestigativeStepTaken,
        ReportReceived,
        FactCorrected,
        Reopened,
        ClosureRequested,
        ClosureApproved,
        ReferralMade,
        ReferralAccepted,
        ReferralCompleted,
        ReferralDeclined,
        ReferralWithdrawn,
    }
)
"""Kinds of body that say what was done, looked up by their type: it is done for every event."""


@detector(
    Setting("needs", tuple(Needed), "what must come before a closure", codes=Needed),
    Setting("not_for", (Disposition.TRANSFERRED,), "dispositions that need nothing of it", codes=Disposition,
            laxer=Laxer.MORE),
    Setting("takers", INVESTIGATING, "a case that is transferred to an agency of another kind needs all of it",
            codes=AgencyKind, laxer=Laxer.MORE),
    Setting("unspoken", UNHEARD, "contacts by which alone nobody has heard the child", codes=ContactMethod),
    Setting("unseen", UNSEEN, "contacts by which alone nobody has seen the child", codes=ContactMethod),
    Setting("unworked", CLERICAL, "steps by which alone nothing is investigated", codes=Kind),
    Setting("anew", ANEW, "after a reopening for such a reason only the work since then counts", codes=ReopeningReason),
    needs=[Happening.CLOSED],
)  # fmt: skip
def closed_without_work(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A case that was closed without the work that must come before.

    Rule: a closure was approved, and by then there was no contact with the victim (letters and talks with a caregiver are
    none, nor is a contact through a partner in a case in which no other agency has taken part; a forensic interview that somebody of the unit attended is one, but not the holder's word for it that the partner
    who held it denies, as long as no review has settled that), or no investigative step (correspondence alone is
    none), or a suspect was known and neither interviewed nor arrested: one who was identified, or whom the report or a
    correction names. Or a child is said to be in danger, and nobody had seen it in person: neither the unit, nor a partner
    that interviewed or examined it. Or a sexual offence or an aggravated assault is alleged, and no forensic interview was
    offered: nobody of the unit attended one, and no partner was asked for one that was not withdrawn (other than because
    the family does not want it), nor declined because the partner has no room or should not have been asked; where a partner was asked and has not given it yet, that is judged by closed_over_partner.
    What a partner says counts as for clocks: where the registry knows any agency, only from one that it knows, and not as
    a school, a hotline or oversight.
    In a case that was reopened for something new, contacts and steps count since then; a child is interviewed once. What
    was done more than 24 hours before the report was received does not count, but for the arrest of the suspect, nor what
    is entered only after the closure. In a closure that was imported, danger and interviews are not asked for.

    Evidence: the approval, the request that it approved, and the partner's word where an interview does not count for that.

    Settled by: reopening the case.

    May be wrong: where the victim could not be found in spite of all attempts, or a suspect has died; in histories that
    were imported from a system that kept no contacts or steps; where a child was interviewed under the number of another
    case; and where a patrol was there days before its report was typed in, and that is said to be the receipt: correct that
    before the closure. Of a child who is too young for it the centre declines the interview. A case that was transferred
    needs none of it, and is judged by led_nowhere; but it does where the registry knows the other agency as one that does
    not investigate.

    Found in: Kansas City, where cases were closed without ever interviewing a named suspect; and practice: whoever closes a
    case in a day misses no time limit for seeing or interviewing the child.
    """
    done, asked = _Done(set(), set(), Referrals(history.is_partner)), list[Step]()
    for place, step in enumerate(history.steps):
        body = step.action.body
        kind = type(body)
        if kind not in TELLING:
            continue
        if kind is ClosureRequested:
            asked = [step]
        elif isinstance(body, Reopened):
            if body.reason in settings(step.known_at).codes("anew"):
                done.begin_anew(step.number)
        elif kind is not ClosureApproved:
            done.take(step)
            done.let_count(history.let_count.get(step.number, ()))
        else:
            shown, denials = done.without(_denied_at(history, step)) if done.claims else (done, [])
            if ContactMethod.THROUGH_PARTNER in done.methods and not _has_partner(history, step):
                shown = replace(shown, methods=shown.methods - {ContactMethod.THROUGH_PARTNER})
            standard = settings(step.known_at)
            if (lacking := _lacking(step, shown, standard)) and not _is_exempt(history, asked, standard):
                says = f"closed without {' and without '.join(one.replace('_', ' ') for one in lacking)}"
                settled = history.until(place, lambda later: later.is_any(*REOPENED))
                yield of_case(history, standard, step.known_at, [step, *asked, *denials], says, settled, now)


def _denied_at(history: History, closure: Step) -> dict[int, Step]:
    """By what word of a partner a holder's claim to have heard a child is denied when a case is closed, by its number."""
    return {
        number: one.by
        for number, one in denied_to_holders(history).items()
        if one.by.number < closure.number and (one.settled is None or one.settled.number > closure.number)
    }


def _has_partner(history: History, closure: Step) -> bool:
    """Whether there was another agency, through which the child can have been heard, when a case was closed."""
    joined = history.joined_by_partner()
    return joined is not None and joined.number <= closure.number


@dataclass
class _Done:
    """What was done in a case: how the victim was contacted, which steps were taken, and whether a suspect was named."""

    methods: set[ContactMethod]
    kinds: set[Kind]
    referrals: Referrals
    names_suspect: bool = False
    is_interviewed: bool = False
    """Whether somebody of the unit ever attended a forensic interview of the child: it need not be held again."""
    is_arrested: bool = False
    """Whether a suspect had been arrested before the report: one who is held for one child is held for its sister, too."""
    since: int = 0
    """The event since which contacts and steps count."""
    claims: set[int] = field(default_factory=set)
    """The events by which somebody says that he has heard the child, by being at its interview."""
    allegations: Allegations = field(default_factory=Allegations)

    def take(self, step: Step) -> None:
        """Take in what was recorded next."""
        body = step.body
        self.referrals.follow(step)
        if isinstance(body, ReportReceived | FactCorrected):
            self.names_suspect |= names_suspect(body)
            self.allegations.follow(step)
        elif step.is_beforehand:  # it may be about a suspect, and is no work on this report
            if isinstance(body, InvestigativeStepTaken):
                self.names_suspect |= body.step is Kind.SUSPECT_IDENTIFIED
                self.is_arrested |= body.step is Kind.ARREST_MADE
        else:
            self._count(step)

    def let_count(self, steps: Iterable[Step]) -> None:
        """Let work count that a correction of the receipt has made work on this report."""
        for step in steps:
            if step.number > self.since:
                self._count(step)

    def _count(self, step: Step) -> None:
        body = step.body
        if isinstance(body, VictimContactMade):
            self.methods.add(body.method)
        elif isinstance(body, InvestigativeStepTaken):
            self.kinds.add(body.step)
            if body.step in HEARING:
                self.is_interviewed = True
                self.claims.add(step.number)

    def without(self, denied: Mapping[int, Step]) -> "tuple[_Done, list[Step]]":
        """The same without an interview, where all who say to have been there are denied; and the words that deny it."""
        if not self.claims <= denied.keys():
            return self, []
        words = {denied[number].number: denied[number] for number in sorted(self.claims)}
        return replace(self, kinds=self.kinds - HEARING), list(words.values())

    def begin_anew(self, number: int) -> None:
        """Since an event contacts and steps are needed again; a suspect is heard once."""
        self.names_suspect = self._has_suspect and not self._met_suspect
        self.methods, self.kinds, self.is_arrested, self.since = set(), set(), False, number
        self.claims = set()

    def has_seen(self, standard: Settings) -> bool:
        """Whether somebody of the unit has seen the child."""
        return not (self.methods <= standard.codes("unseen") and HEARING.isdisjoint(self.kinds))

    def lacks(self, standard: Settings) -> list[Needed]:
        """What is wanted before any closure, and was not done."""
        lacking = []
        if self.methods <= standard.codes("unspoken") and HEARING.isdisjoint(self.kinds):
            lacking.append(Needed.VICTIM_CONTACT)
        if self.kinds <= standard.codes("unworked"):
            lacking.append(Needed.INVESTIGATIVE_STEP)
        if self._has_suspect and not self._met_suspect:
            lacking.append(Needed.SUSPECT_INTERVIEW)
        return lacking

    @property
    def _has_suspect(self) -> bool:
        return self.names_suspect or Kind.SUSPECT_IDENTIFIED in self.kinds

    @property
    def _met_suspect(self) -> bool:
        return self.is_arrested or not MET.isdisjoint(self.kinds)


def names_suspect(body: ReportReceived | FactCorrected) -> bool:
    return any(field.name is SealedName.SUSPECT_NAME for field in body.sealed) or any(
        token.kind is TokenKind.SUSPECT for token in body.tokens or ()
    )


def _lacking(closure: Step, done: _Done, standard: Settings) -> list[Needed]:
    """What a policy wants before a closure, and was not done."""
    lacking = done.lacks(standard)
    if closure.action.imported is None:
        lacking += _lacking_if_grave(done, standard)
    return [one for one in lacking if one in standard.codes("needs")]


def _lacking_if_grave(done: _Done, standard: Settings) -> Iterator[Needed]:
    """What is wanted besides where a child is said to be in danger, or a grave offence is alleged."""
    alleged, referrals = done.allegations.conditions, done.referrals
    if Condition.IMMEDIATE_DANGER in alleged:
        is_seen = done.has_seen(standard) or referrals.was_given(SEEN_BY_PARTNERS, done.since)
        yield from () if is_seen else (Needed.SEEING_THE_CHILD,)
    if Condition.SEXUAL_OR_SERIOUS_PHYSICAL_ABUSE in alleged:
        interview = Service.FORENSIC_INTERVIEW
        is_asked_for = referrals.was_offered(interview) or referrals.is_unanswered(interview)
        yield from () if done.is_interviewed or is_asked_for else (Needed.FORENSIC_INTERVIEW,)


def _is_exempt(history: History, asked: Sequence[Step], standard: Settings) -> bool:
    """Whether a case ends in a way that needs no work."""
    return any(
        body.disposition in standard.codes("not_for") and not leads_to_nobody(history, body.transferred_to, standard)
        for body in (one.body for one in asked)
        if isinstance(body, ClosureRequested)
    )


def leads_to_nobody(history: History, agency: str | None, standard: Settings) -> bool:
    """Whether a case is passed on to an agency of which the registry says that it does not investigate."""
    kind = history.agencies.get(agency or "")
    return kind is not None and kind not in standard.codes("takers")


def begins_anew(step: Step) -> bool:
    """Whether a case is reopened for something new: one that ended in error goes on as if it had not ended."""
    in_error = isinstance(step.body, Reopened) and step.body.reason not in ANEW
    return step.is_any(*REOPENED) and not in_error


def request_before(history: History, place: int) -> Step | None:
    """The last request to close a case before the step at a place."""
    for number in range(place - 1, -1, -1):
        if Happening.CLOSURE_REQUESTED in history.steps[number].what:
            return history.steps[number]
    return None
