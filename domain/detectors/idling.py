"""Cases that go on by what leads nowhere: requests, calls, meetings."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Final, NamedTuple

from casetrail.domain.business_time import LAST, Span
from casetrail.domain.codes import Service
from casetrail.domain.codes import Step as Kind
from casetrail.domain.detectors.closing import REOPENED, begins_anew
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.offering import ANSWERED, referral_of
from casetrail.domain.detectors.settings import Setting, Settings, days
from casetrail.domain.detectors.working import due_beside, joined, waits_for_others
from casetrail.domain.happenings import Happening
from casetrail.domain.investigation import CLERICAL, InvestigativeStepTaken

BEGINNING: Final = (Happening.REPORT_RECEIVED, Happening.INVESTIGATIVE_STEP, Happening.VICTIM_SEEN, *REOPENED)
LEADING_NOWHERE: Final = (*CLERICAL, Kind.RECORDS_REQUESTED, Kind.TEAM_REVIEW_HELD, Kind.OTHER)
"""Steps by which nobody learns anything about what is alleged, or that do not say what was done."""


@detector(
    Setting("limit", days(90), "how long a case may go on by calls, requests and meetings alone",
            "practice: twice the 45 days of RSMo 210.183"),
    Setting("steps", LEADING_NOWHERE, "steps that lead no further", codes=Kind),
    needs=[Happening.ASSIGNED],
)  # fmt: skip
def kept_alive(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A case that is kept alive by what leads no further.

    Rule: somebody was given the case, and within the limit since the report (or since it was reopened for something new)
    nobody has taken an investigative step that leads further or seen the child in person, nor within the limit since that
    was done last; and something was done meanwhile that keeps the time limits: a call, a letter, an attempt, a talk with the
    caregiver, a request for records, a meeting of the team, a step of no named kind. (Where nothing at all is done within
    the limit, "untouched" finds that, and the limit runs anew from what is done next.) The time does not count during which the case is suspended, up to the review date, nor while
    nobody holds it, nor while a supervisor decides on its closure, as for "untouched"; nor while a prosecutor has accepted
    the file and has not answered. Of a case that was charged nothing more is asked. What was done more than 24 hours before the
    report was received leads nowhere.

    Evidence: the report, the reopening, or what was done last that led further; and what was done last since. Before them
    what was entered late, or the reopening, since which it is so again.

    Settled by: an investigative step that leads further, the child being seen, a charge, or the end of the case.

    May be wrong: where a case waits for a laboratory or a court and is not suspended.

    Found in: Kansas City, where cases stayed open for years; and practice: a call every twelve days keeps every time limit,
    and a decision can be extended three times.
    """
    first, last = history.steps[0], history.steps[-1]
    last_at = now if last.is_open else last.known_at
    if all(last_at - first.at <= settings(one.at).span("limit") for one in (first, last)):
        return  # it has not lived for so long
    begun = list(_begun(history, settings))
    pauses: list[Span] | None = None
    acts: list[Step] = []
    hollow: frozenset[str] | None = None
    for number, one in enumerate(begun):
        ends = begun[number + 1].step.known_at if number + 1 < len(begun) else last_at
        limit = one.standard.span("limit")
        if ends - one.last.at <= limit or not one.step.is_open or _is_charged(history, one.place):
            continue  # as it is mostly; pauses make it only later
        settled = history.until(one.place, lambda later: _is_settled(history, later, one))  # noqa: B023  (called at once)
        pauses = joined(_pauses(history)) if pauses is None else pauses
        if one.hollow is not hollow:
            hollow, acts = (
                one.hollow,
                [step for step in history.steps if step.is_act and not _leads_further(step, one.hollow)],
            )
        since = max(due_beside(one.standard, "limit", max(one.last.at, first.at), history, pauses), one.step.known_at)
        idle, following = _around(acts, one.last, since)
        if idle is None and following is not None:  # until then nothing was done at all
            since = max(due_beside(one.standard, "limit", following.at, history, pauses), following.known_at)
            idle, _ = _around(acts, one.last, since)
        if idle is not None:
            says = f"for more than {limit.days} days nothing in it led any further"
            # what was entered late, or a reopening in error, is a finding of its own
            rests_on = [one.last, idle] if one.last is one.step else [one.step, one.last, idle]
            yield of_case(history, one.standard, since, rests_on, says, settled, now)


