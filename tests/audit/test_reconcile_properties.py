"""Whatever the two lists hold, nothing is left out: each line and each report of the period has its place in the answer."""

import csv
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from casetrail.audit.reconciliation.ledger import Ledger, Persons
from casetrail.audit.reconciliation.reconcile import Row, Verdict, reconcile
from casetrail.domain.actions import Actor, Body
from casetrail.domain.codes import MergeReason, Offence, TokenKind
from casetrail.domain.intake import OffenceAlleged, ReportReceived
from casetrail.domain.linking import Merged
from casetrail.domain.sealed import Token
from casetrail.eventlog.codec import encode_action
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.port import Entry, Topic
from casetrail.eventlog.schemas import register_in_log
from tests.actions import INTAKE, SERGEANT, action, report
from tests.audit.reconciling import HOUR, MONDAY
from tests.consumers.test_recorder import record_all, records

UNIT: Final = "child-crimes"
MAPPING: Final = {
    "report_number": "{number}", "reported_at": "{at}", "category": "{category}",
    "tokens": {"child": "{child}", "address": "{address}"}, "scope": {"unit": UNIT},
}  # fmt: skip
FOUND: Final = {Verdict.MATCHED, Verdict.LATE, Verdict.DIFFERENT}
COLUMNS: Final = ("number", "at", "category", "child", "address")


class Made(NamedTuple):
    """A report of the log; ``into``: the case that it was merged into."""

    number: str
    hours: int
    child: str
    address: str
    offence: Offence
    unit: str
    into: int | None

    @property
    def at(self) -> datetime:
        return MONDAY + self.hours * HOUR


HOURS: Final = st.sampled_from([0, 1, 12, 30, 24 * 7, 24 * 20, 24 * 60])
NAMES: Final = st.sampled_from(["", "Ada", "Ben"])
NUMBERS: Final = ["R-1", "R-2", "R-3"]
REPORTS: Final = st.lists(
    st.builds(
        Made, st.sampled_from([*NUMBERS, "R-4", "R-5"]), HOURS, NAMES, st.sampled_from(["", "Home"]),
        st.sampled_from([Offence.RAPE, Offence.OTHER]), st.sampled_from([UNIT, UNIT, "fraud"]),
        st.none() | st.integers(0, 6),
    ),
    max_size=6,
)  # fmt: skip
LINES: Final = st.lists(
    st.tuples(
        st.sampled_from(["", "no id", *NUMBERS]),
        HOURS.map(lambda hours: (MONDAY + hours * HOUR).isoformat()) | st.just("soon"),
        st.sampled_from(["", "rape", "90Z", "arson"]), NAMES, st.sampled_from(["", "Home"]),
    ),
    max_size=6,
)  # fmt: skip


def tokens_of(persons: Persons) -> list[Token]:
    """Tokens as the command line makes them, without a keyring."""
    return [
        Token(kind, sha256(text.encode()).digest())
        for kind, text in ((TokenKind.CHILD, persons.child), (TokenKind.ADDRESS, persons.address))
        if text
    ]


def compared(
    folder: Path, made: Sequence[Made], lines: Sequence[Sequence[str]], partitions: int, most_alike: int = 100
) -> tuple[list[Row], dict[tuple[int, int], bytes]]:
    """The answer, and the hash of every event of the log by its place."""
    ledger = folder / "ledger.csv"
    with ledger.open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *lines])
    at = [int(MONDAY.timestamp() * 1000)]
    with EmbeddedLog.create(folder / f"log{partitions}-{most_alike}.db", "log", partitions, clock=lambda: at[0]) as log:
        register_in_log(log)
        for number, one in sorted(enumerate(made), key=lambda pair: pair[1].hours):
            at[0] = int((one.at + HOUR).timestamp() * 1000)
            submit(log, number, received(one), one.at, INTAKE)
        for number, one in enumerate(made):
            if one.into is not None and one.into != number:
                submit(log, number, Merged(f"C-{one.into}", MergeReason.SAME_INCIDENT), one.at, SERGEANT)
        record_all(log)
        with closing(reconcile(log, Ledger(ledger, MAPPING), tokens_of, most_alike=most_alike)) as found:
            rows = list(found.rows())
            assert sum(found.counts.values()) == len(rows)
        hashes = {(one.partition, one.offset): leaf_hash(one.value or b"") for one in records(log)}
    return rows, hashes


