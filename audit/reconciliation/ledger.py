"""A ledger: somebody's own list of reports, read as a stream of lines. Names become tokens here, and go no further."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO

from casetrail.audit.reconciliation.mapping import (
    BadMapping,
    CellRefused,
    LedgerMapping,
    ReconcileFailed,
    delimiter_of,
    mapping_for,
    offences_of,
)
from casetrail.audit.reconciliation.text_files import Rows, encoding_of, named_columns, repeated
from casetrail.domain.codes import Offence, TokenKind
from casetrail.domain.sealed import Token
from casetrail.domain.values import is_id

CHUNK: Final = 1024 * 1024


class LedgerUnreadable(ReconcileFailed):
    """The ledger as a whole cannot be read."""

    code = "ledger-unreadable"


class Persons(NamedTuple):
    """Whom a line names. These texts never leave the process that reads the ledger."""

    child: str = ""
    child_born: date | None = None
    suspect: str = ""
    suspect_born: date | None = None
    address: str = ""


TokensOf = Callable[[Persons], Sequence[Token]]
"""Makes blinded tokens of persons, with the log's token key: the tokens to look for, however they were given."""


class LedgerLine(NamedTuple):
    """A line of a ledger, without names. ``problem``: why it cannot be read; then only what is there can be relied on.

    ``since`` and ``until`` are the moment of the report (UTC), apart where the ledger says the day only. ``offences``:
    any of these would be right; empty where the ledger says nothing of it. ``dated``: of which persons it gives name and date
    of birth, so that ``tokens`` has every token that they can have.
    """

    line: int
    row_hash: bytes | None
    problem: str = ""
    report_number: str = ""
    since: datetime | None = None
    until: datetime | None = None
    offences: frozenset[Offence] = frozenset()
    tokens: tuple[Token, ...] = ()
    dated: frozenset[TokenKind] = frozenset()


class Ledger:
    """A ledger's file, opened: its mapping is understood, its lines are still to be read."""

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        """Raises ``LedgerUnreadable``, ``BadMapping``."""
        self._path = path
        try:
            self._encoding = encoding_of(path, settings.get("encoding"), self._refuse)
        except OSError as error:
            raise self._unreadable(error) from error
        except (LookupError, ValueError) as error:
            raise BadMapping(f"there is no encoding '{settings.get('encoding')}'") from error
        self._delimiter = delimiter_of(settings)
        try:
            with self._opened() as file:
                header = self._rows(file).next()
        except (OSError, csv.Error, UnicodeError) as error:
            raise self._unreadable(error) from None  # what it was raised from would quote the ledger
        self.columns = named_columns(header, self._refuse)
        twice = set(repeated(self.columns))
        self.mapping = mapping_for(settings, {name for name in self.columns if name not in twice})

    def lines(self, tokens_of: TokensOf | None = None) -> Iterator[LedgerLine]:
        """Every line after the header, blank ones apart. Raises ``LedgerUnreadable``."""
        try:
            salt = self._hash()
            with self._opened() as file:
                rows = self._rows(file)
                rows.next()
                yield from self._read(rows, salt, tokens_of)
        except (OSError, UnicodeError) as error:
            raise self._unreadable(error) from None

    def _read(self, rows: Rows, salt: bytes, tokens_of: TokensOf | None) -> Iterator[LedgerLine]:
        while True:
            line = rows.line + 1
            try:
                cells = rows.next()
            except csv.Error as error:
                yield LedgerLine(line, None, f"is no CSV ({error}){_span(line, rows.line)}")
                continue
            if cells is None:
                return
            if not cells:
                continue
            hashed = row_hash(salt, line, cells)
            if len(cells) != len(self.columns):
                wrong = f"has {len(cells)} cells where the header has {len(self.columns)}"
                yield LedgerLine(line, hashed, wrong + _span(line, rows.line))
            else:
                row = dict(zip(self.columns, cells, strict=True))
                yield _understood(self.mapping, LedgerLine(line, hashed), row, tokens_of)

    def _opened(self) -> TextIO:
        return self._path.open(encoding=self._encoding, errors="surrogateescape", newline="")

    def _rows(self, file: TextIO) -> Rows:
        return Rows(file, self._delimiter, self._refuse)

    def _refuse(self, why: str) -> LedgerUnreadable:
        return LedgerUnreadable(f"{self._path} {why}")

    def _hash(self) -> bytes:
        made = sha256()
        with self._path.open("rb") as file:
            while chunk := file.read(CHUNK):
                made.update(chunk)
        return made.digest()

    def _unreadable(self, error: Exception) -> LedgerUnreadable:
        if isinstance(error, OSError):
            return LedgerUnreadable(f"cannot read {self._path}: {error.strerror}")
        if isinstance(error, UnicodeError):  # its own text would quote the ledger
            return LedgerUnreadable(f"{self._path} is not in the encoding {self._encoding}: name it in the mapping")
        return LedgerUnreadable(f"{self._path} is no CSV file: {error}")


