"""Imports that are run again: interrupted, mended or unchanged. Nothing doubles, and nothing is lost in silence."""

import csv
import json
import signal
import time
from contextlib import closing
from pathlib import Path

import pytest

from casetrail.cli import exits
from casetrail.domain.codes import ScreeningReason
from casetrail.domain.intake import ScreenedIn
from casetrail.eventlog.opening import init_log
from casetrail.importing.submitting import Submitter, Summary, opened_rejects
from casetrail.publishing import connect
from tests.actions import INTAKE, action, report
from tests.cli.shell import Shell
from tests.importing.test_importing import REPORTS, REPORTS_MAPPING, imported, reports
from tests.publishing.recorders import recorder

EVENTS = """case,what,time,offence
E-1,Reported,2020-01-12T08:00:00Z,RAPE
E-1,Screened,2020-01-12T09:00:00Z,
E-1,Note,2020-01-12T10:00:00Z,
"""
EVENTS_MAPPING = """
system = "old-rms"
agency = "metro-pd"
case = "{case}"
activity = "{what}"

[codes.nibrs]
"*" = "99X"

[[actions]]
activity = "Reported"
action = "ReportReceived"
at = "{time}"
report_number = "{case}"
channel = "phone"
reporter_kind = "family"
agency = "metro-pd"
unit = "child-crimes"
offences = ["{offence|nibrs}"]

[[actions]]
activity = "Screened"
action = "ScreenedIn"
at = "{time}"
reason = "alleges_crime"

[[actions]]
activity = "Note"
action = "NoteAdded"
at = "{time}"
seal.old_record = "{what}"
"""


def test_a_second_run_doubles_nothing_with_and_without_the_progress_file(shell: Shell) -> None:
    file, mapping = reports(shell)
    imported(shell, file, mapping, code=exits.FAULTS)
    before = shell.rows("cases")
    assert imported(shell, file, mapping, code=exits.FAULTS)["already_done"] is True
    (shell.folder / "progress").unlink()
    again = imported(shell, file, mapping, code=exits.FAULTS)
    assert (again["accepted"], again["repeated"]) == (0, 4)
    assert shell.rows("cases") == before


FUTURE = """number,received,offence,story,child,screened,assigned,officer
F-1,01/12/2020 08:00,RAPE,Invented story,Invented Child,01/12/2020 09:00,,
F-2,12/01/2099 08:00,RAPE,Invented story,Invented Child,01/12/2020 09:00,01/13/2020 09:00,Det. One
"""


def test_what_was_refused_is_never_said_to_be_in_the_log_already(shell: Shell) -> None:
    file, mapping = reports(shell, FUTURE)
    first = imported(shell, file, mapping, code=exits.FAULTS)
    assert (first["accepted"], first["rejected"]) == (2, 3)
    rejects = (shell.folder / "rejects.csv").read_text()
    assert "ReportReceived was refused: occurred-in-the-future" in rejects
    (shell.folder / "progress").unlink()
    again = imported(shell, file, mapping, code=exits.FAULTS)
    assert (again["accepted"], again["repeated"], again["rejected"]) == (0, 2, 3)
    assert (shell.folder / "rejects.csv").read_text() == rejects
    # nothing was mended, so nothing was asked a third time: each action has its answer and the answer to its repetition
    assert shell.rows("count")[0]["submitted"] == 2 * first["actions"]


def test_rows_that_were_refused_are_taken_once_their_mapping_is_mended_and_so_is_what_followed_from_them(
    shell: Shell,
) -> None:
    file, mapping = reports(shell, FUTURE.replace("12/01/2099", "01/12/2020"))
    right, wrong = '"%m/%d/%Y %H:%M"', '"%m/%d/%Y %H:%M", "%m/%d/%Y"'
    received = 'at = "{received}"'
    mapping.write_text(REPORTS_MAPPING.replace(right, wrong).replace(received, 'at = "01/12/2099"'))
    assert imported(shell, file, mapping, code=exits.FAULTS)["accepted"] == 0
    mapping.write_text(REPORTS_MAPPING)
    mended = imported(shell, file, mapping)
    assert (mended["accepted"], mended["repeated"], mended["rejected"]) == (5, 0, 0)
    assert rejected_lines(shell.folder / "rejects.csv") == []
    assert [(row["case_id"], row["status"]) for row in shell.rows("cases")] == [
        ("F-1", "unassigned"), ("F-2", "assigned"),
    ]  # fmt: skip
    for _ in range(2):
        (shell.folder / "progress").unlink()
        again = imported(shell, file, mapping)
        assert (again["accepted"], again["repeated"], again["rejected"]) == (0, 5, 0)
    assert shell.rows("count")[0]["accepted"] == 5
    assert "Invented story" in shell.run("history", "F-2", "--unseal").stdout


