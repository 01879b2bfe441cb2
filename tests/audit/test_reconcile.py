"""A ledger against the log by report number: what is missing, late or different shows, with what proves it."""

from datetime import timedelta
from pathlib import Path

import pytest

from casetrail.cli import exits
from casetrail.domain.actions import Body
from casetrail.domain.closure import Reopened
from casetrail.domain.codes import CorrectionReason, MergeReason, Offence, ReopeningReason, Role
from casetrail.domain.intake import OffenceAlleged
from casetrail.domain.linking import FactCorrected, Merged
from casetrail.eventlog.codec import encode_action
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.port import Entry, Record, Topic
from tests.actions import CLINIC, INTAKE, SERGEANT, action, report
from tests.audit.reconciling import DAY, HOTLINE, HOUR, MONDAY, Book, codes, verdicts
from tests.audit.test_balance import tamper
from tests.consumers.test_recorder import records

HEAD = "number,called,category\n"
R_1 = "R-1,2026-03-02T09:00Z,RAPE\n"
R_2 = "R-2,2026-03-03T09:00Z,RAPE\n"


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Book:
    monkeypatch.chdir(tmp_path)
    return Book(tmp_path)


def test_a_ledger_that_is_wholly_in_the_log_is_clean(book: Book) -> None:
    book.received("C-1", number="R-1")
    book.received("C-2", MONDAY + DAY, number="R-2")
    (row, other) = book.reconcile(HEAD + R_1 + R_2, code=exits.OK)
    assert (row["verdict"], row["line"], row["report_number"], row["case_id"]) == ("matched", 2, "R-1", "C-1")
    assert (row["matched_by"], row["late_hours"], row["differences"]) == ("report_number", 1.0, [])
    assert (other["verdict"], other["line"], other["case_id"]) == ("matched", 3, "C-2")


def test_the_evidence_is_what_stands_in_the_log(book: Book) -> None:
    book.received("C-1", number="R-1")
    (row,) = book.reconcile(HEAD + R_1, code=exits.OK)
    with EmbeddedLog.open(book.log) as log:
        (record,) = records(log)
    assert row["evidence"] == [
        {
            "kind": "ReportReceived", "case_id": "C-1", "number": 1, "partition": record.partition, "offset": record.offset,
            "hash": leaf_hash(record.value or b"").hex(), "recorded_at": "2026-03-02T10:00:00Z",
        }
    ]  # fmt: skip


def test_a_report_that_the_log_does_not_have_is_missing(book: Book) -> None:
    book.received("C-1", number="R-1")
    rows = book.reconcile(HEAD + R_1 + R_2)
    assert verdicts(rows) == [("matched", 2, "C-1"), ("missing", 3, None)]
    assert (rows[1]["reason"], rows[1]["evidence"]) == (None, [])


def test_a_report_that_was_refused_is_missing_and_the_refusal_is_the_evidence(book: Book) -> None:
    book.received("C-1", number="R-1")
    book.received("C-1", MONDAY + DAY, number="R-2")  # under an id that is taken
    book.submit(report(report_number="R-3"), case_id="C-3", at=MONDAY + 9 * DAY, recorded=MONDAY + DAY, actor=INTAKE)
    rows = book.reconcile(HEAD + R_1 + R_2 + R_2.replace("R-2", "R-3"))
    assert [(row["verdict"], row["reason"]) for row in rows] == [
        ("matched", None),
        ("missing", "refused: case-exists"),
        ("missing", "refused: occurred-in-the-future"),
    ]
    (place,) = rows[1]["evidence"]
    assert (place["kind"], place["case_id"], place["number"]) == ("ActionRejected", "C-1", 2)


def test_the_same_submission_sent_twice_is_one_report(book: Book) -> None:
    once = action(report(report_number="R-1"), INTAKE)
    with EmbeddedLog.open(book.log, clock=lambda: int(MONDAY.timestamp() * 1000)) as log:
        log.append(Topic.ACTIONS, [Entry(b"C-1", encode_action(once))] * 2)
    book.received("C-2", MONDAY + DAY, number="R-2")  # records the others too
    assert verdicts(book.reconcile(HEAD + R_1 + R_2, code=exits.OK)) == [("matched", 2, "C-1"), ("matched", 3, "C-2")]