def submit(log: EmbeddedLog, number: int, body: Body, at: datetime, actor: Actor) -> None:
    case_id = f"C-{number}"
    log.append(Topic.ACTIONS, [Entry(case_id.encode(), encode_action(action(body, actor, case_id, at)))])


def received(one: Made) -> ReportReceived:
    return report(
        report_number=one.number, unit=one.unit, offences=(OffenceAlleged(one.offence),),
        tokens=tuple(tokens_of(Persons(child=one.child, address=one.address))),
    )  # fmt: skip


def cases_of(row: Row) -> set[str]:
    """The cases whose reports stand in the evidence of a row."""
    return {place["case_id"] for place in row["evidence"] if place["kind"] == "ReportReceived"}


def expected_reports(made: Sequence[Made], lines: Sequence[Sequence[str]]) -> set[str]:
    """The cases with a report of the ledger's unit and period."""
    times = [datetime.fromisoformat(line[1]) for line in lines if line[1] != "soon"]
    return {
        f"C-{number}"
        for number, one in enumerate(made)
        if one.unit == UNIT and times and min(times) <= one.at <= max(times)
    }


@settings(max_examples=150, deadline=None)
@given(REPORTS, LINES, st.sampled_from([1, 100]))
def test_each_line_and_each_report_of_the_period_has_its_place(
    made: list[Made], lines: list[tuple[str, ...]], most_alike: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows, hashes = compared(Path(folder), made, lines, 2, most_alike)
    of_lines, of_reports = [row for row in rows if row["line"]], [row for row in rows if not row["line"]]
    assert [row["line"] for row in of_lines] == list(range(2, len(lines) + 2))
    named = {case_id for row in of_lines for case_id in cases_of(row)}
    alone = [row["case_id"] for row in of_reports]
    assert Counter(alone) == Counter(expected_reports(made, lines) - named)
    for row in rows:
        for place in row["evidence"]:
            assert place["hash"] == hashes[place["partition"], place["offset"]]


@settings(max_examples=150, deadline=None)
@given(REPORTS, LINES)
def test_a_line_that_is_found_shares_its_reports_with_no_other(made: list[Made], lines: list[tuple[str, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows, _ = compared(Path(folder), made, lines, 2)
    for row in rows:
        if row["verdict"] in FOUND:
            assert row["case_id"] in cases_of(row)
            others = [cases_of(other) for other in rows if other["line"] != row["line"]]
            assert cases_of(row).isdisjoint(set().union(*others))
        if row["verdict"] == Verdict.AMBIGUOUS:
            shared = [other["line"] for other in rows if other is not row and cases_of(other) & cases_of(row)]
            assert row["other_lines"] == shared
            assert shared or len(cases_of(row)) > 1


@settings(max_examples=150, deadline=None)
@given(REPORTS, LINES)
def test_a_report_number_of_the_unit_is_never_called_missing(made: list[Made], lines: list[tuple[str, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows, _ = compared(Path(folder), made, lines, 2)
    known = {one.number for one in made if one.unit == UNIT}
    for row, (number, *_) in zip(rows, lines, strict=False):
        if number in known:
            assert row["verdict"] != Verdict.MISSING
            assert row["matched_by"] in (None, "report_number")
        if row["verdict"] == Verdict.MISSING:
            assert not row["evidence"]


@settings(max_examples=50, deadline=None)
@given(REPORTS, LINES)
def test_the_verdicts_do_not_depend_on_how_the_log_is_divided(made: list[Made], lines: list[tuple[str, ...]]) -> None:
    def told(rows: list[Row]) -> list[str]:
        return sorted(
            str([row[name] for name in ("line", "verdict", "matched_by", "differences", "late_hours", "reason")])
            for row in rows
        )

    with tempfile.TemporaryDirectory() as folder:
        one, three = (compared(Path(folder), made, lines, partitions)[0] for partitions in (1, 3))
    assert told(one) == told(three)
