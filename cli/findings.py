"""``casetrail findings``: what the detectors see in the log, since when it could be seen, and what each finding rests on."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from casetrail.cli import exits
from casetrail.cli.clocks import Asked, asked, asking_options, from_log_option
from casetrail.cli.config import Config
from casetrail.cli.context import Failure, format_option, guarded, opened_views, pass_config
from casetrail.cli.finding_answer import answer
from casetrail.cli.judged import asks_views, moment_asked, opened_judgements
from casetrail.cli.known import Heard, InViews, check_known, no_such_case
from casetrail.cli.known import Wanted as Ids
from casetrail.cli.progress import progress_bar
from casetrail.cli.render import emit, fields
from casetrail.cli.unrepeated import typed
from casetrail.domain.codes import Level

if TYPE_CHECKING:
    from casetrail.domain.detectors.finding import Evidence, Finding
    from casetrail.domain.detectors.history import History
    from casetrail.projections.database import Database

Row = dict[str, Any]


class OnRecord:
    """What the log has of findings, by their ids: who was told, and what was answered; each with when it was recorded."""

    def __init__(self) -> None:
        self.told: dict[str, list[tuple[datetime, Level]]] = {}
        self.answers: dict[str, list[tuple[datetime, int, str, Level]]] = {}
        """With the number of the event, and at which level it was answered."""


COLUMNS: Final = ("finding", "detector", "about", "subject", "month", "since", "holder", "unit", "state", "settled_at",
                  "settled_by", "levels_told", "untold", "says", "evidence", "answered_at", "answer")  # fmt: skip
SHORT: Final = ("since", "finding", "detector", "subject", "month", "holder", "state", "levels_told", "untold", "says")
MORE: Final = 10_000
"""So many more than are listed are counted at most: to count millions takes seconds, and nobody needs to know to the last one."""
EVIDENCE: Final = ("case_id", "number", "kind", "occurred_at", "recorded_at", "hash")
PLAN: Final = ("level", "who", "at", "told_at")


@dataclass(frozen=True)
class Wanted:
    """Which findings are asked for. What is None does not restrict."""

    detectors: tuple[str, ...]
    case: str | None
    holder: str | None
    unit: str | None
    settled: bool
    from_log: bool = False

    @property
    def ids(self) -> Ids:
        """The ids among them, which are to be known."""
        return Ids(self.case, self.unit, holder=self.holder)

    def fits(self, finding: "Finding") -> bool:
        """Whether a finding is one of them."""
        return (
            (self.settled or finding.is_open)
            and self.case in (None, finding.subject)
            and self.holder in (None, finding.holder)
            and self.unit in (None, finding.unit)
        )


@click.group(invoke_without_command=True)
@click.option("--detector", "detectors", multiple=True, metavar="NAME", help="Only of this detector; repeatable.")
@click.option("--case", metavar="CASE", help="Only about this case.")
@click.option("--holder", metavar="ID", help="Only about cases that this person holds, and about the person.")
@click.option("--unit", metavar="ID", help="Only about cases and people of this unit, and about the unit.")
@click.option("--settled", is_flag=True, help="Settled ones, too.")
@click.option("--limit", type=click.IntRange(1, 2**31), default=50, show_default=True, help="At most so many.")
@from_log_option
@asking_options
@format_option
@pass_config
@guarded
def findings(config: Config, **given: Any) -> None:
    """List what the detectors find: neglect that somebody should see to, the oldest first. Exit code 8 where any is open.

    'levels told' are those that were told of it, by the log; 'untold' those that are to have been told by now, and were not.

    It follows from the events, the policy and the time. docs/detectors has a page for each detector.
    """
    context = click.get_current_context()
    if context.invoked_subcommand is not None:
        return
    wanted = Wanted(
        _known(given["detectors"]), given["case"], given["holder"], given["unit"], given["settled"], given["from_log"]
    )
    if asks_views(given):
        rows, more, is_clean = _from_views(config, wanted, given["moment_text"], given["limit"])
    else:
        question = asked(config, given["until_text"], given["moment_text"], given["judge_by"])
        rows, more, is_clean = _listed(config, question, wanted, given["limit"])
    form = given["form"]
    emit(rows, SHORT if form == "table" else COLUMNS, form, "findings")
    if more:
        click.echo(
            f"and {more:,} more: give a larger --limit"
            if more <= MORE
            else f"and more than {MORE:,} more: give a larger --limit",
            err=True,
        )
    if not is_clean:
        context.exit(exits.FAULTS)


findings.add_command(answer)


@findings.command()
@click.argument("finding", metavar="FINDING")
@click.option("--case", metavar="CASE", help="The case that it is about, if it is: then nothing else is read.")
@asking_options
@format_option
@pass_config
@guarded
def explain(config: Config, finding: str, case: str | None, form: str, **given: Any) -> None:
    """Explain a finding: its rule, the events that it rests on, who is told, what settles it, how it may be wrong."""
    question = asked(config, given["until_text"], given["moment_text"], given["judge_by"])
    known = OnRecord()
    is_present = not any(given[name] for name in ("until_text", "moment_text", "judge_by"))
    found = finding_named(config, question, finding, case, known, is_present=is_present)
    row = _explained(found, question, known)
    with opened_views(config) as database:
        evidence = [_event(database, one) for one in found.evidence]
    when = {level: at for at, level in reversed(known.told.get(found.id, ()))}
    plan = [{**one._asdict(), "told_at": when.get(one.level)} for one in found.told(question.overseers)]
    if form != "table":
        emit([{**row, "evidence": evidence, "plan": plan}], [*row, "evidence", "plan"], form)
        return
    fields(row, form)
    steps = ("who is told and when, unless it is settled or answered by then", PLAN, plan)
    for title, columns, rows in (("evidence", EVIDENCE, evidence), steps):
        click.echo()
        emit(rows, columns, form, title)


def finding_named(
    config: Config, question: Asked, finding: str, case: str | None, known: OnRecord | None = None, *,
    is_present: bool,
) -> "Finding":  # fmt: skip
    """The finding of that id, settled or not; what is ``known`` of it is noted. Ends the command where there is none.

    ``is_present``: whether it is asked as of now and by the adopted policies. Then the views know every finding.
    """
    noted = known or OnRecord()
    is_known, subject = (True, case) if case is not None else _known_to_views(config, finding)
    found = None
    if is_known or not is_present:
        for where in dict.fromkeys((subject, case)):
            every = Wanted((), where, None, None, True)
            found = found or next((one for one in _found(config, question, every, noted) if one.id == finding), None)
    if found is None:
        raise Failure(f"there is no finding {typed(finding)} as of then, by this policy", exits.NOT_FOUND)
    return found


def _known_to_views(config: Config, finding: str) -> tuple[bool, str | None]:
    """Whether the views know a finding, and the case that it is about, if it is: there it is looked for first."""
    from casetrail.projections.judgement_queries import subject_of

    with opened_judgements(config) as database:
        about, subject = subject_of(database, finding) or (None, None)
    return about is not None, subject if about == "case" else None


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of detectors, as they were given; dashes do for what is written with underscores."""
    if not names:
        return ()
    from casetrail.domain.detectors.judging import SETTINGS
    from casetrail.domain.tables import nearest

    found = tuple(name.replace("-", "_") for name in names)
    for name in found:
        if name not in SETTINGS:
            raise click.UsageError(f"there is no such detector: write {nearest(name, list(SETTINGS))}")
    return found


