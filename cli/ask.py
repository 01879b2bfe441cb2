"""Questions of operators: ``cases``, ``show``, ``history``, ``holds``, ``referrals``, ``intake``."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

from casetrail.cli.config import Config
from casetrail.cli.context import (
    DAYS,
    choice,
    format_option,
    guarded,
    opened_keyring,
    opened_views,
    pass_config,
)
from casetrail.cli.judged import moment_shown, opened_dues
from casetrail.cli.known import InViews, Wanted, check_known, no_such_case
from casetrail.cli.render import emit, emit_first, fields
from casetrail.domain.codes import Offence
from casetrail.domain.reserved import REGISTRY
from casetrail.domain.status import Status
from casetrail.projections import queries
from casetrail.projections.held import HELD_BY

HISTORY: Final = (
    "case_id",
    "number",
    "occurred_at",
    "recorded_at",
    "late",
    "kind",
    "result",
    "actor",
    "role",
    "agency",
    "detail",
)
MONTH: Final = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
OFFENCE_NUMBER: Final = {offence.value: number for number, offence in enumerate(Offence)}


@click.command()
@click.option("--status", multiple=True, type=choice(Status), help="Only cases at this status; repeatable.")
@click.option("--offence", multiple=True, type=choice(Offence), help="Only with this NIBRS code; repeatable.")
@click.option("--holder", metavar="ID", help="Only cases that this person holds.")
@click.option("--nobody", is_flag=True, help="Only open cases that nobody holds.")
@click.option("--unit", metavar="ID", help="Only cases of this unit.")
@click.option("--agency", metavar="ID", help="Only cases of this agency.")
@click.option("--open", "open_only", is_flag=True, help="Only open cases.")
@click.option("--older-than", type=DAYS, metavar="DAYS", help="Only cases received more than so many days ago.")
@click.option(
    "--quiet-for", type=DAYS, metavar="DAYS", help="Only open cases without an investigative act for so long."
)
@click.option("--overdue", is_flag=True, help="Only cases in which something is overdue.")
@click.option("--now", "moment_text", metavar="TIME", help="Judge ages as of this time instead of now.")
@click.option(
    "--sort", type=click.Choice(list(queries.SORTS)), default="received", show_default=True, help="What comes first."
)
@click.option("--descending", is_flag=True, help="The largest or latest first.")
@click.option("--limit", type=click.IntRange(1, 2**31), default=50, show_default=True, help="At most so many rows.")
@format_option
@pass_config
@guarded
def cases(config: Config, form: str, **given: Any) -> None:
    """List cases.

    The list says what is due next in each, and who owes it: as 'casetrail due' and 'casetrail overdue' do, by the
    policy that is in force.
    """
    with opened_dues(config) as database:
        which = _wanted(given, moment_shown(config, database, given["moment_text"]))
        rows = queries.cases(database, which)
        if not rows:
            check_known(InViews(database), Wanted(unit=which.unit, agency=which.agency, holder=which.holder))
    emit_first(rows, given["limit"], queries.CASE_FIELDS, form, "cases")


def _wanted(given: dict[str, Any], at: datetime) -> queries.CaseFilter:
    return queries.CaseFilter(
        status=given["status"],
        offence_bits=sum(1 << OFFENCE_NUMBER[code] for code in set(given["offence"])),
        holder=given["holder"],
        nobody=given["nobody"],
        unit=given["unit"],
        agency=given["agency"],
        open_only=given["open_only"],
        received_before=_before(at, given["older_than"]),
        quiet_since=_before(at, given["quiet_for"]),
        overdue_at=at if given["overdue"] else None,
        sort=given["sort"],
        descending=given["descending"],
        limit=given["limit"] + 1,  # whether there are more
    )


def _before(at: datetime, days: int | None) -> datetime | None:
    """The moment so many days before another, and no earlier than there are dates."""
    if days is None:
        return None
    return at - min(timedelta(days=days), at - datetime.min.replace(tzinfo=UTC))


@click.command()
@click.argument("case_id", metavar="CASE")
@click.option("--now", "moment_text", metavar="TIME", help="Judge what is overdue as of this time instead of now.")
@format_option
@pass_config
@guarded
def show(config: Config, case_id: str, moment_text: str | None, form: str) -> None:
    """Show where a case stands and all that is due, by the policy that is in force.

    'casetrail clock' shows what was due and is done, too.
    """
    from casetrail.projections.dues import DUES, dues

    with opened_dues(config) as database:
        row = queries.case(database, case_id)
        owed = dues(database, case_id, moment_shown(config, database, moment_text))
    if row is None:
        raise no_such_case(case_id)
    if form != "table":
        emit([{**row, "dues": owed}], [*row, "dues"], form)
        return
    fields(row, form)
    click.echo()
    emit(owed, DUES, form, "due")


@click.command()
@click.argument("case_id", metavar="CASE")
@click.option("--unseal", is_flag=True, help="Open the sealed fields with the keyring. They name persons.")
@format_option
@pass_config
@guarded
def history(config: Config, case_id: str, unseal: bool, form: str) -> None:
    """Show every event of a case, refused attempts included.

    'late' says how long after it happened a fact was recorded, where that is more than a day.
    """
    from casetrail.cli.history import history_rows

    with opened_views(config) as database:
        events = queries.timeline(database, case_id)
    if not events:
        raise no_such_case(case_id)
    opener = None
    if unseal:
        from casetrail.cli.history import opener_for

        opener = opener_for(opened_keyring(config), case_id)
    columns = HISTORY[1:] if form == "table" else HISTORY  # a table has the case in its title
    emit(history_rows(events, opener), columns, form, f"case {case_id}")


@click.command()
@click.option("--by", type=click.Choice(HELD_BY), default="holder", show_default=True, help="Count by what.")
@click.option("--now", "moment_text", metavar="TIME", help="Judge what is overdue as of this time instead of now.")
@click.option("--left", is_flag=True, help="List the open cases whose holder has left: they are held by nobody.")
@format_option
@pass_config
@guarded
def holds(config: Config, by: str, moment_text: str | None, left: bool, form: str) -> None:
    """Show who holds how many open cases. An empty holder means: nobody, or somebody who has left the unit.

    In how many of them something is overdue, and when something is due first, goes by the policy that is in force.

    With --left: the cases that somebody held who has left the agency or the unit by the registry, until they are handed
    over.
    """
    if left:
        from casetrail.cli.left import LEFT, left_behind

        with opened_views(config) as database:
            at = moment_shown(config, database, moment_text)
            emit(left_behind(database, at), LEFT, form, "held by somebody who has left")
        return
    with opened_dues(config) as database:
        at = moment_shown(config, database, moment_text)
        rows = queries.holds(database, by, at)
        if by == "holder" and queries.folded(database, REGISTRY) is not None:
            from casetrail.cli.left import held

            rows = held(database, rows, at)
    emit(rows, (by, "open_cases", "suspended", "overdue", "first_due_at"), form, f"open cases by {by}")


@click.command()
@click.option("--agency", metavar="ID", help="Only referrals to this agency.")
@click.option(
    "--state",
    multiple=True,
    type=click.Choice(["made", "accepted", "completed", "declined", "withdrawn"]),
    help="Only in this state.",
)
@click.option("--limit", type=click.IntRange(1, 2**31), default=50, show_default=True, help="At most so many rows.")
@format_option
@pass_config
@guarded
def referrals(config: Config, agency: str | None, state: tuple[str, ...], limit: int, form: str) -> None:
    """List referrals by partner agency, the oldest first."""
    with opened_views(config) as database:
        rows = queries.referrals(database, agency, state, limit + 1)
        if not rows:
            check_known(InViews(database), Wanted(agency=agency))
    columns = ("case_id", "referral", "service", "from_agency", "to_agency", "acute", "state", "made_at", "answered_at",
               "ended_at")  # fmt: skip
    emit_first(rows, limit, columns, form, "referrals")


def _month(_context: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    if text is not None and not MONTH.fullmatch(text):
        raise click.BadParameter("no month: write one as 2026-03")
    return text


@click.command()
@click.option("--unit", metavar="ID", help="Only reports to this unit.")
@click.option("--offence", multiple=True, type=choice(Offence), help="Only with this first NIBRS code; repeatable.")
@click.option(
    "--since", metavar="MONTH", callback=_month, help="Only reports received in this month (2026-03) or later."
)
@click.option("--until", metavar="MONTH", callback=_month, help="Only reports received in this month or earlier.")
@format_option
@pass_config
@guarded
def intake(
    config: Config, unit: str | None, offence: tuple[str, ...], since: str | None, until: str | None, form: str
) -> None:
    """Count reports by month of receipt, unit and first offence: received, screened, assigned, contacted, closed."""
    with opened_views(config) as database:
        rows = queries.intake(database, queries.IntakeFilter(since, until, unit, offence))
        if not rows:
            check_known(InViews(database), Wanted(unit=unit))
    emit(rows, ("month", "unit", "offence", *queries.MEASURES), form, "intake")
