"""Reports, work and decisions that are entered long after it is said that they came, or were done; or after a deadline."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Final

from casetrail.domain.alarms import Alarm
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case
from casetrail.domain.detectors.history import WORK, History, Step
from casetrail.domain.detectors.settings import Laxer, Setting, Settings, days
from casetrail.domain.happenings import Happening
from casetrail.domain.linking import FactCorrected

DECIDED: Final = (
    Happening.REVIEWED,
    Happening.SCREENED_IN,
    Happening.SCREENED_OUT,
    Happening.ASSIGNED,
    Happening.REASSIGNED,
    Happening.RELEASED,
    Happening.ACKNOWLEDGED,
    Happening.EXTENDED,
    Happening.SUSPENDED,
    Happening.RESUMED,
    Happening.CLOSURE_REQUESTED,
    Happening.CLOSURE_REFUSED,
    Happening.CLOSED,
    Happening.CONCERN_ANSWERED,
)
"""What a unit decides, or says that it has taken note of."""
MAY_BE_LATE: Final = WORK | frozenset(DECIDED)
LOOKED_AT: Final = (Happening.REVIEWED, Happening.CLOSURE_REQUESTED, Happening.CLOSED, Happening.CONCERN_ANSWERED)


_number: Final = attrgetter("number")


@detector(
    Setting("late", days(7), "how long after it was done work, or what was decided, may be entered"),
    Setting("very_late", days(30), "after what time one single entry is a finding"),
    Setting("burst", 2, "so many late entries together are a finding", least=2, most=1000),
    Setting("within", days(1), "within what time entries are together", laxer=Laxer.LESS),
    Setting(
        "before_review",
        days(2),
        "how soon before somebody looks at the case one late entry is a finding",
        laxer=Laxer.LESS,
    ),
)
def entered_late(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """Work, or a decision, that was entered long after it says it was done: the pattern of backdating.

    Rule: contacts, attempts, investigative steps, reviews and what the unit decided (screenings, assignments, extensions,
    suspensions, closures, answers to concerns) were entered late, and either one of them very late, or several of them
    together, or one just before a review, a request to close the case, its closure, or the answer to a concern. Imported
    facts are none of them. When it was entered is the log's own time, which nobody can choose.

    Evidence: the late entries, and what they came just before.

    Settled by: nothing in the case. Somebody has to say what the entries rest on.

    May be wrong: where somebody works on paper, or was ill. One late entry by itself is no finding, unless it is very late.

    Found in: Kansas City, where there was deception to cover the tracks.
    """
    late = [step for step in history.steps if _may_be_late(step) and step.known_at - step.at > _late(step, settings)]
    looks = [step for _, step in history.which(*LOOKED_AT)] if late else []
    while late:
        standard = settings(late[0].known_at)
        until = late[0].known_at + standard.span("within")
        together = [step for step in late if step.known_at <= until]
        late = late[len(together) :]
        triggers = list(_triggers(together, looks, standard))
        if triggers:
            since = min(at for at, _ in triggers)
            seen_with = [step for at, step in triggers if at == since and step not in together][:1]
            known = [step for step in together if step.known_at <= since]
            what = "work" if all(_is_work(step) for step in known) else "work or decisions"
            says = f"{len(known)} late entries of {what}, the latest after {_longest(known).days} days"
            yield of_case(history, standard, since, [*known, *seen_with], says, None, now)


def _may_be_late(step: Step) -> bool:
    return step.action.imported is None and not MAY_BE_LATE.isdisjoint(step.what)


def _is_work(step: Step) -> bool:
    return step.is_act or step.is_beforehand or Happening.REVIEWED in step.what


def _late(step: Step, settings: SettingsAt) -> timedelta:
    return settings(step.known_at).span("late")


def _triggers(together: Sequence[Step], looks: Sequence[Step], standard: Settings) -> Iterator[tuple[datetime, Step]]:
    """What makes late entries a finding, and when. ``looks``: the steps by which somebody looked at the case."""
    numbers = {step.number for step in together}
    others = [step for step in looks if step.number not in numbers]
    for step in together:
        if step.known_at - step.at > standard.span("very_late"):
            yield step.known_at, step
        place = bisect_right(others, step.number, key=_number)
        if place < len(others) and others[place].known_at <= step.known_at + standard.span("before_review"):
            yield others[place].known_at, others[place]
    if len(together) >= standard.number("burst"):
        last = together[standard.number("burst") - 1]
        yield last.known_at, last


def _longest(late: Sequence[Step]) -> timedelta:
    return max(step.known_at - step.at for step in late)


@detector(
    Setting("limit", days(3), "how long after it was received a report may be entered: a weekend"),
)
def received_late(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A report that was entered long after it was received.

    Rule: between the moment at which the report is said to have been received, or by a correction was, and its being
    recorded lies more than the limit. Imported reports are none of them. When it was recorded is the log's own time.

    Evidence: the report, and the correction, if it says so.

    Settled by: nothing in the case. Somebody has to say where the report lay.

    May be wrong: where a report comes by letter, and is said to have been received when that was written.

    Found in: practice: until it is entered, nobody sees a report in a drawer, and no time limit of it.
    """
    for place, (at, known_at) in enumerate(history.receipts):
        report = next(step for step in history.steps if Happening.REPORT_RECEIVED in step.what)
        standard = settings(report.known_at)
        if report.action.imported is None and report.known_at - at > standard.span("limit"):
            says = f"received {(report.known_at - at).days} days before it was entered"
            corrections = [step for step in history.steps if place and step.known_at == known_at and _says_when(step)]
            yield of_case(history, standard, known_at, [report, *corrections[:1]], says, None, now)
            return


