"""Who has signed a checkpoint: the log's key, and the witnesses that a trust policy asks for."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from operator import itemgetter
from typing import Final

from casetrail.audit.faults import Kind
from casetrail.domain.values import iso
from casetrail.eventlog.errors import LogError
from casetrail.proofs.checkpoint import Checkpoint
from casetrail.proofs.errors import NoteInvalid
from casetrail.proofs.note import Note, Signature, parse_note, parse_signatures, readable_signatures
from casetrail.proofs.policy import NONE, Policy

Wrong = tuple[Kind, str]
Times = Mapping[str, datetime | None]
"""The policy's names of witnesses that have cosigned, and the time that each states (UTC)."""

ALONE: Final = "nobody but the log's operator vouches that everybody is shown the same history"
UNWITNESSED: Final = f"the policy asks for no witness: {ALONE}"


class PolicyNamesNoLog(LogError):
    """The policy has no line of a log: nobody's checkpoints are believed, and that convicts nobody."""

    code = "policy-names-no-log"


def naming_a_log(policy: Policy | None) -> Policy | None:
    """The policy, if it says whose checkpoints are believed. Raises ``PolicyNamesNoLog``."""
    if policy is not None and not policy.logs:
        raise PolicyNamesNoLog(
            "the policy names no log, so it believes nobody's checkpoints: give it a line 'log VKEY' with the log's verifier key"
        )
    return policy


def digest_of(policy: Policy | None) -> bytes:
    """SHA-256 of all that a policy says of who is believed; empty for no policy. Policies that differ in URLs only have the same."""
    if policy is None:
        return b""
    lines = [f"log {one.key}" for one in policy.logs]
    lines += [f"witness {one.name} {one.key}" for one in policy.witnesses]
    lines += [f"group {one.name} {one.threshold} {' '.join(one.members)}" for one in policy.groups]
    return sha256("\n".join([*lines, f"quorum {policy.quorum}"]).encode()).digest()