class _Begun(NamedTuple):
    """The time begins to run, or goes on: at a place, by a step; from ``last`` on, what led further last."""

    place: int
    step: Step
    last: Step
    standard: Settings
    hollow: frozenset[str]
    """The steps that lead no further."""


def _begun(history: History, settings: SettingsAt) -> Iterator[_Begun]:
    last: Step | None = None
    standard: Settings | None = None
    hollow = frozenset[str]()
    for place, step in history.which(*BEGINNING):
        before, standard = standard, settings(step.at)
        if standard is not before:
            hollow = standard.codes("steps")
        is_new = last is None or begins_anew(step)
        leads = _leads_further(step, hollow)
        if is_new or (leads and (last is None or step.at >= last.at)):
            last = step
        if last is not None and (is_new or leads or step.is_any(*REOPENED)):
            yield _Begun(place, step, last, standard, hollow)


def _leads_further(step: Step, hollow: frozenset[str]) -> bool:
    """Whether the child was seen, or something was done by which more may be known."""
    body = step.action.body
    if isinstance(body, InvestigativeStepTaken):
        return step.is_act and body.step not in hollow
    return step.is_act and Happening.VICTIM_SEEN in step.what


def _is_settled(history: History, step: Step, one: _Begun) -> bool:
    return not step.is_open or _leads_further(step, one.hollow) or _is_charge(history, step)


def _is_charged(history: History, place: int) -> bool:
    """Whether a prosecutor had charged somebody by a place."""
    return any(at <= place and _is_charge(history, step) for at, step in history.which(Happening.CHARGED))


def _is_charge(history: History, step: Step) -> bool:
    """Whether a prosecutor has completed a referral: any other agency charges nobody."""
    return Happening.CHARGED in step.what and _prosecutor_of(history, step)


def _prosecutor_of(history: History, step: Step) -> bool:
    """Whether a step is about a referral to a prosecutor."""
    asked = history.case.facts.referrals[referral_of(step)]
    return asked.service is Service.PROSECUTOR and history.is_partner(asked.to_agency, asked.service)


def _around(acts: Sequence[Step], last: Step, since: datetime) -> tuple[Step | None, Step | None]:
    """Which of some acts after a step was the last one by a moment, and which is the first after that."""
    place = bisect_right(acts, since, key=attrgetter("known_at"))
    before = acts[place - 1] if place else None
    if before is not None and before.number < last.number and (before.at < last.at or last.is_any(*REOPENED)):
        before = None
    return before, acts[place] if place < len(acts) else None


def _pauses(history: History) -> Iterator[Span]:
    """When nobody can be expected to go further."""
    yield from history.rests
    yield from waits_for_others(history)
    yield from _with_prosecutor(history)


def _with_prosecutor(history: History) -> Iterator[Span]:
    """When a prosecutor had accepted the file, and had not answered: from recording to recording, or without an end."""
    begun: dict[str, datetime] = {}
    for _, step in history.which(*ANSWERED, Happening.REFERRAL_WITHDRAWN):
        if not _prosecutor_of(history, step):
            continue
        name = referral_of(step)
        if Happening.REFERRAL_ACCEPTED in step.what:
            begun.setdefault(name, step.known_at)
        elif name in begun:
            yield begun.pop(name), step.known_at
    for at in begun.values():
        yield at, LAST


