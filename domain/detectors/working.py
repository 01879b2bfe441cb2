"""Work that is not done: cases that lie untouched, victims whom nobody speaks with."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Final

from casetrail.domain.business_time import LAST, Span
from casetrail.domain.codes import ContactMethod
from casetrail.domain.contact import UNHEARD, VictimContactMade
from casetrail.domain.detectors.attending import Denial, denied_to_holders
from casetrail.domain.detectors.closing import REOPENED
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.settings import Setting, Settings, days, hours
from casetrail.domain.happenings import Happening
from casetrail.domain.investigation import HEARING, InvestigativeStepTaken
from casetrail.domain.policy import Condition
from casetrail.domain.status import Status

CONTACTED: Final = (Happening.VICTIM_CONTACT, Happening.FAMILY_CONTACT, Happening.CONTACT_ATTEMPTED)
PATIENT_WITH: Final = 2
"""How many requests to close a case, with nothing done in between, are waited for: one may be refused for its wording."""
WAITING: Final = frozenset({Happening.RELEASED, Happening.CLOSURE_REQUESTED, *REOPENED})
"""Where none of these happened, a holder never waits for others."""


@detector(
    Setting("limit", days(14), "how long a holder may do nothing in a case", clock="progress"),
    Setting("grace", days(7), "how long a holder has at least after a first request to close the case is refused"),
)
def untouched(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A case that has a holder who does nothing.

    Rule: somebody holds the open case, and within the limit since the holder's last investigative act (or since the case
    was assigned) the holder has not acted. A contact, an attempt at one and an investigative step are acts; notes,
    correspondence, reviews, reassignments and requests to close the case are none: a new holder has what the old one left of the limit, also where
    the case was let go or merged in between. The time does not count during which the case is suspended, up to the review
    date, nor while nobody holds it, nor while a supervisor decides on its closure: but from the third request on, with
    nothing done since the first, it counts.

    Evidence: the last act, or the assignment; with what was entered since, if that is older, or the assignment since.

    Settled by: an act of the holder, or the end of the case. That it is let go settles nothing.

    May be wrong: where somebody else than the holder works the case, or where a case rests for good reason and was not
    suspended.

    Found in: Kansas City, where many cases lay idle for months and 50 for more than a year.
    """
    last: Step | None = None
    begins = True  # whether what was found before has been settled, or is none of this holder's
    pauses: list[Span] | None = None
    for place, step in enumerate(history.steps):
        if not step.is_open:
            last, begins = last if step.status is Status.MERGED else None, True
        if not step.is_open or step.holder is None:
            continue
        if step.is_act and step.is_act_of_holder:
            last = step if last is None or step.at >= last.at else last
        elif begins and Happening.ASSIGNED in step.what:
            last = last or step
        else:
            continue
        begins = False
        standard = settings(last.at)
        settled = history.until(place, _is_settled)
        if settled is not None and settled.known_at <= standard.due("limit", last.at, history.conditions):
            continue  # as it is mostly; pauses make it only later
        pauses = joined([*history.rests, *waits_for_others(history)]) if pauses is None else pauses
        since = max(due_beside(standard, "limit", last.at, history, pauses), step.known_at)
        refused = history.until(place, _is_refused_or_settled)
        if refused is not None and Happening.CLOSURE_REFUSED in refused.what and refused.known_at < since:
            since = max(since, refused.known_at + standard.span("grace"))
        says = "its holder has done nothing in it for too long"
        rests_on = [last] if last is step else [step, last]  # an act that was entered late is older than the last
        yield of_case(history, standard, since, rests_on, says, settled, now)


def _is_settled(step: Step) -> bool:
    """Whether after a step nobody owes an act, or the holder has just done one."""
    return not step.is_open or (step.is_act and step.is_act_of_holder)


def _is_refused_or_settled(step: Step) -> bool:
    return Happening.CLOSURE_REFUSED in step.what or _is_settled(step)


def _waits_for_others(step: Step) -> bool:
    """Whether after a step nobody holds the case, or its holder waits for a decision on its closure."""
    return step.holder is None or step.status is Status.CLOSURE_REQUESTED


