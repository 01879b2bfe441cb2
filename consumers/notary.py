"""The notary: builds the Merkle tree over all events and publishes signed checkpoints of it to ``LOG.checkpoints``.

One notary works at a time: opening the writer of ``checkpoints`` fences a predecessor. It signs only what extends the
checkpoints that are there already; where the log contradicts one of them it refuses, says so, and stops for good. Where the
last one is not the log's own, it goes on only if it is told to.
"""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from typing import Final, NamedTuple

from casetrail.consumers.inbox import Inbox
from casetrail.consumers.witnesses import Cosigned, Witnesses
from casetrail.domain.notarized import CheckpointCosigned, CheckpointPublished
from casetrail.eventlog.errors import LogUnreachable
from casetrail.eventlog.notarized import decode_notarized, encode_notarized
from casetrail.eventlog.port import Entry, Log, Topic
from casetrail.eventlog.schemas import register_in_log
from casetrail.eventlog.stream import POLL
from casetrail.proofs.checkpoint import Checkpoint, parse_checkpoint
from casetrail.proofs.drafting import Draft
from casetrail.proofs.errors import KeyUnusable, NoteInvalid
from casetrail.proofs.foreign import NOT_OURS, NoteCheck, held_up
from casetrail.proofs.keys import SignerKey
from casetrail.proofs.logtree import NOWHERE, LogTree, TreeContradicted
from casetrail.proofs.newest import newest_record
from casetrail.proofs.note import Note, format_note, parse_note, verify_note
from casetrail.proofs.policy import Policy
from casetrail.proofs.treefile import Sealed

LOG: Final = logging.getLogger("casetrail.notary")
PATIENCE: Final = 2.0
"""Seconds."""


class Cadence(NamedTuple):
    """How often a checkpoint is published: when ``most`` events wait, and at the latest every ``every`` seconds."""

    every: float = 60.0
    most: int = 50_000


def own_checkpoints(key: SignerKey, policy: Policy | None) -> NoteCheck:
    """Tells the checkpoints of the log that a key signs for: by that key, and by others that the policy names for this log.

    Raises ``KeyUnusable`` where there is a policy, and it does not name the key as the log's.
    """
    ours = key.verifier_key
    known = [ours] if policy is None else [one.key for one in policy.logs if one.key.name == ours.name]
    if ours not in known:
        raise KeyUnusable(
            f"the policy does not name the key {ours} as a log's: whoever goes by the policy would believe nothing that it "
            "signs. A new key stands in everybody's policy first, beside the old one (docs/operations.md)"
        )

    def check(note: bytes) -> None:
        parsed = parse_note(note)
        verify_note(parsed, known)
        if (origin := parse_checkpoint(parsed.text).origin) != ours.name:
            raise NoteInvalid(f"it speaks for {origin}, and the key is that of {ours.name}")

    return check