def test_what_followed_from_a_row_that_no_action_could_be_made_of_is_taken_once_it_can(shell: Shell) -> None:
    file, mapping = reports(shell, EVENTS)
    mapping.write_text(EVENTS_MAPPING)
    first = imported(shell, file, mapping, code=exits.FAULTS)
    assert (first["accepted"], first["rejected"], first["refused_rows"]) == (0, 2, 1)
    mapping.write_text(EVENTS_MAPPING.replace('"*" = "99X"', '"*" = "11A"'))
    assert imported(shell, file, mapping)["accepted"] == 3
    (shell.folder / "progress").unlink()
    assert imported(shell, file, mapping)["repeated"] == 3


def test_what_was_refused_by_its_place_in_the_file_is_not_taken_by_running_the_import_again(shell: Shell) -> None:
    first, second, third = EVENTS.splitlines(keepends=True)[1:]
    file, mapping = reports(shell, EVENTS.splitlines(keepends=True)[0] + second + first + third)
    mapping.write_text(EVENTS_MAPPING.replace('"*" = "99X"', '"*" = "11A"'))
    for accepted in (2, 0, 0):
        summary = imported(shell, file, mapping, code=exits.FAULTS)
        assert (summary["accepted"], summary["rejected"]) == (accepted, 1)
        assert "ScreenedIn was refused: " in (shell.folder / "rejects.csv").read_text()
        (shell.folder / "progress").unlink()


def asked_three_times(url: str, rejects: Path) -> list[tuple[int, int, int]]:
    """Submit a screening and, only then, its report, three times; accepted, rejected and repeated each time."""
    screened = action(ScreenedIn(ScreeningReason.ALLEGES_CRIME), INTAKE)
    reported = action(report(), INTAKE)
    found = []
    for _ in range(3):
        summary = Summary()
        with (
            connect(url) as connection,
            opened_rejects(rejects, False, str) as opened,
            closing(Submitter(connection, summary, opened, 60.0, always=True)) as submitter,
        ):
            submitter.submit([(2, screened)])
            submitter.submit([(3, reported)])
        found.append((summary.accepted, summary.rejected, summary.repeated))
    return found


def test_what_is_wanted_still_is_asked_again_under_another_id_after_it_was_refused(shell: Shell) -> None:
    found = asked_three_times(f"sqlite:{shell.log}", shell.folder / "rejects.csv")
    assert found == [(1, 1, 0), (1, 0, 1), (0, 0, 2)]


@pytest.mark.broker
def test_what_was_refused_is_asked_again_on_kafka_too(kafka_url: str, tmp_path: Path) -> None:
    init_log(kafka_url, partitions=4, replication=1, min_isr=1).close()
    with recorder(kafka_url, tmp_path):
        assert asked_three_times(kafka_url, tmp_path / "rejects.csv") == [(1, 1, 0), (1, 0, 1), (0, 0, 2)]


def test_a_row_that_is_there_twice_is_taken_once_and_said_to_be(shell: Shell) -> None:
    note = EVENTS.splitlines(keepends=True)[3]
    file, mapping = reports(shell, EVENTS + note)
    mapping.write_text(EVENTS_MAPPING.replace('"*" = "99X"', '"*" = "11A"'))
    summary = imported(shell, file, mapping, code=exits.FAULTS)
    assert (summary["accepted"], summary["repeated"], summary["refused_rows"]) == (3, 0, 1)
    (row,) = csv.DictReader((shell.folder / "rejects.csv").read_text().splitlines())
    assert row["line"] == "5" and "the same as line 4" in row["reason"]
    file.write_text(EVENTS + note.replace(",\n", ",second\n"))  # as the reason advises
    summary = imported(shell, file, mapping)
    assert (summary["accepted"], summary["repeated"]) == (1, 3)


@pytest.mark.parametrize(
    ("case", "rows", "refused"),
    [
        ("{case|id}", ["A/1,x", "A-1,y", "A 1,z", "A/1,again", "A-2,x"], [3, 4]),
        ("{case|id}", [f"{'9' * 64}1,x", f"{'9' * 64}2,x"], [3]),
        ("{case}-{what}", ["A-1,2", "A,1-2", "A,1"], [3]),
        ("{case|renamed}", ["A/1,x", "A-1,y", "A 1,z"], []),
    ],
)
def test_different_cases_are_never_put_into_one(shell: Shell, case: str, rows: list[str], refused: list[int]) -> None:
    (shell.folder / "cases.csv").write_text("case,what\n" + "\n".join(rows) + "\n")
    (shell.folder / "cases.toml").write_text(
        f'system = "old-rms"\nagency = "metro-pd"\ncase = "{case}"\ntime_zone = "UTC"\n[codes.renamed]\n"*" = "A"\n'
        '[[actions]]\naction = "NoteAdded"\nat = "2020-01-12"\nseal.old_record = "{what}"\n'
    )
    imported(shell, shell.folder / "cases.csv", shell.folder / "cases.toml", code=exits.FAULTS)
    found = list(csv.DictReader((shell.folder / "rejects.csv").read_text().splitlines()))
    assert [int(row["line"]) for row in found if "gives the same case id as another text" in row["reason"]] == refused
    assert {row["column"] for row in found if int(row["line"]) in refused} <= {"case"}