def _says_when(step: Step) -> bool:
    return isinstance(step.body, FactCorrected) and step.body.happened_at is not None


@detector(
    Setting(
        "usual",
        days(3),
        "how long after a deadline what was done before it may be entered: the days off after a night shift",
        calendar_of="acknowledgement",
    ),
)
def met_afterwards(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A deadline that the log showed as missed, and that was met by what somebody entered afterwards.

    Rule: what is entered is said to have happened before a deadline, which counts as met by it, or as owed by nobody any
    more; or the receipt is corrected, so that a deadline counts as met by what had been too long before the report; and the
    log had shown that deadline as missed for longer than is usual. Of a deadline that had passed before anybody could know
    of it, the time counts from when that was recorded. Imported facts are none of it, nor what another agency enters. When
    it was entered is the log's own time, which nobody can choose.

    Evidence: the entry, and what started the clocks that it stopped.

    Settled by: nothing in the case. Somebody else than who entered it has to say what it rests on.

    May be wrong: where somebody was off duty for some days after the act, or works on paper.

    Found in: Kansas City, where there was deception to cover the tracks.
    """
    met: dict[int, list[Alarm]] = {}
    for alarm in history.alarms:
        step = history.step(alarm.met_by)
        if step is None or not _is_own(step, history.case.facts.agency):
            continue
        if step.known_at > settings(alarm.clock.due_at).due("usual", alarm.seen_at):
            met.setdefault(step.number, []).append(alarm)
    for number, alarms in sorted(met.items()):
        numbers = [number, *sorted({by for alarm in alarms if (by := alarm.clock.started_by) is not None})]
        steps = [step for step in map(history.step, numbers) if step is not None]
        since, names = steps[0].known_at, sorted({alarm.clock.name for alarm in alarms})
        longest = max(since - alarm.seen_at for alarm in alarms)
        says = f"no longer missed, by what was entered {longest.days} days after that was seen: {' and '.join(names)}"
        yield of_case(history, settings(alarms[0].clock.due_at), since, steps, says, None, now)


def _is_own(step: Step, agency: str) -> bool:
    """Whether something was entered by the agency whose case it is."""
    return step.action.imported is None and step.action.actor.agency == agency
