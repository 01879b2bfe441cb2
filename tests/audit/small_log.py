"""A log of made-up leaves that signs whatever it is told to: for tests of those who must not believe it."""

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from casetrail.audit.witnessing.state import WitnessState
from casetrail.audit.witnessing.witness import Cosigner
from casetrail.proofs.addcheckpoint import AddCheckpoint
from casetrail.proofs.checkpoint import Checkpoint
from casetrail.proofs.keys import Algorithm, SignerKey, create_key
from casetrail.proofs.note import Note, format_note
from casetrail.proofs.tree import consistency_proof, node_hash, root_of

ORIGIN: Final = "kcpd.example/casetrail"
LOG_KEY: Final = create_key(ORIGIN, Algorithm.ED25519)
WITNESS_KEY: Final = create_key("court.example/witness", Algorithm.ED25519_COSIGNATURE)
AT: Final = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)


class SmallLog:
    """Two logs with the same ``branch`` of each leaf up to ``fork`` have the same leaves up to there."""

    def __init__(self, branch: str = "", fork: int = 0, key: SignerKey = LOG_KEY) -> None:
        self._branch, self._fork, self._key = branch, fork, key
        self._known: dict[tuple[int, int], bytes] = {}

    def hash_at(self, level: int, index: int) -> bytes:
        if (level, index) not in self._known:
            if level:
                made = node_hash(self.hash_at(level - 1, 2 * index), self.hash_at(level - 1, 2 * index + 1))
            else:
                made = sha256(f"{self._branch if index >= self._fork else ''}{index}".encode()).digest()
            self._known[level, index] = made
        return self._known[level, index]

    def checkpoint(self, size: int) -> Checkpoint:
        return Checkpoint(self._key.name, size, root_of(size, self.hash_at))

    def note(self, size: int) -> bytes:
        return signed(self.checkpoint(size), self._key)

    def request(self, old: int, new: int) -> AddCheckpoint:
        return AddCheckpoint(old, tuple(consistency_proof(old, new, self.hash_at)), self.note(new))


def signed(checkpoint: Checkpoint, *keys: SignerKey) -> bytes:
    """A note of a checkpoint with the signatures of these keys."""
    text = checkpoint.text()
    return format_note(Note(text, tuple(key.sign_note(text) for key in keys)))


def cosigner(path: Path, key: SignerKey = WITNESS_KEY, log_key: SignerKey = LOG_KEY) -> Cosigner:
    """A witness of that log. Its state is closed when it is forgotten."""
    return Cosigner(key, [log_key.verifier_key], WitnessState(path), lambda: AT)
