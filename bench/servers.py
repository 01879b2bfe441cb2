"""The servers that are measured against, and child processes whose memory is read."""

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.kafka import Broker, start_cluster
from tests.servers.postgres import Postgres


@contextmanager
def servers() -> Iterator[tuple[Broker, Postgres, Path]]:
    """A broker, a PostgreSQL and a folder, all thrown away afterwards."""
    with tempfile.TemporaryDirectory(prefix="casetrail-bench-") as folder:
        (broker,) = start_cluster(Path(folder) / "kafka")
        postgres = Postgres(Path(folder) / "postgres")
        Path(folder).chmod(0o755)
        postgres.start()
        try:
            yield broker, postgres, Path(folder)
        finally:
            broker.kill()
            postgres.stop()


class Memory:
    """The most resident memory, in MB, of the child processes of this one while they are watched.

    ``most`` is that of any single one, ``together`` that of all at the same moment: pages that they share count twice.
    """

    def __init__(self) -> None:
        self.most = self.together = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.is_set():
            sizes = [0.0]
            for status in Path("/proc").glob("[0-9]*/status"):
                try:
                    text = status.read_text()
                except OSError:
                    continue
                fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
                if _descends(fields) and "python" in fields["Name"]:
                    sizes.append(int(fields.get("VmRSS", "0 kB").split()[0]) / 1024)
            self.most, self.together = max(self.most, *sizes), max(self.together, sum(sizes))
            time.sleep(0.2)


def _descends(fields: dict[str, str]) -> bool:
    """Whether a process is a child of this one, or a child's child."""
    parent = int(fields["PPid"])
    for _ in range(4):
        if parent == os.getpid():
            return True
        try:
            parent = int(Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            return False
    return False
