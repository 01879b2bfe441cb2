"""``casetrail findings``: what the detectors see in the log, since when it could be seen, and what each finding rests on."""

import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from casetrail.cli import exits
from casetrail.cli.clocks import Asked, asked, asking_options
from casetrail.cli.config import Config
from casetrail.cli.context import Failure, format_option, guarded, pass_config
from casetrail.cli.finding_answer import answer
from casetrail.cli.progress import progress_bar
from casetrail.cli.render import emit, fields

if TYPE_CHECKING:
    from casetrail.domain.detectors.finding import Evidence, Finding
    from casetrail.domain.detectors.history import History
    from casetrail.domain.leaving import Departures

Row = dict[str, Any]

COLUMNS: Final = ("finding", "detector", "about", "subject", "month", "since", "holder", "unit", "state", "settled_at",
                  "settled_by", "told", "says", "evidence")  # fmt: skip
SHORT: Final = ("since", "finding", "detector", "subject", "month", "holder", "state", "told", "says")
EVIDENCE: Final = ("case_id", "number", "kind", "occurred_at", "recorded_at", "hash")
TOLD: Final = ("level", "who", "at")


@dataclass(frozen=True)
class Wanted:
    """Which findings are asked for. What is None does not restrict."""

    detectors: tuple[str, ...]
    case: str | None
    holder: str | None
    unit: str | None
    settled: bool

    def fits(self, finding: "Finding") -> bool:
        """Whether a finding is one of them."""
        return (
            (self.settled or finding.is_open)
            and self.holder in (None, finding.holder)
            and self.unit in (None, finding.unit)
        )


@click.group(invoke_without_command=True)
@click.option("--detector", "detectors", multiple=True, metavar="NAME", help="Only of this detector; repeatable.")
@click.option("--case", metavar="CASE", help="Only about this case, by the detectors that judge a case by itself.")
@click.option("--holder", metavar="ID", help="Only about cases that this person holds, and about the person.")
@click.option("--unit", metavar="ID", help="Only about cases and people of this unit, and about the unit.")
@click.option("--settled", is_flag=True, help="Settled ones, too.")
@click.option("--limit", type=click.IntRange(1, 2**31), default=50, show_default=True, help="At most so many.")
@asking_options
@format_option
@pass_config
@guarded
def findings(config: Config, **given: Any) -> None:
    """List what the detectors find: neglect that somebody should see to, the oldest first. Exit code 8 where any is open.

    It follows from the events, the policy and the time. Unless one case is asked for, every event of the log is read.
    docs/detectors has a page for each detector.
    """
    context = click.get_current_context()
    if context.invoked_subcommand is not None:
        return
    question = asked(config, given["until_text"], given["moment_text"], given["judge_by"])
    wanted = Wanted(_known(given["detectors"]), given["case"], given["holder"], given["unit"], given["settled"])
    rows, more, is_clean = _listed(config, question, wanted, given["limit"])
    form = given["form"]
    emit(rows, SHORT if form == "table" else COLUMNS, form, "findings")
    if more:
        click.echo(f"and {more} more: give --limit", err=True)
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
    found = finding_named(config, question, finding, case)
    row = _explained(found, question.at)
    evidence, told = [_event(config, one) for one in found.evidence], [one._asdict() for one in found.told(question.overseers)]
    if form != "table":
        emit([{**row, "evidence": evidence, "told": told}], [*row, "evidence", "told"], form)
        return
    fields(row, form)
    for title, columns, rows in (("evidence", EVIDENCE, evidence), ("told, unless it is settled by then", TOLD, told)):
        click.echo()
        emit(rows, columns, form, title)