class Notary:
    """Call ``step`` again and again, then ``close``. What it knows is rebuilt from the log if ``directory`` is lost."""

    def __init__(
        self,
        log: Log,
        directory: Path,
        key: SignerKey,
        cadence: Cadence = Cadence(),  # noqa: B008  (immutable)
        witnesses: Witnesses | None = None,
        inbox: Inbox | None = None,
        policy: Policy | None = None,
        past: int = NOWHERE,
    ) -> None:
        """Take over from a predecessor and follow what it has published.

        ``policy``: whose checkpoints are the log's own, see ``own_checkpoints``. ``past``: up to this offset of the checkpoints
        those that are not its own do not stop it. Raises ``KeyUnusable``; and ``TreeContradicted`` where the log contradicts a
        checkpoint, or the last one is not its own.
        """
        self._log, self._key, self._cadence, self._witnesses, self._inbox = log, key, cadence, witnesses, inbox
        check = own_checkpoints(key, policy)
        _check_newest(log, check, past)  # before a predecessor is fenced: it may be the rightful one
        register_in_log(log)
        with ExitStack() as opened:  # the next notary must be able to open what this one could not
            self._writer = log.writer(0, Topic.CHECKPOINTS)
            opened.callback(self._writer.close)
            # only now: no predecessor has published anything that covers more
            self._there = log.end_offsets(Topic.EVENTS)
            self.tree = LogTree(log, directory, check, past)
            opened.callback(self.tree.close)
            self.tree.follow()
            self.covered = self.tree.covered()  # kept, for whoever asks from another thread
            opened.pop_all()
        self._published_at = monotonic() - cadence.every  # what waits already has waited long enough

    @property
    def waiting(self) -> int:
        """How many events that have been read are under no checkpoint yet."""
        return self.tree.pending.count

    def step(self, timeout: float) -> int:
        """Read on, and publish when it is time; how many events were read."""
        count = self.tree.pending.poll(timeout)
        is_time = self.waiting >= self._cadence.most or monotonic() - self._published_at >= self._cadence.every
        if is_time and not self._is_behind:
            self.publish()
        return count

    @property
    def _is_behind(self) -> bool:
        """Whether a predecessor may have signed a tree of the size of ours, but of other events.

        What it signed and did not come to publish stands in a transaction that was aborted. Brokers show that to whoever
        asks for it, and it would be taken for a fork. A tree over all that was there when it was stopped is larger than
        the one that it signed, or the same; so is one over more events than a notary takes in at once.
        """
        if self.waiting > self._cadence.most + POLL:
            return False
        return any(self.tree.pending.position(partition) < end for partition, end in self._there.items())

    def publish(self) -> Sealed | None:
        """Publish a checkpoint over all that has been read, and have it cosigned.

        None where it would say nothing new, or while not all has been read that was there when this notary took over.
        Raises ``WriterFenced`` where another notary has taken over.
        """
        self._published_at = monotonic()
        draft = None if self._is_behind else self.tree.draft()
        if draft is not None:
            self._writer.append([Entry(None, encode_notarized(self._signed(draft)))])
            self.tree.follow()
            self._there = {}
            self.covered = self.tree.covered()
            LOG.info("checkpoint of %d leaves published (%d events new)", draft.size, draft.events)
        newest = self.tree.newest()
        if newest is not None and self._witnesses is not None and not self.tree.ends_foreign:
            self._record(newest, self._witnesses.ask(self.tree, newest))
        for brought in self._inbox.collect(self.tree) if self._inbox is not None else ():
            self._record(*brought)
        return newest if draft is not None else None

    def _signed(self, draft: Draft) -> CheckpointPublished:
        text = Checkpoint(self._key.name, draft.size, draft.root).text()
        note = format_note(Note(text, (self._key.sign_note(text),)))
        return CheckpointPublished(note, draft.ranges, draft.map_root)

    def _record(self, sealed: Sealed, cosigned: Sequence[Cosigned]) -> None:
        if cosigned:
            lines = "".join(one.line for one in cosigned).encode()
            value = encode_notarized(CheckpointCosigned(sealed.record_hash, lines))
            self._writer.append([Entry(None, value)])
            self.tree.follow()
            LOG.info("checkpoint of %d leaves cosigned by %s", sealed.size, ", ".join(one.witness for one in cosigned))

    def close(self) -> None:
        """Stop. What waits is taken in by the next notary."""
        try:
            self._writer.close()
        finally:
            self.tree.close()


def _check_newest(log: Log, check: NoteCheck, past: int) -> None:
    """Whether the newest checkpoint is the log's own, as far as that can be seen yet. Raises ``TreeContradicted``."""
    try:
        record = newest_record(log, PATIENCE)
    except LogUnreachable:  # a predecessor that died has left a transaction open: only fencing it shows the rest
        return
    if record is None or record.offset <= past:
        return
    stored = decode_notarized(record.value)
    assert isinstance(stored, CheckpointPublished)
    try:
        check(stored.note)
    except NoteInvalid as error:
        raise TreeContradicted(held_up(record.offset, NOT_OURS.format(error))) from error
