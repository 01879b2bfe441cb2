"""What is judged of one case, as rows: its clocks, its findings, and what it adds to the counts over many cases.

It is judged at the end of time: a row holds what never changes while no event comes, and whoever asks leaves out what lies
after the moment that is asked about.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

from casetrail.domain.actions import Unaccepted
from casetrail.domain.answering import FindingAnswered, FindingTold
from casetrail.domain.business_time import LAST
from casetrail.domain.case import Case
from casetrail.domain.clock_runs import Runs
from casetrail.domain.clocks import Clock, ClockState, judged, told_by_now
from casetrail.domain.codes import MachineKind, TokenKind
from casetrail.domain.detectors.counting import Counted, counted
from casetrail.domain.detectors.finding import Evidence, Finding
from casetrail.domain.detectors.history import History
from casetrail.domain.detectors.judging import Judge
from casetrail.domain.detectors.lasting import Lasting
from casetrail.domain.detectors.machines import Beating, beatings
from casetrail.domain.detectors.suspecting import Suspected
from casetrail.domain.detectors.traces import Danger, End, Identified, Idle, Link, Look, Seen, Trace
from casetrail.domain.escalation import level_beside
from casetrail.domain.policy import Step
from casetrail.domain.reserved import MACHINES
from casetrail.domain.status import Status
from casetrail.domain.values import EPOCH, is_id
from casetrail.eventlog.codec import decode_event
from casetrail.eventlog.hashing import leaf_hash
from casetrail.projections.held import held_text
from casetrail.projections.registry import Hashed, Registry
from casetrail.projections.rows import MICROSECOND, Row, micros

END: Final = LAST - MICROSECOND
"""The last moment: a limit that leads beyond the end of the calendar is never over."""
MET: Final = frozenset({ClockState.MET, ClockState.MET_LATE})
DAY: Final = timedelta(days=1) // MICROSECOND


class CaseRows(NamedTuple):
    """The rows of one case."""

    clocks: list[Row]
    findings: list[Row]
    counted: list[Row]
    tokens: list[Row]
    traces: list[Row]
    mergers: list[Row]
    answered: list[Row]
    told: list[Row]
    owing: list[Row]
    case: Case
    """The case itself, folded."""

    @property
    def by_table(self) -> tuple[list[Row], ...]:
        """The rows of each table, in the order of ``JUDGEMENT_BULK``."""
        return (
            self.clocks,
            self.findings,
            self.counted,
            self.tokens,
            self.traces,
            self.mergers,
            self.answered,
            self.told,
            self.owing,
        )


class CaseJudge:
    """Judges one case after the other by what the registry says."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.judge = Judge(registry.policies)

    def rows(self, case_id: str, events: Sequence[Hashed]) -> CaseRows:
        """Everything that is judged of a case, from all of its events in their order."""
        policies, left, posts = self._registry.policies, self._registry.departures, self._registry.posts
        history, runs = History.with_clocks(case_id, events, policies, END, left, posts)
        agency = history.case.facts.agency
        trace = self.judge.trace(history)
        clocks = judged(runs, END)
        # were there ever two findings with one id, the last one counts: one odd case must not keep all views from being rebuilt
        findings = {one.id: one for one in self.judge.case(history, END, runs=runs)}
        return CaseRows(
            [clock_row(runs, clock, number) for number, clock in enumerate(clocks, 1)],
            [finding_row(one, agency) for one in findings.values()],
            [counted_row(case_id, agency, one) for one in counted(history, self.judge.late(agency))],
            [] if trace is None else [(token_of(*token), micros(trace.known_at), case_id) for token in trace.tokens],
            [] if trace is None else [trace_row(trace)],
            [] if trace is None else merger_rows(trace),
            answered_rows(history),
            told_rows(history),
            owing_rows(history.case, clocks),
            history.case,
        )


def clock_row(runs: Runs, clock: Clock, number: int) -> Row:
    """The row of a run of a clock, the ``number``-th of its case."""
    facts = runs.case.facts
    case_id, rule, _, subject, state, owed_by, started_at, started_by, due_at, ended_at, ended_by = clock
    ended = paused_from = paused_until = steps = None
    if ended_at is not None:
        ended = (ended_at - EPOCH) // MICROSECOND
    else:
        steps = steps_text(tuple(told_by_now(runs, clock)))
        if pauses := rule.pauses(started_at, runs.suspended):
            paused_from, paused_until = map(micros, pauses[-1])
    return (
        case_id, number, rule.name, subject, facts.agency, facts.unit, owed_by, (started_at - EPOCH) // MICROSECOND,
        started_by, (due_at - EPOCH) // MICROSECOND, ended, ended_by, int(state in MET), paused_from, paused_until, steps,
    )  # fmt: skip