@detector(
    Setting("most", 2, "how often a case may be reopened and ended again with nothing done that leads further",
            least=1, most=100),
    Setting("steps", LEADING_NOWHERE, "steps that lead no further", codes=Kind),
    needs=REOPENED,
)  # fmt: skip
def ended_again(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A case that is reopened and ended again and again, and nothing in between leads any further.

    Rule: the case was reopened, and then closed or screened out again, more often than the setting allows, and since the
    first of these reopenings nobody has seen the child in person or taken an investigative step other than a request for
    records, a meeting of the team, correspondence, or one of no named kind. An end that was imported does not count.

    Evidence: the ends.

    Settled by: an investigative step that leads further, or the child being seen.

    May be wrong: where what was entered wrong at the end is put right more than once.

    Found in: practice: a reopening settles what was found of the end, so that those outside the unit, whose turn comes after
    a week or two, are never told of it.
    """
    chain: list[Step] = []
    is_reopened = False
    for place, step in history.which(*BEGINNING, Happening.CLOSED, Happening.SCREENED_OUT):
        standard = settings(step.at)
        if _leads_further(step, standard.codes("steps")):
            chain, is_reopened = [], False
        elif step.is_any(*REOPENED):
            is_reopened = True
        elif is_reopened and step.is_any(Happening.CLOSED, Happening.SCREENED_OUT) and step.action.imported is None:
            chain.append(step)
            is_reopened = False
            if len(chain) == standard.number("most") + 1:
                settled = history.until(place, partial(_leads_further, hollow=standard.codes("steps")))
                says = f"reopened and ended again {len(chain)} times, and nothing in between led any further"
                yield of_case(history, standard, step.known_at, chain, says, settled, now)


@detector(
    Setting(
        "most", 4, "on how many days in a row records may be asked for, and nothing else be done", least=1, most=1000
    ),
    Setting("limit", days(30), "for how long they may, from the first day on"),
    needs=[Happening.INVESTIGATIVE_STEP],
)
def only_asked(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A case that is kept alive by asking for records again and again.

    Rule: records were requested on more days (UTC) in a row than the setting allows, with no other investigative step and
    no contact with the child in between, and the time since the first of them is over. Talks with a caregiver, attempts,
    reviews and suspensions in between make no difference, nor does what was done more than 24 hours before the report was
    received, nor that the case was closed or merged in error and reopened.

    Evidence: the first request of each of these days.

    Settled by: another investigative step, such as the receipt of the records, a contact with the child, or the end of the
    case.

    May be wrong: where one record leads to the next, and nobody enters that they were received.

    Found in: practice: a request now and then keeps every time limit.
    """
    chain: list[Step] = []
    for place, step in history.which(Happening.INVESTIGATIVE_STEP, Happening.VICTIM_CONTACT, *REOPENED):
        if step.is_beforehand:  # neither a request for this report, nor an answer to one
            continue
        if step.is_any(*REOPENED) and not begins_anew(step):  # it goes on as it was
            continue
        if not _asks(step):
            chain = []
        elif not chain or chain[-1].known_at.date() != step.known_at.date():
            chain.append(step)
            standard = settings(chain[0].at)
            if len(chain) == standard.number("most") + 1:
                since = max(standard.due("limit", min(one.at for one in chain), history.conditions), step.known_at)
                settled = history.until(place, _goes_beyond)
                says = f"records were asked for on {len(chain)} days, and nothing else was done"
                yield of_case(history, standard, since, chain, says, settled, now)


def _asks(step: Step) -> bool:
    body = step.action.body
    return isinstance(body, InvestigativeStepTaken) and body.step is Kind.RECORDS_REQUESTED


def _goes_beyond(step: Step) -> bool:
    """Whether it is more than another request, or nothing is owed after it."""
    works = step.is_act and step.is_any(Happening.INVESTIGATIVE_STEP, Happening.VICTIM_CONTACT)
    return not step.is_open or (works and not _asks(step))
