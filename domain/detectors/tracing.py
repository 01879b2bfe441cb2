"""Makes what is remembered of a case for comparing it with others, from its history."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Final

from casetrail.domain.clocks import partners
from casetrail.domain.codes import Role, TokenKind
from casetrail.domain.detectors.detector import SettingsAt
from casetrail.domain.detectors.finding import evidence_at
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.interviewing import graves, offers
from casetrail.domain.detectors.suspecting import UNSUSPECTED, closures, suspected
from casetrail.domain.detectors.traces import Danger, End, Identified, Idle, Link, Look, Recognised, Seen, Trace
from casetrail.domain.happenings import Happening
from casetrail.domain.intake import ReportReceived, ScreenedOut
from casetrail.domain.investigation import NoteAdded
from casetrail.domain.linking import FactCorrected, Linked, Merged
from casetrail.domain.parties import LEADERS
from casetrail.domain.policy import Condition
from casetrail.domain.status import Status

ENDED = frozenset({Status.CLOSED, Status.SCREENED_OUT, Status.MERGED})
BEGINS = frozenset({Happening.REPORT_RECEIVED, Happening.REOPENED, Happening.REOPENED_UNSCREENED})
OVERLOOK: Final = LEADERS | {Role.AUDITOR}
"""Whose notes in a case that has ended show that somebody has looked through it: reviews are of open cases only."""


def trace_of(history: History, settings: SettingsAt, passing: SettingsAt) -> Trace | None:
    """The trace of a case; None where no report of it was received.

    ``settings``: of ``reported_again``, which say when a case is quiet; ``passing``: of ``led_nowhere``, which say what is
    screened out as known already.
    """
    report = next((step for _, step in history.which(Happening.REPORT_RECEIVED)), None)
    if report is None or not isinstance(report.body, ReportReceived):
        return None
    facts = history.case.facts
    reported = tuple(dict.fromkeys(_recognised(report)))
    identified = _identified(history, reported)
    tokens = (*reported, *[one.token for one in identified])
    ends = tuple(_ends(history, passing))
    is_merged, closed = any(end.into is not None or end.as_known for end in ends), tuple(closures(history))
    return Trace(
        history.case.id,
        facts.agency,
        facts.unit,
        history.holder,
        partners(facts),
        tokens,
        identified,
        evidence_at(history, report),
        report.at,
        report.known_at,
        tuple(_idle(history, settings)) if tokens else (),
        tuple(_links(history)),
        ends,
        tuple(_dangers(history, report)),
        tuple(
            [
                Seen(step.at, step.known_at, evidence_at(history, step))
                for _, step in history.which(Happening.VICTIM_SEEN)
            ]
        ),
        _looks(history, ends),
        graves(history),
        offers(history, is_merged=is_merged, of_child=any(kind is TokenKind.CHILD for kind, _ in tokens)),
        closed,
        suspected(history) if closed or is_merged else UNSUSPECTED,
    )


def _recognised(step: Step) -> Iterator[Recognised]:
    """The tokens that a report or a correction has."""
    body = step.body
    for token in (body.tokens or ()) if isinstance(body, ReportReceived | FactCorrected) else ():
        yield token.kind, token.value


def _identified(history: History, reported: Collection[Recognised]) -> tuple[Identified, ...]:
    """What corrections say beyond the report, each at the first time."""
    if "FactCorrected" not in history.case.kinds:  # in most cases: their steps need not be looked through
        return ()
    found: dict[Recognised, Identified] = {}
    for step in history.steps:
        if isinstance(step.body, FactCorrected):
            for token in _recognised(step):
                if token not in reported:
                    found.setdefault(token, Identified(token, step.known_at, evidence_at(history, step)))
    return tuple(found.values())


def _idle(history: History, settings: SettingsAt) -> Iterator[Idle]:
    last: Step | None = None  # the last act, while the case is open; its end, when it has ended
    ended_at: datetime | None = None  # when it ended first, of the ends since which nobody has worked it
    before: datetime | None = None
    for step in history.steps:
        ends = last is not None and last.is_open and not step.is_open
        if not (step.is_act or ends or not BEGINS.isdisjoint(step.what)):
            continue
        if last is not None:
            yield from _between(history, settings, last, step, before)
        last, before = step, None
        if step.is_act or step.status is Status.MERGED:
            ended_at = None
        elif ends:
            before, ended_at = ended_at, ended_at or step.known_at
    if last is not None:
        yield from _between(history, settings, last, None, before)


def _between(
    history: History, settings: SettingsAt, last: Step, following: Step | None, before: datetime | None
) -> Iterator[Idle]:
    if last.status is Status.MERGED:
        return
    since = last.known_at
    if last.is_open:
        since = max(since, settings(last.at).due("quiet", last.at))
    until = None if following is None else following.known_at
    if until is None or since < until:
        event = None if following is None else evidence_at(history, following)
        yield Idle(since, until, not last.is_open, evidence_at(history, last), event, before)


def _ends(history: History, passing: SettingsAt) -> Iterator[End]:
    ended: Step | None = None
    worked_at: datetime | None = None
    for step in history.steps:
        if ended is not None and step.status is not ended.status:
            yield _end(history, passing, ended, worked_at, step)
            ended = None
        if ended is None:
            if step.status in ENDED:
                ended = step
            elif step.is_act or step.is_beforehand or Happening.REFERRAL_COMPLETED in step.what:
                worked_at = step.at if worked_at is None or worked_at < step.at else worked_at
    if ended is not None:
        yield _end(history, passing, ended, worked_at, None)


def _end(
    history: History, passing: SettingsAt, ended: Step, worked_at: datetime | None, following: Step | None
) -> End:  # fmt: skip
    body = ended.body
    return End(
        ended.known_at,
        None if following is None else following.known_at,
        body.into if isinstance(body, Merged) else None,
        isinstance(body, ScreenedOut) and body.reason in passing(ended.known_at).codes("known"),
        worked_at,
        ended.action.actor.id,
        evidence_at(history, ended),
        following and evidence_at(history, following),
    )


def _looks(history: History, ends: Sequence[End]) -> tuple[Look, ...]:
    """Who has looked through a case that has ended.

    Whoever asks wants to know whether that was somebody else than one person, after one moment and before an end: so of the
    reviews before each end the latest of each of the two latest persons are enough.
    """
    reviews = [step for _, step in history.which(Happening.REVIEWED)]
    has_notes = "NoteAdded" in history.case.kinds
    if not ends or not (reviews or has_notes):
        return ()
    found: dict[int, Step] = {}
    for end in ends if reviews else ():
        latest = {step.action.actor.id: step for step in reviews if step.known_at <= end.since}
        found |= {step.number: step for step in sorted(latest.values(), key=lambda one: one.number)[-2:]}
    if has_notes:
        for step in history.steps:
            if isinstance(step.body, NoteAdded) and step.status in ENDED and step.action.actor.role in OVERLOOK:
                found[step.number] = step
    steps = [found[number] for number in sorted(found)]
    return tuple([Look(step.action.actor.id, step.known_at, evidence_at(history, step)) for step in steps])


def _dangers(history: History, report: Step) -> Iterator[Danger]:
    if "FactCorrected" not in history.case.kinds and Condition.IMMEDIATE_DANGER not in history.conditions:
        return  # of most cases
    alleged: Step | None = None
    for step in history.steps:
        body = step.body
        if not isinstance(body, ReportReceived | FactCorrected) or body.immediate_danger is None:
            continue
        if body.immediate_danger:
            alleged = alleged or step
        elif alleged is not None:
            event, until_event = evidence_at(history, alleged), evidence_at(history, step)
            by_reporter = alleged is report and step.action.actor.agency == report.action.actor.agency
            yield Danger(report.at, alleged.known_at, event, step.known_at, until_event, by_reporter)
            alleged = None
    if alleged is not None:
        yield Danger(report.at, alleged.known_at, evidence_at(history, alleged), None, None)


def _links(history: History) -> Iterator[Link]:
    kinds = history.case.kinds
    if "Linked" not in kinds and "Merged" not in kinds:  # of most cases: their steps need not be looked through
        return
    for step in history.steps:
        body = step.body
        if isinstance(body, Linked | Merged):
            yield Link(body.other if isinstance(body, Linked) else body.into, step.known_at, evidence_at(history, step))