def waits_for_others(history: History) -> Iterator[Span]:
    """When nobody held a case that somebody had held, or its holder waited for a decision on its closure."""
    return _waits(history, _waits_for_others)


def _waits_for_closure(step: Step) -> bool:
    return step.status is Status.CLOSURE_REQUESTED


def _waits(history: History, waits: Callable[[Step], bool]) -> Iterator[Span]:
    """When others than a holder were waited for, once there was one: from recording to recording, or without an end.

    Whoever asks for a closure again and again, and does nothing in between, waits for nobody from the third time on: else
    a request and a refusal now and then would keep every time limit.
    """
    if not history.has(WAITING):
        return
    since: datetime | None = None
    is_held, asked = False, 0
    for step in history.steps:
        goes_on = step.is_open or step.status is Status.MERGED
        is_held = goes_on and (is_held or step.holder is not None)
        if step.is_act or not step.is_open:
            asked = 0
        elif Happening.CLOSURE_REQUESTED in step.what:
            asked += 1
        is_asked_again = asked > PATIENT_WITH and step.holder is not None
        if is_held and waits(step) and not is_asked_again:
            since = since or step.known_at
        elif since is not None:
            yield since, step.known_at
            since = None
    if since is not None and since < LAST:
        yield since, LAST


def joined(spans: Iterable[Span]) -> list[Span]:
    """Spans in order, those joined that overlap."""
    found: list[Span] = []
    for begins, ends in sorted(spans):
        if found and begins <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], ends)
        else:
            found.append((begins, ends))
    return found


def due_beside(standard: Settings, limit: str, start: datetime, history: History, pauses: Sequence[Span]) -> datetime:
    """When a limit is over, not counting ``pauses``: most of them lie beyond it."""
    due = standard.due(limit, start, history.conditions)
    first = bisect_right(pauses, start, key=itemgetter(1))
    if first < len(pauses) and pauses[first][0] < due:
        due = standard.due(limit, start, history.conditions, pauses[first:])
    return due


