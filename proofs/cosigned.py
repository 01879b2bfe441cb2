"""A checkpoint's note with the cosignatures that a log has of it, as a note that everybody can read.

Whoever can write to ``LOG.checkpoints`` can put any number of lines there, and a note has a limit: junk must not keep the
witnesses' words out of it.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from casetrail.proofs.errors import NoteInvalid
from casetrail.proofs.keys import VerifierKey
from casetrail.proofs.note import MOST_BYTES, MOST_SIGNATURES, Signature, format_note, parse_note

WRONG: Final = datetime.min.replace(tzinfo=UTC)
TIMELESS: Final = datetime.max.replace(tzinfo=UTC)


def with_cosignatures(note: bytes, lines: Iterable[Signature], keys: Iterable[VerifierKey] | None) -> bytes:
    """The note and the lines under it. ``keys``: those whose lines count; None where nobody says.

    Where that is more than a note may have, one line of each key is left, the earliest that it gave, for all that counts is
    who had signed by when. A wrong line under the note itself stays: it condemns the note, see ``verify_note``. Without keys
    the lines that come first stay, as many as there is room for.
    """
    found = list(lines)
    whole = note + b"".join(one.line().encode() for one in found)
    if _fits(whole):
        return whole
    return _first(note, found) if keys is None else _one_of_each(note, found, keys)


def _fits(note: bytes) -> bool:
    return len(note) <= MOST_BYTES and note.rpartition(b"\n\n")[2].count(b"\n") <= MOST_SIGNATURES


def _first(note: bytes, lines: Iterable[Signature]) -> bytes:
    for one in lines:
        if _fits(longer := note + one.line().encode()):
            note = longer
    return note


def _one_of_each(note: bytes, lines: Iterable[Signature], keys: Iterable[VerifierKey]) -> bytes:
    parsed, known = parse_note(note), {(key.name, key.key_id): key for key in keys}
    kept: dict[VerifierKey, tuple[datetime, Signature]] = {}
    for one in (*parsed.signatures, *lines):
        if (key := known.get((one.name, one.key_id))) is not None:
            at = _stated(key, parsed.text, one)
            if key not in kept or at < kept[key][0]:
                kept[key] = at, one
    return format_note(parsed._replace(signatures=tuple(one for _, one in kept.values()))) if kept else note


def _stated(key: VerifierKey, text: str, signature: Signature) -> datetime:
    try:
        return key.verify(text, signature.signature) or TIMELESS
    except NoteInvalid:
        return WRONG
