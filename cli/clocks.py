"""``casetrail due``, ``overdue`` and ``clock``: what is owed, by whom and by when, computed from the events."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import click

from casetrail.cli.config import Config
from casetrail.cli.context import DAYS, format_option, guarded, moment, now, opened_views, pass_config
from casetrail.cli.judged import asks_views, moment_asked, moment_shown, opened_judgements
from casetrail.cli.known import Heard, InViews, check_known, no_such_case
from casetrail.cli.known import Wanted as Ids
from casetrail.cli.policies import adopted, read_policy
from casetrail.cli.progress import progress_bar
from casetrail.cli.render import emit, emit_first

if TYPE_CHECKING:
    from casetrail.cli.case_histories import Hashed
    from casetrail.domain.clock_runs import Runs
    from casetrail.domain.clocks import Clock
    from casetrail.domain.leaving import Departures
    from casetrail.domain.policy import InForce
    from casetrail.domain.posts import Posts
    from casetrail.domain.registry import Overseer
    from casetrail.projections.database import Database

P = ParamSpec("P")
R = TypeVar("R")
Row = dict[str, Any]

DUE: Final = ("due_at", "case_id", "clock", "subject", "owed_by", "unit", "state", "started_at")
OVERDUE: Final = ("due_at", "overdue_hours", "case_id", "clock", "subject", "owed_by", "unit", "to_tell", "started_at")
CLOCK: Final = ("case_id", "clock", "subject", "state", "started_at", "started_by", "due_at", "ended_at", "ended_by", "owed_by",
                "limit", "calendar", "source")  # fmt: skip
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class Asked:
    """As of which moment, by which policies, who has left, who has oversight, and in which roles people work. ``until``: only what had been recorded by then counts."""

    until: datetime | None
    at: datetime
    policies: "InForce"
    departures: "Departures" = field(default_factory=dict)
    overseers: "tuple[Overseer, ...]" = ()
    posts: "Posts" = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """Which clocks to list. What is None does not restrict."""

    clock: str | None
    owed_by: str | None
    unit: str | None
    limit: int


def asking_options(command: Callable[P, R]) -> Callable[P, R]:
    """``--as-of``, ``--now`` and ``--judge-by``."""
    for option in (
        click.option(
            "--judge-by",
            metavar="PRESET|FILE",
            help="Judge by this policy alone; else by what each agency has adopted, and by the generic one before.",
        ),
        click.option("--now", "moment_text", metavar="TIME", help="Judge as of this time instead of now."),
        click.option(
            "--as-of", "until_text", metavar="TIME", help="As it was then: only what had been recorded by then counts."
        ),
    ):
        command = option(command)
    return command


def listing_options(command: Callable[P, R]) -> Callable[P, R]:
    """Options of commands that list clocks of many cases."""
    for option in (
        click.option("--limit", type=click.IntRange(1, 2**31), default=50, show_default=True, help="At most so many."),
        click.option("--unit", metavar="ID", help="Only cases of this unit."),
        click.option("--owed-by", metavar="ID", help="Only what this person, desk (UNIT/intake) or agency owes."),
        click.option("--clock", metavar="NAME", help="Only this clock."),
    ):
        command = option(command)
    return from_log_option(asking_options(command))


def from_log_option(command: Callable[P, R]) -> Callable[P, R]:
    """``--from-log``."""
    return click.option(
        "--from-log", is_flag=True, help="Read every event of the log and trust no view: as --as-of and --judge-by do."
    )(command)


def asked(config: Config, until_text: str | None, moment_text: str | None, judge_by: str | None) -> Asked:
    """What the options of ``asking_options`` say, and what the registry does: from the log."""
    from casetrail.cli.case_histories import hashed_history_in_log
    from casetrail.domain.registry import REGISTRY

    until = _until(config, until_text)
    if until is not None and not moment_text:
        at = until
    else:
        at = moment(config, moment_text, "--now") if moment_text else now()
    return _asked(config, until, at, judge_by, hashed_history_in_log(config, REGISTRY, until))


@contextmanager
def views_asked(config: Config, given: dict[str, Any]) -> "Iterator[tuple[Database, Asked]]":
    """The configured views, and the same as ``asked`` with the registry as they have it: opened once for all of it."""
    from casetrail.cli.case_histories import hashed_history_of
    from casetrail.domain.registry import REGISTRY

    until, moment_text = _until(config, given["until_text"]), given["moment_text"]
    with opened_views(config) as database:
        at = until if until is not None and not moment_text else moment_shown(config, database, moment_text)
        registry = hashed_history_of(database, REGISTRY, until)
        yield database, _asked(config, until, at, given["judge_by"], registry)


def _until(config: Config, text: str | None) -> datetime | None:
    return moment(config, text, "--as-of") if text else None


def _asked(
    config: Config, until: datetime | None, at: datetime, judge_by: str | None, registry: "Sequence[Hashed]"
) -> Asked:
    from casetrail.domain.leaving import departures
    from casetrail.domain.policy import InForce
    from casetrail.domain.posts import posts
    from casetrail.domain.registry import agencies, overseers
    from casetrail.domain.values import EPOCH
    from casetrail.projections.registry import registry_of

    events = [event for event, _ in registry]
    if judge_by is None:
        policies: InForce = adopted(events, config.agency)
    else:
        # what was imported late depends on what was adopted, whoever judges by what
        in_use = registry_of(registry).policies.in_use
        policies = InForce([(EPOCH, read_policy(judge_by))], agencies(events), in_use)
    return Asked(until, at, policies, departures(registry), overseers(events), posts(registry))


@click.command()
@click.option("--within", type=DAYS, metavar="DAYS", help="Only what is due within so many days.")
@listing_options
@format_option
@pass_config
@guarded
def due(config: Config, within: int | None, form: str, **given: Any) -> None:
    """List what is due next, and who owes it: the most urgent first.

    What is overdue already is listed by 'casetrail overdue'.
    """
    rows = _from_views(config, given, "due", within)
    if rows is not None:
        _emit(config, rows, given, DUE, form, "due")
        return
    question, wanted = _taken(config, given)
    most = timedelta.max if within is None else timedelta(days=within)

    def row(clock: "Clock", runs: "Runs") -> Row | None:
        if clock.is_overdue or clock.due_at - question.at > most:
            return None
        return _row(clock, runs)

    _emit(config, _listed(config, question, wanted, row), given, DUE, form, "due")


@click.command()
@listing_options
@format_option
@pass_config
@guarded
def overdue(config: Config, form: str, **given: Any) -> None:
    """List what is overdue, who owes it, and who is to have been told by now: the longest overdue first.

    Levels at which there is nobody to tell, or for which somebody had answered by then, are left out.

    It follows from the events, the policy and the time, whether or not anybody watches.
    """
    rows = _from_views(config, given, "overdue")
    if rows is not None:
        _emit(config, rows, given, OVERDUE, form, "overdue")
        return
    from casetrail.domain.clocks import told_by_now
    from casetrail.domain.codes import Level
    from casetrail.domain.registry import overseeing

    question, wanted = _taken(config, given)
    has_overseers = bool(overseeing(question.overseers, question.at))

    def row(clock: "Clock", runs: "Runs") -> Row | None:
        if not clock.is_overdue:
            return None
        tells = ((step.level, clock.due_at + step.after.length(None)) for step in told_by_now(runs, clock))
        to_tell = [
            level for level, at in tells if at <= question.at and (has_overseers or level is not Level.OVERSIGHT)
        ]
        return {**_row(clock, runs), "overdue_hours": (question.at - clock.due_at) // HOUR, "to_tell": to_tell}

    _emit(config, _listed(config, question, wanted, row), given, OVERDUE, form, "overdue")


@click.command()
@click.argument("case_id", metavar="CASE")
@asking_options
@format_option
@pass_config
@guarded
def clock(config: Config, case_id: str, form: str, **given: Any) -> None:
    """Show every clock of a case: when it started, when it was due, how it stands or how it went.

    'started_by' and 'ended_by' are numbers of events of 'casetrail history'.
    """
    from casetrail.cli.case_histories import history_of
    from casetrail.domain.clocks import clocks
    from casetrail.domain.intake import ReportReceived

    with views_asked(config, given) as (database, question):
        events = history_of(database, case_id, question.until)
    if not events:
        when = "" if question.until is None else " then"
        raise no_such_case(case_id, when)
    rows = [
        {
            **_plain(one),
            "case_id": case_id,
            "started_by": one.started_by,
            "ended_at": one.ended_at,
            "ended_by": one.ended_by,
            "limit": str(one.limit),
            "calendar": one.rule.calendar.name if one.rule.calendar else "wall",
            "source": one.rule.source,
        }
        for one in clocks(case_id, events, question.policies, question.at, question.departures)
    ]
    if not any(isinstance(one.body, ReportReceived) for one in events):
        click.echo(
            f"no report has been received as {case_id}; 'casetrail history {case_id}' shows what was refused", err=True
        )
    columns = CLOCK[1:] if form == "table" else CLOCK  # a table has the case in its title
    emit(rows, columns, form, f"clocks of case {case_id}")


def _from_views(config: Config, given: dict[str, Any], what: str, within: int | None = None) -> list[Row] | None:
    """What the views answer; None where it is no question to them."""
    if not asks_views(given):
        return None
    from casetrail.projections import judgement_queries

    wanted = judgement_queries.Wanted(
        given["clock"], given["owed_by"], given["unit"], given["limit"] + 1, None if within is None else within * DAY
    )
    with opened_judgements(config) as database:
        at, is_known = moment_asked(config, database, given["moment_text"])
        ask = judgement_queries.due if what == "due" else judgement_queries.overdue
        rows = ask(database, at, wanted) if is_known else None
        if rows is not None and not rows:
            check_known(InViews(database), Ids(unit=wanted.unit, owed_by=wanted.owed_by))
        return rows


def _emit(
    config: Config, rows: list[Row], given: dict[str, Any], columns: tuple[str, ...], form: str, title: str
) -> None:
    """Print what is owed. That nothing is says something only of a clock that there is."""
    if not rows and given["clock"]:
        from casetrail.domain.tables import nearest

        known = asked(config, given["until_text"], None, given["judge_by"]).policies.clock_names
        if given["clock"] not in known:
            there = nearest(given["clock"], sorted(known))
            raise click.UsageError(f"no policy has such a clock: write {there}")
    emit_first(rows, given["limit"], columns, form, title)


def _taken(config: Config, given: dict[str, Any]) -> tuple[Asked, Wanted]:
    question = asked(config, given["until_text"], given["moment_text"], given["judge_by"])
    return question, Wanted(given["clock"], given["owed_by"], given["unit"], given["limit"])


def _listed(config: Config, question: Asked, wanted: Wanted, row: "Callable[[Clock, Runs], Row | None]") -> list[Row]:
    """The first rows by due time, of all clocks that are owed; one more than is wanted, if there are so many."""
    from heapq import nsmallest

    from casetrail.cli.case_histories import count_events

    ids = Ids(unit=wanted.unit, owed_by=wanted.owed_by)
    heard = Heard(ids)
    with progress_bar("reading", count_events(config)) as progress:
        rows = (made for clock, runs in _owed(config, question, wanted, progress, heard) if (made := row(clock, runs)))
        first = nsmallest(wanted.limit + 1, rows, key=lambda one: (one["due_at"], one["case_id"], one["clock"]))
    if not first:
        check_known(heard, ids)
    return first


def _owed(
    config: Config, question: Asked, wanted: Wanted, progress: Callable[[int], None] | None, heard: Heard
) -> "Iterator[tuple[Clock, Runs]]":
    """The clocks that are owed and wanted, of all cases; ``heard`` takes in what these name."""
    from casetrail.cli.case_histories import histories
    from casetrail.domain.clock_runs import fold
    from casetrail.domain.clocks import judged

    for case_id, events in histories(config, question.until, progress):
        runs = fold(case_id, events, question.policies, question.at, question.departures)
        heard.hear(runs.case, events)
        if wanted.unit is not None and runs.case.facts.unit != wanted.unit:
            continue
        for one in judged(runs, question.at):
            fits = wanted.clock in (None, one.name) and wanted.owed_by in (None, one.owed_by)
            if one.is_owed and fits:
                yield one, runs


def _row(clock: "Clock", runs: "Runs") -> Row:
    return {**_plain(clock), "case_id": clock.case_id, "unit": runs.case.facts.unit or None}


def _plain(clock: "Clock") -> Row:
    return {
        "clock": clock.name,
        "subject": clock.subject,
        "state": clock.state.value,
        "owed_by": clock.owed_by,
        "started_at": clock.started_at,
        "due_at": clock.due_at,
    }
