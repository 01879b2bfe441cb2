"""A ledger against the log: for each line whether the log has the report, in time and as it was; and what else it has.

The rows that come out name nobody: a line stands there by its number and hash, a report by its case and its events.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from casetrail.audit.reconciliation.ledger import Ledger, LedgerLine, Persons, TokensOf
from casetrail.audit.reconciliation.mapping import LedgerMapping
from casetrail.audit.reconciliation.matching import ACCEPTED, MOST_ALIKE, Later, Place, Report, Workspace, micros
from casetrail.audit.reconciliation.persons import Opens, Others
from casetrail.audit.reconciliation.reported import Reported
from casetrail.domain.codes import TokenKind
from casetrail.domain.values import EPOCH, iso
from casetrail.eventlog.port import Log

MICROSECOND: Final = timedelta(microseconds=1)
HOUR: Final = 3600 * 10**6
TOO_ALIKE: Final = "too many lines or reports have in common what this could be recognised by"
OTHERS: Final = "another name or date of birth"
NO_PERIOD: Final = (
    "the ledger has no line with a time, and the mapping names no period: what else the log has was not asked"
)

COLUMNS: Final = (
    "verdict", "line", "row_hash", "report_number", "case_id", "merged_into", "matched_by", "differences", "reported_at",
    "received_at", "recorded_at", "late_hours", "candidates", "other_lines", "reason", "evidence",
)  # fmt: skip
LISTS: Final = ("differences", "candidates", "other_lines", "evidence")
EMPTY: Final[dict[str, Any]] = {name: [] if name in LISTS else None for name in COLUMNS}
Row = dict[str, Any]


class Verdict(StrEnum):
    """What became of a line of the ledger, or of a report of the log."""

    MATCHED = "matched"
    LATE = "late"  # in the log, and as it was, but later than the limit
    DIFFERENT = "different"  # in the log, but not as the ledger has it (it may be late too)
    MISSING = "missing"  # in the ledger, not in the log
    NOT_IN_LEDGER = "not_in_ledger"  # in the log, and in the ledger's period and scope, not in the ledger
    AMBIGUOUS = "ambiguous"  # several lines or several reports may be meant
    UNREADABLE_ROW = "unreadable_row"


class Reconciliation:
    """The comparison, once both sides have been read. ``counts`` and ``notes`` are complete when ``rows`` has been read to its end.

    The log must stay open until then.
    """

    def __init__(self, workspace: Workspace, mapping: LedgerMapping, others: Others, notes: list[str]) -> None:
        self._workspace, self._mapping, self._others = workspace, mapping, others
        self._since, self._until = self._period()
        self._notes = notes if self._since <= self._until else [*notes, NO_PERIOD]
        self.counts: Counter[Verdict] = Counter()

    @property
    def notes(self) -> list[str]:
        """What makes the comparison itself doubtful: a log that was damaged, a ledger of no period, a keyring of others."""
        return [*self._notes, *self._doubts()]

    def _doubts(self) -> Iterator[str]:
        doubt = "line(s) that have a report's number nobody can tell whether the persons are the same"
        if self._others.undecided:
            yield (
                f"on {self._others.undecided} {doubt}: none of their tokens fits, and nothing shows that this keyring is the one "
                "with which the reports were submitted"
            )
        if self._others.renamed:
            yield (
                f"on {self._others.renamed} {doubt}: the report named somebody else, a correction of name or date of birth "
                "came later, and no token says that it names whom the line names. Look at the corrections among their evidence"
            )

    @property
    def is_clean(self) -> bool:
        """Whether each line is matched, nothing else is in the log, and nothing is wrong with the log."""
        return not self.notes and not any(count for verdict, count in self.counts.items() if verdict != Verdict.MATCHED)

    def close(self) -> None:
        """Forget everything."""
        self._workspace.close()

    def rows(self) -> Iterator[Row]:
        """One row a line of the ledger, in its order; then one a report that only the log has, in the log's order."""
        self.counts.clear()
        self._others.undecided = self._others.renamed = 0
        for row in self._rows():
            self.counts[row["verdict"]] += 1
            yield EMPTY | row

    def _rows(self) -> Iterator[Row]:
        columns = "line, row_hash, problem, report_number, since, until, offences, children, suspects, common, settled"
        for line in self._workspace.database.execute(f"SELECT {columns} FROM line ORDER BY line"):  # noqa: S608
            yield self._line(*line)
        for report, common in self._workspace.left_over(self._since, self._until):
            yield self._left_over(report, common)

    def _period(self) -> tuple[int, int]:
        """The ledger's period, both ends included: the mapping's, else from its first time to its last."""
        scope = self._mapping.scope
        first, last = self._workspace.database.execute("SELECT min(since), max(until) FROM line").fetchone()
        since = first if scope.since is None else micros(scope.since)
        until = last if scope.until is None else micros(scope.until) - 1
        return (1, 0) if since is None or until is None else (since, until)

    # --- a line of the ledger ---

    def _line(
        self, line: int, row_hash: bytes | None, problem: str, number: str, since: int | None, until: int | None,
        offences: str, children: bytes, suspects: bytes, common: int, settled: str | None,
    ) -> Row:  # fmt: skip
        row: Row = {
            "line": line,
            "row_hash": row_hash,
            "report_number": number or None,
            "reported_at": _span(since, until),
        }
        found = self._workspace.reports_of(line)
        row["evidence"] = [one for report in found for one in self._evidence(report)]
        if problem:
            return row | {"verdict": Verdict.UNREADABLE_ROW, "reason": problem}
        if not found and common:
            return row | {"verdict": Verdict.AMBIGUOUS, "reason": TOO_ALIKE}
        if not found or found[0].state != ACCEPTED:
            return row | {"verdict": Verdict.MISSING, "reason": found[0].state if found else None}
        others = self._workspace.other_lines(line)
        if others or len({self._root(report)[0] for report in found}) > 1:
            row |= {"candidates": sorted({report.case_id for report in found}), "other_lines": others}
            return row | {"verdict": Verdict.AMBIGUOUS, "matched_by": settled}
        assert since is not None and until is not None  # else there would be a problem
        later = [one for report in found for one in self._later_of(report) if one.is_about(report)]
        named = {TokenKind.CHILD: children, TokenKind.SUSPECT: suspects}
        persons = [_difference(kind, f"this {kind}", OTHERS) for kind in self._others.among(named, found, later)]
        return row | {"matched_by": settled} | self._compared(found, number, since, until, offences, persons)

    def _compared(
        self, found: list[Report], number: str, since: int, until: int, offences: str, persons: list[Row]
    ) -> Row:
        """The verdict on a line that is one report (or several that have become one case)."""
        report = min(found, key=lambda one: (self._root(one)[0] != one.case_id, one.recorded_at))
        recorded_at = min(one.recorded_at for one in found)
        late = _apart(recorded_at, since, until)
        differences = [*persons, *self._differences(report, number, since, until, offences)]
        is_late = late * MICROSECOND > self._mapping.late_after
        verdict = Verdict.DIFFERENT if differences else Verdict.LATE if is_late else Verdict.MATCHED
        if is_late:
            differences.append(_difference("late", _span(since, until), _iso(recorded_at)))
        return {
            "verdict": verdict, "differences": differences, "recorded_at": _iso(recorded_at),
            "late_hours": round(late / HOUR, 2), **self._of_report(report),
        }  # fmt: skip

    def _differences(self, report: Report, number: str, since: int, until: int, offences: str) -> Iterator[Row]:
        if offences and not set(offences.split()) & set(report.offences.split()):
            yield _difference("category", offences, report.offences)
        if abs(_apart(report.received_at, since, until)) * MICROSECOND > self._mapping.date_tolerance:
            yield _difference("date", _span(since, until), _iso(report.received_at))
        if number and number != report.report_number:
            yield _difference("report_number", number, report.report_number)
        for name, values in self._mapping.scope.wanted.items():
            if getattr(report, name) not in values:
                yield _difference(name, " ".join(values), getattr(report, name))
        root, is_there = self._root(report)
        if not is_there:
            yield _difference("merged", None, root)

    # --- a report of the log ---

    def _left_over(self, report: Report, common: bool) -> Row:
        verdict, reason = (Verdict.AMBIGUOUS, TOO_ALIKE) if common else (Verdict.NOT_IN_LEDGER, None)
        return {
            "verdict": verdict, "reason": reason, "report_number": report.report_number,
            "recorded_at": _iso(report.recorded_at), "evidence": self._evidence(report), **self._of_report(report),
        }  # fmt: skip

    def _of_report(self, report: Report) -> Row:
        root, _ = self._root(report)
        return {
            "case_id": report.case_id,
            "merged_into": None if root == report.case_id else root,
            "received_at": _iso(report.received_at),
        }

    def _evidence(self, report: Report) -> list[Row]:
        """The events that say what the log has: the report's, and those that corrected it, said whom it is about, or merged its case."""
        later = self._later_of(report)
        merged = any(one.merged_into for one in later)
        places = [one.place for one in later if one.is_about(report) or (merged and one.corrects is None)]
        return [_plain(place) for place in (report.place, *places)]

    def _later_of(self, report: Report) -> list[Later]:
        return self._workspace.later_of(report.case_id) if report.goes_on and report.state == ACCEPTED else []

    def _root(self, report: Report) -> tuple[str, bool]:
        """Under which case the report goes on, and whether the log has that case: one can be merged away into none."""
        case_id, seen = report.case_id, {report.case_id}
        later = self._later_of(report)
        while (into := _merged_into(later)) is not None:
            if into in seen:  # round in a circle: no case of them goes on
                return min(seen), False
            case_id = into
            seen.add(into)
            later = self._workspace.later_of(into)
        return case_id, case_id == report.case_id or self._workspace.has_report(case_id)


