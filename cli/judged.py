"""The judgements: those of an embedded log are brought up to date by whoever asks them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import Failure, moment, now, opened_views
from casetrail.cli.policies import say_unread

if TYPE_CHECKING:
    from casetrail.projections.database import Database

UNJUDGED: Final = "clocks are not kept beside these views: due by the usual limits, whatever policy is in force"


@contextmanager
def opened_judgements(config: Config) -> "Iterator[Database]":
    """The configured views, with the judgements beside them."""
    from casetrail.projections.database import has_judgements

    with opened_views(config, judged=True) as database:
        if not has_judgements(database):
            raise Failure(
                "clocks and findings are not kept beside these views; 'casetrail views rebuild' makes them, "
                "and --from-log goes without",
                exits.NOT_FOUND,
            )
        _say_unread(database)
        _say_uncompared(config, database)
        yield database


@contextmanager
def opened_dues(config: Config) -> "Iterator[Database]":
    """The configured views, for what is due next: by the policy in force, if judgements are kept beside them.

    Where they were left out, that is respected, and said: what is due then goes by the usual limits.
    """
    from casetrail.projections.database import has_judgements

    with opened_views(config, judged=not are_left_out(config)) as database:
        if has_judgements(database):
            _say_unread(database)
        else:
            click.echo(UNJUDGED, err=True)
        yield database


def are_left_out(config: Config) -> bool:
    """Whether there are views without judgements. Where there are none yet, they will be made with them."""
    from casetrail.projections.database import has_judgements, open_database
    from casetrail.projections.errors import ViewMissing

    try:
        database = open_database(config.views_url())
    except ViewMissing:
        return False
    try:
        return database.exists() and not has_judgements(database)
    finally:
        database.close()


def _say_unread(database: "Database") -> None:
    from casetrail.projections.judgement_queries import unread_policies

    for number, problems in unread_policies(database):
        say_unread(number, problems)


def _say_uncompared(config: Config, database: "Database") -> None:
    """Say where months wait for somebody who has SciPy. Those of a log on Kafka wait for the projector, for a moment."""
    from casetrail.domain.detectors.statistics import EXTRA, available
    from casetrail.projections.judgement_queries import stale

    if config.log_url().startswith("sqlite:") and not available() and (months := stale(database)):
        click.echo(f"{months} month(s) not compared anew: that needs SciPy, the extra casetrail[{EXTRA}]", err=True)


def asks_views(given: dict[str, Any]) -> bool:
    """Whether a question is one to the views: they know the present, by the policies that are adopted."""
    return not (given["from_log"] or given["until_text"] or given["judge_by"])


def moment_asked(config: Config, database: "Database", moment_text: str | None) -> tuple[datetime, bool]:
    """As of which moment it is asked, and whether no event speaks of a later one: then the views know the clocks, too.

    What is recorded is never later than now, but for clocks that differ a little.
    """
    from casetrail.projections.judgement_queries import horizon

    latest = horizon(database)
    if moment_text is None:
        return max(now(), latest or now()), True
    at = moment(config, moment_text, "--now")
    return at, latest is None or at >= latest


def moment_shown(config: Config, database: "Database", moment_text: str | None) -> datetime:
    """As of which moment views show what is due: as ``moment_asked`` says, also where no judgements stand beside them."""
    from casetrail.projections.database import has_judgements

    if has_judgements(database):
        return moment_asked(config, database, moment_text)[0]
    return moment(config, moment_text, "--now") if moment_text else now()
