"""Alarms, findings and concerns that are answered with words: the same again and again, or with what was not done."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from operator import attrgetter, itemgetter
from typing import Final

from casetrail.domain.answering import FindingAnswered
from casetrail.domain.codes import ConcernAnswer, ConcernKind, ConcernOutcome
from casetrail.domain.concern import ConcernAnswered, ConcernClosed, ConcernRaised
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case, of_person
from casetrail.domain.detectors.history import WORK, History, Step
from casetrail.domain.detectors.settings import Setting, days
from casetrail.domain.detectors.survey import Survey, end_of_month, evidence_of_tallies
from casetrail.domain.escalation import EscalationAnswered
from casetrail.domain.happenings import Happening
from casetrail.domain.linking import Merged
from casetrail.domain.status import Status

ANSWERS: Final = frozenset({EscalationAnswered, FindingAnswered, ConcernAnswered})
CONCERNS: Final = ("concerns",)
"""Answers to concerns are counted together, by whomever and in whatever words they are given."""
ASSIGNED: Final = ConcernAnswer.INVESTIGATOR_ASSIGNED
MERGER: Final = ""  # no concern has this id
_number: Final = attrgetter("number")


def _is_held(step: Step) -> bool:
    return step.is_open and step.holder is not None


NAMED: Final = {
    ConcernAnswer.WORK_RESUMED: (*WORK, Happening.RESUMED, Happening.REOPENED, Happening.REOPENED_UNSCREENED),
    ConcernAnswer.CONTACT_MADE: (Happening.VICTIM_CONTACT, Happening.FAMILY_CONTACT),
    ConcernAnswer.INVESTIGATOR_ASSIGNED: (),
}
"""Answers to concerns that name something that the log must have, and by what it is known; a holder by each step."""


@detector(
    Setting("most", 2, "on how many days the same may be answered while nothing is done", least=1, most=100),
)
def answered_again(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A case in which the same is answered again and again, and nothing is done.

    Rule: one person answered missed deadlines or findings of the case with the same code on more days (UTC) than the
    setting allows, and there was no investigative act in between. Or concerns were answered on more days than that, by
    whomever and in whatever words, also in a case that has ended, and in between there was no act, the case was not
    reopened, and nobody who had raised a concern, or oversight, closed it other than to take it further. Several answers on
    one day count as one: whoever comes to a case answers all that is open in it. In a case that was merged, concerns are
    not counted: what is done for the child is recorded in the other.

    Evidence: the first answer of each of these days.

    Settled by: an investigative act, the end of the case, or its reopening. Where concerns were answered, also one that is
    closed by those who raised it, or by oversight, other than to take it further.

    May be wrong: where a laboratory or a court takes its time, and somebody says so each time; or where somebody asks again
    and again about a case that was worked and closed. Then oversight can close the concern.

    Found in: Arizona, where the same tables were answered with the same words for years.
    """
    said: dict[tuple[str, ...], list[Step]] = {}
    for place, step in enumerate(history.steps):
        body = step.action.body
        if type(body) not in ANSWERS:
            if said:
                said = {key: some for key, some in said.items() if not _goes_on(some[-1], step)}
            continue
        assert isinstance(body, EscalationAnswered | FindingAnswered | ConcernAnswered)
        of_concern = isinstance(body, ConcernAnswered)
        if step.status is Status.MERGED or not (step.is_open or of_concern):
            continue
        key = CONCERNS if of_concern else (step.action.actor.id, body.answer.value)
        some = said.setdefault(key, [])
        if some and some[-1].known_at.date() == step.known_at.date():
            continue
        some.append(step)
        standard = settings(some[0].known_at)
        if len(some) == standard.number("most") + 1:
            words = "concerns were answered" if of_concern else f"answered with {body.answer.value}"
            says = f"{words} on {len(some)} days, and nothing was done"
            settled = history.until(place, partial(_goes_on, step))
            yield of_case(history, standard, step.known_at, some, says, settled, now)


def _goes_on(answer: Step, later: Step) -> bool:
    """Whether a step after an answer is something that is done, or an end of what was answered for."""
    if later.is_act or later.is_open is not answer.is_open:
        return True
    return isinstance(answer.body, ConcernAnswered) and _is_content(later)


def _is_content(step: Step) -> bool:
    """Whether those who raised a concern, or oversight, closed it other than to take it further."""
    return isinstance(step.body, ConcernClosed) and step.body.outcome is not ConcernOutcome.TAKEN_FURTHER