def reconcile(
    log: Log,
    ledger: Ledger,
    tokens_of: TokensOf | None = None,
    progress: Callable[[int], None] | None = None,
    most_alike: int = MOST_ALIKE,
    opens: Opens | None = None,
    only_in_scope: bool = False,
) -> Reconciliation:
    """Compare a ledger with a log, as both stand now. Whoever gets the result closes it, before the log.

    ``tokens_of`` makes the tokens of the persons that a line names; without it lines are matched by report number
    alone. ``opens`` says whether what a report sealed opens with the same keyring. ``only_in_scope``: a line is looked for
    among the reports of the mapping's scope, and no others. ``progress`` is told of lines and events
    as they are read. Raises ``LedgerUnreadable``, ``LogUnreachable``.
    """
    workspace = Workspace(most_alike)
    try:
        if tokens_of is not None:
            nobody = [Persons(child=one, suspect=one, address=one) for one in ledger.mapping.unknown]
            workspace.set_nobody(token for one in nobody for token in tokens_of(one))
        workspace.add_lines(_told(ledger.lines(tokens_of), progress))
        reported = Reported(log, ledger.mapping.scope)
        for batch in reported.batches(progress):
            workspace.add_reports(batch.reports)
            workspace.add_later(batch.later)
        workspace.match(ledger.mapping.date_tolerance, ledger.mapping.token_span, only_in_scope)
        return Reconciliation(workspace, ledger.mapping, Others(workspace, log, opens), [*_notes(reported)])
    except BaseException:
        workspace.close()
        raise


