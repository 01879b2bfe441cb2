"""Partners who did their part, and wait for the unit's."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, Final

from casetrail.domain.alarms import PATIENCE, Alarm
from casetrail.domain.clock_runs import Runs
from casetrail.domain.codes import Level, Service
from casetrail.domain.concern import ConcernAnswered, ConcernClosed, ConcernRaised
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.settings import Setting, days
from casetrail.domain.escalation import deadline_key
from casetrail.domain.happenings import Happening
from casetrail.domain.referral import ReferralCompleted

SLACK: Final = timedelta(minutes=15)
"""What is imported, and what is entered within ``PATIENCE``, may be known by another moment by so much."""
ABOVE: Final = (Level.COMMANDER, Level.PARTNERS, Level.OVERSIGHT)
SERVICES: Final = (Service.FORENSIC_INTERVIEW, Service.MEDICAL_EVALUATION)
ANSWERED: Final = (Happening.REFERRAL_ACCEPTED, Happening.REFERRAL_COMPLETED, Happening.REFERRAL_DECLINED,
                   Happening.REFERRAL_WITHDRAWN)  # fmt: skip


@detector(
    Setting("limit", days(7), "within what time the unit acts on what a partner did or asked"),
    Setting("services", SERVICES, "after which services the unit must act", codes=Service),
    needs=[Happening.REFERRAL_COMPLETED, Happening.ASSISTANCE_ASKED],
)
def partner_waiting(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A partner did its part, or asked for help, and the unit did nothing.

    Rule: a partner held the interview, examined the child, or asked the unit to assist, and within the limit nobody in
    the unit contacted the victim, tried to, or took an investigative step. Only the first that waits is named. Where the
    partner says that the holder was at the interview, it does not wait.

    Evidence: what the partner did or asked.

    Settled by: an act of the unit, the unit's answer where it was asked to assist, or the end of the case.

    May be wrong: where the partner's report comes weeks after its work, and the unit waits for it.

    Found in: Kansas City, where the clinic and the advocacy centre knew that no detective came.
    """
    waiting_until = 0
    for place, step in history.which(Happening.REFERRAL_COMPLETED, Happening.ASSISTANCE_ASKED):
        standard = settings(step.at)
        asked = Happening.ASSISTANCE_ASKED in step.what
        if place < waiting_until or not step.is_open:
            continue
        if not asked and (_service(history, step) not in standard.codes("services") or _attended(step)):
            continue
        settled = history.until(place, lambda later: _is_answer(step, later))  # noqa: B023  (called at once)
        waiting_until = history.place_of(settled)
        since = standard.due("limit", step.at, history.conditions)
        says = "a partner asked for help, and got none" if asked else "a partner did its part, and the unit nothing"
        yield of_case(history, standard, since, [step], says, settled, now)


def _attended(step: Step) -> bool:
    return isinstance(step.body, ReferralCompleted) and step.body.holder_attended is True


def _referral(step: Step) -> str:
    body: Any = step.body
    return str(body.referral)


def _service(history: History, step: Step) -> Service:
    return history.case.facts.referrals[_referral(step)].service


def _is_answer(waits: Step, later: Step) -> bool:
    if later.is_act or not later.is_open:
        return True
    asked = Happening.ASSISTANCE_ASKED in waits.what
    return asked and later.is_any(*ANSWERED) and _referral(later) == _referral(waits)


