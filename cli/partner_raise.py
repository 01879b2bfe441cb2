"""``casetrail partner raise``: a concern, with an id that no other has."""

import secrets
from typing import Any, Final

import click

from casetrail.cli.config import Config
from casetrail.cli.context import an_id, choice, guarded, pass_config
from casetrail.cli.sealing import SEALING, NamesNobody
from casetrail.cli.submit import act, actor_of, common_options
from casetrail.domain.codes import ConcernKind

MOST_OF_AGENCY: Final = 50
"""Letters of the agency's id that the concern's begins with: an id has 64."""


@click.command("raise", cls=NamesNobody)
@click.argument("case_id", metavar="CASE", type=an_id)
@click.option("--about", required=True, type=choice(ConcernKind), help="What you are concerned about.")
@click.option("--seal", SEALING, multiple=True, metavar="NAME=TEXT|@FILE|-", help="A text to seal.")
@common_options
@pass_config
@guarded
def raise_(config: Config, **given: Any) -> None:
    """Raise a concern about a case: the unit owes an answer, and cannot close it.

    The same as 'casetrail act concern-raised', but the concern's id is made here: you do not see which ids other partners have
    used in this case. 'casetrail partner AGENCY' shows it as the subject, and what has become of it.
    """
    concern = f"{actor_of(config).agency[:MOST_OF_AGENCY]}-{secrets.token_hex(4)}"
    click.echo(f"concern {concern}", err=True)
    click.get_current_context().invoke(act.commands["concern-raised"], concern=concern, **given)
