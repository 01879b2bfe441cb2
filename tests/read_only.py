"""A folder in which nothing can be written, as an auditor is handed it: mounted so where this user may do that, else by its mode."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from os import W_OK, access
from pathlib import Path

import pytest


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Within this nothing can be written in a folder, whoever tries."""
    mode = folder.stat().st_mode
    folder.chmod(0o555)
    mounted = access(folder, W_OK) and _mount("--bind", str(folder), str(folder))
    try:
        if mounted:
            _mount("-o", "remount,ro,bind", str(folder))
        if access(folder, W_OK):
            pytest.skip("this user may write everywhere, and mount nothing")
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=False)
        folder.chmod(mode)


def _mount(*words: str) -> bool:
    return subprocess.run(["mount", *words], capture_output=True, check=False).returncode == 0