def due_first(clocks: Iterable[Clock]) -> Clock | None:
    """The run of a clock that is due first, of those that have not ended."""
    owed = (clock for clock in clocks if clock.is_owed)
    return min(owed, key=lambda clock: (clock.due_at, clock.name), default=None)


def owing_rows(case: Case, clocks: Iterable[Clock]) -> list[Row]:
    """The row of a case that is open or owes something; with what is due first in it."""
    due = due_first(clocks)
    if due is None and not case.is_open:
        return []
    facts, is_suspended = case.facts, case.status is Status.SUSPENDED
    held = held_text(facts.holder, facts.unit, facts.agency, is_suspended) if case.is_open else None
    return [
        (
            case.id, case.status.value, held, due and due.name, due and due.owed_by, micros(due and due.due_at),
        )
    ]  # fmt: skip


@cache
def steps_text(steps: Sequence[Step]) -> str:
    """Who is told of a missed clock, and how many microseconds after it was due."""
    return json.dumps([[step.level.value, step.after.length(None) // MICROSECOND] for step in steps])


def finding_row(one: Finding, agency: str) -> Row:
    """The row of a finding."""
    return (
        one.id, one.detector, one.about.value, one.subject, one.month or "", agency, one.unit, one.holder,
        micros(one.since), micros(one.settled_at), None if one.settled_by is None else str(one.settled_by), one.says,
        json.dumps([str(event) for event in one.evidence]),
        json.dumps([[level.value, micros(at)] for level, at in one.told_at()]),
        partners_text(one.partners),
    )  # fmt: skip


@lru_cache(4096)
def partners_text(partners: tuple[str, ...]) -> str:
    """The other agencies of a case: mostly the same ones."""
    return json.dumps(partners)


def answered_rows(history: History) -> list[Row]:
    """What was answered to findings in the history of a case, or of the registry."""
    return [
        (
            history.case.id, step.number, step.body.finding, step.body.answer.value,
            level_beside(step.holder, step.action.actor).value, micros(step.known_at),
        )
        for step in history.steps
        if isinstance(step.body, FindingAnswered)
    ]  # fmt: skip


def told_rows(history: History) -> list[Row]:
    """Which levels were told of findings, by the history of a case or of the registry."""
    return [
        (history.case.id, step.number, step.body.finding, step.body.level.value, micros(step.known_at))
        for step in history.steps
        if isinstance(step.body, FindingTold)
    ]


def counted_row(case_id: str, agency: str, one: Counted) -> Row:
    """The row of one thing that is counted."""
    (what, (unit, person), _, key, marked), step = one
    known_at = (step.known_at - EPOCH) // MICROSECOND
    return (
        case_id, step.number, what.value, agency, unit, person, known_at // DAY, known_at, key, int(marked),
    )  # fmt: skip


def latest_moment(events: Iterable[Hashed]) -> datetime | None:
    """The latest moment that events speak of; what was refused may speak of any, and is no fact."""
    latest: datetime | None = None
    for event, _ in events:
        action = event.action
        if (action is None or action.imported is None) and (latest is None or event.timestamp > latest):
            latest = event.timestamp
        if isinstance(event.body, Unaccepted):
            continue
        if action is not None and (latest is None or action.occurred_at > latest):
            latest = action.occurred_at
    return latest


def hashed(value: bytes) -> Hashed:
    """A stored event, and its leaf hash."""
    return decode_event(value).recorded(), leaf_hash(value)


def is_judged(case_id: str) -> bool:
    """Whether what stands under a key is judged as a case: stray submissions and the heartbeats of machines are not."""
    return is_id(case_id) and not case_id.startswith(MACHINES)


# --- machines ---


def beatings_in(case_id: str, events: Iterable[Hashed]) -> list[Beating]:
    """The heartbeats among some events under one key, joined; none under the key of a case."""
    if not case_id.startswith(MACHINES):
        return []
    history = History(case_id)
    for event, leaf in events:
        history.follow(event, leaf)
    return beatings(history)


def beating_row(one: Beating) -> Row:
    """The row of a beating."""
    since, until = micros(one.since), micros(one.until)
    return one.kind.value, one.agency, since, until, json.dumps(_plain(one.first)), json.dumps(_plain(one.last))


def load_beating(row: Row) -> Beating:
    """The beating of a row."""
    kind, agency, since, until, first, last = row
    return Beating(
        MachineKind(kind),
        agency,
        _moment(since),
        _moment(until),
        _evidence(json.loads(first)),
        _evidence(json.loads(last)),
    )


# --- traces ---


def token_of(kind: TokenKind, value: bytes) -> bytes:
    """A blinded token with its kind."""
    return f"{kind}:".encode() + value


def trace_row(trace: Trace) -> Row:
    """The row of a trace."""
    report, tokens = _plain(trace.report), [(kind, value.hex()) for kind, value in trace.tokens]
    identified = [(trace.tokens.index(one.token), micros(one.known_at), _plain(one.event)) for one in trace.identified]
    idle = [
        (
            micros(one.since),
            micros(one.until),
            one.has_ended,
            _plain(one.after),
            _plain(one.until_event),
            micros(one.before),
        )
        for one in trace.idle
    ]
    links = [(one.other, micros(one.known_at), _plain(one.event)) for one in trace.links]
    ends = [
        (
            micros(one.since),
            micros(one.until),
            one.into,
            one.as_known,
            micros(one.worked_at),
            one.by,
            _plain(one.event),
            _plain(one.until_event),
        )
        for one in trace.ends
    ]
    dangers = [
        (
            micros(one.received_at),
            micros(one.known_at),
            _plain(one.event),
            micros(one.until),
            _plain(one.until_event),
            one.by_reporter,
        )
        for one in trace.dangers
    ]
    seen = [(micros(one.at), micros(one.known_at), _plain(one.event)) for one in trace.seen]
    looks = [(one.by, micros(one.known_at), _plain(one.event)) for one in trace.looks]
    graves, offers, closures = [
        [(micros(one.known_at), _plain(one.event), micros(one.until), _plain(one.until_event)) for one in some]
        for some in (trace.graves, trace.offers, trace.closures)
    ]
    plain = (
        *trace[:4], trace.partners, tokens, identified, report, micros(trace.received_at), micros(trace.known_at), idle,
        links, ends, dangers, seen, looks, graves, offers, closures, [micros(at) for at in trace.suspected],
    )  # fmt: skip
    return trace.case_id, micros(trace.known_at), json.dumps(plain)


def load_trace(text: str) -> Trace:
    """The trace that ``trace_row`` made a text of."""
    (
        case_id, agency, unit, holder, partners, plain_tokens, identified, report, received_at, known_at, idle, links, ends,
        dangers, seen, looks, graves, offers, closures, suspected,
    ) = json.loads(text)  # fmt: skip
    tokens = tuple((TokenKind(kind), bytes.fromhex(value)) for kind, value in plain_tokens)
    return Trace(
        case_id,
        agency,
        unit,
        holder,
        tuple(partners),
        tokens,
        tuple(Identified(tokens[place], _moment(at), _evidence(event)) for place, at, event in identified),
        _evidence(report),
        _moment(received_at),
        _moment(known_at),
        tuple(
            Idle(_moment(since), _maybe_moment(until), ended, _evidence(after), _maybe(by), _maybe_moment(before))
            for since, until, ended, after, by, before in idle
        ),
        tuple(Link(other, _moment(at), _evidence(event)) for other, at, event in links),
        tuple(_load_end(*one) for one in ends),
        tuple(_load_danger(*one) for one in dangers),
        tuple(Seen(_moment(at), _moment(known_at), _evidence(event)) for at, known_at, event in seen),
        tuple(Look(by, _moment(at), _evidence(event)) for by, at, event in looks),
        tuple(_load_lasting(*one) for one in graves),
        tuple(_load_lasting(*one) for one in offers),
        tuple(_load_lasting(*one) for one in closures),
        Suspected(*map(_maybe_moment, suspected)),
    )


def _load_lasting(at: int, event: Iterable[Any], until: int | None, until_event: Iterable[Any] | None) -> Lasting:
    return Lasting(_moment(at), _evidence(event), _maybe_moment(until), _maybe(until_event))


def _load_end(
    since: int, until: int | None, into: str | None, as_known: bool, worked_at: int | None, by: str,
    event: Iterable[Any], until_event: Iterable[Any] | None,
) -> End:  # fmt: skip
    return End(
        _moment(since), _maybe_moment(until), into, as_known, _maybe_moment(worked_at), by, _evidence(event),
        _maybe(until_event),
    )  # fmt: skip


def _load_danger(
    at: int, known_at: int, event: Iterable[Any], until: int | None, until_event: Iterable[Any] | None,
    by_reporter: bool,
) -> Danger:  # fmt: skip
    return Danger(
        _moment(at), _moment(known_at), _evidence(event), _maybe_moment(until), _maybe(until_event), by_reporter
    )


def merger_rows(trace: Trace) -> list[Row]:
    """In which other cases a case was ever said to go on."""
    return [(trace.case_id, into) for into in sorted(trace.leads_to)]


def _plain(event: Evidence | None) -> tuple[str, int, str] | None:
    return None if event is None else (event.case_id, event.number, event.hash.hex())


def _moment(at: int) -> datetime:
    return EPOCH + at * MICROSECOND


def _maybe_moment(at: int | None) -> datetime | None:
    return None if at is None else _moment(at)


def _evidence(plain: Iterable[Any]) -> Evidence:
    case_id, number, leaf = plain
    return Evidence(case_id, number, bytes.fromhex(leaf))


def _maybe(plain: Iterable[Any] | None) -> Evidence | None:
    return None if plain is None else _evidence(plain)
