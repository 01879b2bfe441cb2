"""``casetrail partner AGENCY``: the cases that an agency is part of, and what they wait for."""

from itertools import islice
from typing import Any, Final

import click

from casetrail.cli.clocks import asking_options, views_asked
from casetrail.cli.config import Config
from casetrail.cli.context import an_id, format_option, guarded, moment, pass_config
from casetrail.cli.known import InViews, check_known
from casetrail.cli.known import Wanted as Ids
from casetrail.cli.render import emit_first

AGENCY: Final = click.argument("agency", metavar="AGENCY", type=an_id)


@click.command("list")
@AGENCY
@click.option("--waiting", is_flag=True, help="Only where somebody owes something.")
@click.option("--overdue", is_flag=True, help="Only where something is overdue.")
@click.option("--since", metavar="TIME", help="Only what was sent at this time or later.")
@click.option("--case", metavar="CASE", type=an_id, help="Only this case.")
@click.option("--limit", type=click.IntRange(1, 2**31), default=50, show_default=True, help="At most so many rows.")
@asking_options
@format_option
@pass_config
@guarded
def list_(config: Config, agency: str, form: str, **given: Any) -> None:
    """List what an agency sent into cases, or was asked for, and what has become of it: the oldest first.

    A row for each report that it made (part 'reported'), each referral to it ('asked') or from it ('asking'), and each
    concern that it raised ('concerned'). No names, nothing that is sealed, and nothing of what other partners were asked.
    docs/partners.md explains the columns.
    """
    from casetrail.cli.partner_rows import COLUMNS, SHORT, Chosen, rows
    from casetrail.projections.partner import Wanted

    since = moment(config, given["since"], "--since") if given["since"] else None
    chosen = Chosen(given["waiting"], given["overdue"])
    with views_asked(config, given) as (database, question):
        is_now = question.until is None  # the ledger says how it is now: of the past it gives no more than the cases
        wanted = Wanted(agency, since if is_now else None, given["case"], is_now and (chosen.waiting or chosen.overdue))
        found = (row for row in rows(database, wanted, chosen, question) if since is None or row["sent_at"] >= since)
        first = list(islice(found, given["limit"] + 1))
        if not first:
            check_known(InViews(database), Ids(agency=agency, case=given["case"]))
    emit_first(first, given["limit"], SHORT if form == "table" else COLUMNS, form, f"cases of {agency}")
