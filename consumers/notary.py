"""The notary: builds the Merkle tree over all events and publishes signed checkpoints of it to ``LOG.checkpoints``.

One notary works at a time: opening the writer of ``checkpoints`` fences a predecessor. It signs only what extends the
checkpoints that are there already; where the log contradicts one of them it refuses, says so, and stops for good.
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
from casetrail.eventlog.notarized import encode_notarized
from casetrail.eventlog.port import Entry, Log, Topic
from casetrail.eventlog.schemas import register_in_log
from casetrail.eventlog.stream import POLL
from casetrail.proofs.checkpoint import Checkpoint
from casetrail.proofs.keys import SignerKey
from casetrail.proofs.logtree import Draft, LogTree
from casetrail.proofs.note import Note, format_note, parse_note, verify_note
from casetrail.proofs.treefile import Sealed

LOG: Final = logging.getLogger("casetrail.notary")


class Cadence(NamedTuple):
    """How often a checkpoint is published: when ``most`` events wait, and at the latest every ``every`` seconds."""

    every: float = 60.0
    most: int = 50_000


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
    ) -> None:
        """Take over from a predecessor and follow what it has published.

        Raises ``TreeContradicted`` where the log contradicts a checkpoint, or a checkpoint is not signed with this key.
        """
        self._log, self._key, self._cadence, self._witnesses, self._inbox = log, key, cadence, witnesses, inbox
        register_in_log(log)
        with ExitStack() as opened:  # the next notary must be able to open what this one could not
            self._writer = log.writer(0, Topic.CHECKPOINTS)
            opened.callback(self._writer.close)
            # only now: no predecessor has published anything that covers more
            self._there = log.end_offsets(Topic.EVENTS)
            self.tree = LogTree(log, directory, self._check)
            opened.callback(self.tree.close)
            self.tree.follow()
            self.covered = self.tree.covered()  # kept, for whoever asks from another thread
            opened.pop_all()
        self._published_at = monotonic() - cadence.every  # what waits already has waited long enough

    def _check(self, note: bytes) -> None:
        verify_note(parse_note(note), [self._key.verifier_key])

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
        if newest is not None and self._witnesses is not None:
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