def test_what_a_killed_import_had_read_is_looked_at_when_it_goes_on(shell: Shell) -> None:
    note = EVENTS.splitlines(keepends=True)[3]
    file, mapping = reports(shell, EVENTS + note)
    mapping.write_text(EVENTS_MAPPING.replace('"*" = "99X"', '"*" = "11A"'))
    imported(shell, file, mapping, code=exits.FAULTS)
    kept = json.loads((shell.folder / "progress").read_text())
    (shell.folder / "progress").write_text(json.dumps({**kept, "done": False, "line": 4, "rejects_bytes": 20}))
    imported(shell, file, mapping, code=exits.FAULTS)
    assert rejected_lines(shell.folder / "rejects.csv") == [5]


def test_an_import_that_was_killed_goes_on_and_doubles_nothing(shell: Shell) -> None:
    lines = "".join(f"R-{number},01/05/2016 08:00,RAPE,,,,,\n" for number in range(8000))
    file, mapping = reports(shell, REPORTS.splitlines()[0] + "\n" + lines)
    process = shell.start(
        "import", str(file), "--mapping", str(mapping), "--rejects", "rejects.csv", "--progress", "progress"
    )
    until = time.monotonic() + 60
    while not (shell.folder / "progress").exists() and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    summary = imported(shell, file, mapping)
    assert summary["resumed_after_line"] > 1
    assert shell.rows("count")[0]["accepted"] == 8000
    assert shell.rows("count")[0]["faults"] == 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_what_was_refused_before_an_import_was_killed_is_kept_once(shell: Shell, how: signal.Signals) -> None:
    lines = "".join(
        f"R-{number},01/05/2016 08:00,{'ARSON' if number % 50 == 7 else 'RAPE'},,,,,\n" for number in range(6000)
    )
    file, mapping = reports(shell, REPORTS.splitlines()[0] + "\n" + lines)
    rejects, progress = shell.folder / "rejects.csv", shell.folder / "progress"
    process = shell.start(
        "import", str(file), "--mapping", str(mapping), "--rejects", "rejects.csv", "--progress", "progress"
    )
    until = time.monotonic() + 60
    while not progress.exists() and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(how)
    process.communicate()
    done = json.loads(progress.read_text())["line"]
    bad = [number + 2 for number in range(6000) if number % 50 == 7]
    assert done < 6000
    assert [line for line in rejected_lines(rejects) if line <= done] == [line for line in bad if line <= done]
    with rejects.open("a", newline="") as more:  # as a batch leaves it that was not answered any more
        more.write(f"{done + 7},offence,told twice\r\n")
    imported(shell, file, mapping, code=exits.FAULTS)
    assert rejected_lines(rejects) == bad


def test_the_summary_and_the_exit_code_are_of_the_whole_file_however_often_it_is_run(shell: Shell) -> None:
    file, mapping = reports(shell)
    first = imported(shell, file, mapping, code=exits.FAULTS)
    again = imported(shell, file, mapping, code=exits.FAULTS)
    assert again == {**first, "resumed_after_line": 6, "already_done": True}
    kept = json.loads((shell.folder / "progress").read_text())
    (shell.folder / "progress").write_text(json.dumps({**kept, "done": False}))
    assert imported(shell, file, mapping, code=exits.FAULTS) == {**first, "resumed_after_line": 6}


@pytest.mark.parametrize("done", [True, False])
def test_rows_that_an_earlier_version_refused_count_as_not_taken(shell: Shell, done: bool) -> None:
    file, mapping = reports(shell)
    imported(shell, file, mapping, code=exits.FAULTS)
    kept = json.loads((shell.folder / "progress").read_text())
    earlier = {name: value for name, value in kept.items() if name not in ("totals", "rejects", "rejects_bytes")}
    (shell.folder / "progress").write_text(json.dumps({**earlier, "done": done}))
    assert imported(shell, file, mapping, code=exits.FAULTS)["refused_rows"] == 3


def test_a_progress_file_whose_totals_are_none_is_not_believed(shell: Shell) -> None:
    file, mapping = reports(shell)
    imported(shell, file, mapping, code=exits.FAULTS)
    kept = json.loads((shell.folder / "progress").read_text())
    for totals in ([1], "x", {"rows": 5}, {"rows": "x"}):
        (shell.folder / "progress").write_text(json.dumps({**kept, "totals": totals}))
        assert imported(shell, file, mapping, code=exits.FAULTS)["repeated"] == 4


def test_an_import_that_goes_on_without_its_rejects_file_begins_a_new_one_with_its_names(shell: Shell) -> None:
    file, mapping = reports(shell)
    imported(shell, file, mapping, code=exits.FAULTS)
    kept = json.loads((shell.folder / "progress").read_text())
    (shell.folder / "progress").write_text(json.dumps({**kept, "done": False, "line": 4}))
    (shell.folder / "rejects.csv").unlink()
    imported(shell, file, mapping, code=exits.FAULTS)
    assert rejected_lines(shell.folder / "rejects.csv") == [5, 6]


def rejected_lines(rejects: Path) -> list[int]:
    """The lines that a rejects file names."""
    return [int(row["line"]) for row in csv.DictReader(rejects.read_text().splitlines())]
