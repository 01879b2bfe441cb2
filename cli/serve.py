"""``casetrail serve``: recorder, projector, notary, watchdog, outbox, or all of them, until they are told to stop."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import Failure, Seconds, an_id, guarded, moment, now, opened_log, pass_config, passphrase_in
from casetrail.cli.disks import places_of, room_at
from casetrail.cli.serving import Consumers, Notarial, Running, Watching
from casetrail.consumers.health import Health, HealthServer
from casetrail.consumers.heart import EVERY, Heart, Host, host_name
from casetrail.consumers.loop import Consumer, run, run_beside
from casetrail.consumers.notary import Cadence
from casetrail.consumers.pending import Pending
from casetrail.consumers.recipients import load_recipients
from casetrail.domain.codes import MachineKind
from casetrail.domain.values import iso
from casetrail.proofs.keys import load_key
from casetrail.proofs.logtree import NOWHERE

T = TypeVar("T")

LOG: Final = logging.getLogger("casetrail")
LONGEST: Final = 25.0
"""Seconds that ending in good order may take. An engine that kills must wait longer (docs/operations.md)."""
READERS: Final[Mapping[str, tuple[str, ...]]] = {
    "state": ("recorder", "watchdog", "outbox"),
    "recipients": ("outbox",),
    "since": ("watchdog", "outbox"),
    **dict.fromkeys(("key", "passphrase_file", "every", "most", "past"), ("notary",)),
}
"""Who reads which option; ``all`` reads each. The others are read by all."""


@click.command()
@click.argument("what", type=click.Choice(["recorder", "projector", "notary", "watchdog", "outbox", "all"]))
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    help="The state file of the recorder, watchdog or outbox; beside the log or in this folder.",
)
@click.option(
    "--recipients", type=click.Path(path_type=Path), help="The outbox's addresses: a TOML file (docs/watchdog.md)."
)
@click.option(
    "--since",
    metavar="TIME",
    help="The watchdog records what was missed, a new outbox sends what was recorded, from then on.",
)
@click.option("--now", "moment_text", metavar="TIME", help="The watchdog goes on to this time in one go, and ends.")
@click.option(
    "--machine",
    metavar="ID",
    type=an_id,
    help="By what the ids of machines begin in the log; the host's name unless given.",
)
@click.option(
    "--heartbeat",
    type=Seconds(0, 43_200),
    default=EVERY,
    show_default=True,
    help="Seconds from one heartbeat in the log to the next; 0: none.",
)
@click.option(
    "--health-port",
    type=click.IntRange(0, 65_535),
    default=8080,
    show_default=True,
    help="Port for /health and /metrics; 0: any.",
)
@click.option("--health-address", default="127.0.0.1", show_default=True, help="Address for /health and /metrics.")
@click.option("--key", type=click.Path(path_type=Path), help="The notary's key ('casetrail keys create').")
@click.option("--passphrase-file", type=click.Path(path_type=Path), help="File with the passphrase of that key.")
@click.option(
    "--every",
    type=Seconds(0.1, 86_400),
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
@click.option(
    "--past",
    type=click.IntRange(0),
    metavar="OFFSET",
    help="Go past checkpoints that the log's key did not sign, up to this offset (docs/operations.md).",
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
    past: int | None,
    **given: Any,
) -> None:
    """Run recorder, projector, notary, watchdog, outbox, or all of them (notary and outbox where --key and --recipients are given).

    SIGTERM and Ctrl-C stop them in good order. Among all, a fault of another one never ends the recorder: /health names it, and the
    exit code is 1 once they are stopped. The notary signs the Merkle tree over all events, and asks the witnesses
    of the configured policy to cosign it. The watchdog has missed deadlines recorded, and who is told of them; the outbox
    tells them.

    /health answers 200 while all work, /metrics has the lag of each partition in Prometheus' text format.
    """
    _check_read(what, key)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("kafka").setLevel(logging.ERROR)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if what == "notary" and key is None:
        raise click.UsageError("a notary needs --key FILE; 'casetrail keys create' makes one")
    watching = _watching(config, what, given, state if what in ("watchdog", "outbox") else None)
    with _ended_in_time(stop), opened_log(config) as log:
        notarial = (
            None
            if key is None
            else Notarial(
                _read(what, lambda: load_key(key, passphrase_in(passphrase_file))),
                Cadence(every, most),
                NOWHERE if past is None else past,
            )
        )
        pending = Pending(log).measure if what in ("recorder", "projector", "all") else None
        wanted = ["recorder", "projector", "watchdog"] if what == "all" else [what]
        wanted += [name for name, has in (("notary", key), ("outbox", watching.recipients)) if what == "all" and has]
        written = places_of(config, wanted, state)
        health = Health(
            lambda: runs.lags(), lambda: runs.gauges(), pending,
            lambda: {name: room_at(path) for name, path in written.items()},
        )  # fmt: skip
        running = Running(stop, health)
        runs = Consumers(config, log, state or config.path_beside("state"), notarial, watching, running)
        if watching.played is not None:
            _play(runs, stop)
            return
        if watching.since is not None:
            health.noted("since", f"what was missed, or recorded, before {iso(watching.since)} is left alone")
        try:
            server = HealthServer(health, health_address, health_port)
        except OSError as error:
            raise Failure(f"cannot listen on {health_address}:{health_port}: {error.strerror}") from error
        host = f"[{health_address}]" if ":" in health_address else health_address
        click.echo(f"{what} of log '{log.name}'; health at http://{host}:{server.port}/health", err=True)
        heart = Heart(log, watching.host, health, given["heartbeat"] or EVERY)
        if given["heartbeat"]:
            heart.start()
        failures = _run_all({name: runs.makers[name] for name in wanted}, stop, health)
        heart.close()
        server.close()
    if failures:
        raise Failure("; ".join(str(one) or type(one).__name__ for one in failures), exits.FAILED)


def _check_read(what: str, key: Path | None) -> None:
    """Refuse options that would be passed over: whoever gives a key believes that a notary runs."""
    context = click.get_current_context()
    for name, readers in READERS.items():
        if context.get_parameter_source(name) is ParameterSource.DEFAULT:
            continue
        option = f"--{name.replace('_', '-')}"
        if what not in (*readers, "all"):
            raise click.UsageError(
                f"{option} is for {', '.join(readers)} or all: 'casetrail serve {what}' does not read it"
            )
        if what == "all" and readers == ("notary",) and key is None:
            raise click.UsageError(f"{option} is for a notary, and without --key FILE there is none among all")


def _read(what: str, read: Callable[[], T]) -> Callable[[], T]:
    """What reads a file of one of the consumers: at once, but beside a recorder only when that one is made, whose trouble it is then."""
    if what == "all":
        return read
    found = read()
    return lambda: found


def _watching(config: Config, what: str, given: dict[str, Any], state: Path | None) -> Watching:
    """What the options say of watchdog and outbox."""
    if given["moment_text"] and what != "watchdog":
        raise click.UsageError("--now is for the watchdog alone: 'casetrail serve watchdog --now TIME'")
    if what == "outbox" and given["recipients"] is None:
        raise click.UsageError("an outbox needs --recipients FILE: who is reached where (docs/watchdog.md)")
    played = moment(config, given["moment_text"], "--now") if given["moment_text"] else None
    if played is not None and played > now():
        raise click.UsageError("--now lies ahead: what is recorded has happened")
    since = moment(config, given["since"], "--since") if given["since"] else None
    if since is not None and since > now():
        raise click.UsageError("--since lies ahead: until then nothing would be recorded, and nobody told")
    return Watching(
        Host(given["machine"] or host_name(), config.agency or "casetrail"),
        played,
        since,
        state,
        None if given["recipients"] is None else _read(what, lambda: load_recipients(given["recipients"])),
        what == "all",
    )


def _play(runs: Consumers, stop: threading.Event) -> None:
    """Let a watchdog go on to its moment."""
    watchdog = runs.watch()
    try:
        while not stop.is_set() and ((done := watchdog.step(0.05)) or watchdog.is_behind):
            stop.wait(0.0 if done else 0.05)
        click.echo(f"{watchdog.submitted} missed deadlines and tellings submitted", err=True)
    finally:
        watchdog.close()


@contextmanager
def _ended_in_time(stop: threading.Event) -> Iterator[None]:
    """End the process where it has not ended by itself some time after it was told to: a broker that hangs keeps clients waiting."""
    ended = threading.Event()

    def watch() -> None:
        stop.wait()
        if not ended.wait(LONGEST):
            LOG.error(
                "not ended %.0f s after it was told to, as something does not answer; ended now, which loses nothing",
                LONGEST,
            )
            os._exit(exits.UNREACHABLE)

    threading.Thread(target=watch, name="end", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        stop.set()


def _run_all(makers: Mapping[str, Callable[[], Consumer]], stop: threading.Event, health: Health) -> list[Exception]:
    """Run each consumer in a thread. What ends the recorder ends all; what ends another one, beside it, leaves it recording."""
    failures: list[Exception] = []

    def one(name: str, make: Callable[[], Consumer]) -> None:
        try:
            if name == MachineKind.RECORDER or len(makers) == 1:
                run(name, make, stop, health)
            elif (fault := run_beside(name, make, stop, health)) is not None:
                failures.append(fault)
        except Exception as error:  # it is reported when all have stopped
            if not hasattr(error, "code"):
                LOG.exception("%s has failed", name)
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
