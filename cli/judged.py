"""The judgements: those of an embedded log are brought up to date by whoever asks them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import Failure, moment, now
from casetrail.cli.policies import say_unread

if TYPE_CHECKING:
    from casetrail.projections.database import Database


@contextmanager
def opened_judgements(config: Config) -> "Iterator[Database]":
    """The configured views, with the judgements beside them."""
    from casetrail.projections.database import open_database
    from casetrail.projections.judgement_queries import unread_policies
    from casetrail.projections.judgement_tables import CLOCK

    if config.log_url().startswith("sqlite:"):
        from casetrail.cli.embedded_views import bring_up_to_date

        bring_up_to_date(config, judged=True)
    database = open_database(config.views_url())
    try:
        if not database.has(CLOCK.name):
            raise Failure(
                "clocks and findings are not kept beside these views; 'casetrail views rebuild' makes them, "
                "and --from-log goes without",
                exits.NOT_FOUND,
            )
        for number, problems in unread_policies(database):
            say_unread(number, problems)
        yield database
    finally:
        database.close()


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