def _from_views(config: Config, wanted: Wanted, moment_text: str | None, limit: int) -> tuple[list[Row], int, bool]:
    """The same as ``_listed``, from the views."""
    from casetrail.projections import judgement_queries, queries

    asked_for = judgement_queries.WantedFindings(
        wanted.detectors, wanted.case, wanted.holder, wanted.unit, wanted.settled, limit
    )
    with opened_judgements(config) as database:
        if wanted.case is not None and queries.case(database, wanted.case) is None:
            raise no_such_case(wanted.case)
        at, _ = moment_asked(config, database, moment_text)
        rows = judgement_queries.findings(database, at, asked_for)
        if not rows:
            check_known(InViews(database), wanted.ids)
        count = judgement_queries.count_findings(database, at, asked_for, limit + MORE)
        count_open = count
        if wanted.settled:
            count_open = judgement_queries.count_findings(database, at, replace(asked_for, settled=False), 0)
        if judgement_queries.left_out(database) and not wanted.detectors:
            from casetrail.domain.detectors.catalogue import STATISTICAL

            _say_left_out(sorted(STATISTICAL))
    return rows, count - len(rows), not count_open


def _listed(config: Config, question: Asked, wanted: Wanted, limit: int) -> tuple[list[Row], int, bool]:
    """The first rows by ``since``, how many more there are, and whether none of them all is open."""
    from heapq import nsmallest

    count = count_open = 0
    known, heard = OnRecord(), Heard(wanted.ids)

    def counted() -> "Iterator[Finding]":
        nonlocal count, count_open
        for one in _found(config, question, wanted, known, heard):
            heard.hear_holders(one.holder)
            if wanted.fits(one):
                count, count_open = count + 1, count_open + one.is_open
                yield one

    first = nsmallest(limit, counted(), key=lambda one: (one.since, one.subject, one.detector, one.id))
    if not first:
        check_known(heard, wanted.ids)
    return [_row(one, question, known) for one in first], count - len(first), not count_open