@detector(needs=[Happening.REFERRAL_COMPLETED])
def interview_missed(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A forensic interview that the holder of the case did not attend.

    Rule: the partner that held the interview says that the holder was not there.

    Evidence: the completed referral.

    Settled by: an investigative act recorded after it, or the end of the case.

    May be wrong: where the holder was at another child's interview and watches the recording: the next act settles it.

    Found in: Kansas City, where detectives almost never came to forensic interviews.
    """
    for place, step in history.which(Happening.REFERRAL_COMPLETED):
        body = step.body
        if not isinstance(body, ReferralCompleted) or body.holder_attended is not False or not step.is_open:
            continue
        if _service(history, step) is Service.FORENSIC_INTERVIEW:
            settled = history.until(place, lambda later: later.is_act or not later.is_open)
            says = "the holder did not come to the child's interview"
            yield of_case(history, settings(step.at), step.known_at, [step], says, settled, now)


@detector(
    Setting("limit", days(5), "within what time an alarm is answered", clock="concern_answer"),
    Setting("levels", ABOVE, "once one of these has been told of a missed deadline, it must be answered", codes=Level),
)
def ignored_alarm(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """An alarm that nobody answered.

    Rule: a partner or a reporter raised a concern, and within the limit the unit did not answer it; the end of the case is
    no answer. Or a deadline was missed, those above the supervisor were told of it, or should have been, and within the
    limit nobody above those who owe it answered, and what was owed was not done. Whether a watchdog recorded it makes no
    difference. What is owed again, because a merger or a correction is undone, is found anew: with no more time than before.

    Evidence: the concern; or what started the clock, or undid its end, the missed deadline and who was told of it, as far as
    recorded.

    Settled by: an answer to this concern, or its being closed by those who raised it; an answer for this deadline of
    somebody above those who owe it, or its being owed no longer.

    May be wrong: where the unit answered by telephone. An answer that nobody can find later is none.

    Found in: Arizona, where tables that showed the neglect were published twice a year, and nobody read them.
    """
    answers = _answers(history)
    for place, step in history.which(Happening.CONCERN_RAISED):
        standard = settings(step.at)
        since = standard.due("limit", step.at, history.conditions)
        settled = next((later for at, later in answers.get(_concern(step), ()) if at > place), None)
        yield of_case(history, standard, since, [step], "a concern was raised and not answered", settled, now)
    for alarm in history.alarms:
        if alarm.clock.subject not in history.case.facts.concerns:  # a concern is an alarm itself
            yield from _unanswered(history, settings, alarm, now)


def _unanswered(history: History, settings: SettingsAt, alarm: Alarm, now: datetime) -> Iterator[Finding | None]:
    """The findings of a missed deadline that nobody answered: one for each time for which it was owed."""
    clock, standard = alarm.clock, settings(alarm.clock.due_at)
    levels = standard.codes("levels")
    told = next((told for told in alarm.told if told.level in levels), None)
    if told is None:
        return
    over = standard.due("limit", alarm.seen_from(told.at), history.conditions)
    for again, owing in enumerate(alarm.owing):
        since = max(over, owing.since + PATIENCE)
        ends = [(alarm.answered_at, alarm.answered_by), (owing.until, owing.until_event)]
        settled_at, by = min(((at, by) for at, by in ends if at is not None), key=itemgetter(0), default=(None, None))
        if settled_at is not None and settled_at <= since:
            continue
        number = owing.since_event if again else clock.started_by
        started = history.step(number) or [step for step in history.steps if step.known_at <= owing.since][-1]
        recorded = [
            step for step in map(history.step, alarm.recorded_by) if step is not None and step.known_at <= since
        ]
        says = f"the deadline of {clock.name} was missed, and nobody answered"
        settled = history.step(by)
        found = of_case(history, standard, since, [started, *recorded], says, settled, now)
        if found is not None and settled is None and settled_at is not None and settled_at <= now:
            found = replace(found, settled_at=settled_at)  # by what the registry says
        yield found and replace(found, deadline=deadline_key(*clock.deadline))


def is_quiet(history: History, runs: Runs, patience: timedelta, now: datetime) -> bool:
    """Whether no clock of a case ran beyond its limit for as long as ``patience``, as the log showed it at each moment.

    Then no alarm of it was ever ignored, and it need not be watched to see that. What ended a run is the event that was
    recorded last of those that did, so the log did not show it running for longer. It is not tried to say so of cases
    whose holders have left, or of which the receipt was corrected: their clocks looked otherwise before.
    """
    if len(history.receipts) > 1 or any(step.holder in history.departures for step in history.steps):
        return False
    known_at = {step.number: step.known_at for step in history.steps}
    for run in runs.all():
        due = run.started_at + run.rule.shortest
        if run.stated is not None:
            due = min(due, run.stated)
        seen = due if run.started_by is None else max(due, known_at[run.started_by])
        ended = now if run.ended_by is None else known_at[run.ended_by]
        if ended + SLACK >= seen + patience:
            return False
    return True


def _answers(history: History) -> dict[str, list[tuple[int, Step]]]:
    """By concern, how it was answered or closed, and at which places."""
    found: dict[str, list[tuple[int, Step]]] = {}
    for place, step in history.which(Happening.CONCERN_ANSWERED, Happening.CONCERN_CLOSED):
        found.setdefault(_concern(step), []).append((place, step))
    return found


def _concern(step: Step) -> str:
    body = step.body
    assert isinstance(body, ConcernRaised | ConcernAnswered | ConcernClosed)  # only these happen so
    return body.concern