def _notes(reported: Reported) -> Iterator[str]:
    if reported.unreadable:
        yield f"{reported.unreadable} record(s) among the events are no events: 'casetrail count' says where"
    for partition, offset in sorted(reported.cut.items()):
        yield f"events of partition {partition} before offset {offset} have been deleted: reports may be missing for that"


def _told(lines: Iterator[LedgerLine], progress: Callable[[int], None] | None) -> Iterator[LedgerLine]:
    for number, line in enumerate(lines, 1):
        if progress is not None and number % 1000 == 0:
            progress(1000)
        yield line


def _merged_into(later: list[Later]) -> str | None:
    """Where a case goes on: the last merger counts, unless the case was opened again after it."""
    moves = [one for one in later if one.kind in ("Merged", "Reopened")]
    return moves[-1].merged_into if moves else None


def _apart(at: int, since: int, until: int) -> int:
    """How long after a moment (before it: negative) that may be a whole day; 0 within it."""
    return at - until if at > until else min(0, at - since)


def _difference(code: str, ledger: str | None, log: str | None) -> Row:
    return {"code": code, "ledger": ledger, "log": log}


def _plain(place: Place) -> Row:
    return place._asdict() | {"recorded_at": _iso(place.recorded_at)}


def _iso(moment: int) -> str:
    return iso(EPOCH + moment * MICROSECOND)


def _span(since: int | None, until: int | None) -> str | None:
    """A time in ISO 8601, or the beginning and the end of a day as its interval."""
    if since is None or until is None:
        return None
    return _iso(since) if since == until else f"{_iso(since)}/{_iso(until)}"
