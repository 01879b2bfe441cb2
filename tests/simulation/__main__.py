"""``python -m tests.simulation``: run many seeds, or show one."""

import os
import sys

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.simulation.campaign import run_all, told


@click.command()
@click.option("--seeds", default=10_000, show_default=True, help="How many seeds are run.")
@click.option("--from", "first", default=0, show_default=True, help="The first of them.")
@click.option("--seed", type=int, help="Show this seed only: its history, or the least that fails as it does.")
@click.option("--bug", help="Plant this bug (docs/simulation.md): its name, or how that begins.")
@click.option("--processes", type=int, help="How many processes; as many as there are processors unless given.")
def main(seeds: int, first: int, seed: int | None, bug: str | None, processes: int | None) -> None:
    """Run the simulation. Ends with 1 where a seed fails, and shows the first that did."""
    if seed is not None:
        text = told(seed, bug)
        click.echo(text)
        sys.exit(int("fails:" in text.split("\n", 1)[0]))
    failed: list[int] = []
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.fields[failed]} failed"))
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("seeds", total=seeds, failed=0)
        for chunk in run_all(first, seeds, processes or os.cpu_count(), bug):
            failed += chunk.failed
            progress.update(task, advance=chunk.done, failed=len(failed))
    if failed:
        click.echo(told(failed[0], bug))
        click.echo(f"{len(failed)} of {seeds} seeds fail: {', '.join(map(str, failed[:20]))}")
        sys.exit(1)
    click.echo(f"{seeds} seeds from {first}: all holds")


if __name__ == "__main__":
    main()
