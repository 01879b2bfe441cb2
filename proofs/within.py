"""Reading a folder that somebody else has made: a link in it may lead anywhere, and a pipe is waited for without end.

So nothing is read there but plain files of the folder itself. The folder may be reached by a link: that is the reader's own.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

WAY: Final = os.O_DIRECTORY | getattr(os, "O_PATH", os.O_RDONLY)
"""A folder on the way need not be one that may be listed."""
FILE: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW
IS_LINK: Final = "it is a link, and none is followed"


def open_within(directory: Path, place: str) -> BinaryIO:
    """The file at a place in the folder. Raises ``OSError``, also for what is no plain file."""
    above, _, name = place.rpartition("/")
    with folder_within(directory, above) as folder:
        _check(name, folder, stat.S_ISREG, "it is no plain file")
        return os.fdopen(os.open(name, FILE, dir_fd=folder), "rb")


def names_within(directory: Path, place: str) -> list[str]:
    """The names in a folder in the folder. Raises ``OSError``, also where a link is on the way."""
    with folder_within(directory, place) as folder:
        listed = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder)
        try:
            with os.scandir(listed) as found:
                return sorted(one.name for one in found)
        finally:
            os.close(listed)


@contextmanager
def folder_within(directory: Path, place: str) -> Iterator[int]:
    """The descriptor of a folder in the folder. Raises ``OSError``, also where a link is on the way."""
    folder = os.open(directory, WAY)
    try:
        for name in place.split("/") if place else ():
            _check(name, folder, stat.S_ISDIR, f"{name} is no folder")
            outer, folder = folder, os.open(name, WAY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(outer)
        yield folder
    finally:
        os.close(folder)


def check_plain(path: Path) -> None:
    """Whether a file is a plain one, if it is there. Raises ``OSError``."""
    with suppress(FileNotFoundError):
        _check(str(path), None, stat.S_ISREG, f"{path.name} is no plain file")


def _check(name: str, folder: int | None, is_right: Callable[[int], bool], wrong: str) -> None:
    """Look before opening: to open a device is to use it. Raises ``OSError``."""
    mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    if stat.S_ISLNK(mode):
        raise OSError(errno.ELOOP, IS_LINK)
    if not is_right(mode):
        raise OSError(errno.EINVAL, wrong)