def finding_named(config: Config, question: Asked, finding: str, case: str | None) -> "Finding":
    """The finding of that id, settled or not. Ends the command where there is none."""
    every = Wanted((), case, None, None, True)
    found = next((one for one in _found(config, question, every) if one.id == finding), None)
    if found is None:
        raise Failure(f"there is no finding {finding} as of then, by this policy", exits.NOT_FOUND)
    return found


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of detectors, as they were given; dashes do for what is written with underscores."""
    from casetrail.domain.detectors.judging import SETTINGS
    from casetrail.domain.tables import nearest

    found = tuple(name.replace("-", "_") for name in names)
    for name in found:
        if name not in SETTINGS:
            raise click.UsageError(f"there is no detector '{name}': write {nearest(name, list(SETTINGS))}")
    return found


def _listed(config: Config, question: Asked, wanted: Wanted, limit: int) -> tuple[list[Row], int, bool]:
    """The first rows by ``since``, how many more there are, and whether none of them all is open."""
    from heapq import nsmallest

    count = count_open = 0

    def counted() -> "Iterator[Finding]":
        nonlocal count, count_open
        for one in _found(config, question, wanted):
            if wanted.fits(one):
                count, count_open = count + 1, count_open + one.is_open
                yield one

    first = nsmallest(limit, counted(), key=lambda one: (one.since, one.subject, one.detector, one.id))
    return [_row(one, question.at) for one in first], count - len(first), not count_open


def _found(config: Config, question: Asked, wanted: Wanted) -> "Iterator[Finding]":
    """Everything that the detectors find, settled or not."""
    from casetrail.cli.case_histories import hashed_history_of
    from casetrail.domain.detectors.judging import Judge

    if wanted.case is None:
        yield from _found_in_all(config, question, wanted)
        return
    events = hashed_history_of(config, wanted.case, question.until)
    if not events:
        raise Failure(f"the views know no case {wanted.case}", exits.NOT_FOUND)
    history = _history(wanted.case, events, question.departures)
    yield from Judge(question.policies, wanted.detectors or None).case(history, question.at)


def _found_in_all(config: Config, question: Asked, wanted: Wanted) -> "Iterator[Finding]":
    from casetrail.cli.case_histories import count_events, hashed_histories
    from casetrail.cli.traces_on_disk import TracesOnDisk
    from casetrail.domain.detectors.judging import Judge
    from casetrail.domain.detectors.statistics import EXTRA

    with tempfile.TemporaryDirectory(prefix="casetrail-") as folder, closing(TracesOnDisk(Path(folder))) as traces:
        judge = Judge(question.policies, wanted.detectors or None, traces)
        with progress_bar("reading", count_events(config)) as progress:
            for case_id, events in hashed_histories(config, question.until, progress):
                history = _history(case_id, events, question.departures)
                yield from judge.case(history, question.at)
                judge.count(history)
        yield from judge.many(question.at)
    if judge.left_out:
        click.echo(f"not judged: {', '.join(judge.left_out)}: they need SciPy, the extra casetrail[{EXTRA}]", err=True)


def _history(case_id: str, events: Any, left: "Departures") -> "History":
    from casetrail.domain.detectors.history import History

    history = History(case_id, left)
    for event, leaf in events:
        history.follow(event, leaf)
    return history


# --- findings as rows ---


def _row(finding: "Finding", at: datetime) -> Row:
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
        "told": [told.level.value for told in finding.told() if finding.is_open and told.at <= at],
        "says": finding.says,
        "evidence": [str(one) for one in finding.evidence],
    }


def _explained(finding: "Finding", at: datetime) -> Row:
    """The row of a finding without what is shown by itself, and what its detector's page says."""
    from casetrail.domain.detectors.catalogue import DETECTORS

    row = {name: value for name, value in _row(finding, at).items() if name not in ("evidence", "told")}
    detector = DETECTORS[finding.detector]
    return {
        **row,
        "rule": detector.section("Rule"),
        "settings": [f"{name}: {value}" for name, value in finding.settings.shown().items()],
        "policy": finding.settings.policy.name,
        "settled_when": detector.section("Settled by"),
        "may_be_wrong": detector.section("May be wrong"),
    }


def _event(config: Config, evidence: "Evidence") -> Row:
    from casetrail.cli.case_histories import hashed_history_of

    event, leaf = hashed_history_of(config, evidence.case_id)[evidence.number - 1]
    return {
        "case_id": evidence.case_id,
        "number": evidence.number,
        "kind": type(event.body).__name__,
        "occurred_at": event.action.occurred_at if event.action else None,
        "recorded_at": event.timestamp,
        "hash": leaf.hex(),
    }
