"""A folder in which nothing can be written, as an auditor is handed it: mounted so where this user may do that, else by its mode."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from os import W_OK, access
from pathlib import Path

import pytest


@contextmanager
def read_only(path: Path) -> Iterator[None]:
    """Within this nothing can be written in a folder, or to a file, whoever tries."""
    modes = {one: one.stat().st_mode for one in (path, *path.rglob("*"))}
    for one, mode in modes.items():
        one.chmod(mode & ~0o222)
    mounted = access(path, W_OK) and _mount("--bind", str(path), str(path))
    try:
        if mounted:
            _mount("-o", "remount,ro,bind", str(path))
        if access(path, W_OK):
            pytest.skip("this user may write everywhere, and mount nothing")
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(path)], check=False)
        for one, mode in modes.items():
            one.chmod(mode)


def _mount(*words: str) -> bool:
    return subprocess.run(["mount", *words], capture_output=True, check=False).returncode == 0