def test_a_repetition_of_what_was_accepted_is_no_refusal_of_the_report(book: Book) -> None:
    long_ago = encode_action(action(report(report_number="R-1", unit="fraud"), INTAKE, at=MONDAY - 90 * DAY))
    with EmbeddedLog.open(book.log, clock=lambda: int(MONDAY.timestamp() * 1000)) as log:
        log.append(Topic.ACTIONS, [Entry(b"C-1", long_ago)] * 2)
    book.received("C-2", MONDAY + DAY, number="R-2")
    rows = book.reconcile(HEAD + R_1 + R_2, HOTLINE + '[scope]\nunit = "child-crimes"\n')
    assert [(row["verdict"], row["reason"]) for row in rows] == [("missing", None), ("matched", None)]


def test_a_report_that_was_submitted_and_never_recorded_is_missing_and_said_to_be_pending(book: Book) -> None:
    book.received("C-1", number="R-1")
    with EmbeddedLog.open(book.log) as log:
        submitted = Entry(b"C-2", encode_action(action(report(report_number="R-2"), INTAKE, "C-2")))
        (placed,) = log.append(Topic.ACTIONS, [submitted])
    rows = book.reconcile(HEAD + R_1 + R_2)
    assert (rows[1]["verdict"], rows[1]["reason"]) == ("missing", "pending")
    (place,) = rows[1]["evidence"]
    assert (place["kind"], place["case_id"], place["number"]) == ("submission", "C-2", None)
    assert (place["partition"], place["offset"]) == (placed.partition, placed.offset)


def test_a_report_in_the_wrong_partition_is_missing_and_said_to_be_unreadable(book: Book) -> None:
    value = encode_action(action(report(report_number="R-1"), INTAKE))
    with EmbeddedLog.open(book.log, clock=lambda: int(MONDAY.timestamp() * 1000)) as log:
        log.append(Topic.ACTIONS, [Entry(b"C-1", value, 0), Entry(b"C-1", value[:60], 1)])
    book.received("C-2", MONDAY + DAY, number="R-2")
    rows = book.reconcile(HEAD + R_1 + R_2)
    assert [(row["verdict"], row["reason"]) for row in rows] == [
        ("missing", "unreadable: wrong-partition"),
        ("matched", None),
    ]


@pytest.mark.parametrize(("after", "verdict"), [(24 * HOUR, "matched"), (24 * HOUR + timedelta(seconds=1), "late")])
def test_what_is_recorded_more_than_a_day_after_the_ledgers_time_is_late(
    book: Book, after: timedelta, verdict: str
) -> None:
    book.received("C-1", after=after, number="R-1")
    (row,) = book.reconcile(HEAD + R_1, code=None)
    assert (row["verdict"], row["late_hours"]) == (verdict, 24.0)
    assert set(codes(row)) == ({"late"} if verdict == "late" else set())


def test_a_backdated_entry_is_late_by_the_logs_own_time(book: Book) -> None:
    book.received("C-1", MONDAY, after=60 * DAY, number="R-1")
    (row,) = book.reconcile(HEAD + R_1)
    assert (row["verdict"], row["late_hours"], row["received_at"]) == ("late", 1440.0, "2026-03-02T09:00:00Z")
    assert codes(row) == {"late": ("2026-03-02T09:00:00Z", "2026-05-01T09:00:00Z")}


def test_the_limit_of_lateness_is_the_mappings(book: Book) -> None:
    book.received("C-1", after=3 * HOUR, number="R-1")
    for limit, code in (("2", exits.FAULTS), ("3", exits.OK), ("inf", exits.OK)):
        book.reconcile(HEAD + R_1, code=code, more=f"late_after_hours = {limit}\n")


def test_a_day_without_an_hour_is_a_whole_day(book: Book) -> None:
    book.received("C-1", MONDAY.replace(hour=23), after=26 * HOUR, number="R-1")  # ends at 06:00 in Chicago
    mapping = 'time_zone = "America/Chicago"\ntime_formats = ["%m/%d/%Y"]\ndate_tolerance_hours = 0\n'
    (row,) = book.reconcile(HEAD + "R-1,03/02/2026,RAPE\n", more=mapping, code=exits.OK)
    assert row["reported_at"] == "2026-03-02T06:00:00Z/2026-03-03T06:00:00Z"
    assert row["late_hours"] == 19.0
    (row,) = book.reconcile(HEAD + "R-1,03/01/2026,RAPE\n", more=mapping)
    assert codes(row)["date"] == ("2026-03-01T06:00:00Z/2026-03-02T06:00:00Z", "2026-03-02T23:00:00Z")


