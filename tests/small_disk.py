"""A disk that is full when a test says so: a small file system of its own, or, where none may be mounted, a limit on files."""

import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

SIZE: Final = 32 * 1024 * 1024


class SmallDisk:
    """A folder on it, and whether anything more can be written."""

    def __init__(self, folder: Path, size: int = SIZE) -> None:
        self.folder = folder
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        self.is_mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0

    @contextmanager
    def full(self) -> Iterator[None]:
        """Within this no file on it can grow."""
        if not self.is_mounted:
            with _no_growth():
                yield
            return
        filler = self.folder / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:  # the last bytes one by one: it is full then
            for size in (65536, 4096, 1):
                with suppress(OSError):
                    while file.write(bytes(size)):
                        pass
        try:
            yield
        finally:
            filler.unlink()

    def close(self) -> None:
        """Take it away."""
        if self.is_mounted:
            subprocess.run(["umount", "-l", str(self.folder)], check=False)


@contextmanager
def _no_growth() -> Iterator[None]:
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))
