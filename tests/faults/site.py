"""The site that is injured: three brokers, PostgreSQL, and every process of casetrail twice where two are allowed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from casetrail.eventlog.opening import init_log
from tests.servers.kafka import start_cluster
from tests.servers.postgres import Postgres
from tests.servers.processes import is_asleep
from tests.small_disk import SmallDisk

ROOT: Final = Path(__file__).resolve().parents[2]
CASETRAIL: Final = (sys.executable, "-c", "from casetrail.cli.main import main; main()")
SAVING_OFTEN: Final = (
    sys.executable,
    "-c",
    "from casetrail.consumers import recorder; recorder.SAVE_EVERY = 1; from casetrail.cli.main import main; main()",
)
"""A recorder that writes to its state file after every step: at its usual pace a full disk would hardly ever meet a write."""
PARTITIONS: Final = 4
SMALL_DISK: Final = 256 * 1024 * 1024
LOOK_EVERY: Final = 0.1
LINE: Final = 300
"""So many characters of the last line of a process are told."""


class Service:
    """A process that is started again whenever it is not there, as a supervisor would."""

    def __init__(self, name: str, command: tuple[str, ...], folder: Path) -> None:
        self.name, self.command, self.folder = name, command, folder
        self.starts = 0
        self.own_ends: list[str] = []
        """Why it ended by itself, each time: its exit code, and the last that it said."""
        self.process: subprocess.Popen[bytes] | None = None
        self.output = folder / f"{name}.output"
        self._said_before = 0
        folder.mkdir(exist_ok=True)

    def start(self) -> None:
        """Start it."""
        self.starts += 1
        self._said_before = self.written()
        with self.output.open("ab") as out:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip

    def look_after(self) -> None:
        """Start it again where it has ended by itself."""
        if self.process is not None and self.process.poll() is not None:
            said = self._said(self._said_before).decode(errors="replace").split("\n")
            last = next((line.strip() for line in reversed(said) if line.strip()), "nothing")
            self.own_ends.append(f"exit {self.process.returncode}, {last[:LINE]}")
            self.start()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self) -> bool:
        """End it at once; whether it was running, and this ended it."""
        self.signal(signal.SIGKILL)
        ended = None if self.process is None else self.process.wait()
        self.process = None
        return ended == -signal.SIGKILL

    def sleep(self, seconds: float) -> bool:
        """Let it stand still for so long, and wake it up; whether it did."""
        self.signal(signal.SIGSTOP)
        time.sleep(seconds)
        slept = self.process is not None and is_asleep(self.process.pid)
        self.signal(signal.SIGCONT)
        return slept

    def written(self) -> int:
        """How many bytes it has said so far."""
        return self.output.stat().st_size if self.output.exists() else 0

    def says(self, words: str, since: int, within: float) -> bool:
        """Whether these words are in what it says after its first ``since`` bytes, within so many seconds."""
        until = time.monotonic() + within
        while words.encode() not in self._said(since):
            if time.monotonic() > until:
                return False
            time.sleep(LOOK_EVERY)
        return True

    def _said(self, since: int) -> bytes:
        with self.output.open("rb") as said:
            said.seek(since)
            return said.read()

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
        replication = min(3, brokers)
        init_log(self.url, partitions=PARTITIONS, replication=replication, min_isr=max(1, replication - 1)).close()
        self.disks = {
            name: SmallDisk(self.work / folder, SMALL_DISK)
            for name, folder in (
                ("recorder-1", "recorder-1.disk"), ("watchdog-1", "watchdog-1.disk"), ("load-1", "load-1.disk"),
                ("notary-1", "kcpd.notary"),
            )
        }  # fmt: skip
        self._configure(self.work)
        self._run("keys", "create", "kcpd.example", "--file", "key", "--for", "log")
        self._run("views", "rebuild")
        self.services = {one.name: one for one in self._made()}
        self.second_notary = self._notary("notary-2", self.work / "elsewhere")
        self._configure(self.second_notary.folder)

    def _configure(self, folder: Path) -> None:
        """Write down for those who run in a folder where everything is."""
        (folder / "casetrail.toml").write_text(
            f'log = "{self.url}"\nviews = "{self.views}"\nagency = "metro-pd"\n'
            "[kafka]\nsession_timeout_ms = 3000\nheartbeat_interval_ms = 500\nrequest_timeout_ms = 5000\n"
        )

    def _run(self, *words: str) -> None:
        subprocess.run([*CASETRAIL, *words], cwd=self.work, check=True, capture_output=True)

    def _serve(
        self, name: str, *words: str, folder: Path | None = None, casetrail: tuple[str, ...] = CASETRAIL
    ) -> Service:
        machine = ("--machine", name, "--heartbeat", "5", "--health-port", "0")
        return Service(name, (*casetrail, "serve", *words, *machine), folder or self.work)

    def _notary(self, name: str, folder: Path) -> Service:
        return self._serve(name, "notary", "--key", str(self.work / "key"), "--every", "1", folder=folder)

    def _load(self, name: str, spool: Path) -> Service:
        command = (sys.executable, "-m", "tests.faults.load", self.url, str(self.work), name, str(spool))
        return Service(name, command, self.work)

    def _made(self) -> list[Service]:
        serve = self._serve
        return [
            serve("recorder-1", "recorder", "--state", "recorder-1.disk/state", casetrail=SAVING_OFTEN),
            serve("recorder-2", "recorder", "--state", "state-2"),
            serve("projector-1", "projector"),
            serve("projector-2", "projector"),
            self._notary("notary-1", self.work),
            serve("watchdog-1", "watchdog", "--state", "watchdog-1.disk/state"),
            serve("watchdog-2", "watchdog", "--state", "watch-2"),
            self._load("load-1", self.work / "load-1.disk" / "load-1.spool"),
            self._load("load-2", self.work / "load-2.spool"),
        ]

    def has_acknowledged(self, name: str) -> bool:
        """Whether the log has acknowledged anything to this service."""
        path = self.work / f"{name}.acknowledged"
        return path.exists() and path.stat().st_size > 0

    def spools(self) -> list[Path]:
        """The files of the services' spools."""
        return sorted(self.work.rglob("*.spool"))

    @property
    def has_small_disks(self) -> bool:
        """Whether file systems may be mounted here."""
        return all(disk.is_mounted for disk in self.disks.values())

    def named(self, beginning: str) -> list[Service]:
        """The services whose names begin so."""
        return [one for name, one in self.services.items() if name.startswith(beginning)]

    def close(self) -> None:
        """End everything at once."""
        for service in (*self.services.values(), self.second_notary):
            service.kill()
        for broker in self.brokers:
            broker.kill()
        self.postgres.kill()
        for disk in self.disks.values():
            disk.close()
