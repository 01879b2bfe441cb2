"""Statements about a table: a signed note that says what a CSV file is, as of when, and which checkpoint it rests on.

    casetrail/statement/1
    of partner clinic
    log kcpd
    as-of 2026-03-07T09:00:00Z
    rows 149
    sha256 (64 hex digits: of the file)
    kcpd.example/casetrail
    20852163
    (base64: the root)

The last three lines are the newest checkpoint that the log had then, as it stands in a checkpoint; they are missing where the
log had none. The signature is a log's, by Ed25519 (c2sp.org/signed-note). No text is both a statement and a checkpoint.
"""

import csv
import io
import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from casetrail.domain.values import is_id, iso
from casetrail.proofs.checkpoint import Checkpoint, parse_checkpoint, parse_decimal
from casetrail.proofs.errors import KeyUnusable, NoteInvalid
from casetrail.proofs.keys import Algorithm, SignerKey
from casetrail.proofs.note import Note, format_note

VERSION: Final = "casetrail/statement/1"
SUFFIX: Final = ".statement"
FIELDS: Final = ("of", "log", "as-of", "rows", "sha256")
SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class Statement:
    """What is said of a file. ``subject``: what it is a table of (``partner clinic``); ``rows``: without its head. UTC."""

    subject: str
    log: str
    as_of: datetime
    rows: int
    sha256: str
    checkpoint: Checkpoint | None

    def text(self) -> str:
        """The text that is signed, with its final newline."""
        values = (self.subject, self.log, iso(self.as_of), str(self.rows), self.sha256)
        lines = [VERSION, *(f"{name} {value}" for name, value in zip(FIELDS, values, strict=True)), ""]
        return "\n".join(lines) + ("" if self.checkpoint is None else self.checkpoint.text())

    def sign(self, key: SignerKey) -> bytes:
        """The signed note. Raises ``KeyUnusable`` for a key that cannot sign it."""
        if key.algorithm is not Algorithm.ED25519:
            raise KeyUnusable(
                f"the key of {key.name} signs checkpoints only: a statement wants an Ed25519 key of a log"
            )
        return format_note(Note(self.text(), (key.sign_note(self.text()),)))

    def check(self, content: bytes) -> None:
        """Raise ``NoteInvalid`` where this is not the file that is spoken of."""
        if sha256(content).hexdigest() != self.sha256:
            raise NoteInvalid(
                "the file is not the one that was signed: it has been changed, or the statement is another's"
            )
        if rows_in(content) != self.rows:
            raise NoteInvalid(f"the statement says {self.rows} rows, and the file has {rows_in(content)}")


def rows_in(content: bytes) -> int:
    """How many rows a CSV file has, without its head. Raises ``NoteInvalid`` where it is none that casetrail writes."""
    try:
        return sum(1 for _ in csv.reader(io.StringIO(content.decode(errors="replace"), newline=""))) - 1
    except csv.Error as error:
        raise NoteInvalid(f"the file is no table that casetrail writes ({error}), whoever has signed it") from None


def parse_statement(text: str) -> Statement:
    """A statement from a note's text, verbatim: its ``text()`` is the same again. Raises ``NoteInvalid``."""
    version, *lines = text.split("\n")
    if version != VERSION or len(lines) <= len(FIELDS):
        raise NoteInvalid(f"this is no statement that is understood here: its first line is not {VERSION}")
    found = dict(zip(FIELDS, (line.partition(" ")[2] for line in lines), strict=False))
    rest = "\n".join(lines[len(FIELDS) :])
    try:
        statement = Statement(
            found["of"],
            found["log"],
            datetime.fromisoformat(found["as-of"]),
            parse_decimal(found["rows"]),
            found["sha256"],
            parse_checkpoint(rest) if rest else None,
        )
        same = (
            all(map(is_id, found["of"].split(" "))) and SHA256.fullmatch(found["sha256"]) and statement.text() == text
        )
    except ValueError as error:
        raise NoteInvalid(f"this is no statement: {error}") from None
    if not same:
        raise NoteInvalid("this is no statement: it does not read back as the same")
    return statement


def statement_file(path: Path) -> Path:
    """Where the statement about the file at ``path`` is kept: ``path`` with ``.statement`` after it."""
    return path.with_name(f"{path.name}{SUFFIX}")