def test_another_category_is_a_difference_with_both_values(book: Book) -> None:
    book.received("C-1", number="R-1", offence=Offence.OTHER)
    (row,) = book.reconcile(HEAD + R_1)
    assert (row["verdict"], codes(row)) == ("different", {"category": ("11A", "90Z")})


@pytest.mark.parametrize(
    ("category", "offence", "code"),
    [
        ("ABUSE", Offence.SIMPLE_ASSAULT, exits.OK),
        ("ABUSE", Offence.FAMILY_NONVIOLENT, exits.OK),
        ("ABUSE", Offence.RAPE, exits.FAULTS),
        ("SEX", Offence.FONDLING, exits.OK),
        ("SEX", Offence.SODOMY, exits.FAULTS),
    ],
)
def test_a_category_may_be_any_of_several_offences(book: Book, category: str, offence: Offence, code: int) -> None:
    book.received("C-1", number="R-1", offence=offence)
    book.reconcile(HEAD + R_1.replace("RAPE", category), code=code)


def test_a_category_that_stands_for_nothing_is_not_compared(book: Book) -> None:
    book.received("C-1", number="R-1", offence=Offence.OTHER)
    book.reconcile(HEAD + R_1.replace("RAPE", "whatever"), HOTLINE + '"*" = ""\n', code=exits.OK)


def test_another_date_is_a_difference_beyond_the_tolerance(book: Book) -> None:
    book.received("C-1", MONDAY - 3 * DAY, after=3 * DAY, number="R-1")
    (row,) = book.reconcile(HEAD + R_1)
    assert codes(row) == {"date": ("2026-03-02T09:00:00Z", "2026-02-27T09:00:00Z")}
    book.reconcile(HEAD + R_1, code=exits.OK, more="date_tolerance_hours = 72\n")


def test_what_was_corrected_counts_and_the_correction_is_evidence(book: Book) -> None:
    book.received("C-1", MONDAY - 9 * DAY, after=9 * DAY, number="R-1", offence=Offence.OTHER)
    wrong, right = (OffenceAlleged(Offence.INCEST),), (OffenceAlleged(Offence.RAPE),)
    book.act("C-1", FactCorrected(1, CorrectionReason.ENTERED_WRONG, offences=wrong))
    book.act("C-1", FactCorrected(1, CorrectionReason.ENTERED_WRONG, offences=right))
    book.act("C-1", FactCorrected(1, CorrectionReason.SOURCE_CORRECTED, happened_at=MONDAY))
    book.act("C-1", FactCorrected(2, CorrectionReason.ENTERED_WRONG, happened_at=MONDAY - DAY))
    (row,) = book.reconcile(HEAD + R_1, code=exits.OK)
    assert [(place["kind"], place["number"]) for place in row["evidence"]] == [
        ("ReportReceived", 1), ("FactCorrected", 2), ("FactCorrected", 3), ("FactCorrected", 4),
    ]  # fmt: skip


def test_a_merged_case_is_followed_and_the_merger_is_evidence(book: Book) -> None:
    book.received("C-1", number="R-1")
    book.received("C-2", number="R-7")
    book.act("C-1", Merged("C-2", MergeReason.SAME_INCIDENT))
    row, other = book.reconcile(HEAD + R_1)
    assert (row["verdict"], row["case_id"], row["merged_into"]) == ("matched", "C-1", "C-2")
    assert [place["kind"] for place in row["evidence"]] == ["ReportReceived", "Merged"]
    assert (other["verdict"], other["case_id"]) == ("not_in_ledger", "C-2")


def test_a_case_that_was_merged_and_opened_again_goes_on_by_itself(book: Book) -> None:
    book.received("C-1", number="R-1")
    book.act("C-1", Merged("C-2", MergeReason.SAME_INCIDENT))
    book.act("C-1", Reopened(ReopeningReason.MERGED_IN_ERROR), MONDAY + 2 * DAY)
    (row,) = book.reconcile(HEAD + R_1, code=exits.OK)
    assert row["merged_into"] is None
    assert [place["kind"] for place in row["evidence"]] == ["ReportReceived", "Merged", "Reopened"]


