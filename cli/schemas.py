"""``casetrail schemas register``: the schemas of a log for tools that look for them in a registry."""

from pathlib import Path

import click

from casetrail.cli.config import Config
from casetrail.cli.context import Failure, format_option, guarded, pass_config, passphrase_in
from casetrail.cli.render import emit

COLUMNS = ("subject", "version", "id", "result")


@click.group()
def schemas() -> None:
    """Put the log's schemas where other tools look for them."""


@schemas.command()
@click.option("--registry", "url", metavar="URL", required=True, help="Where the schema registry listens.")
@click.option(
    "--credentials-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File whose first line is the registry's USER:PASSWORD.",
)
@format_option
@pass_config
@guarded
def register(config: Config, url: str, credentials_file: Path | None, form: str) -> None:
    """Register the schemas of a log on Kafka with a registry that speaks Confluent's API, under their own ids.

    For Kafka Connect, a web console and the like: nothing of casetrail asks a registry. Schemas that are there are left
    alone, others come into the subjects LOG.actions-value, LOG.events-value and LOG.checkpoints-value, which are in the mode
    IMPORT meanwhile.
    """
    from casetrail.consumers.schema_registry import SchemaRegistry, check_url
    from casetrail.eventlog.opening import parse_address

    address = parse_address(config.log_url())
    if address.path is not None:
        raise Failure("tools that ask a registry read topics of Kafka, and an embedded log is a file")
    credentials = passphrase_in(credentials_file)
    try:
        check_url(url, has_password=credentials is not None)
    except ValueError as error:
        raise click.UsageError(f"--registry: {error}") from error
    rows = [
        {
            "subject": one.subject,
            "version": one.version,
            "id": f"{one.schema_id:08x}",
            "result": "registered" if one.is_new else "there",
        }
        for one in SchemaRegistry(url, credentials).register(address.name)
    ]
    emit(rows, COLUMNS, form, "schemas")
