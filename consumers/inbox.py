"""Cosignatures that are brought by hand: from a witness that no network reaches, as files in a folder of the notary's."""

import logging
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from casetrail.consumers.witnesses import Cosigned, cosignatures_by
from casetrail.eventlog.errors import LogError
from casetrail.proofs.checkpoint import parse_checkpoint
from casetrail.proofs.errors import KeyUnusable, NoteInvalid
from casetrail.proofs.files import put
from casetrail.proofs.keys import VerifierKey
from casetrail.proofs.logtree import LogTree
from casetrail.proofs.note import MOST_BYTES, parse_note
from casetrail.proofs.treefile import Sealed

LOG: Final = logging.getLogger("casetrail.notary")
SUFFIX: Final = ".checkpoint"


class InboxUnusable(LogError):
    """The folder cannot be read or written."""

    code = "inbox-unusable"


class Brought(NamedTuple):
    """A checkpoint of the log, and cosignatures of it that the log does not have yet."""

    sealed: Sealed
    cosigned: list[Cosigned]


class Inbox:
    """A folder of checkpoints (signed notes) that witnesses have cosigned.

    A file goes once the log has all that is in it. One that is not understood, or of no checkpoint of this log, stays, and is
    warned of each time.
    """

    def __init__(self, directory: Path, keys: Iterable[VerifierKey]) -> None:
        """``keys`` are those of the witnesses that are known."""
        self._directory, self._keys = directory, list(keys)

    def put(self, note: bytes) -> Path:
        """Put a note in, whole at once. Raises ``InboxUnusable``."""
        path = self._directory / f"{sha256(note).hexdigest()[:16]}{SUFFIX}"
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            put(path, note)
        except OSError as error:
            raise InboxUnusable(f"{self._directory} cannot be written ({error.strerror})") from error
        return path

    def collect(self, tree: LogTree) -> list[Brought]:
        """What is new in the folder, by checkpoint."""
        found = []
        for path in self._files():
            try:
                brought = self._read(path, tree)
                if brought.cosigned:
                    found.append(brought)
                else:
                    path.unlink()
            except (NoteInvalid, KeyUnusable) as error:
                LOG.warning("%s is not taken: %s", path, error)
            except OSError as error:
                LOG.warning("%s cannot be read or removed (%s)", path, error.strerror)
        return found

    def _files(self) -> list[Path]:
        try:
            paths = sorted(self._directory.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            LOG.warning("%s cannot be read (%s)", self._directory, error.strerror)
            return []
        return [path for path in paths if path.suffix == SUFFIX]

    def _read(self, path: Path, tree: LogTree) -> Brought:
        with path.open("rb") as opened:
            note = parse_note(opened.read(MOST_BYTES + 1))
        checkpoint = parse_checkpoint(note.text)
        sealed = tree.file.of_size(checkpoint.size)
        if sealed is None or parse_note(sealed.note).text != note.text:
            raise NoteInvalid(
                f"the log has no such checkpoint of {checkpoint.size} leaves; if the log's key has signed it, it is evidence: "
                "keep it and call the auditor"
            )
        cosigned = cosignatures_by(self._keys, note.text, note.signatures)
        if not cosigned:
            raise NoteInvalid("no witness of the policy has cosigned it")
        known = {one.line() for one in tree.cosignatures(sealed, self._keys)}
        return Brought(sealed, [one for one in cosigned if one.line not in known])