def test_a_case_merged_away_into_none_is_a_difference(book: Book) -> None:
    book.received("C-1", number="R-1")
    book.act("C-1", Merged("C-0", MergeReason.SAME_INCIDENT))
    (row,) = book.reconcile(HEAD + R_1)
    assert (row["verdict"], codes(row)) == ("different", {"merged": (None, "C-0")})


def test_cases_merged_into_each_other_are_a_difference_and_no_endless_search(book: Book) -> None:
    for number in "123":
        book.received(f"C-{number}", number=f"R-{number}")
    for case_id, into in (("C-1", "C-2"), ("C-2", "C-3"), ("C-3", "C-2")):
        book.act(case_id, Merged(into, MergeReason.SAME_INCIDENT))
    rows = book.reconcile(HEAD + R_1 + R_1.replace("R-1", "R-2") + R_1.replace("R-1", "R-3"))
    assert [set(codes(row)) for row in rows] == [{"merged"}] * 3


def test_a_report_taken_in_twice_and_merged_is_one(book: Book) -> None:
    book.received("C-1", number="R-1", after=2 * HOUR)
    book.received("C-2", number="R-1", after=40 * HOUR)
    rows = book.reconcile(HEAD + R_1)
    assert (rows[0]["verdict"], rows[0]["candidates"]) == ("ambiguous", ["C-1", "C-2"])
    book.act("C-1", Merged("C-2", MergeReason.DUPLICATE_REPORT), MONDAY + 2 * DAY)
    (row,) = book.reconcile(HEAD + R_1, code=exits.OK)
    assert (row["verdict"], row["case_id"], row["late_hours"]) == ("matched", "C-2", 2.0)
    assert sorted(place["case_id"] for place in row["evidence"]) == ["C-1", "C-1", "C-2"]


def test_a_report_number_on_two_lines_is_ambiguous_on_both(book: Book) -> None:
    book.received("C-1", number="R-1")
    rows = book.reconcile(HEAD + R_1 + R_1.replace("RAPE", "ABUSE"))
    assert [(row["verdict"], row["other_lines"], row["candidates"]) for row in rows] == [
        ("ambiguous", [3], ["C-1"]),
        ("ambiguous", [2], ["C-1"]),
    ]


def test_a_report_number_on_two_lines_that_the_log_does_not_have_is_missing_twice(book: Book) -> None:
    assert [row["verdict"] for row in book.reconcile(HEAD + R_1 + R_1)] == ["missing", "missing"]


def test_only_reports_of_the_ledgers_period_can_be_missing_from_it(book: Book) -> None:
    for day in range(-2, 4):
        book.received(f"C-{day + 3}", MONDAY + day * DAY)
    ledger = HEAD + "C-3,2026-03-02T09:00Z,RAPE\nC-4,2026-03-03T09:00Z,RAPE\n"
    book.reconcile(ledger, code=exits.OK)
    period = '[scope]\nfrom = "2026-03-01T00:00:00Z"\nuntil = 2026-03-04T09:00:00Z\n'
    rows = book.reconcile(ledger, HOTLINE + period)
    assert verdicts(rows)[2:] == [("not_in_ledger", None, "C-2")]
    book.reconcile(ledger, HOTLINE + '[scope]\nfrom = 2026-03-02\nuntil = 2026-03-04\n', code=exits.OK,
                   more='time_zone = "UTC"\n')  # fmt: skip


def test_only_reports_of_the_ledgers_scope_can_be_missing_from_it(book: Book) -> None:
    book.received("C-1", agency="county", actor=CLINIC)
    book.received("C-2", MONDAY + HOUR, agency="county")
    book.received("C-3", MONDAY + HOUR, unit="juvenile", agency="county", actor=CLINIC)
    book.received("C-4", MONDAY + HOUR, actor=CLINIC)
    ledger = HEAD + "C-1,2026-03-02T00:00Z,RAPE\nC-9,2026-03-02T23:00Z,RAPE\n"
    for scope, others in (
        ('agency = "county"', ["C-2", "C-3"]),
        ('unit = ["juvenile", "child-crimes"]', ["C-2", "C-3", "C-4"]),
        ('reported_in = "clinic"', ["C-3", "C-4"]),
        ('channel = "phone"\nunit = "child-crimes"\nagency = "county"', ["C-2"]),
    ):
        rows = book.reconcile(ledger, f"{HOTLINE}[scope]\n{scope}\n")
        assert sorted(row["case_id"] for row in rows if row["verdict"] == "not_in_ledger") == others, scope


