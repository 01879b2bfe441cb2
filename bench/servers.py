"""The servers that are measured against, and child processes whose memory is read."""

import os
import tempfile
import threading
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
        while not self._stop.wait(0.2):
            sizes = [_resident(process) for process in _descendants(os.getpid())]
            self.most, self.together = max(self.most, *sizes, 0.0), max(self.together, sum(sizes))


def _descendants(process: int) -> Iterator[int]:
    """The children of a process and theirs. Asking each for its own is cheap: what is measured has the same two cores."""
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            found = children.read_text().split()
        except OSError:
            continue  # it has ended meanwhile
        for child in found:
            yield int(child)
            yield from _descendants(int(child))


def _resident(process: int) -> float:
    """Resident memory of a process that runs Python, in MB; 0 for any other, and where it has ended."""
    try:
        text = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return int(fields.get("VmRSS", "0 kB").split()[0]) / 1024 if "python" in fields["Name"] else 0.0


def brokers() -> Iterator[tuple[float, int]]:
    """Resident memory in MB, and the number of open files, of the broker that this process has started."""
    for process in _descendants(os.getpid()):
        folder = Path(f"/proc/{process}")
        try:
            if b"kafka.Kafka" in (folder / "cmdline").read_bytes().split(b"\0"):
                pages = int((folder / "statm").read_text().split()[1])
                yield pages * os.sysconf("SC_PAGE_SIZE") / 1024**2, len(list((folder / "fd").iterdir()))
        except OSError:
            continue  # it has ended meanwhile
