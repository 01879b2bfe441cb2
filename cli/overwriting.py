"""What a command must not write over: the log and what is kept beside it, keys, and what the command itself reads."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from casetrail.cli.config import Config
from casetrail.cli.context import Failure
from casetrail.cli.disks import places
from casetrail.cli.documents import PIPE

KEPT: Final = {
    "log": "the log",
    "views": "the views",
    "keyring": "the keyring",
    "spool": "the spool",
    "tree": "the copy of the log's tree",
    **{name: f"the state of the {name}" for name in ("recorder", "notary", "watchdog", "outbox")},
}
"""What ``places`` finds, in words. Where views are rebuilt meanwhile is nothing that is kept."""
OF_DATABASES: Final = ("-wal", "-shm", "-journal")
"""SQLite keeps files of these names beside its own, with what is not in that one yet."""
BEGINNINGS: Final = {b"SQLite format 3\0": "a database", b"-----BEGIN ": "a key"}


def check_output(config: Config, out: Path | None, others: Mapping[str, Path | None] | None = None) -> None:
    """End the command before it writes ``out``, where that would take away something that nothing gives back.

    ``others``: what else the command is given, by what it is. A mistyped path must not cost a log, a key, or the very file
    that is read; another file of the same name is an earlier output, and replaced. None, and ``-``, are standard output.
    """
    if out is None or str(out) == PIPE:
        return
    kept = [*_kept(config), *((what, path) for what, path in (others or {}).items() if path is not None)]
    for what, path in kept:
        if any(_is_same(one, path) for one in _main_files(out)) or _is_part(out, path):
            raise Failure(f"{out} is {what}, or part of it: name another file; nothing was written")
    check_content(out)


def check_content(out: Path) -> None:
    """End the command where what is there already is a database or a key: no command writes those as its output."""
    if not out.is_file():  # a device, a pipe, or nothing
        return
    try:
        with out.open("rb") as opened:
            begins = opened.read(max(map(len, BEGINNINGS)))
    except OSError:  # whether it can be written is told by whoever writes it
        return
    for beginning, what in BEGINNINGS.items():
        if begins.startswith(beginning):
            raise Failure(f"{out} holds {what}: move it away, or name another file; nothing was written")


def _kept(config: Config) -> Iterator[tuple[str, Path]]:
    """What is configured, by what it is."""
    if config.log is not None:
        yield from ((KEPT[name], path) for name, path in places(config).items() if name in KEPT)
    for what, name in (
        ("the trust policy", config.policy),
        ("the keyring's master key", config.master_key_file),
        ("the configuration", config.source),
    ):
        if name:
            yield what, Path(name)


def _main_files(out: Path) -> Iterator[Path]:
    """The file itself; and the database whose file beside it this is, if it is one."""
    yield out
    for ending in OF_DATABASES:
        if out.name.endswith(ending) and (name := out.name.removesuffix(ending)):
            yield out.with_name(name)


def _is_same(one: Path, other: Path) -> bool:
    """Whether both are one file, or are going to be; also by a link."""
    try:
        return one.samefile(other)
    except OSError:  # one is not there
        return os.path.realpath(one) == os.path.realpath(other)


def _is_part(out: Path, folder: Path) -> bool:
    """Whether it is a file that is there already in a folder that is kept."""
    return out.is_file() and folder.is_dir() and Path(os.path.realpath(folder)) in Path(os.path.realpath(out)).parents
