"""Alarms and findings that are answered with the same words again and again."""

from collections.abc import Iterator
from datetime import datetime

from casetrail.domain.answering import FindingAnswered
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case, of_person
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.settings import Setting
from casetrail.domain.detectors.survey import Survey, end_of_month, evidence_of_tallies
from casetrail.domain.escalation import EscalationAnswered

ANSWERS = (EscalationAnswered, FindingAnswered)


@detector(
    Setting("most", 2, "on how many days one person may answer with the same code while nothing is done", least=1, most=100),
)  # fmt: skip
def answered_again(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A case in which somebody gives the same answer again and again, and nothing is done.

    Rule: one person answered missed deadlines or findings of the case with the same code on more days (UTC) than the
    setting allows, and there was no investigative act in between. Several answers on one day count as one: whoever comes
    to a case answers all that is open in it.

    Evidence: the first answer of each of these days.

    Settled by: an investigative act, or the end of the case.

    May be wrong: where a laboratory or a court takes its time, and somebody says so each time.

    Found in: Arizona, where the same tables were answered with the same words for years.
    """
    said: dict[tuple[str, str], list[Step]] = {}
    for place, step in enumerate(history.steps):
        body = step.action.body
        if not isinstance(body, ANSWERS):
            if said and _goes_on(step):
                said = {}
            continue
        some = said.setdefault((step.action.actor.id, body.answer.value), [])
        if some and some[-1].known_at.date() == step.known_at.date():
            continue
        some.append(step)
        standard = settings(some[0].known_at)
        if len(some) == standard.number("most") + 1:
            says = f"answered with {body.answer.value} on {len(some)} days, and nothing was done"
            yield of_case(history, standard, step.known_at, some, says, history.until(place, _goes_on), now)


def _goes_on(step: Step) -> bool:
    return step.is_act or not step.is_open


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
