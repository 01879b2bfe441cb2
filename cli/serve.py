"""``casetrail serve``: recorder, projector, notary, or all of them, until they are told to stop."""

import logging
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import Failure, guarded, opened_log, pass_config, passphrase_in
from casetrail.cli.serving import Consumers, Notarial
from casetrail.consumers.health import Health, HealthServer
from casetrail.consumers.loop import Consumer, run
from casetrail.consumers.notary import Cadence
from casetrail.proofs.keys import load_key


@click.command()
@click.argument("what", type=click.Choice(["recorder", "projector", "notary", "all"]))
@click.option(
    "--state", type=click.Path(path_type=Path), help="The recorder's state file; beside the log or in this folder."
)
@click.option("--health-port", type=int, default=8080, show_default=True, help="Port for /health and /metrics; 0: any.")
@click.option("--health-address", default="127.0.0.1", show_default=True, help="Address for /health and /metrics.")
@click.option("--key", type=click.Path(path_type=Path), help="The notary's key ('casetrail keys create').")
@click.option("--passphrase-file", type=click.Path(path_type=Path), help="File with the passphrase of that key.")
@click.option(
    "--every",
    type=click.FloatRange(0.1, 86_400),
    default=60.0,
    show_default=True,
    help="Seconds after which the notary publishes a checkpoint.",
)
@click.option(
    "--most",
    type=click.IntRange(1, 1_000_000),
    default=50_000,
    show_default=True,
    help="Waiting events at which it publishes one sooner.",
)
@pass_config
@guarded
def serve(
    config: Config,
    what: str,
    state: Path | None,
    health_port: int,
    health_address: str,
    key: Path | None,
    passphrase_file: Path | None,
    every: float,
    most: int,
) -> None:
    """Run recorder, projector, notary, or all of them (the notary where --key is given).

    SIGTERM and Ctrl-C stop them in good order. The notary signs the Merkle tree over all events, and asks the witnesses
    of the configured policy to cosign it.

    /health answers 200 while all work, /metrics has the lag of each partition in Prometheus' text format.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("kafka").setLevel(logging.ERROR)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with opened_log(config) as log:
        if what == "notary" and key is None:
            raise click.UsageError("a notary needs --key FILE; 'casetrail keys create' makes one")
        notarial = (
            None if key is None else Notarial(load_key(key, passphrase_in(passphrase_file)), Cadence(every, most))
        )
        runs = Consumers(config, log, state or config.path_beside("state"), notarial)
        wanted = ["recorder", "projector"] if what == "all" else [what]
        if what == "all" and key is not None:
            wanted.append("notary")
        health = Health(runs.lags)
        try:
            server = HealthServer(health, health_address, health_port)
        except OSError as error:
            raise Failure(f"cannot listen on {health_address}:{health_port}: {error.strerror}") from error
        click.echo(f"{what} of log '{log.name}'; health at http://{health_address}:{server.port}/health", err=True)
        failures = _run_all({name: runs.makers[name] for name in wanted}, stop, health)
        server.close()
    if failures:
        raise Failure(str(failures[0]), exits.FAILED)


def _run_all(makers: Mapping[str, Callable[[], Consumer]], stop: threading.Event, health: Health) -> list[Exception]:
    """Run each consumer in a thread; what ends one ends all."""
    failures: list[Exception] = []

    def one(name: str, make: Callable[[], Consumer]) -> None:
        try:
            run(name, make, stop, health)
        except Exception as error:  # it is reported when all have stopped
            if not hasattr(error, "code"):
                logging.getLogger("casetrail").exception("%s has failed", name)
            failures.append(error)
        finally:
            stop.set()

    threads = [threading.Thread(target=one, args=item, name=item[0]) for item in makers.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(0.2)
    return failures
