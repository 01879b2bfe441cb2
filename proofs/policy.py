"""Trust policies (c2sp.org/tlog-policy): whose logs are believed, and which witnesses must have seen a checkpoint.

A policy holds one key for each witness. A witness that cosigns with two keys, such as Ed25519 and ML-DSA-44, stands there
as two witnesses, and a group with ``any`` makes them count as one.
"""

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from casetrail.domain.values import iso
from casetrail.proofs.checkpoint import Checkpoint, parse_checkpoint
from casetrail.proofs.errors import KeyUnusable, NoteInvalid, PolicyInvalid
from casetrail.proofs.keys import FOR_LOGS, FOR_WITNESSES, Algorithm, VerifierKey
from casetrail.proofs.note import Note, verify_note

NONE: Final = "none"
MOST_BYTES: Final = 1_000_000
AHEAD: Final = timedelta(minutes=5)
"""By so much a witness's clock may be ahead of one's own."""
GAP: Final = re.compile(r"[ \t]+")
FORBIDDEN: Final = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
THRESHOLD: Final = re.compile(r"[0-9]{1,6}", re.ASCII)


class PolicyLog(NamedTuple):
    """A log that is believed. Its key's name is its origin."""

    key: VerifierKey
    url: str | None


class PolicyWitness(NamedTuple):
    """A witness, by the name that it has in this policy only."""

    name: str
    key: VerifierKey
    url: str | None


class PolicyGroup(NamedTuple):
    """A group has witnessed what at least ``threshold`` of its members (witnesses or groups) have witnessed."""

    name: str
    threshold: int
    members: tuple[str, ...]


class Standing(NamedTuple):
    """How a checkpoint stands before a policy. ``satisfied`` says whether its quorum of witnesses has seen it.

    ``signers`` are the log's keys that signed it, one at least. ``witnesses`` are those that cosigned it, by their names in
    the policy, with the latest time that each states (UTC); None where it states no time. ``ahead``: who has cosigned with
    nothing but times that have not come yet, and the first of them. Those do not count.
    """

    checkpoint: Checkpoint
    signers: tuple[VerifierKey, ...]
    witnesses: Mapping[str, datetime | None]
    satisfied: bool
    ahead: Mapping[str, datetime]

    def not_counted(self) -> str:
        """Whose cosignatures do not count because of their times, to stand behind a sentence; empty where all count."""
        said = ", ".join(f"{name} at {iso(at)}" for name, at in sorted(self.ahead.items()))
        return f"; not counted, for that is later than now by this machine's clock: {said}" if said else ""


@dataclass(frozen=True)
class Policy:
    """Logs, witnesses, groups (each after its members), and the name of the witness or group that must have cosigned.

    ``quorum`` is ``none`` where no witness is needed. ``latest``: a cosignature that states a later time does not count, for
    what has no true time vouches for no age; None: whoever asks does not go by a clock, or for too long.
    """

    logs: tuple[PolicyLog, ...]
    witnesses: tuple[PolicyWitness, ...]
    groups: tuple[PolicyGroup, ...]
    quorum: str
    latest: datetime | None = None

    def at(self, now: datetime) -> "Policy":
        """The same policy, for whoever looks at that moment by a clock of their own."""
        return replace(self, latest=now + AHEAD)

    @property
    def keys(self) -> list[VerifierKey]:
        """All that count: of its logs and of its witnesses."""
        return [*(one.key for one in self.logs), *(one.key for one in self.witnesses)]

    def check(self, note: Note) -> Standing:
        """Verify every known signature under a checkpoint, and say who has signed it.

        Raises ``NoteInvalid`` where the note is no checkpoint, where a known key's signature is wrong, or where none of the
        policy's logs has signed it under its own origin. That the quorum is not reached is no error, see ``Standing``.
        """
        checkpoint = parse_checkpoint(note.text)
        logs = {one.key for one in self.logs}
        names = {one.key: one.name for one in self.witnesses}
        found = verify_note(note, {*logs, *names})
        signers = [one.key for one in found if one.key in logs and one.key.name == checkpoint.origin]
        if not signers:
            raise NoteInvalid("none of the policy's logs has signed this checkpoint as its own")
        seen, ahead = dict[str, datetime | None](), dict[str, datetime]()
        for one in found:
            if (name := names.get(one.key)) is None:
                continue
            if one.at is not None and not self.has_come(one.at):
                ahead[name] = min(one.at, ahead.get(name, one.at))
            else:
                seen[name] = max(filter(None, (seen.get(name), one.at)), default=None)
        ahead = {name: at for name, at in ahead.items() if name not in seen}
        return Standing(checkpoint, tuple(dict.fromkeys(signers)), seen, self.satisfied_by(seen.keys()), ahead)

    def has_come(self, at: datetime) -> bool:
        """Whether a cosignature of that time counts."""
        return self.latest is None or at <= self.latest

    def satisfied_by(self, witnesses: Set[str]) -> bool:
        """Whether these witnesses, by their names in the policy, make up the quorum."""
        met = set(witnesses)
        for group in self.groups:
            if len(met.intersection(group.members)) >= group.threshold:
                met.add(group.name)
        return self.quorum == NONE or self.quorum in met


