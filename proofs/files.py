"""Files that come into their place whole: nobody who looks ever sees half of one."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def put(path: Path, content: bytes) -> None:
    """Bring a file into its place, in place of what was there. Raises ``OSError``, and leaves nothing beside it."""
    beside = _beside(path)
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def growing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which comes into its place when all is written; where something fails, nothing is left of it.

    Raises ``OSError``.
    """
    beside = _beside(path)
    try:
        with beside.open("xb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def place(path: Path, content: bytes, mode: int) -> None:
    """Bring a new file into its place and make it durable. It never has a wider ``mode``, and replaces none.

    Raises ``FileExistsError`` and other ``OSError``.
    """
    beside = _beside(path)
    try:
        with open(beside, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        os.link(beside, path)
        _sync(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}")


def _sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
