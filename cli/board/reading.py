"""What a board shows, read from the views: never from the whole log."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

from casetrail.cli import context
from casetrail.cli.board.rows import Asked, LogFacts, Page, Row, Section, Snapshot, Target
from casetrail.cli.config import Config
from casetrail.domain.codes import Level
from casetrail.domain.escalation import (
    DeadlineMissed,
    Escalated,
    EscalationAnswered,
    deadline_key,
    is_answer,
    owing_level,
)

if TYPE_CHECKING:
    from casetrail.projections.database import Database

LIMIT: Final = 1000
"""Rows of a section at most: nobody reads more, and they are counted all the same."""
MILLISECOND: Final = timedelta(milliseconds=1)


class Source(Protocol):
    """Where a board has its rows from. Called from threads that are not the screen's."""

    def snapshot(self, asked: Asked) -> Snapshot:
        """The board."""

    def log_facts(self) -> LogFacts:
        """What the log says of itself."""

    def page(self, target: Target, asked: Asked) -> Page:
        """What a row leads to."""


class Views:
    """The configured views. Each is read through a connection of its own, so that none is ever of views that were swapped."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def snapshot(self, asked: Asked) -> Snapshot:
        with _opened(self._config) as (database, troubles):
            return _snapshot(database, asked, _moment(database, asked), troubles)

    def check_known(self, asked: Asked) -> None:
        """End the command where nothing names the unit or the agency that is asked for."""
        from casetrail.cli.known import InViews, Wanted, check_known

        with _opened(self._config) as (database, _):
            check_known(InViews(database), Wanted(unit=asked.unit, agency=asked.agency))

    def log_facts(self) -> LogFacts:
        from casetrail.domain.values import at_millis
        from casetrail.eventlog.port import Topic
        from casetrail.proofs.newest import newest_record

        with context.opened_log(self._config) as log:
            record = newest_record(log)
            at = None if record is None else at_millis(record.appended_at)
            return LogFacts(log.end_offsets(Topic.EVENTS), at)

    def page(self, target: Target, asked: Asked) -> Page:
        from casetrail.cli.board import pages

        with _opened(self._config) as (database, _):
            return pages.page(database, target, asked, _moment(database, asked))


@contextmanager
def _opened(config: Config) -> "Iterator[tuple[Database, tuple[str, ...]]]":
    """The views and what is judged beside them; while an embedded log is away, as they were left."""
    from contextlib import ExitStack

    from casetrail.cli.judged import opened_judgements

    with ExitStack() as stack:
        troubles: tuple[str, ...] = ()
        try:
            database = stack.enter_context(opened_judgements(config))
        except Exception as error:
            if not str(getattr(error, "code", "")).startswith("log-") or not _are_left(config):
                raise
            troubles = (f"the views are as they were left: {error}",)
            database = stack.enter_context(_as_left(config))
        yield database, troubles


def _are_left(config: Config) -> bool:
    """Whether there are views that can be shown without the log."""
    from casetrail.projections.database import has_judgements
    from casetrail.projections.errors import ViewError

    try:
        with _as_left(config) as database:
            return has_judgements(database)
    except ViewError:
        return False


@contextmanager
def _as_left(config: Config) -> "Iterator[Database]":
    from casetrail.projections.database import open_database

    database = open_database(config.views_url())
    try:
        yield database
    finally:
        database.close()


def _moment(database: "Database", asked: Asked) -> datetime:
    """As of when: no earlier than anything that the events speak of, for then the views know the clocks."""
    from casetrail.projections.judgement_queries import horizon

    latest = horizon(database)
    at = asked.at or context.now()
    if latest is None or at >= latest:
        return at
    if asked.at is None:  # clocks differ a little
        return latest
    raise context.Failure(f"the events speak of moments up to {latest:%Y-%m-%dT%H:%M:%SZ}: give --now no earlier")


def _snapshot(database: "Database", asked: Asked, at: datetime, troubles: tuple[str, ...]) -> Snapshot:
    from casetrail.projections import board
    from casetrail.projections import judgement_queries as judged

    log = board.log_name(database)
    wanted = judged.Wanted(unit=asked.unit, agency=asked.agency, limit=LIMIT)
    overdue = [{**row, "late": at - row["due_at"]} for row in judged.overdue(database, at, wanted)]
    due = [{**row, "left": row["due_at"] - at} for row in judged.due(database, at, wanted)]
    about = judged.WantedFindings(unit=asked.unit, agency=asked.agency, limit=LIMIT)
    found = [{**row, "age": at - row["since"]} for row in judged.findings(database, at, about)]
    late, ahead = board.count_owed(database, at, asked.unit, asked.agency)
    recorded = board.alarms(database, [row["case_id"] for row in overdue])
    escalations = list(_unanswered(recorded, _answered_in(database, recorded), overdue))
    holds = _holds(database, asked, at)
    sections = (
        Section("overdue", overdue, late),
        Section("due", due, ahead),
        Section("escalations", escalations, len(escalations)),
        Section("findings", found, judged.count_findings(database, at, about)),
        Section("holds", holds, len(holds)),
    )
    unread = tuple(
        f"the policy in event {number} of the registry cannot be read, and is in force nowhere"
        for number, _ in judged.unread_policies(database)
    )
    return Snapshot(
        log, at, sections, tuple(board.units(database)), board.taken_in(database, log), board.heard_until(database),
        (*troubles, *unread),
    )  # fmt: skip


def _answered_in(
    database: "Database", recorded: dict[str, list[tuple[Any, datetime]]]
) -> dict[tuple[str, str], Level | None]:
    """By case and deadline, the highest level at which somebody has answered."""
    from casetrail.projections.escalated import cases_of

    some = [one for one, bodies in recorded.items() if any(isinstance(body, EscalationAnswered) for body, _ in bodies)]
    cases = cases_of(database, some)
    return {(one, key): at.answered for one, case in cases.items() for key, at in case.facts.deadlines.items()}


def _unanswered(
    recorded: dict[str, list[tuple[Any, datetime]]], answers: dict[tuple[str, str], Level | None], overdue: list[Row]
) -> Iterator[Row]:
    """Of what is overdue: what a watchdog has recorded, and nobody above those who owe it has answered; with who was told last."""
    for row in overdue:
        of_deadline = [
            (body, at)
            for body, at in recorded.get(row["case_id"], ())
            if (body.clock, body.subject, body.due_at) == (row["clock"], row["subject"], row["due_at"])
        ]
        level = answers.get((row["case_id"], deadline_key(row["clock"], row["subject"], row["due_at"])))
        if is_answer(level, owing_level(row["owed_by"])) or not any(
            isinstance(body, DeadlineMissed | Escalated) for body, _ in of_deadline
        ):
            continue
        told = [(body, at) for body, at in of_deadline if isinstance(body, Escalated)]
        yield {
            **row,
            "level": told[-1][0].level.value if told else None,
            "told": [str(who) for body, _ in told for who in body.told],
            "told_at": told[-1][1] if told else None,
        }


def _holds(database: "Database", asked: Asked, at: datetime) -> list[Row]:
    """Who holds what: first what nobody does, then what those have left who have gone."""
    from casetrail.cli.left import left_behind
    from casetrail.projections.board import who_holds

    left: dict[str, list[datetime]] = {}
    for row in left_behind(database, at):
        if asked.unit in (None, row["unit"]) and asked.agency in (None, row["agency"]):
            left.setdefault(row["holder"], []).append(row["left_at"])
    rows = []
    for row in who_holds(database, at, asked.unit, asked.agency):
        since = left.get(row["holder"], [])
        note = f"LEFT {min(since):%Y-%m-%d}: {len(since)}" if since else None
        rows.append({**row, "left_at": min(since, default=None), "left_behind": len(since), "note": note})
    return sorted(rows, key=lambda row: (row["holder"] is not None, row["left_at"] is None))
