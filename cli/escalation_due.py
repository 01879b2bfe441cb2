"""When a missed deadline was due, to the microsecond that names it, where it is typed as a table shows it: to the second, in UTC."""

from datetime import UTC, datetime

import click

from casetrail.cli.config import Config
from casetrail.cli.context import opened_views, zone_of
from casetrail.domain.values import iso
from casetrail.eventlog.errors import LogError
from casetrail.projections.errors import ViewError


def exact_due(config: Config, case_id: str, clock: str, subject: str | None, typed: str) -> str:
    """The due time of the one recorded deadline that this is the second of; else what was typed, for which the log has its rule."""
    try:
        moment = datetime.fromisoformat(typed)
    except ValueError:
        return typed
    if moment.microsecond:
        return typed
    zones = [moment.tzinfo] if moment.tzinfo else [zone for zone in (zone_of(config), UTC) if zone is not None]
    known = _recorded(config, case_id, clock, subject)
    for zone in zones:
        second = moment.replace(tzinfo=zone).astimezone(UTC)
        found = [due for due in known if due.replace(microsecond=0) == second]
        if len(found) == 1:
            return iso(found[0])
    return typed


def _recorded(config: Config, case_id: str, clock: str, subject: str | None) -> list[datetime]:
    """When the missed deadlines of a clock were due that the views know; none where they cannot be read: nothing rests on them."""
    from casetrail.projections.escalated import cases_of

    try:
        with opened_views(config) as database:
            cases = cases_of(database, [case_id])
    except (LogError, ViewError, click.ClickException):
        return []
    deadlines = [one for case in cases.values() for one in case.facts.deadlines.values()]
    return [one.due_at for one in deadlines if (one.clock, one.subject) == (clock, subject)]
