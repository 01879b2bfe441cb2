"""Signed notes (c2sp.org/signed-note): a text, and the lines of those who signed it.

A text says nothing until ``verify_note`` has found a signature of a known key under it. Signatures of unknown keys are
passed over; a wrong signature of a known key condemns the whole note.
"""

import base64
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from casetrail.proofs.errors import KeyUnusable, NoteInvalid

MOST_SIGNATURES: Final = 100
MOST_BYTES: Final = 1_000_000
KEY_ID_BYTES: Final = 4
DASH: Final = "— "
"""U+2014 and a space: how every signature line begins."""

CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")


class Signature(NamedTuple):
    """One line under a note: the key's name, its id (4 bytes), and the signature as the key's algorithm makes it."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        """The line as it stands in a note, with its newline."""
        return f"{DASH}{self.name} {base64.b64encode(self.key_id + self.signature).decode()}\n"


class Note(NamedTuple):
    """A text (with its final newline) and the signatures under it. Nothing is verified yet."""

    text: str
    signatures: tuple[Signature, ...]


class Verifier(Protocol):
    """What ``verify_note`` needs of a known key; ``VerifierKey`` is one."""

    @property
    def name(self) -> str: ...

    @property
    def key_id(self) -> bytes: ...

    def verify(self, text: str, signature: bytes) -> datetime | None:
        """The time that the signature states, if any. Raises ``NoteInvalid`` where it is not this key's."""


V = TypeVar("V", bound=Verifier)


class Verified(NamedTuple, Generic[V]):
    """A signature that holds: the known key, the line, and the time that it states (UTC), if it states one."""

    key: V
    signature: Signature
    at: datetime | None


def parse_note(value: bytes) -> Note:
    """A note from its bytes, verbatim: ``format_note`` gives the same bytes again. Raises ``NoteInvalid``."""
    if len(value) > MOST_BYTES:
        raise NoteInvalid(f"a note of {len(value)} bytes is larger than the {MOST_BYTES} that are read")
    try:
        whole = value.decode()
    except UnicodeDecodeError as error:
        raise NoteInvalid(f"a note must be UTF-8, and this one is not at byte {error.start}") from None
    if found := CONTROL.search(whole):
        raise NoteInvalid(f"a note holds no control character but newlines, and this one has {ord(found[0]):#04x}")
    text, blank, lines = whole.rpartition("\n\n")
    if not blank:
        raise NoteInvalid("a note has a blank line between its text and its signatures; this one has none")
    return Note(text + "\n", parse_signatures(lines))


def parse_signatures(lines: str) -> tuple[Signature, ...]:
    """Signature lines without the text, as a witness answers them: one or more. Raises ``NoteInvalid``."""
    if not lines.endswith("\n"):
        raise NoteInvalid("a note ends in signature lines, each with its newline")
    found = lines[:-1].split("\n")
    if len(found) > MOST_SIGNATURES:
        raise NoteInvalid(f"a note with {len(found)} signatures has more than the {MOST_SIGNATURES} that are read")
    return tuple(_signature(line, number) for number, line in enumerate(found, start=1))


def readable_signatures(lines: bytes) -> Iterator[Signature]:
    """The signature lines among what a log has of somebody, however many. What is none says nothing, and is passed over."""
    for line in lines.decode(errors="replace").split("\n"):
        with suppress(NoteInvalid):
            yield _signature(line, 1)


def _signature(line: str, number: int) -> Signature:
    parts = line.removeprefix(DASH).split(" ")
    if not line.startswith(DASH) or len(parts) != 2 or not is_key_name(parts[0]):
        raise NoteInvalid(f"signature line {number} is not of the form '— NAME BASE64'")
    try:
        value = from_base64(parts[1])
    except ValueError:
        raise NoteInvalid(f"signature line {number} is not in base64") from None
    if len(value) <= KEY_ID_BYTES:
        raise NoteInvalid(f"signature line {number} is too short for a key id and a signature")
    return Signature(parts[0], value[:KEY_ID_BYTES], value[KEY_ID_BYTES:])


def format_note(note: Note) -> bytes:
    """The bytes of a note. Raises ``NoteInvalid`` for a note that could not be read again as it is."""
    value = "".join([note.text, "\n", *(one.line() for one in note.signatures)]).encode(errors="surrogatepass")
    if parse_note(value) != note:
        raise NoteInvalid("this text and these signatures make no note that reads back as the same")
    return value


def verify_note(note: Note, verifiers: Iterable[V]) -> list[Verified[V]]:
    """The signatures of known keys, in the order of their lines; every one of them holds.

    Raises ``NoteInvalid`` where a known key's signature is wrong, or where no known key has signed;
    ``KeyUnusable`` where two known keys cannot be told apart by name and id.
    """
    known: dict[tuple[str, bytes], V] = {}
    for one in verifiers:
        if known.setdefault((one.name, one.key_id), one) != one:
            raise KeyUnusable(f"two known keys share the name {one.name} and the id {one.key_id.hex()}")
    found = [
        Verified(key, signature, key.verify(note.text, signature.signature))
        for signature in note.signatures
        if (key := known.get((signature.name, signature.key_id)))
    ]
    if not found:
        raise NoteInvalid("no known key has signed this note")
    return found


def is_key_name(name: str) -> bool:
    """Whether a key may have this name: not empty, no Unicode space, no plus, no control character."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return bool(name) and "+" not in name and not CONTROL.search(name) and not any(map(str.isspace, name))


def from_base64(text: str) -> bytes:
    """Standard base64 (RFC 4648, section 4) in its one canonical form. Raises ``ValueError`` for any other."""
    value = base64.b64decode(text, validate=True)
    if base64.b64encode(value).decode() != text:
        raise ValueError("base64 with bits or padding that say nothing")
    return value