class Signatures:
    """Checks signatures against a policy. Without one it can say only whether the keys stay the same."""

    def __init__(self, policy: Policy | None, first_note: bytes | None) -> None:
        """``first_note``: a note that was signed as it must be, of the same log, where one is known.

        Raises ``PolicyNamesNoLog``.
        """
        self.policy = naming_a_log(policy)
        self._unchecked = 0
        self._ahead: dict[str, datetime] = {}
        self._origin: str | None = None
        self._keys: frozenset[tuple[str, bytes]] | None = None
        if first_note is not None:
            note = parse_note(first_note)
            self._origin, self._keys = note.text.partition("\n")[0], _own(note)

    def of_log(self, note: Note, said: Checkpoint) -> tuple[Wrong | None, Times]:
        """What is wrong with the log's own signature, and the policy's witnesses whose cosignature the note carries."""
        witnesses: Times = {}
        if self.policy is not None:
            try:
                standing = self.policy.check(note)
            except NoteInvalid as error:
                return (Kind.SIGNATURE_INVALID, str(error)), witnesses
            witnesses = {**standing.witnesses, **standing.ahead}
        keys = _own(note)
        if not keys:
            return (Kind.SIGNATURE_INVALID, "no key of the log's own name has signed it"), witnesses
        if self._origin is None or self._keys is None:
            self._origin, self._keys = said.origin, keys
        if said.origin != self._origin:
            return (Kind.LOG_KEY_CHANGED, "it speaks for another log than those before it"), witnesses
        if self.policy is None and keys != self._keys:
            return (
                Kind.LOG_KEY_CHANGED,
                f"signed with key {_ids(keys)}, those before it with {_ids(self._keys)}",
            ), witnesses
        return None, witnesses

    def of_witnesses(self, note: bytes, lines: bytes) -> tuple[list[Wrong], dict[str, datetime | None], int]:
        """What is wrong with these cosignatures, the policy's witnesses that gave them, and how many others did.

        Beside each witness stands the time that it states (UTC).
        """
        try:
            signatures = parse_signatures(lines.decode())
        except (NoteInvalid, UnicodeDecodeError) as error:
            return [(Kind.COSIGNATURE_INVALID, f"the lines cannot be read ({_reason(error)})")], {}, 0
        wrong, times, unknown = list[Wrong](), dict[str, datetime | None](), 0
        text = parse_note(note).text
        for one in signatures:
            try:
                found = self._witness(text, one)
            except NoteInvalid as error:
                wrong.append((Kind.COSIGNATURE_INVALID, str(error)))
                continue
            if found is None:
                unknown += 1
            else:
                times[found[0]] = found[1]
        self._unchecked += unknown if self.policy is not None else 0
        return wrong, times, unknown

    def times_of(self, note: bytes, lines: bytes) -> dict[str, datetime | None]:
        """The policy's witnesses among all that the log has as cosignatures of a checkpoint, however many lines that are.

        Beside each stands the first time that it states (UTC). What is wrong with a line was told when it came.
        """
        times: dict[str, datetime | None] = {}
        text = parse_note(note).text
        for one in readable_signatures(lines):
            with suppress(NoteInvalid):
                if (found := self._witness(text, one)) is not None:
                    name, at = found
                    times[name] = min(filter(None, (times.get(name), at)), default=None)
        return times

    def counted(self, times: Times) -> Times:
        """The witnesses whose times have come. What is later than now vouches for no age, whoever says it."""
        if self.policy is None or self.policy.latest is None:
            return times
        latest = self.policy.latest
        ahead = {name: at for name, at in times.items() if at is not None and at > latest}
        self._ahead |= ahead
        return {name: at for name, at in times.items() if name not in ahead} if ahead else times

    def _witness(self, text: str, signature: Signature) -> tuple[str, datetime | None] | None:
        """The policy's name of the witness that gave a signature, and the time that it states; None for an unknown one.

        Raises ``NoteInvalid``.
        """
        for one in self.policy.witnesses if self.policy is not None else ():
            if one.key.key_id == signature.key_id:
                if one.key.name != signature.name:  # the id follows from the name, too: nobody has a key with both
                    raise NoteInvalid(f"the key is that of {one.key.name}, and the cosignature bears another name")
                return one.name, one.key.verify(text, signature.signature)
        return None

    @property
    def ask_for_witnesses(self) -> bool:
        """Whether a checkpoint needs cosignatures."""
        return self.policy is not None and self.policy.quorum != NONE

    def satisfied_by(self, witnesses: Iterable[str]) -> bool:
        """Whether these witnesses are the policy's quorum; without a policy nobody is asked for."""
        return self.policy is None or self.policy.satisfied_by(frozenset(witnesses))

    def satisfied_at(self, times: Mapping[str, int]) -> int | None:
        """The moment at which these witnesses had become the quorum; None while they are not, and where none is asked for."""
        if not self.ask_for_witnesses:
            return None
        come = set()
        for name, at in sorted(times.items(), key=itemgetter(1)):
            come.add(name)
            if self.satisfied_by(come):
                return at
        return None

    def remarks(self, witnessed: bool) -> Iterator[str]:
        """What could not be checked for want of a policy, or of witnesses. ``witnessed``: a checkpoint has the quorum."""
        if self._keys is None:
            return
        if self.policy is None:
            yield f"log key {_ids(self._keys)} of {self._origin}: not checked against a policy, and no cosignature was"
        elif not self.ask_for_witnesses:
            yield UNWITNESSED
        elif not witnessed:
            yield f"no checkpoint has the cosignatures that the policy asks for: {ALONE}"
        for name, at in sorted(self._ahead.items()):
            yield (
                f"the witness {name} states the time {iso(at)}, which is later than now by this machine's clock: one of the two "
                "clocks is wrong, and such cosignatures do not count"
            )
        if self._unchecked:
            yield f"{self._unchecked} cosignatures are of keys that the policy does not name: nobody can say whether they are right"
        if self.policy is not None and len({one.key.name for one in self.policy.logs}) > 1:
            yield f"the policy names several logs, and the checkpoints here are those of {self._origin}: see that this is the log"


def _own(note: Note) -> frozenset[tuple[str, bytes]]:
    """The keys that signed under the name that the note speaks for."""
    origin = note.text.partition("\n")[0]
    return frozenset((one.name, one.key_id) for one in note.signatures if one.name == origin)


def _ids(keys: frozenset[tuple[str, bytes]]) -> str:
    return ", ".join(sorted(key_id.hex() for _, key_id in keys))


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, LogError) else "not UTF-8"
