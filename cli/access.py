"""``casetrail log access``: which rights each role needs on the brokers, as a table or as the commands that give them."""

import click

from casetrail.cli.config import Config
from casetrail.cli.context import Failure, format_option, guarded, pass_config
from casetrail.cli.render import emit, harmless

COLUMNS = ("role", "resource", "name", "pattern", "operations")


@click.command("access")
@click.option("--role", metavar="ROLE", help="Only this role: submitter, recorder, notary or reader.")
@click.option("--principal", metavar="NAME", help="Print the commands that give them to this one, as 'User:recorder'.")
@format_option
@pass_config
@guarded
def access(config: Config, role: str | None, principal: str | None, form: str) -> None:
    """List the rights that each role needs on the brokers, and no others. Nobody needs to delete or to alter.

    Nothing is changed: with --principal it prints commands of Kafka's own tools, for who administers the brokers.
    """
    from casetrail.eventlog.kafka_access import ROLES, rights
    from casetrail.eventlog.opening import parse_address

    address = parse_address(config.log_url())
    if address.path is not None:
        raise Failure("an embedded log is one file: whoever may write the file may do everything (see docs/threats.md)")
    if role not in (None, *ROLES):
        raise click.UsageError(f"there is no such role: write {', '.join(ROLES)}")
    if principal is not None and role is None:
        raise click.UsageError("say which role the principal has: give --role")
    wanted = [one for one in rights(address.name) if role in (None, one.role)]
    if principal is not None:
        for one in wanted:
            click.echo(harmless(one.command(principal, address.bootstrap)))
        return
    rows = [
        {
            "role": one.role,
            "resource": one.resource,
            "name": one.name,
            "pattern": "prefixed" if one.prefixed else "literal",
            "operations": ", ".join(one.operations),
        }
        for one in wanted
    ]
    emit(rows, COLUMNS, form, "rights")
