"""What can never be delivered from a spool is set aside: it stands in a file beside the spool until somebody has settled it.

A submission that was altered on the disk, or that the brokers find too large, holds up all that waits behind it. Set aside, it
is still encrypted, and can be put back: behind all others, once the brokers take it. Nothing else can be set aside.
"""

import json
import os
from pathlib import Path
from typing import Final, NamedTuple

from casetrail.publishing.spool import AS_BEFORE, Spool
from casetrail.publishing.spooled import NotStuck, Sealed, SpoolStuck, SpoolUnusable

FORM: Final = "casetrail-set-aside@v1"
PATIENCE: Final = 10.0
"""Seconds for which another process that delivers is waited for."""


class Aside(NamedTuple):
    """A submission that was set aside, in which file, and why."""

    sealed: Sealed
    path: Path
    why: str


def folder_of(spool: Path) -> Path:
    """The folder in which stands what was set aside from a spool."""
    return spool.with_name(f"{spool.name}.aside")


def set_aside(spool: Spool, stuck: SpoolStuck) -> Path:
    """Take the submission at which delivery is stuck out of the way, into a new file; its name.

    Raises ``NotStuck`` where another one is the first by now, ``SpoolUnusable``.
    """
    with spool.delivering(PATIENCE) as is_alone:
        first = spool.sealed(1)
        if not is_alone or not first or first[0].number != stuck.number:
            raise NotStuck(
                f"submission {stuck.number} is not the first that waits in the spool {spool.path}: another process has delivered"
            )
        path = folder_of(spool.path) / f"{stuck.number}.json"
        if path.exists() and _read(path).sealed != first[0]:
            raise SpoolUnusable(
                f"{path} holds another submission, of a spool that was here before: move that file elsewhere first. {AS_BEFORE}"
            )
        try:
            _write(path, first[0], str(stuck))
        except OSError as error:
            raise SpoolUnusable(f"{path} cannot be written ({error}). {AS_BEFORE}") from error
        spool.take_out(stuck.number)  # only now: where this fails, it stands in both
    return path


def _write(path: Path, one: Sealed, why: str) -> None:
    """Write the file whole, and take it to the disk."""
    path.parent.mkdir(0o700, exist_ok=True)
    text = {"form": FORM, "number": one.number, "spooled_at": one.spooled_at, "why": why}
    written = path.with_suffix(".new")
    with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.write(json.dumps({**text, "nonce": one.nonce.hex(), "sealed": one.sealed.hex()}, indent=1) + "\n")
        out.flush()
        os.fsync(out.fileno())
    written.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def all_aside(spool: Path) -> list[Aside]:
    """All that was set aside from a spool and is not settled. Raises ``SpoolUnusable`` for a file that cannot be read."""
    return [
        _read(path) for path in sorted(folder_of(spool).glob("*.json"), key=lambda path: (len(path.name), path.name))
    ]


def _read(path: Path) -> Aside:
    try:
        found = json.loads(path.read_text("utf-8"))
        nonce, sealed = (bytes.fromhex(found[name]) for name in ("nonce", "sealed"))
        return Aside(Sealed(int(found["number"]), int(found["spooled_at"]), nonce, sealed), path, str(found["why"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SpoolUnusable(f"{path} cannot be read as what was set aside ({type(error).__name__})") from error


def put_back(spool: Spool, number: int) -> None:
    """Let what was set aside wait again, behind all others, and delete its file.

    Raises ``NotStuck`` where there is no such file, and ``SpoolUnusable``, also where it was altered: then the file stays.
    """
    path = folder_of(spool.path) / f"{number}.json"
    if not path.exists():
        raise NotStuck(f"no submission {number} was set aside from the spool {spool.path}")
    try:
        waiting = spool.opened(_read(path).sealed)
    except SpoolStuck as error:
        raise SpoolUnusable(f"{path} was altered and cannot be put back: keep it for the auditor") from error
    spool.put([waiting.entry], [waiting.spooled])
    path.unlink()  # only now: where this fails it may be put back once more, and the second copy is refused