def row_hash(salt: bytes, line: int, cells: Sequence[str]) -> bytes:
    """What names a line to whoever has the ledger, and to nobody else. 32 bytes; docs/reconciling.md says of what.

    ``salt`` is SHA-256 of the whole file: without the ledger nobody can try names until the hash fits.
    """
    made = sha256(b"casetrail/ledger-row/1" + salt + line.to_bytes(8))
    for cell in cells:
        data = cell.encode("utf-8", "surrogatepass")
        made.update(len(data).to_bytes(4) + data)
    return made.digest()


def _span(line: int, last: int) -> str:
    return f"; it goes on to line {last}: a quote that is not closed?" if last > line else ""


# --- from a row to a line ---


def _understood(
    mapping: LedgerMapping, line: LedgerLine, row: Mapping[str, str], tokens_of: TokensOf | None
) -> LedgerLine:
    """What a row says. Of one that cannot be read in full, as much as can be, and the first reason."""
    for part in (_number, _moment, _category, partial(_tokens, tokens_of=tokens_of)):
        try:
            line = line._replace(**part(mapping, row))
        except CellRefused as refused:
            line = line._replace(problem=line.problem or str(refused))
    if not line.problem and not line.report_number and not line.tokens:
        return line._replace(problem="has nothing by which a report could be recognised")
    return line


def _number(mapping: LedgerMapping, row: Mapping[str, str]) -> dict[str, Any]:
    if (template := mapping.report_number) is None:
        return {}
    number = template.fill(row)
    if number and not is_id(number):
        raise CellRefused(template.column, "gives no report number: 1 to 64 letters, digits and . _ : @ + -")
    return {"report_number": number}


def _category(mapping: LedgerMapping, row: Mapping[str, str]) -> dict[str, Any]:
    template = mapping.category
    return {} if template is None else {"offences": offences_of(template.fill(row), template.column)}


def _tokens(mapping: LedgerMapping, row: Mapping[str, str], tokens_of: TokensOf | None) -> dict[str, Any]:
    if tokens_of is None or not mapping.persons:
        return {}
    persons = _persons(mapping, row)
    dated = [TokenKind.CHILD] if persons.child and persons.child_born else []
    dated += [TokenKind.SUSPECT] if persons.suspect and persons.suspect_born else []
    return {"tokens": tuple(tokens_of(persons)), "dated": frozenset(dated)}


def _moment(mapping: LedgerMapping, row: Mapping[str, str]) -> dict[str, Any]:
    """When the report was made, by the ledger: a moment, or the beginning and the end of a day. UTC."""
    text, column = mapping.reported_at.fill(row), mapping.reported_at.column
    found, is_day = _parsed(text, mapping.time_formats)
    if found is None:
        raise CellRefused(column, f"is no time in the form {' or '.join(mapping.time_formats) or 'ISO 8601'}")
    if found.tzinfo is None:
        if mapping.zone is None:
            raise CellRefused(column, "is a time without a zone, and the mapping names no time_zone")
        found = found.replace(tzinfo=mapping.zone)
    try:
        since = found.astimezone(UTC)
        return {"since": since, "until": (found + timedelta(days=1)).astimezone(UTC) if is_day else since}
    except OverflowError as error:
        raise CellRefused(column, "is a time out of range") from error


def _parsed(text: str, forms: tuple[str, ...]) -> tuple[datetime | None, bool]:
    """The time, and whether it is a whole day: a form without hours, or a date of ISO 8601."""
    for form in forms or ("",):
        try:
            if form:
                return datetime.strptime(text, form), not _has_hours(form)  # noqa: DTZ007
            return datetime.fromisoformat(text), len(text) <= len("2016-01-05")
        except ValueError:
            continue
    return None, False


def _has_hours(form: str) -> bool:
    return any(one in form for one in ("%H", "%I", "%X", "%c", "%T", "%R"))


def _persons(mapping: LedgerMapping, row: Mapping[str, str]) -> Persons:
    texts = {name: template.fill(row) for name, template in mapping.persons.items()}
    return Persons(
        texts.get("child", ""),
        _born(mapping, "child_born", texts),
        texts.get("suspect", ""),
        _born(mapping, "suspect_born", texts),
        texts.get("address", ""),
    )


def _born(mapping: LedgerMapping, name: str, texts: Mapping[str, str]) -> date | None:
    text = texts.get(name, "")
    if not text:
        return None
    for form in mapping.date_formats:
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007
        except ValueError:
            continue
    raise CellRefused(mapping.persons[name].column, f"is no date in the form {' or '.join(mapping.date_formats)}")