@detector(
    Setting(
        "limit", days(7), "how long before the concern, and after the answer, what the answer names may have been done"
    ),
    needs=[Happening.CONCERN_ANSWERED],
)
def answered_without_work(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A concern that was answered with work that the log does not have.

    Rule: the unit answered a concern by saying that work was resumed, and the log has no investigative act since the limit
    before the concern, and the case was not reopened or resumed since then; or that a contact was made, and the log has
    none with the child or the family since then (where the concern is that there was none with the child: none at all, but
    for what was more than 24 hours before the report); or that an investigator was assigned, and nobody holds the case.
    Nor was it recorded within the limit after the answer. In a case that was merged it is not judged: what is done for the
    child is recorded in the other.

    Evidence: the answer, and the concern.

    Settled by: what the answer names, or its being merged into another case, or the concern being closed by those who
    raised it, or by oversight, other than to take it further.

    May be wrong: where what was done is not entered. What nobody can find later cannot be told from what was never done.

    Found in: Kansas City, where the tracks were covered by deception.
    """
    concerns: dict[str, Step] = {}
    done: dict[ConcernAnswer, _Done] = {}
    ends = _ends(history)
    for place, step in history.which(Happening.CONCERN_RAISED, Happening.CONCERN_ANSWERED):
        body = step.body
        if isinstance(body, ConcernRaised):
            concerns[body.concern] = step
        if not isinstance(body, ConcernAnswered) or body.answer not in NAMED or step.status is Status.MERGED:
            continue
        standard, concern = settings(step.at), concerns[body.concern]
        if body.answer not in done:
            done[body.answer] = _Done(history, body.answer)
        limit = None if _is_of_any_time(body.answer, concern) else standard.span("limit")
        if _is_held(step) if body.answer is ASSIGNED else done[body.answer].was_before(place, concern, limit):
            continue
        since = standard.due("limit", step.at, history.conditions)
        some = [done[body.answer].after(place, concern, limit), _next(ends[MERGER], place)]
        settled = min(
            (one for one in (*some, _next(ends.get(body.concern, ()), place)) if one), key=_number, default=None
        )
        says = f"a concern was answered with {body.answer.replace('_', ' ')}, and the log does not have it"
        yield of_case(history, standard, since, [step, concern], says, settled, now)


class _Done:
    """All in a case that an answer names, in the order in which the log showed it."""

    def __init__(self, history: History, answer: ConcernAnswer) -> None:
        self._places: list[int] = []
        self._found: list[tuple[datetime, Step]] = []
        self._latest: list[datetime] = []
        for place, step in enumerate(history.steps):
            if answer is ASSIGNED:
                if _is_held(step):
                    self._take(place, step.at, step)
                continue
            for one in (step, *history.let_count.get(step.number, ())):
                if one.is_any(*NAMED[answer]) and (one is not step or not step.is_beforehand):
                    self._take(place, one.at, step)

    def _take(self, place: int, at: datetime, step: Step) -> None:
        self._places.append(place)
        self._found.append((at, step))
        self._latest.append(max(at, self._latest[-1]) if self._latest else at)

    def was_before(self, place: int, concern: Step, limit: timedelta | None) -> bool:
        """Whether anything is known before a place that was not done longer than the limit before a concern."""
        count = bisect_left(self._places, place)
        return count > 0 and (limit is None or concern.at - self._latest[count - 1] <= limit)

    def after(self, place: int, concern: Step, limit: timedelta | None) -> Step | None:
        """The first step after a place since which such a thing is known."""
        for at, step in islice(self._found, bisect_right(self._places, place), None):
            if limit is None or concern.at - at <= limit:
                return step
        return None


def _is_of_any_time(answer: ConcernAnswer, concern: Step) -> bool:
    """Whether what an answer names may have been done long before the concern."""
    was_none = isinstance(concern.body, ConcernRaised) and concern.body.about is ConcernKind.NO_CONTACT_WITH_CHILD
    return was_none and answer is ConcernAnswer.CONTACT_MADE


def _ends(history: History) -> dict[str, list[tuple[int, Step]]]:
    """By concern, how those who raised it, or oversight, closed it content; and since when the case was merged."""
    found: dict[str, list[tuple[int, Step]]] = {MERGER: []}
    for place, step in history.which(Happening.CONCERN_CLOSED):
        if isinstance(step.body, ConcernClosed) and _is_content(step):
            found.setdefault(step.body.concern, []).append((place, step))
    if Merged.__name__ in history.case.kinds:
        found[MERGER] = [one for one in enumerate(history.steps) if one[1].status is Status.MERGED]
    return found


def _next(some: Sequence[tuple[int, Step]], place: int) -> Step | None:
    """The first of some steps after a place."""
    number = bisect_right(some, place, key=itemgetter(0))
    return some[number][1] if number < len(some) else None


@detector(
    Setting("most", 10, "how many alarms and findings one person may answer with the same code in a month"),
)
def same_answer(survey: Survey, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A person who answers many alarms with the same words.

    Rule: in one month, somebody answered more missed deadlines and findings of a unit's cases with the same code than the
    setting allows. It is judged when the month is over.

    Evidence: the first twenty of these answers.

    Settled by: nothing: the month has passed. Somebody above has to ask what became of what was said.

    May be wrong: where one person answers for a whole unit, after an absence or a move.

    Found in: Houston, where one code was the answer to thousands of reports.
    """
    for month in survey.judged(survey.answers):
        since = end_of_month(month)
        if since >= now:
            continue
        standard = settings(since)
        for person, codes in survey.answers[month].items():
            code, tally = max(codes.items(), key=lambda one: (one[1].count, one[0]))
            if tally.count > standard.number("most"):
                says = f"answered {tally.count} alarms and findings with {code} in {month}"
                evidence = evidence_of_tallies([tally])
                yield of_person(person.id, person.unit, standard, since, evidence, says, now, month=month)
