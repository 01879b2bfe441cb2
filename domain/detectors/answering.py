"""Alarms, findings and concerns that are answered with words: the same again and again, or with what was not done."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Final

from casetrail.domain.answering import FindingAnswered
from casetrail.domain.codes import ConcernAnswer, ConcernKind, ConcernOutcome
from casetrail.domain.concern import ConcernAnswered, ConcernClosed, ConcernRaised
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case, of_person
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.settings import Setting, Settings, days
from casetrail.domain.detectors.survey import Survey, end_of_month, evidence_of_tallies
from casetrail.domain.escalation import EscalationAnswered
from casetrail.domain.happenings import Happening
from casetrail.domain.status import Status

ANSWERS: Final = frozenset({EscalationAnswered, FindingAnswered, ConcernAnswered})
CONCERNS: Final = ("concerns",)
"""Answers to concerns are counted together, by whomever and in whatever words they are given."""


def _is_work(step: Step) -> bool:
    return step.is_act or step.is_any(Happening.RESUMED, Happening.REOPENED, Happening.REOPENED_UNSCREENED)


def _is_contact(step: Step) -> bool:
    return step.is_any(Happening.VICTIM_CONTACT, Happening.FAMILY_CONTACT)


def _is_held(step: Step) -> bool:
    return step.is_open and step.holder is not None


NAMED: Final = {
    ConcernAnswer.WORK_RESUMED: _is_work,
    ConcernAnswer.CONTACT_MADE: _is_contact,
    ConcernAnswer.INVESTIGATOR_ASSIGNED: _is_held,
}
"""Answers to concerns that name something that the log must have, and how it is known."""


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
    none with the child or the family since then (where the concern is that there was none with the child: none at all); or
    that an investigator was assigned, and nobody holds the case. Nor was it recorded within the limit after the answer. In
    a case that was merged it is not judged: what is done for the child is recorded in the other.

    Evidence: the answer, and the concern.

    Settled by: what the answer names, or its being merged into another case, or the concern being closed by those who
    raised it, or by oversight, other than to take it further.

    May be wrong: where what was done is not entered. What nobody can find later cannot be told from what was never done.

    Found in: Kansas City, where the tracks were covered by deception.
    """
    for place, step in history.which(Happening.CONCERN_ANSWERED):
        body = step.body
        if not isinstance(body, ConcernAnswered) or body.answer not in NAMED or step.status is Status.MERGED:
            continue
        standard, concern = settings(step.at), _raised(history, place, body.concern)
        is_named = partial(_is_named, body.answer, concern, standard)
        earlier = [step] if body.answer is ConcernAnswer.INVESTIGATOR_ASSIGNED else history.steps[:place]
        if any(map(is_named, earlier)):
            continue
        since = standard.due("limit", step.at, history.conditions)
        settled = history.until(place, lambda later: is_named(later) or _is_over(body.concern, later))  # noqa: B023
        says = f"a concern was answered with {body.answer.replace('_', ' ')}, and the log does not have it"
        yield of_case(history, standard, since, [step, concern], says, settled, now)


def _raised(history: History, place: int, concern: str) -> Step:
    """The concern of this id that stands before a place."""
    raised = history.which(Happening.CONCERN_RAISED)
    return [step for at, step in raised if at < place and _concern(step) == concern][-1]


def _concern(step: Step) -> str:
    return str(vars(step.body)["concern"])


def _is_named(answer: ConcernAnswer, concern: Step, standard: Settings, step: Step) -> bool:
    """Whether a step is what an answer to a concern names, and was not long before the concern."""
    if not NAMED[answer](step):
        return False
    was_none = isinstance(concern.body, ConcernRaised) and concern.body.about is ConcernKind.NO_CONTACT_WITH_CHILD
    of_any_time = was_none and answer is ConcernAnswer.CONTACT_MADE
    return of_any_time or concern.at - step.at <= standard.span("limit")


def _is_over(concern: str, step: Step) -> bool:
    return step.status is Status.MERGED or (_is_content(step) and _concern(step) == concern)


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
