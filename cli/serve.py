"""``casetrail serve``: recorder, projector, or both, until they are told to stop."""

import logging
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import Failure, guarded, opened_log, pass_config
from casetrail.consumers.health import Health, HealthServer
from casetrail.consumers.loop import Consumer, run
from casetrail.consumers.projector import Projector
from casetrail.consumers.recorder import Recorder
from casetrail.eventlog.errors import LogError
from casetrail.eventlog.port import Log, Topic
from casetrail.projections.case_store import CaseStore
from casetrail.projections.database import open_database
from casetrail.projections.errors import ViewMissing
from casetrail.projections.views import Views


class ServedRecorder(Recorder):
    """A recorder with a state file of its own."""

    def __init__(self, log: Log, state: Path) -> None:
        self.store = CaseStore(state, log.name)
        super().__init__(log, self.store)

    def close(self) -> None:
        super().close()
        self.store.close()


@click.command()
@click.argument("what", type=click.Choice(["recorder", "projector", "all"]))
@click.option(
    "--state", type=click.Path(path_type=Path), help="The recorder's state file; beside the log or in this folder."
)
@click.option("--health-port", type=int, default=8080, show_default=True, help="Port for /health and /metrics; 0: any.")
@click.option("--health-address", default="127.0.0.1", show_default=True, help="Address for /health and /metrics.")
@pass_config
@guarded
def serve(config: Config, what: str, state: Path | None, health_port: int, health_address: str) -> None:
    """Run recorder, projector or both. SIGTERM and Ctrl-C stop them in good order.

    /health answers 200 while all work, /metrics has the lag of each partition in Prometheus' text format.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("kafka").setLevel(logging.ERROR)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with opened_log(config) as log:
        runs = _Runs(config, log, state or _default_state(config, log))
        wanted = ("recorder", "projector") if what == "all" else (what,)
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


def _default_state(config: Config, log: Log) -> Path:
    url = config.log_url()
    return Path(f"{url.removeprefix('sqlite:')}.state") if url.startswith("sqlite:") else Path(f"{log.name}.state")


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


class _Runs:
    """Makes the consumers, and knows how far each has come."""

    def __init__(self, config: Config, log: Log, state: Path) -> None:
        self._config, self._log, self._state = config, log, state
        self._recorder: ServedRecorder | None = None
        self._projector: Projector | None = None
        self.makers: Mapping[str, Callable[[], Consumer]] = {"recorder": self._record, "projector": self._project}

    def _record(self) -> Recorder:
        self._recorder = ServedRecorder(self._log, self._state)
        return self._recorder

    def _project(self) -> Projector:
        url = self._config.views_url()
        try:
            views = Views(open_database(url), self._log.name)
        except ViewMissing:
            from casetrail.projections.rebuild import rebuild

            rebuild(self._log, self._config.log_url(), url, self._config.kafka)
            views = Views(open_database(url), self._log.name)
        self._projector = Projector(self._log, views)
        return self._projector

    def lags(self) -> dict[tuple[str, int], int]:
        """How many offsets lie between each consumer and the end of what it reads."""
        found: dict[tuple[str, int], int] = {}
        try:
            if self._recorder is not None:
                ends = self._log.end_offsets(Topic.ACTIONS)
                found |= {("recorder", p): ends[p] - at for p, at in self._recorder.owned.items()}
            if self._projector is not None:
                ends = self._log.end_offsets(Topic.EVENTS)
                found |= {("projector", p): ends[p] - at for p, at in self._projector.positions.items()}
        except LogError:
            return {}
        return found
