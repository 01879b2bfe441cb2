"""Work that is not done: cases that lie untouched, victims whom nobody speaks with."""

from collections.abc import Iterator
from datetime import datetime

from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.settings import Setting, days, hours
from casetrail.domain.happenings import Happening
from casetrail.domain.policy import Condition

BEGINS_ANEW = frozenset({Happening.ASSIGNED, Happening.CLOSURE_REFUSED})
AGAIN = frozenset({Happening.VICTIM_CONTACT, Happening.CONTACT_ATTEMPTED, Happening.CLOSURE_REQUESTED})


@detector(
    Setting("limit", days(14), "how long a holder may do nothing in a case", clock="progress"),
)
def untouched(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A case that has a holder who does nothing.

    Rule: somebody holds the open case, and within the limit since the holder's last investigative act (or since the case
    was assigned, or its closure refused) the holder has not acted. A contact, an attempt at one and an investigative step
    are acts; notes, reviews and reassignments are none: a new holder has what the old one left of the limit. The time
    during which the case is suspended does not count, up to the review date.

    Evidence: the last act, or the assignment; with what was entered since, if that is older.

    Settled by: an act of the holder, a request to close the case, its release, or its end.

    May be wrong: where somebody else than the holder works the case, or where a case rests for good reason and was not
    suspended.

    Found in: Kansas City, where many cases lay idle for months and 50 for more than a year.
    """
    last: Step | None = None
    for place, step in enumerate(history.steps):
        is_act = step.is_act and step.is_act_of_holder
        if not is_act and _is_settled(step):
            last = None
        elif is_act or not BEGINS_ANEW.isdisjoint(step.what):
            if step.holder is None:
                continue
            last = step if last is None or step.at >= last.at or not step.is_act else last
            standard = settings(last.at)
            since = max(standard.due("limit", last.at, history.conditions, history.rests), step.known_at)
            settled = history.until(place, _is_settled)
            says = "its holder has done nothing in it for too long"
            rests_on = [last] if last is step else [step, last]  # an act that was entered late is older than the last
            yield of_case(history, standard, since, rests_on, says, settled, now)


def _is_settled(step: Step) -> bool:
    """Whether after a step the holder owes no act, or has just done one."""
    if step.holder is None or not step.is_open or Happening.CLOSURE_REQUESTED in step.what:
        return True
    return step.is_act and step.is_act_of_holder


@detector(
    Setting("limit", days(14), "within what time the victim is contacted", clock="victim_contact"),
    Setting("limit_in_danger", hours(24), "the same where the report says that a child is in danger", "RSMo 210.145",
            clock="danger_contact"),
)  # fmt: skip
def no_contact(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """An assigned case whose victim was never contacted.

    Rule: the case has been assigned, and within the limit since the report nobody has spoken with the victim. Attempts do
    not count. The time of a first suspension does not count either, up to its review date; that of later ones and of
    renewals does, and that of none where a child is in danger.

    Evidence: the first assignment, and the report.

    Settled by: a contact with the victim, or the end of the case.

    May be wrong: where a partner speaks with the victim for the unit, as the team agreed, and the unit does not enter it.

    Found in: Kansas City.
    """
    report: Step | None = None
    watched_until = 0
    for place, step in enumerate(history.steps):
        if _is_contact(step):
            return
        report = step if Happening.REPORT_RECEIVED in step.what else report
        if report is not None and place >= watched_until and Happening.ASSIGNED in step.what:
            standard = settings(report.at)
            if Condition.IMMEDIATE_DANGER in history.conditions:
                since = history.since_receipt(standard, "limit_in_danger")
            else:
                since = history.since_receipt(standard, "limit", history.rests[:1])
            settled = history.until(place, lambda later: _is_contact(later) or not later.is_open)
            watched_until = history.place_of(settled)
            says = "assigned, and nobody has spoken with the victim"
            yield of_case(history, standard, since, [step, report], says, settled, now)


def _is_contact(step: Step) -> bool:
    return Happening.VICTIM_CONTACT in step.what


@detector(
    Setting("limit", days(45), "how long a victim may hear nothing after the first contact",
            "practice: a case that is decided in time (RSMo 210.183) needs no second contact"),
)  # fmt: skip
def contact_lost(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A victim who was contacted once and never again.

    Rule: there was one contact with the victim, and within the limit after it neither another nor an attempt at one,
    while the case is open. The time during which it is suspended does not count, up to the review date.

    Evidence: the contact.

    Settled by: another contact, an attempt, a request to close the case, or its end.

    May be wrong: where a partner, such as a victim advocate, keeps in touch as the team agreed.

    Found in: Kansas City, where a family was met once and never contacted again.
    """
    for place, step in history.which(Happening.VICTIM_CONTACT):
        standard = settings(step.at)
        since = standard.due("limit", step.at, history.conditions, history.rests)
        settled = history.until(place, lambda later: not AGAIN.isdisjoint(later.what) or not later.is_open)
        yield of_case(history, standard, since, [step], "the victim was contacted once and never again", settled, now)
        return
