"""The site that is injured: three brokers, PostgreSQL, and every process of casetrail twice where two are allowed."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from casetrail.eventlog.opening import init_log
from tests.servers.kafka import start_cluster
from tests.servers.postgres import Postgres

ROOT: Final = Path(__file__).resolve().parents[2]
CASETRAIL: Final = (sys.executable, "-c", "from casetrail.cli.main import main; main()")
PARTITIONS: Final = 4
SMALL_DISK: Final = 64 * 1024 * 1024


class Service:
    """A process that is started again whenever it is not there, as a supervisor would."""

    def __init__(self, name: str, command: tuple[str, ...], folder: Path) -> None:
        self.name, self.command, self.folder = name, command, folder
        self.starts = self.own_ends = 0
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(exist_ok=True)

    def start(self) -> None:
        """Start it."""
        self.starts += 1
        with (self.folder / f"{self.name}.output").open("ab") as out:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip

    def look_after(self) -> None:
        """Start it again where it has ended by itself."""
        if self.process is not None and self.process.poll() is not None:
            self.own_ends += 1
            self.start()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """End it at once."""
        self.signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()
        self.process = None

    def stop(self) -> None:
        """End it in good order. Raises ``TimeoutExpired`` where it does not."""
        self.signal(signal.SIGTERM)
        if self.process is not None:
            self.process.wait(90)
        self.process = None


class Site:
    """Brokers, databases and services in a folder."""

    def __init__(self, folder: Path, brokers: int = 3) -> None:
        self.folder = folder
        self.brokers = start_cluster(folder / "kafka", brokers)
        self.postgres = Postgres(folder / "postgres")
        self.postgres.start()
        bootstrap = ",".join(broker.bootstrap for broker in self.brokers)
        self.url = f"kafka://{bootstrap}/kcpd"
        self.views = self.postgres.url()
        self.work = folder / "work"
        self.work.mkdir()
        (self.work / "casetrail.toml").write_text(
            f'log = "{self.url}"\nviews = "{self.views}"\nagency = "metro-pd"\n'
            "[kafka]\nsession_timeout_ms = 3000\nheartbeat_interval_ms = 500\nrequest_timeout_ms = 5000\n"
        )
        replication = min(3, brokers)
        init_log(self.url, partitions=PARTITIONS, replication=replication, min_isr=max(1, replication - 1)).close()
        self.small_disk = folder / "small-disk"
        self.small_disk.mkdir()
        self.has_small_disk = self._mount()
        self._run("keys", "create", "kcpd.example", "--file", "key", "--for", "log")
        self._run("views", "rebuild")
        self.services = {one.name: one for one in self._made()}

    def _mount(self) -> bool:
        """Put a small file system under a recorder's state; whether that is allowed here."""
        command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", str(self.small_disk)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def _run(self, *words: str) -> None:
        subprocess.run([*CASETRAIL, *words], cwd=self.work, check=True, capture_output=True)

    def _made(self) -> list[Service]:
        def serve(name: str, *words: str) -> Service:
            machine = ("--machine", name, "--heartbeat", "5", "--health-port", "0")
            return Service(name, (*CASETRAIL, "serve", *words, *machine), self.work)

        def load(name: str) -> Service:
            return Service(name, (sys.executable, "-m", "tests.faults.load", self.url, str(self.work), name), self.work)

        return [
            serve("recorder-1", "recorder", "--state", str(self.small_disk / "state")),
            serve("recorder-2", "recorder", "--state", "state-2"),
            serve("projector-1", "projector"),
            serve("projector-2", "projector"),
            serve("notary-1", "notary", "--key", "key", "--every", "1"),
            serve("watchdog-1", "watchdog", "--state", "watch-1"),
            serve("watchdog-2", "watchdog", "--state", "watch-2"),
            load("load-1"),
            load("load-2"),
        ]

    def named(self, beginning: str) -> list[Service]:
        """The services whose names begin so."""
        return [one for name, one in self.services.items() if name.startswith(beginning)]

    def close(self) -> None:
        """End everything at once."""
        for service in self.services.values():
            service.kill()
        for broker in self.brokers:
            broker.kill()
        self.postgres.kill()
        if self.has_small_disk:
            subprocess.run(["umount", "-l", str(self.small_disk)], check=False)
