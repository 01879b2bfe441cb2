"""Keys, checkpoints, cosignatures and the policy: c2sp.org/signed-note, tlog-checkpoint, tlog-cosignature, tlog-policy."""

import time
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from .hashes import Wrong, base64, need

AHEAD = 300  # seconds by which a witness's clock may be ahead of ours


class Key(NamedTuple):
    name: str
    id: bytes
    type: int
    public: bytes


def key_of(text: str, *types: int) -> Key:
    name, identity, rest = text.split("+", 2)
    material = base64(rest)
    key = Key(name, sha256(name.encode() + b"\n" + material).digest()[:4], material[0], material[1:])
    need(key.id.hex() == identity, f"the id of the key {name} does not follow from it")
    need(key.type in types, f"the key {name} is not of the kind that is needed")
    return key


class Checkpoint(NamedTuple):
    text: bytes
    origin: str
    size: int
    root: bytes
    signatures: list[tuple[str, bytes]]  # name; id and signature


def checkpoint_of(note: bytes) -> Checkpoint:
    text, _, lines = note.rpartition(b"\n\n")
    origin, size, root = text.decode().split("\n")
    need(str(int(size)) == size, "the size of a checkpoint is spelt wrongly")
    return Checkpoint(text + b"\n", origin, int(size), base64(root), signatures_of(lines.decode()))


def signatures_of(lines: str) -> list[tuple[str, bytes]]:
    *whole, rest = lines.split("\n")
    need(not rest, "a signature line does not end as it must")
    found = []
    for line in whole:
        dash, name, value = line.split(" ")
        need(dash == "\u2014", "a signature line does not begin with a dash")
        found.append((name, base64(value)))
    return found


def stated_time(key: Key, checkpoint: Checkpoint) -> int | None:
    """The time of the key's signature, 0 where it states none; None where it has not signed."""
    for name, value in checkpoint.signatures:
        if (name, value[:4]) == (key.name, key.id):
            try:
                return verified(key, checkpoint, value[4:12], value[12:])
            except InvalidSignature:
                raise Wrong(f"the signature of {name} on the checkpoint of {checkpoint.size} leaves is wrong") from None
    return None


def verified(key: Key, checkpoint: Checkpoint, begin: bytes, rest: bytes) -> int:
    time_stated = int.from_bytes(begin, "big")
    if key.type == 6:
        name, origin = key.name.encode(), checkpoint.origin.encode()
        message = b"subtree/v1\n\0" + bytes([len(name)]) + name + begin + bytes([len(origin)]) + origin
        message += bytes(8) + checkpoint.size.to_bytes(8, "big") + checkpoint.root
        MLDSA44PublicKey.from_public_bytes(key.public).verify(rest, message)
        return time_stated
    ed25519 = Ed25519PublicKey.from_public_bytes(key.public)
    if key.type == 4:
        ed25519.verify(rest, f"cosignature/v1\ntime {time_stated}\n".encode() + checkpoint.text)
        return time_stated
    ed25519.verify(begin + rest, checkpoint.text)
    return 0


class Policy:
    """Whose checkpoints are believed, and who must have cosigned them."""

    def __init__(self, text: str) -> None:
        self.logs: list[Key] = []
        self.witnesses: dict[str, Key] = {}
        self.groups: dict[str, tuple[int, list[str]]] = {"none": (0, [])}
        self.quorum, members = "", list[str]()
        for line in text.splitlines():
            word, *rest = line.split() or ["#"]
            if word == "log":
                self.logs.append(key_of(rest[0], 1, 6))
            elif word == "witness":
                self.witnesses[rest[0]] = key_of(rest[1], 4, 6)
            elif word == "group":
                count = {"any": 1, "all": len(rest) - 2}.get(rest[1]) or int(rest[1])
                need(1 <= count <= len(set(rest[2:])), f"the threshold of the group {rest[0]} is none of its members")
                members += rest[2:]
                self.groups[rest[0]] = count, rest[2:]
            elif word == "quorum":
                self.quorum = rest[0]
            else:
                need(word.startswith("#"), f"the policy has a line of an unknown kind: {word}")
        need(self.quorum in self.groups or self.quorum in self.witnesses, "the policy names no quorum")
        need(len(set(members)) == len(members), "the policy names one member of groups twice")
        public = [key.public for key in self.witnesses.values()]
        need(len(set(public)) == len(public), "the policy names one witness twice")

    def signed(self, checkpoint: Checkpoint) -> None:
        times = [stated_time(key, checkpoint) for key in self.logs if key.name == checkpoint.origin]
        need(any(one is not None for one in times), f"no log has signed the checkpoint of {checkpoint.size} leaves")

    def seen(self, checkpoint: Checkpoint) -> str:
        """When the last witness that the quorum needs had seen it."""
        self.signed(checkpoint)
        times = {name: stated_time(key, checkpoint) or 0 for name, key in self.witnesses.items()}
        for until in sorted({0, *times.values()}):
            names = {name for name, stated in times.items() if 0 < stated <= until}
            if until <= time.time() + AHEAD and self._counts(self.quorum, names):
                return (
                    datetime.fromtimestamp(until, UTC).isoformat() if until else "never, and the policy asks for nobody"
                )
        raise Wrong(
            f"the witnesses that the policy asks for have not cosigned the checkpoint of {checkpoint.size} leaves"
        )

    def _counts(self, name: str, names: set[str]) -> bool:
        if name not in self.groups:
            return name in names
        count, members = self.groups[name]
        return sum(self._counts(member, names) for member in members) >= count