def test_a_report_that_went_to_another_unit_is_different_not_missing(book: Book) -> None:
    book.received("C-1", number="R-1", unit="fraud")
    (row,) = book.reconcile(HEAD + R_1, HOTLINE + '[scope]\nunit = ["child-crimes", "juvenile"]\n')
    assert (row["verdict"], codes(row)) == ("different", {"unit": ("child-crimes juvenile", "fraud")})


def test_the_same_number_at_another_agency_long_ago_is_no_match(book: Book) -> None:
    book.received("C-1", MONDAY - 300 * DAY, number="R-1", agency="county")
    (row,) = book.reconcile(HEAD + R_1, HOTLINE + '[scope]\nagency = "metro-pd"\n')
    assert row["verdict"] == "missing"


def test_a_ledger_without_lines_proves_nothing_unless_it_names_its_period(book: Book) -> None:
    book.received("C-1")
    assert book.reconcile(HEAD) == []
    period = HOTLINE + "[scope]\nfrom = 2026-03-01T00:00:00Z\nuntil = 2026-04-01T00:00:00Z\n"
    assert verdicts(book.reconcile(HEAD, period)) == [("not_in_ledger", None, "C-1")]


def test_records_that_are_no_events_are_named_and_make_the_log_doubtful(book: Book) -> None:
    book.received("C-1", number="R-1")
    with EmbeddedLog.open(book.log) as log:
        events = records(log)
        forged = [(events[0].value or b"")[:cut] for cut in (3, 80, 90, 100)]
        log.append(Topic.EVENTS, [Entry(b"C-1", value, 0) for value in (*forged, b"?")] + [Entry(b"C-1", None, 0)])
    where, how = book.files(HEAD + R_1, HOTLINE)
    done = book.run("audit", "reconcile", where, "--mapping", how, code=exits.FAULTS)
    assert "6 record(s) among the events are no events" in done.stderr


def test_a_log_whose_beginning_was_deleted_is_named(book: Book) -> None:
    book.received("C-1", number="R-1")
    for body in (FactCorrected(1, CorrectionReason.ENTERED_WRONG, immediate_danger=True),) * 2:
        book.act("C-1", body)
    with EmbeddedLog.open(book.log) as log:
        (partition,) = {record.partition for record in records(log)}
    tamper(book.log, "DELETE FROM record WHERE topic = 'events' AND offset = 0")
    where, how = book.files(HEAD + R_1, HOTLINE)
    done = book.run("audit", "reconcile", where, "--mapping", how, code=exits.FAULTS)
    assert f"events of partition {partition} before offset 1 have been deleted" in done.stderr
    assert "missing" in done.stdout


@pytest.mark.parametrize(
    "body", [Merged("C-2", MergeReason.SAME_INCIDENT), report(report_number="R-9")], ids=["merged", "report"]
)
def test_what_was_refused_changes_nothing(book: Book, body: Body) -> None:
    book.received("C-1", number="R-1")
    stranger = SERGEANT.__class__("nobody", "metro-pd", Role.AUDITOR)
    book.act("C-1", body, actor=stranger)
    (row,) = book.reconcile(HEAD + R_1, code=exits.OK)
    assert (row["merged_into"], len(row["evidence"])) == (None, 1)


def test_the_views_are_not_asked(book: Book) -> None:
    book.received("C-1", number="R-1")
    book.reconcile(HEAD + R_1, code=exits.OK)
    assert not list(book.folder.glob("*views*"))


def test_the_summary_counts_every_verdict(book: Book) -> None:
    book.received("C-1", number="R-1")
    where, how = book.files(HEAD + R_1 + R_2 + "R-3,soon,RAPE\n", HOTLINE)
    done = book.run("audit", "reconcile", where, "--mapping", how, "--format", "csv", code=exits.FAULTS)
    assert done.stderr == "matched 1, missing 1, unreadable_row 1\n"


def test_every_partition_is_read(book: Book) -> None:
    ledger = HEAD
    for number in range(20):
        book.received(f"C-{number}")
        ledger += f"C-{number},2026-03-02T09:00Z,RAPE\n"
    with EmbeddedLog.open(book.log) as log:
        found: list[Record] = records(log)
    assert len({record.partition for record in found}) == 2
    assert {row["verdict"] for row in book.reconcile(ledger, code=exits.OK)} == {"matched"}