def _found(
    config: Config, question: Asked, wanted: Wanted, known: OnRecord, heard: Heard | None = None
) -> "Iterator[Finding]":
    """Everything that the detectors find, settled or not. What is ``known`` of findings is noted on the way.

    ``heard`` takes in what the cases that are gone through name.
    """
    from casetrail.cli.case_histories import hashed_history_of
    from casetrail.domain.detectors.judging import Judge

    if wanted.case is None or wanted.from_log:
        yield from _found_in_all(config, question, wanted, known, heard or Heard(Ids()))
        return
    with opened_views(config) as database:
        events = hashed_history_of(database, wanted.case, question.until)
    if not events:
        raise no_such_case(wanted.case)
    history = _history(wanted.case, events, question, known)
    if heard is not None:
        heard.hear(history.case, history.events)
    yield from Judge(question.policies, wanted.detectors or None).case(history, question.at)


def _found_in_all(
    config: Config, question: Asked, wanted: Wanted, known: OnRecord, heard: Heard
) -> "Iterator[Finding]":
    from casetrail.cli.case_histories import count_events, hashed_histories
    from casetrail.cli.traces_on_disk import TracesOnDisk
    from casetrail.domain.detectors.judging import Judge

    with tempfile.TemporaryDirectory(prefix="casetrail-") as folder, closing(TracesOnDisk(Path(folder))) as traces:
        judge = Judge(question.policies, wanted.detectors or None, traces)
        with progress_bar("reading", count_events(config)) as progress:
            for case_id, events in hashed_histories(config, question.until, progress):
                history = _history(case_id, events, question, known)
                heard.hear(history.case, history.events)
                yield from judge.case(history, question.at)
                judge.count(history)
        yield from judge.many(question.at)
    if judge.left_out:
        _say_left_out(judge.left_out)


def _say_left_out(detectors: "Sequence[str]") -> None:
    from casetrail.domain.detectors.statistics import EXTRA

    click.echo(f"not judged: {', '.join(detectors)}: they need SciPy, the extra casetrail[{EXTRA}]", err=True)


def _history(case_id: str, events: Any, question: Asked, known: OnRecord) -> "History":
    from casetrail.domain.answering import FindingAnswered, FindingTold
    from casetrail.domain.detectors.history import History
    from casetrail.domain.escalation import level_beside

    history = History(case_id, question.departures, question.posts)
    for event, leaf in events:
        history.follow(event, leaf)
    for step in history.steps:
        if isinstance(step.body, FindingAnswered):
            level = level_beside(step.holder, step.action.actor)
            answer = step.known_at, step.number, step.body.answer.value, level
            known.answers.setdefault(step.body.finding, []).append(answer)
        elif isinstance(step.body, FindingTold):
            known.told.setdefault(step.body.finding, []).append((step.known_at, step.body.level))
    return history


# --- findings as rows ---


def _row(finding: "Finding", question: Asked, known: OnRecord) -> Row:
    from casetrail.domain.detectors.finding import untold
    from casetrail.domain.escalation import highest

    now = question.at
    given = sorted(one for one in known.answers.get(finding.id, ()) if one[0] <= now)
    answered_at, answer = (given[-1][0], given[-1][2]) if given else (None, None)
    told = {level for at, level in known.told.get(finding.id, ()) if at <= now}
    steps = finding.told(question.overseers) if finding.is_open else []
    answered = highest(level for _, _, _, level in given)
    return {
        "finding": finding.id,
        "detector": finding.detector,
        "about": finding.about.value,
        "subject": finding.subject,
        "month": finding.month,
        "since": finding.since,
        "holder": finding.holder,
        "unit": finding.unit or None,
        "state": "open" if finding.is_open else "settled",
        "settled_at": finding.settled_at,
        "settled_by": None if finding.settled_by is None else str(finding.settled_by),
        "levels_told": [level for level in Level if level in told],
        "untold": [one.level for one in untold(steps, told, answered, now)],
        "says": finding.says,
        "evidence": [str(one) for one in finding.evidence],
        "answered_at": answered_at,
        "answer": answer,
    }


def _explained(finding: "Finding", question: Asked, known: OnRecord) -> Row:
    """The row of a finding without what is shown by itself, and what its detector's page says."""
    from casetrail.domain.detectors.catalogue import DETECTORS

    row = {name: value for name, value in _row(finding, question, known).items() if name != "evidence"}
    detector = DETECTORS[finding.detector]
    return {
        **row,
        "rule": detector.section("Rule"),
        "settings": [f"{name}: {value}" for name, value in finding.settings.shown().items()],
        "policy": finding.settings.policy.name,
        "settled_when": detector.section("Settled by"),
        "may_be_wrong": detector.section("May be wrong"),
    }


def _event(database: "Database", evidence: "Evidence") -> Row:
    from casetrail.cli.case_histories import hashed_history_of

    event, leaf = hashed_history_of(database, evidence.case_id)[evidence.number - 1]
    return {
        "case_id": evidence.case_id,
        "number": evidence.number,
        "kind": type(event.body).__name__,
        "occurred_at": event.action.occurred_at if event.action else None,
        "recorded_at": event.timestamp,
        "hash": leaf.hex(),
    }
