"""``casetrail log`` and ``casetrail views``: for administrators."""

import click

from casetrail.cli import exits
from casetrail.cli.access import access
from casetrail.cli.config import Config
from casetrail.cli.context import format_option, guarded, opened_log, opened_views, pass_config
from casetrail.cli.progress import progress_bar
from casetrail.cli.render import emit
from casetrail.eventlog.port import Topic


@click.group()
def log() -> None:
    """Make, check and describe a log."""


log.add_command(access)


@log.command("init")
@click.option("--name", metavar="ID", help="Name of an embedded log (the file's unless given).")
@click.option("--partitions", type=click.IntRange(1, 10_000), help="1 for an embedded log, 12 on Kafka; never changes.")
@click.option("--replication", type=click.IntRange(1, 9), default=3, show_default=True, help="Copies, on Kafka.")
@click.option(
    "--min-isr", type=click.IntRange(1, 9), default=2, show_default=True, help="Copies written before an ack."
)
@click.option("--if-missing", is_flag=True, help="Succeed where the log is there already.")
@pass_config
@guarded
def log_init(
    config: Config, name: str | None, partitions: int | None, replication: int, min_isr: int, if_missing: bool
) -> None:
    """Make a new log with the settings that an immutable history needs."""
    from casetrail.eventlog.errors import LogExists
    from casetrail.eventlog.opening import init_log

    try:
        made = init_log(
            config.log_url(), name=name, partitions=partitions, replication=replication, min_isr=min_isr,
            options=config.kafka,
        )  # fmt: skip
    except LogExists:
        if not if_missing:
            raise
        click.echo("the log is there already")
        _complete(config)
        return
    click.echo(f"made log '{made.name}' with {made.partitions} partition(s)")
    made.close()


def _complete(config: Config) -> None:
    """Write the schemas that a log does not carry yet: who made it may have been killed before that."""
    from casetrail.eventlog.errors import LogRefused
    from casetrail.eventlog.schemas import register_in_log

    try:
        with opened_log(config) as there:
            register_in_log(there)
    except LogRefused as error:  # it was enough so far to be allowed to make topics
        click.echo(
            f"whether it carries all schemas could not be seen to ({error}); 'casetrail serve notary' writes them, too",
            err=True,
        )


@log.command("check")
@format_option
@pass_config
@guarded
def log_check(config: Config, form: str) -> None:
    """Report every setting that protects the history less than it must. Exit code 8 where there is one."""
    with opened_log(config) as opened:
        found = opened.weaknesses()
    emit(
        [one._asdict() for one in found],
        ("topic", "setting", "found", "required", "meaning"),
        form,
        "weakened settings",
    )
    if found:
        click.get_current_context().exit(exits.FAULTS)


@log.command("info")
@format_option
@pass_config
@guarded
def log_info(config: Config, form: str) -> None:
    """Show the topics of the log and how far they reach."""
    rows = []
    with opened_log(config) as opened:
        for topic in Topic:
            starts, ends = opened.start_offsets(topic), opened.end_offsets(topic)
            rows += [
                {
                    "log": opened.name,
                    "topic": topic.value,
                    "partition": one,
                    "start_offset": starts[one],
                    "end_offset": end,
                }
                for one, end in sorted(ends.items())
            ]
    emit(rows, ("log", "topic", "partition", "start_offset", "end_offset"), form, "topics")


@click.group()
def views() -> None:
    """Rebuild and describe views."""


@views.command("rebuild")
@click.option("--processes", type=click.IntRange(1), help="How many processes fold; two unless given.")
@click.option("--without-judgements", is_flag=True, help="Leave out clocks and findings: that takes half the time.")
@pass_config
@guarded
def views_rebuild(config: Config, processes: int | None, without_judgements: bool) -> None:
    """Build the views anew from the first event, beside the ones that serve, and swap them in."""
    from casetrail.projections.rebuild import rebuild

    with opened_log(config) as opened:
        total = sum(opened.end_offsets(Topic.EVENTS).values())
        with progress_bar("rebuilding", total) as progress:
            count = rebuild(
                opened, config.log_url(), config.views_url(), config.kafka, progress, processes, not without_judgements
            )
    click.echo(f"rebuilt from {count} event(s)")


@views.command("info")
@format_option
@pass_config
@guarded
def views_info(config: Config, form: str) -> None:
    """Show how many cases stand at each status."""
    from casetrail.projections.queries import statuses

    with opened_views(config) as database:
        emit(statuses(database), ("status", "cases"), form, "cases by status")
