"""Which line of a ledger is which report of the log: by report number, else by blinded tokens.

Both sides stand in a temporary SQLite database, so memory stays flat. They are brought together in passes, the surest
first. A pass pairs every line with every report that it could be, among those that no earlier pass has paired; so a
line with several possible reports, or a report with several lines, shows as such and is never decided by chance.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final, NamedTuple

from casetrail.audit.reconciliation.ledger import LedgerLine
from casetrail.domain.codes import TokenKind
from casetrail.domain.sealed import Token
from casetrail.domain.values import EPOCH

MICROSECOND: Final = timedelta(microseconds=1)
NUMBER: Final = "number"
MOST_ALIKE: Final = 100
"""What more lines or reports than this have in common (UNKNOWN, a hospital's address) tells nobody apart."""
LONGEST: Final = 4 * 10**17
"""More microseconds than there are between two dates."""
ACCEPTED: Final = "accepted"
ROWS: Final = 5000

TABLES: Final = """
CREATE TABLE line (
    line INTEGER PRIMARY KEY, row_hash BLOB, problem TEXT NOT NULL, report_number TEXT NOT NULL,
    since INTEGER, until INTEGER, offences TEXT NOT NULL, children BLOB NOT NULL, suspects BLOB NOT NULL,
    has_child INTEGER NOT NULL, common INTEGER NOT NULL DEFAULT 0, settled TEXT);
CREATE TABLE report (
    report INTEGER PRIMARY KEY, state TEXT NOT NULL, kind TEXT NOT NULL, case_id TEXT NOT NULL, number INTEGER,
    partition INTEGER NOT NULL, offset INTEGER NOT NULL, hash BLOB NOT NULL, recorded_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
    report_number TEXT NOT NULL, offences TEXT NOT NULL, agency TEXT NOT NULL, unit TEXT NOT NULL, channel TEXT NOT NULL,
    reported_in TEXT NOT NULL, in_scope INTEGER NOT NULL,
    has_child INTEGER NOT NULL, children BLOB NOT NULL, suspects BLOB NOT NULL, goes_on INTEGER NOT NULL DEFAULT 0, common INTEGER NOT NULL DEFAULT 0,
    taken INTEGER NOT NULL DEFAULT 0);
CREATE TABLE later (
    kind TEXT NOT NULL, case_id TEXT NOT NULL, number INTEGER NOT NULL, partition INTEGER NOT NULL,
    offset INTEGER NOT NULL, hash BLOB NOT NULL, recorded_at INTEGER NOT NULL,
    corrects INTEGER, offences TEXT, happened_at INTEGER, merged_into TEXT, renamed TEXT, identifies INTEGER NOT NULL);
CREATE TABLE line_mark (kind TEXT NOT NULL, value BLOB NOT NULL, line INTEGER NOT NULL);
CREATE TABLE report_mark (
    kind TEXT NOT NULL, value BLOB NOT NULL, report INTEGER NOT NULL, corrected INTEGER NOT NULL DEFAULT 0);
CREATE TABLE later_mark (kind TEXT NOT NULL, value BLOB NOT NULL, case_id TEXT NOT NULL);
CREATE TABLE common (kind TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (kind, value));
CREATE TABLE found (line INTEGER NOT NULL, report INTEGER NOT NULL);
CREATE TABLE pair (line INTEGER NOT NULL, report INTEGER NOT NULL);
"""
INDEXES: Final = """
CREATE INDEX line_mark_of ON line_mark (kind, value, line);
CREATE INDEX report_mark_of ON report_mark (kind, value, report);
CREATE INDEX report_of_case ON report (case_id, number);
CREATE INDEX later_of_case ON later (case_id, number);
CREATE INDEX pair_of_line ON pair (line);
CREATE INDEX pair_of_report ON pair (report);
"""


class Place(NamedTuple):
    """Where in the log something stands: what it is, and its leaf hash. ``recorded_at``: microseconds since 1970, UTC.

    ``number`` is that in the case; None for a submission that has no event yet: then it is the submission that stands there.
    """

    kind: str
    case_id: str
    number: int | None
    partition: int
    offset: int
    hash: bytes
    recorded_at: int


class Report(NamedTuple):
    """A report that the log has, or was asked to take in. ``offences`` are codes with spaces between.

    ``state`` is ``accepted``, or why it is none of the log's reports: ``refused: CODE``, ``unreadable: CODE``, ``pending``.
    """

    report: int
    state: str
    kind: str
    case_id: str
    number: int | None
    partition: int
    offset: int
    hash: bytes
    recorded_at: int
    received_at: int
    report_number: str
    offences: str
    agency: str
    unit: str
    channel: str
    reported_in: str
    in_scope: bool
    has_child: bool
    children: bytes
    """The values of its tokens of children, one behind the other; ``suspects`` likewise."""
    suspects: bytes
    goes_on: bool = False
    """Whether later events say something of it."""

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place._make(self[2:9])


class Later(NamedTuple):
    """A later event that says something of a report: a correction, a merger, or that its case was opened again."""

    kind: str
    case_id: str
    number: int | None
    partition: int
    offset: int
    hash: bytes
    recorded_at: int
    corrects: int | None = None
    offences: str | None = None
    happened_at: int | None = None
    merged_into: str | None = None
    renamed: str | None = None
    """Whose name or date of birth it corrects: ``child``, ``suspect``, or both with a space between."""
    identifies: bool = False
    """Whether it has tokens: by them the case's report is recognised, too."""

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place._make(self[:7])

    def is_about(self, report: Report) -> bool:
        """Whether it corrects a report of its case, or says whom that is about."""
        return self.corrects == report.number or self.identifies


@dataclass(frozen=True)
class Pass:
    """One way to recognise a report. ``apart``: how far the two times may lie apart; None: as far as they like.

    ``in_scope``: among the reports that belong to the ledger, or among all others; None: among all.
    """

    kind: str
    apart: timedelta | None
    in_scope: bool | None


def passes(near: timedelta, span: timedelta) -> tuple[Pass, ...]:
    """The passes, the surest first. ``near`` is the tolerance of dates, ``span`` how far a child's reports may differ.

    The child decides where both sides name one: a suspect or an address alone would take a brother's report for the
    child's own, so these count only where one side names no child, and only near in time.
    """
    return (
        Pass(NUMBER, None, True),
        Pass("child", near, True),
        Pass(NUMBER, span, False),  # another agency may have given the same number to another report
        Pass("child", near, False),
        Pass("child", span, True),
        Pass("child", span, False),
        Pass("suspect", near, True),
        Pass("suspect", near, False),
        Pass("address", near, True),
        Pass("address", near, False),
    )


class Workspace:
    """Lines and reports, and which may be which. Everything is in a file that is gone when it is closed."""

    def __init__(self, most_alike: int = MOST_ALIKE) -> None:
        self.database = sqlite3.connect("", isolation_level=None)  # a private file, which SQLite removes by itself
        self._most_alike = most_alike
        self._nobody: frozenset[tuple[str, bytes]] = frozenset()
        self.our_agencies: frozenset[str] = frozenset()
        """Those in whose reports a token of the ledger stands, so that their tokens were made with the same key."""
        for setting in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-65536", "temp_store=FILE"):
            self.database.execute(f"PRAGMA {setting}")
        self.database.executescript(TABLES)

    def close(self) -> None:
        """Forget everything."""
        self.database.close()

    # --- in ---

    def set_nobody(self, tokens: Iterable[Token]) -> None:
        """Tokens of place-holders, such as UNKNOWN: they tell nobody from anybody."""
        self._nobody = frozenset((token.kind.value, token.value) for token in tokens)

    def add_lines(self, lines: Iterator[LedgerLine]) -> None:
        """Take in lines of the ledger."""
        while some := list(islice(lines, ROWS)):
            marks = [(*mark, one.line) for one in some for mark in _marks(one.report_number, one.tokens)]
            self._insert("line", [_line_row(one) for one in some])
            self._insert("line_mark", marks)

    def add_reports(self, reports: Sequence[tuple[Report, Sequence[Token]]]) -> None:
        """Take in reports of the log."""
        marks = [(*mark, one.report) for one, tokens in reports for mark in _marks(one.report_number, tokens)]
        self._insert("report", [(*one, 0, 0) for one, _ in reports])
        self._insert("report_mark", [(*mark, 0) for mark in marks])

    def add_later(self, events: Sequence[tuple[Later, Sequence[Token]]]) -> None:
        """Take in later events, each with the tokens that it brings."""
        self._insert("later", [one._replace(identifies=bool(tokens)) for one, tokens in events])
        self._insert("later_mark", [(*mark, one.case_id) for one, tokens in events for mark in _marks("", tokens)])

    def _insert(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            places = ", ".join("?" * len(rows[0]))
            self.database.execute("BEGIN")
            self.database.executemany(f"INSERT INTO {table} VALUES ({places})", rows)  # noqa: S608
            self.database.execute("COMMIT")

    # --- matching ---

    def match(self, near: timedelta, span: timedelta, only_in_scope: bool = False) -> None:
        """Pair lines with reports, once both are there; those left over with what the log was asked for and never had.

        ``only_in_scope``: as if the log had no others than those that belong to the ledger.
        """
        self.database.executescript(INDEXES)
        self._correct()
        if only_in_scope:  # before anything is counted: how many others are alike tells of them, too
            self.database.execute(
                "DELETE FROM report_mark WHERE report IN (SELECT report FROM report WHERE NOT in_scope)"
            )
        self._set_common_apart()
        self._find_our_agencies()
        for one in passes(near, span):
            self._pass(one, f"r.state = '{ACCEPTED}'")
        for one in (Pass(NUMBER, None, None), Pass("child", near, None)):
            self._pass(one, f"r.state <> '{ACCEPTED}'")

    def _correct(self) -> None:
        """Let the last correction of a report count. What corrects something else only adds those whom it identifies."""
        self.database.execute(
            "DELETE FROM later WHERE kind = 'FactCorrected' AND NOT identifies AND NOT EXISTS (SELECT 1 FROM report r "
            "WHERE r.case_id = later.case_id AND r.number = later.corrects)"
        )
        self.database.execute(
            "INSERT INTO report_mark SELECT DISTINCT m.kind, m.value, r.report, 1 FROM later_mark m "
            "JOIN report r ON r.case_id = m.case_id WHERE r.state = ? AND NOT EXISTS (SELECT 1 FROM report_mark known "
            "WHERE known.kind = m.kind AND known.value = m.value AND known.report = r.report)",
            (ACCEPTED,),
        )
        self.database.execute(
            "UPDATE report SET has_child = 1 WHERE report IN (SELECT report FROM report_mark WHERE kind = ? AND corrected)",
            (TokenKind.CHILD.value,),
        )
        self.database.execute("UPDATE report SET goes_on = 1 WHERE case_id IN (SELECT case_id FROM later)")
        for column, corrected in (("received_at", "happened_at"), ("offences", "offences")):
            last = (
                f"SELECT l.{corrected} FROM later l WHERE l.case_id = report.case_id AND l.corrects = report.number "  # noqa: S608
                f"AND l.{corrected} IS NOT NULL ORDER BY l.number DESC LIMIT 1"
            )
            self.database.execute(
                f"UPDATE report SET {column} = coalesce(({last}), {column}) "  # noqa: S608
                "WHERE case_id IN (SELECT case_id FROM later WHERE kind = 'FactCorrected')"
            )

    def _set_common_apart(self) -> None:
        """Set aside what too many have in common: whoever has nothing else is told so, and is neither matched nor missing."""
        for ours, theirs in (("line_mark", "report_mark"), ("report_mark", "line_mark")):
            self.database.execute(
                f"INSERT OR IGNORE INTO common SELECT kind, value FROM {ours} o WHERE EXISTS "  # noqa: S608
                f"(SELECT 1 FROM {theirs} t WHERE t.kind = o.kind AND t.value = o.value) "
                "GROUP BY kind, value HAVING count(*) > ?",
                (self._most_alike,),
            )
        for name in ("line", "report"):
            self.database.execute(
                f"UPDATE {name} SET common = 1 WHERE {name} IN (SELECT m.{name} FROM {name}_mark m "  # noqa: S608
                "JOIN common c ON c.kind = m.kind AND c.value = m.value)"
            )
            self.database.execute(
                f"DELETE FROM {name}_mark WHERE EXISTS (SELECT 1 FROM common c "  # noqa: S608
                f"WHERE c.kind = {name}_mark.kind AND c.value = {name}_mark.value)"
            )
            self.database.execute(
                f"UPDATE {name} SET common = 0 WHERE common "  # noqa: S608
                f"AND {name} IN (SELECT {name} FROM {name}_mark WHERE kind <> '{NUMBER}')"
            )

    def _find_our_agencies(self) -> None:
        """Whoever corrects a report may have another key than whoever made it: tokens of corrections show nothing."""
        query = (
            "SELECT DISTINCT r.reported_in FROM line_mark lm CROSS JOIN report_mark rm ON rm.kind = lm.kind "
            "AND rm.value = lm.value CROSS JOIN report r ON r.report = rm.report WHERE lm.kind <> ? AND NOT rm.corrected"
        )
        self.our_agencies = frozenset(agency for (agency,) in self.database.execute(query, (NUMBER,)))

    def _pass(self, one: Pass, state: str) -> None:
        conditions = ["lm.kind = :kind", "l.settled IS NULL", "NOT r.taken", state]
        if one.in_scope is not None:
            conditions.append(f"r.in_scope = {int(one.in_scope)}")
        if one.apart is not None:
            conditions.append("r.received_at BETWEEN l.since - :apart AND l.until + :apart")
        if one.kind in ("suspect", "address"):
            conditions.append("NOT (l.has_child AND r.has_child)")
        apart = LONGEST if one.apart is None else min(LONGEST, one.apart // MICROSECOND)
        self.database.execute("DELETE FROM found")
        self.database.execute(
            "INSERT INTO found SELECT DISTINCT l.line, r.report FROM line_mark lm "  # noqa: S608
            "CROSS JOIN line l ON l.line = lm.line "
            "CROSS JOIN report_mark rm ON rm.kind = lm.kind AND rm.value = lm.value "
            f"CROSS JOIN report r ON r.report = rm.report WHERE {' AND '.join(conditions)}",
            {"kind": one.kind, "apart": apart},
        )
        how = "report_number" if one.kind == NUMBER else "token"
        self.database.execute("UPDATE line SET settled = ? WHERE line IN (SELECT line FROM found)", (how,))
        self.database.execute("UPDATE report SET taken = 1 WHERE report IN (SELECT report FROM found)")
        self.database.execute("INSERT INTO pair SELECT line, report FROM found")

    # --- out ---

    def reports_of(self, line: int) -> list[Report]:
        """The reports that a line was paired with, in the order of the log."""
        return list(self._reports("JOIN pair p ON p.report = r.report WHERE p.line = ?", line))

    def other_lines(self, line: int) -> list[int]:
        """Other lines that were paired with the same reports."""
        query = (
            "SELECT DISTINCT o.line FROM pair p JOIN pair o ON o.report = p.report WHERE p.line = ? AND o.line <> p.line "
            "ORDER BY o.line"
        )
        return [number for (number,) in self.database.execute(query, (line,))]

    def left_over(self, since: int, until: int) -> Iterator[tuple[Report, bool]]:
        """Reports of the ledger's scope and period that no line was paired with; and whether too many are like them."""
        conditions = f"WHERE r.state = '{ACCEPTED}' AND r.in_scope AND NOT r.taken AND r.received_at BETWEEN ? AND ?"
        for common in (False, True):
            for report in self._reports(f"{conditions} AND r.common = ?", since, until, int(common)):
                yield report, common

    def _reports(self, which: str, *values: int) -> Iterator[Report]:
        columns = ", ".join(f"r.{name}" for name in Report._fields)
        query = f"SELECT {columns} FROM report r {which} ORDER BY r.partition, r.offset, r.report"  # noqa: S608
        return map(Report._make, self.database.execute(query, values))

    def tells(self, kind: TokenKind, value: bytes) -> bool:
        """Whether a token tells somebody from others: it is of no place-holder, and not on too many lines or reports."""
        if (kind.value, value) in self._nobody:
            return False
        common = "SELECT 1 FROM common WHERE kind = ? AND value = ?"
        if self.database.execute(common, (kind.value, value)).fetchone() is not None:
            return False
        for name in ("line", "report"):
            some = f"SELECT 1 FROM {name}_mark WHERE kind = ? AND value = ? LIMIT 1 OFFSET ?"  # noqa: S608
            if self.database.execute(some, (kind.value, value, self._most_alike)).fetchone() is not None:
                return False
        return True

    def is_marked(self, report: Report, kind: TokenKind, value: bytes) -> bool:
        """Whether a report is recognised by a token: its own, or one that a correction brought."""
        query = "SELECT 1 FROM report_mark WHERE kind = ? AND value = ? AND report = ?"
        return self.database.execute(query, (kind.value, value, report.report)).fetchone() is not None

    def later_of(self, case_id: str) -> list[Later]:
        """The later events of a case that count, in their order."""
        query = f"SELECT {', '.join(Later._fields)} FROM later WHERE case_id = ? ORDER BY number"  # noqa: S608
        return [Later._make(row) for row in self.database.execute(query, (case_id,))]

    def has_report(self, case_id: str) -> bool:
        """Whether the log has an accepted report under this case id."""
        query = f"SELECT 1 FROM report WHERE case_id = ? AND state = '{ACCEPTED}'"  # noqa: S608
        return self.database.execute(query, (case_id,)).fetchone() is not None


def micros(moment: datetime) -> int:
    """Microseconds since 1970, UTC."""
    return (moment - EPOCH) // MICROSECOND


def _line_row(line: LedgerLine) -> tuple[Any, ...]:
    return (
        line.line, line.row_hash, line.problem, line.report_number, line.since and micros(line.since),
        line.until and micros(line.until), " ".join(sorted(line.offences)),
        *(values_of(kind, line.tokens if kind in line.dated else ()) for kind in (TokenKind.CHILD, TokenKind.SUSPECT)),
        any(token.kind is TokenKind.CHILD for token in line.tokens), 0, None,
    )  # fmt: skip


def values_of(kind: TokenKind, tokens: Iterable[Token]) -> bytes:
    """The values of the tokens of a kind, each once, one behind the other."""
    return b"".join(dict.fromkeys(token.value for token in tokens if token.kind is kind))


def _marks(number: str, tokens: Iterable[Token]) -> list[tuple[str, bytes]]:
    """By what a line or a report is recognised: kind and value, each once."""
    found = dict.fromkeys((token.kind.value, token.value) for token in tokens)
    return [*([(NUMBER, number.encode())] if number else []), *found]
