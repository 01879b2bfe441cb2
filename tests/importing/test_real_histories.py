"""A real police log of thirteen years, judged by a policy of its own: the cases that simply stopped.

Each number is compared with a count taken straight from the file, with the standard library only, over the whole file.
"""

import csv
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest

from casetrail.cli import exits
from casetrail.eventlog.codec import decode_event
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.port import Topic
from tests.cli.shell import Shell
from tests.conformance.log_kit import read_all
from tests.importing.test_importing import imported

ROOT: Final = Path(__file__).parents[2]
FINES: Final = ROOT.parent / "shared" / "data" / "road_traffic_fines.csv"
FINES_MAPPING: Final = ROOT / "docs" / "examples" / "road_traffic_fines.toml"
FINES_POLICY: Final = ROOT / "docs" / "examples" / "road_traffic_fines_policy.toml"
JUDGED: Final = ("--judge-by", str(FINES_POLICY), "--limit", "100000")
JULY_2013: Final = ("--now", "2013-07-01T00:00:00Z")

SENT, NOTIFIED, PAID = "Send Fine", "Insert Fine Notification", "Payment"
COLLECTED: Final = "Send for Credit Collection"
APPEALED, ANSWERED = "Insert Date Appeal to Prefecture", "Notify Result Appeal to Offender"
TO_JUDGE: Final = "Appeal to Judge"
PASSED_ON, DECIDED = "Send Appeal to Prefecture", "Receive Result Appeal from Prefecture"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    """The file."""
    if not FINES.is_file():
        pytest.skip(f"the real event log is not at {FINES}: see docs/importing.md for where to get it")
    with FINES.open(newline="") as opened:
        return list(csv.DictReader(opened))


@pytest.fixture(scope="module")
def activities(rows: list[dict[str, str]]) -> dict[str, list[str]]:
    """The activities of each case, in the order of the file."""
    found = defaultdict(list)
    for row in rows:
        found[f"fine-{row['case']}"].append(row["activity"])
    return found


@pytest.fixture(scope="module")
def fines(rows: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """The whole file, imported."""
    shell = Shell(tmp_path_factory.mktemp("fines"))
    shell.run("log", "init")
    summary = imported(shell, FINES, FINES_MAPPING, code=exits.FAULTS)
    assert summary["rows"] == len(rows)
    return shell


@pytest.fixture(scope="module")
def overdue(fines: Shell) -> list[dict[str, Any]]:
    """Everything that is overdue today."""
    return fines.rows("overdue", *JUDGED)


def of_clock(overdue: list[dict[str, Any]], clock: str) -> list[dict[str, Any]]:
    return [row for row in overdue if row["clock"] == clock]


def never_after(activities: dict[str, list[str]], first: str, then: str) -> set[str]:
    """Cases in which something was done, and what should have followed did not."""
    return {case for case, done in activities.items() if first in done and then not in done[done.index(first) :]}


def stopped(activities: dict[str, list[str]]) -> set[str]:
    """Sent, and never paid, notified or collected."""
    goes_on = {PAID, NOTIFIED, COLLECTED}
    return {case for case, done in activities.items() if SENT in done and goes_on.isdisjoint(done)}


def unanswered(activities: dict[str, list[str]]) -> set[tuple[str, str]]:
    """Appeals, to the prefecture or the judge, that nobody ever answered; the file knows no answer of a judge."""
    to_prefecture = {(case, "prefecture") for case in never_after(activities, APPEALED, ANSWERED)}
    return to_prefecture | {(case, "judge") for case, done in activities.items() if TO_JUDGE in done}


def test_a_real_police_log_is_imported_whole(fines: Shell, rows: list[dict[str, str]]) -> None:
    rejected = list(csv.DictReader((fines.folder / "rejects.csv").read_text().splitlines()))
    (counted,) = fines.rows("count")
    assert (counted["accepted"], counted["rejected"]) == (len(rows) - len(rejected), len(rejected))
    assert (
        Counter(row["reason"] for row in rejected)
        == {
            "ReferralCompleted was refused: no-such-referral": 3,  # a result that came before, or without, the appeal was sent
            "ConcernAnswered was refused: no-such-concern": 1,
        }
    )
    refused_cases = {f"fine-{rows[int(row['line']) - 2]['case']}" for row in rejected}
    with EmbeddedLog.open(fines.log) as log:
        events = [decode_event(record.value) for record in read_all(log, Topic.EVENTS)]
    assert all(event.imported for event in events)
    wanted = Counter(f"fine-{row['case']}" for row in rows)
    assert Counter(event.case_id for event in events) == wanted
    assert len(refused_cases) == 3 and refused_cases <= set(wanted)
    first: dict[str, datetime | None] = {}
    for event in events:
        first.setdefault(event.case_id, event.occurred_at)
    for row in rows:
        if row["activity"] == "Create Fine":
            assert first[f"fine-{row['case']}"] == datetime.fromisoformat(row["time"])


def test_fines_that_were_sent_and_never_paid_notified_or_collected_are_overdue(
    overdue: list[dict[str, Any]], activities: dict[str, list[str]]
) -> None:
    found = of_clock(overdue, "outcome")
    assert {row["case_id"] for row in found} == stopped(activities)
    assert len(found) == len(stopped(activities)) == 990
    assert of_clock(overdue, "sending") == []  # each of them was sent
    assert all({SENT, PAID} & set(done) for done in activities.values())


def test_appeals_that_nobody_answered_are_overdue(
    overdue: list[dict[str, Any]], activities: dict[str, list[str]]
) -> None:
    found = of_clock(overdue, "appeal_answer")
    assert {(row["case_id"], row["subject"]) for row in found} == unanswered(activities)
    assert len(found) == len(unanswered(activities)) == 168


def test_appeals_that_the_prefecture_never_decided_are_owed_by_the_prefecture(
    overdue: list[dict[str, Any]], activities: dict[str, list[str]]
) -> None:
    found = of_clock(overdue, "prefecture_decision")
    assert {row["case_id"] for row in found} == never_after(activities, PASSED_ON, DECIDED)
    assert ({row["owed_by"] for row in found}, len(found)) == ({"prefecture"}, 135)


def test_what_was_not_due_by_a_day_is_not_overdue_on_it(fines: Shell, activities: dict[str, list[str]]) -> None:
    found = fines.rows("overdue", *JUDGED, "--clock", "outcome", *JULY_2013)
    assert {row["case_id"] for row in found} < stopped(activities)
    assert all(row["due_at"] < JULY_2013[1] for row in found)


def found_by(fines: Shell, detector: str) -> set[str]:
    """The cases in which a detector finds something that nothing has settled."""
    found = fines.rows("findings", *JUDGED, "--detector", detector, code=exits.FAULTS)
    assert {row["state"] for row in found} == {"open"}
    return {row["subject"] for row in found}


def test_fines_that_simply_stopped_are_found_as_never_begun(fines: Shell, activities: dict[str, list[str]]) -> None:
    assert found_by(fines, "never_begun") == stopped(activities)


def test_appeals_and_missed_deadlines_that_nobody_answered_are_ignored_alarms(
    fines: Shell, activities: dict[str, list[str]]
) -> None:
    appealed = {case for case, _ in unanswered(activities)}
    missed = stopped(activities) | never_after(activities, PASSED_ON, DECIDED)
    assert found_by(fines, "ignored_alarm") == appealed | missed
