"""A witness: cosigns the checkpoints of the logs that it knows, each only where it extends the ones before.

The rules and their order are those of c2sp.org/tlog-witness, add-checkpoint. A cosignature says: of all that this log has
shown me, this is the largest tree, and it contains all the smaller ones. So a log that shows different histories to different
readers needs a witness that lies, or is found out by the first exchange of what witnesses hold (``audit.compare``).
"""

import logging
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

from casetrail.audit.witnessing.state import MOST_LEAVES, Seen, WitnessState
from casetrail.eventlog.errors import LogError
from casetrail.proofs.addcheckpoint import AddCheckpoint
from casetrail.proofs.checkpoint import Checkpoint, parse_checkpoint
from casetrail.proofs.errors import KeyUnusable, NoteInvalid, ProofInvalid
from casetrail.proofs.keys import FOR_LOGS, FOR_WITNESSES, SignerKey, VerifierKey
from casetrail.proofs.note import Note, format_note, parse_note, verify_note
from casetrail.proofs.tree import EMPTY_ROOT, check_consistency

LOG: Final = logging.getLogger("casetrail.witness")
MOST_TEXT: Final = 4_096
"""Characters of a checkpoint: other logs than casetrail's may have a few lines more than three."""


class Refused(LogError):
    """A witness does not cosign. Each reason is a class of its own.

    ``contradicts``: whatever the reason, the log has signed another root for the same size, and both notes are kept.
    """

    code = "refused"
    contradicts = False


class OriginUnknown(Refused):
    """The checkpoint is of a log that this witness does not know."""

    code = "origin-unknown"


class NotSigned(Refused):
    """None of the log's keys has signed the checkpoint, or one has not signed it as it stands there."""

    code = "not-signed"


class OldSizeTooLarge(Refused):
    """The tree is said to extend one that is larger."""

    code = "old-size-too-large"


class SizeConflict(Refused):
    """The proof does not begin at the tree that was cosigned last. ``known`` is the size of that one, 0 for none."""

    code = "size-conflict"

    def __init__(self, known: int) -> None:
        super().__init__(f"this witness has cosigned a tree of {known} leaves of this log: prove from there")
        self.known = known


class NotConsistent(Refused):
    """The tree is not shown to contain the one that was cosigned last."""

    code = "not-consistent"


class Contradiction(NotConsistent):
    """The log has signed another root for a size that was cosigned: its history was forked."""

    code = "contradiction"


class Cosigner:
    """Decides, remembers, and signs, in this order. For any number of threads."""

    def __init__(
        self,
        key: SignerKey,
        logs: Iterable[VerifierKey],
        state: WitnessState,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """``logs`` are the keys of the logs that are known; a log is named by its keys' name.

        Raises ``KeyUnusable`` where a key is not for its purpose.
        """
        if key.algorithm not in FOR_WITNESSES:
            raise KeyUnusable(f"the key of {key.name} is a log's: it cannot cosign as a witness")
        self._logs: dict[str, list[VerifierKey]] = {}
        for one in logs:
            if one.algorithm not in FOR_LOGS:
                raise KeyUnusable(f"the key of {one.name} is a witness's: no log signs with it")
            self._logs.setdefault(one.name, []).append(one)
        self.key, self._state, self._clock, self._lock = key, state, clock, threading.Lock()

    @property
    def origins(self) -> tuple[str, ...]:
        """The logs that are known."""
        return tuple(self._logs)

    def cosign(self, request: AddCheckpoint) -> str:
        """The signature lines for a checkpoint, once it is durably remembered.

        Raises ``Refused``, ``NoteInvalid`` for what is no checkpoint, ``StateUnusable``. What the log has signed is
        remembered where it is refused, too: it may be evidence.
        """
        note = parse_note(request.note)
        checkpoint = parse_checkpoint(note.text)
        signed = self._signed(note, checkpoint)
        with self._lock:
            with self._state.transaction():
                refusal, before = self._refusal(request, checkpoint), self._state.find(checkpoint)
                is_new = before is None and self._state.keep(
                    checkpoint, signed, self._clock(), refusal.code if refusal else None
                )
                lines = "" if refusal else self.key.cosign(note.text, self._clock()).line()
                if lines:
                    self._state.sign(checkpoint, signed, lines)
                    self._state.thin(checkpoint.origin, self._clock())
                kept = self._state.find(checkpoint)
            contradicts = kept is not None and kept.contradicts
            if is_new or refusal is None:  # who asks again does not fill a log either
                self._tell(checkpoint, refusal, contradicts and is_new)
        if refusal is not None:
            refusal.contradicts = contradicts
            raise refusal
        return lines

    def _signed(self, note: Note, checkpoint: Checkpoint) -> bytes:
        """The note with one signature of each of the log's keys: all that is evidence, and nothing that is added without end."""
        keys = self._logs.get(checkpoint.origin)
        if keys is None:
            raise OriginUnknown("this witness does not know the log that the checkpoint is of")
        if len(note.text) > MOST_TEXT:
            raise NoteInvalid(
                f"the text of a checkpoint is too long with {len(note.text)} characters; {MOST_TEXT} are kept"
            )
        if checkpoint.size > MOST_LEAVES:
            raise NoteInvalid(f"a tree of more than {MOST_LEAVES} leaves is not believed")
        try:
            found = verify_note(note, keys)
        except NoteInvalid as error:
            raise NotSigned(str(error)) from error
        return format_note(Note(note.text, tuple({one.key: one.signature for one in found}.values())))

    def _refusal(self, request: AddCheckpoint, checkpoint: Checkpoint) -> Refused | None:
        if request.old > checkpoint.size:
            return OldSizeTooLarge(f"a tree of {checkpoint.size} leaves cannot extend one of {request.old}")
        newest = self._state.newest(checkpoint.origin)
        size, root = (0, EMPTY_ROOT) if newest is None else (newest.size, newest.root)
        if request.old != size:
            return SizeConflict(size)
        if newest is not None and checkpoint.size == size and checkpoint.root != root:
            return Contradiction(
                f"this witness has cosigned another root for the same {size} leaves: the log was forked"
            )
        try:
            check_consistency(size, root, checkpoint.size, checkpoint.root, request.proof)
        except ProofInvalid as error:
            return NotConsistent(str(error))
        return None

    def _tell(self, checkpoint: Checkpoint, refusal: Refused | None, is_contradiction_new: bool) -> None:
        what = f"{checkpoint.size} leaves of {checkpoint.origin}"
        if is_contradiction_new:
            LOG.error("CONTRADICTION: the log has signed two roots for %s; both notes are kept", what)
        if refusal is None:
            LOG.info("cosigned %s", what)
        elif not isinstance(refusal, SizeConflict):
            LOG.warning("refused %s: %s", what, refusal)

    def newest(self, origin: str) -> Seen | None:
        """The largest checkpoint of a log that was cosigned; None where there is none."""
        with self._lock:
            return self._state.newest(origin)

    def contradictions(self) -> int:
        """How many checkpoints that were seen contradict another one."""
        with self._lock:
            return self._state.contradictions()