def load_policy(path: Path) -> Policy:
    """The policy in a file. Raises ``PolicyInvalid``, also where the file cannot be read."""
    try:
        with path.open("rb") as opened:
            return parse_policy(opened.read(MOST_BYTES + 1))
    except OSError as error:
        raise PolicyInvalid(f"the policy {path} cannot be read ({error.strerror})") from error


def parse_policy(value: bytes) -> Policy:
    """A policy from the bytes of its file. Raises ``PolicyInvalid``, which names the line."""
    if len(value) > MOST_BYTES:
        raise PolicyInvalid(f"a policy of more than {MOST_BYTES} bytes is not read")
    if value and not value.endswith(b"\n"):
        raise PolicyInvalid("the last line of the policy does not end in a newline: the file may have been cut off")
    parser = _Parser()
    for number, line in enumerate(value.split(b"\n"), start=1):
        try:
            if FORBIDDEN.search(line):
                raise PolicyInvalid("there is a control character that is neither tab nor newline")
            parser.take(line.decode(errors="surrogateescape").strip(" \t"))  # what is not ASCII means nothing here
        except (PolicyInvalid, KeyUnusable) as error:
            raise PolicyInvalid(f"line {number} of the policy: {error}") from None
    return parser.policy()


class _Parser:
    """A policy, as far as its lines have been read."""

    def __init__(self) -> None:
        self._logs: list[PolicyLog] = []
        self._witnesses: dict[str, PolicyWitness] = {}
        self._groups: dict[str, PolicyGroup] = {}
        self._members: set[str] = set()
        self._keys: dict[tuple[str, bytes], VerifierKey] = {}
        self._quorum: str | None = None

    def take(self, line: str) -> None:
        """Read one line, without white space around it."""
        if not line or line.startswith("#"):
            return
        keyword, *items = GAP.split(line)
        match keyword, items:
            case "log", [key, *url] if len(url) <= 1:
                self._log(key, *url)
            case "witness", [name, key, *url] if len(url) <= 1:
                self._witness(name, key, *url)
            case "group", [name, threshold, _, *_]:
                self._group(name, threshold, tuple(items[2:]))
            case "quorum", [name]:
                self._set_quorum(name)
            case _:
                raise PolicyInvalid(
                    "a line is 'log KEY [URL]', 'witness NAME KEY [URL]', 'group NAME any|all|K MEMBER...', "
                    "'quorum NAME|none', empty, or begins with #"
                )

    def policy(self) -> Policy:
        """The whole, after the last line."""
        if self._quorum is None:
            raise PolicyInvalid("the policy has no quorum line; where no witness is needed it says 'quorum none'")
        return Policy(tuple(self._logs), tuple(self._witnesses.values()), tuple(self._groups.values()), self._quorum)

    def _log(self, text: str, url: str | None = None) -> None:
        key = self._key(text, FOR_LOGS, "logs")
        if key.public in {one.key.public for one in self._logs}:
            raise PolicyInvalid("an earlier log has the same key")
        self._logs.append(PolicyLog(key, url))

    def _witness(self, name: str, text: str, url: str | None = None) -> None:
        self._new(name)
        key = self._key(text, FOR_WITNESSES, "witnesses")
        if key.public in {one.key.public for one in self._witnesses.values()}:
            raise PolicyInvalid("an earlier witness has the same key")
        self._witnesses[name] = PolicyWitness(name, key, url)

    def _group(self, name: str, threshold: str, members: tuple[str, ...]) -> None:
        self._new(name)
        for member in members:
            self._defined(member)
            if member in self._members:
                raise PolicyInvalid(f"'{member}' is a member already, of this group or of an earlier one")
            self._members.add(member)
        least = {"any": 1, "all": len(members)}.get(threshold)
        if least is None:
            least = int(threshold) if THRESHOLD.fullmatch(threshold) else 0
        if not 1 <= least <= len(members):
            raise PolicyInvalid(
                f"the threshold of a group is any, all, or a number from 1 to {len(members)}, its members"
            )
        self._groups[name] = PolicyGroup(name, least, members)

    def _set_quorum(self, name: str) -> None:
        if self._quorum is not None:
            raise PolicyInvalid("there is a quorum line already")
        if name != NONE:
            self._defined(name)
        self._quorum = name

    def _key(self, text: str, allowed: Set[Algorithm], what: str) -> VerifierKey:
        key = VerifierKey.parse(text)
        if key.algorithm not in allowed:
            raise PolicyInvalid(
                f"the key of {key.name} has a signature type ({key.algorithm:#04x}) that {what} do not use"
            )
        if self._keys.setdefault((key.name, key.key_id), key) != key:
            raise PolicyInvalid(
                f"another key of {key.name} has the same id {key.key_id.hex()}: one of them must be made anew"
            )
        return key

    def _new(self, name: str) -> None:
        if name == NONE or name in self._witnesses or name in self._groups:
            raise PolicyInvalid(f"the name '{name}' is taken already")

    def _defined(self, name: str) -> None:
        if name not in self._witnesses and name not in self._groups:
            raise PolicyInvalid(f"no earlier line defines a witness or a group '{name}'")
