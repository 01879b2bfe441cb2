"""Records among a log's checkpoints that are not its own: another key signed them, or no notary wrote them.

Whoever can write to ``LOG.checkpoints`` can put such a record there. It says nothing in the log's name, so it decides nothing:
a checkpoint of the log's own key that comes later says by its root whether it covers it. Until there is one, nothing
goes on, but for a notary that was told to.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from casetrail.domain.notarized import CheckpointPublished
from casetrail.eventlog.port import Record
from casetrail.proofs.checkpoint import Checkpoint, parse_checkpoint
from casetrail.proofs.errors import NoteInvalid
from casetrail.proofs.note import parse_note

NoteCheck = Callable[[bytes], None]
"""Raises ``NoteInvalid`` where a checkpoint's note is not signed as it must be."""


NOT_OURS: Final = "is not one of this log's checkpoints: {}"


class Foreign(NamedTuple):
    """A record that is not the log's own. ``stored``: the checkpoint that it states; None where it cannot be one that follows.

    ``why``: what it does, or is, behind its place in a sentence.
    """

    record: Record
    stored: CheckpointPublished | None
    why: str


class Own:
    """Tells a log's own checkpoints from others: ``check`` believes them, and all speak for one log.

    Without a check each counts as the log's own that speaks for the log for which the first one does.
    """

    def __init__(self, check: NoteCheck | None) -> None:
        self._check = check
        self._origin: str | None = None

    def read(self, note: bytes) -> Checkpoint:
        """What one of the log's own checkpoints says. Raises ``NoteInvalid`` where it is another's, or none."""
        said = parse_checkpoint(parse_note(note).text)
        if self._check is not None:
            self._check(note)
        if self._origin not in (None, said.origin):
            raise NoteInvalid(f"it speaks for {said.origin}, those before it for {self._origin}")
        return said

    def has_made(self, note: bytes) -> bool:
        """Whether a checkpoint is the log's own."""
        try:
            self.read(note)
        except NoteInvalid:
            return False
        return True

    def goes_on(self, said: Checkpoint) -> None:
        """A checkpoint of the log's own has been taken in: those after it speak for the same log."""
        self._origin = said.origin


def is_checkpoint(note: bytes) -> bool:
    """Whether a note is a checkpoint at all, whoever signed it."""
    try:
        parse_checkpoint(parse_note(note).text)
    except NoteInvalid:
        return False
    return True


def held_up(offset: int, why: str, last: int | None = None) -> str:
    """What to say where nothing goes on for the record at an offset. ``last``: the offset of the last one of its kind."""
    past = offset if last is None else last
    return (
        f"the record at offset {offset} of the checkpoints {why}. Find out who wrote it; 'casetrail serve notary --past {past}' "
        "then goes on, and so do proofs (docs/operations.md)"
    )