@detector(
    Setting("limit", days(14), "within what time the victim is contacted", clock="victim_contact"),
    Setting("limit_in_danger", hours(24), "the same where the report says that a child is in danger", "RSMo 210.145",
            clock="danger_contact"),
    Setting("unspoken", UNHEARD, "contacts by which nobody has heard the child", codes=ContactMethod),
)  # fmt: skip
def no_contact(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """An assigned case whose victim was never contacted.

    Rule: the case has been assigned, and within the limit since the report nobody has spoken with the victim. Attempts do
    not count, and neither do letters or talks with a caregiver, nor what was more than 24 hours before the report was
    received, nor a contact through a partner as long as no other agency takes part in the case (none reports, is asked or
    says anything); a forensic interview counts that somebody of the unit attended. Where the holder says so, and the partner that
    held it says otherwise ("attendance denied" finds that), it does not count until a review has settled it. The time of a
    first suspension does not count either, up to its review date; that of later ones and of renewals does, and where a
    child is in danger that of any.

    Evidence: the first assignment, and the report. Where a contact was denied afterwards, the partner's word, what the holder
    recorded, and the report.

    Settled by: a contact with the victim, or the end of the case; or that the receipt is corrected to an earlier time,
    which lets a contact count that was before; or a review of a contact that was denied.

    May be wrong: where a partner speaks with the victim for the unit, as the team agreed, and the unit does not enter it;
    or where a patrol was there days before its report was typed in, and that is said to be the receipt; or where the partner
    through which the victim was heard is not named: record that it was asked.

    Found in: Kansas City.
    """
    report: Step | None = None
    heard, watched_until = _Heard(history, settings), 0
    for place, step in enumerate(history.steps):
        if heard.since(step):
            if heard.denied:
                yield from _denied(heard, now)
            return
        report = step if Happening.REPORT_RECEIVED in step.what else report
        if report is not None and place >= watched_until and Happening.ASSIGNED in step.what:
            settled = heard.after(place)
            watched_until = history.place_of(settled)
            yield _unheard(heard, [step, report], settled, now)


@dataclass
class _Heard:
    """Since which steps of a case the log shows that somebody has spoken with the victim about this report."""

    history: History
    settings: SettingsAt
    denied: Mapping[int, Denial] = field(default_factory=dict)
    """Once a holder has said that he heard the child at its interview: which such claims are denied."""
    joining: Step | None = None
    """Once the victim is said to have been heard through a partner that there was none of yet: since when there is one."""

    def since(self, step: Step) -> bool:
        """Whether the log shows it since a step. Steps are asked after in their order."""
        if step.number in self.history.let_count:
            spoken = [one for one in self.history.let_count[step.number] if _has_spoken(one, self.settings)]
            return any(not self._is_through_nobody(one, step) for one in spoken)
        if self.denied and any(one.settled is step for one in self.denied.values()):
            return True
        if step.is_beforehand or not _has_spoken(step, self.settings):
            return step is self.joining
        if self._is_through_nobody(step, step):
            return False
        if Happening.INVESTIGATIVE_STEP not in step.what:
            return True
        self.denied = self.denied or denied_to_holders(self.history)
        own = self.denied.get(step.number)
        return own is None or own.by.number > step.number  # else it was denied before it was recorded

    def _is_through_nobody(self, step: Step, known: Step) -> bool:
        """Whether the victim is said to have been heard through a partner, and since when that is ``known`` no other agency
        has taken part in the case."""
        if not isinstance(step.body, VictimContactMade) or step.body.method is not ContactMethod.THROUGH_PARTNER:
            return False
        joined = self.history.joined_by_partner()
        if joined is not None and joined.number <= known.number:
            return False
        self.joining = joined
        return True

    def after(self, place: int) -> Step | None:
        """The first step after that at a place since which it is so, or nobody need speak with the victim."""
        return self.history.until(place, lambda later: not later.is_open or self.since(later))


def _unheard(heard: _Heard, evidence: Sequence[Step], settled: Step | None, now: datetime) -> Finding | None:
    """The finding that nobody has spoken with a victim; ``evidence`` ends with the report."""
    history, standard = heard.history, heard.settings(evidence[-1].at)
    if Condition.IMMEDIATE_DANGER in history.conditions:
        since = history.since_receipt(standard, "limit_in_danger")
    else:
        since = history.since_receipt(standard, "limit", history.rests[:1])
    says = "assigned, and nobody has spoken with the victim"
    return of_case(history, standard, since, evidence, says, settled, now)


def _denied(heard: _Heard, now: datetime) -> Iterator[Finding | None]:
    """The findings of victims with whom the holder had spoken until that was denied."""
    history, denied = heard.history, heard.denied
    answers = [one for one in enumerate(history.steps) if heard.since(one[1])]
    begun = [history.which(Happening.REPORT_RECEIVED)[:1], history.which(Happening.ASSIGNED)[:1]]
    watched_until = 0
    for one in sorted(denied.values(), key=lambda one: one.place):
        before = [step for place, step in answers if place <= one.place]
        is_heard = any(step.number not in denied or denied[step.number].place > one.place for step in before)
        is_due = all(some and some[0][0] <= one.place for some in begun) and history.steps[one.place].is_open
        if is_due and before and not is_heard and one.place >= watched_until:
            settled = heard.after(one.place)
            watched_until = history.place_of(settled)
            later, earlier = (one.by, one.claim) if history.steps[one.place] is one.by else (one.claim, one.by)
            yield _unheard(heard, [later, earlier, begun[0][0][1]], settled, now)


def _has_spoken(step: Step, settings: SettingsAt) -> bool:
    """Whether somebody has spoken with the victim, in a way that the settings do not leave out."""
    body = step.action.body
    if isinstance(body, VictimContactMade):
        return body.method not in settings(step.at).codes("unspoken")
    return isinstance(body, InvestigativeStepTaken) and body.step in HEARING


def _is_contact(step: Step) -> bool:
    return step.is_act and Happening.VICTIM_CONTACT in step.what


@detector(
    Setting("limit", days(45), "how long a victim may hear nothing after a contact",
            "practice: a case that is decided in time (RSMo 210.183) needs no other"),
    Setting("unspoken", (ContactMethod.LETTER,), "contacts by which nobody has spoken with the victim or the family",
            codes=ContactMethod),
    needs=[Happening.VICTIM_CONTACT],
)  # fmt: skip
def contact_lost(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A victim who was contacted, and never again.

    Rule: the victim has been contacted, and within the limit after that, or after a later contact with the victim or the
    family, there was no other, while the case is open. An attempt is no contact, and neither is what was more than 24 hours
    before the report was received. The time does not count during which the
    case is suspended, up to the review date, nor while a supervisor decides on its closure (from the third request on, with nothing
    done since the first, it counts): a closure that is refused settles nothing.

    Evidence: the last contact; with the correction of the receipt, where it counts only since that.

    Settled by: another contact with the victim or the family, or the end of the case.

    May be wrong: where a partner, such as a victim advocate, keeps in touch as the team agreed, or where a family cannot be
    found any more.

    Found in: Kansas City, where a family was met once and never contacted again.
    """
    last: Step | None = None
    pauses: list[Span] | None = None
    for place, step in _contacts(history):
        is_later = step.at >= last.at if last is not None else Happening.VICTIM_CONTACT in step.what
        if not is_later or not _has_spoken(step, settings):
            continue
        last, standard, known = step, settings(step.at), history.steps[place]
        if not known.is_open:
            continue
        settled = history.until(place, lambda later: not later.is_open or _is_next_contact(later, step, settings))  # noqa: B023
        if settled is not None and settled.known_at <= standard.due("limit", step.at, history.conditions):
            continue  # as it is mostly; pauses make it only later
        pauses = joined([*history.rests, *_waits(history, _waits_for_closure)]) if pauses is None else pauses
        since = due_beside(standard, "limit", step.at, history, pauses)
        rests_on = [step] if known is step else [step, known]
        yield of_case(history, standard, since, rests_on, "the victim was contacted, and never again", settled, now)


def _contacts(history: History) -> list[tuple[int, Step]]:
    """The contacts, and attempts at one, that answer the report; each with the place since which that is known."""
    found = [one for one in history.which(*CONTACTED) if not one[1].is_beforehand]
    for number, steps in history.let_count.items():
        place = history.place_of(history.step(number))
        found += [(place, step) for step in steps if step.is_any(*CONTACTED)]
    return sorted(found, key=itemgetter(0)) if history.let_count else found


def _is_next_contact(later: Step, step: Step, settings: SettingsAt) -> bool:
    """Whether it is a contact after another: an older one that is entered only now is none."""
    return later.at >= step.at and _has_spoken(later, settings)


@detector(
    Setting("most", 3, "how many attempts in a row may fail", least=1, most=1000),
    Setting("limit", days(30), "for how long they may, from the first one on"),
    needs=[Happening.CONTACT_ATTEMPTED],
)
def never_reached(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A victim whom somebody tries to reach again and again, and whom nobody reaches.

    Rule: more attempts in a row have failed than the setting allows, and the time since the first of them is over.

    Evidence: the attempts, as many as are too many.

    Settled by: a contact with the victim, or the end of the case.

    May be wrong: where a family has moved away. Then others may know where: a school, a clinic, protective services.

    Found in: practice: a letter now and then is no work, and keeps every time limit.
    """
    ends = Happening.VICTIM_CONTACT, *REOPENED
    for place, chain, standard in history.too_often(settings, Happening.CONTACT_ATTEMPTED, *ends):
        since = max(standard.due("limit", min(one.at for one in chain), history.conditions), chain[-1].known_at)
        settled = history.until(place, lambda later: _is_contact(later) or not later.is_open)
        says = f"{len(chain)} attempts to reach the victim failed, one after the other"
        yield of_case(history, standard, since, chain, says, settled, now)
