"""``casetrail findings``: what is found, by which policy, as of when; one finding explained; settled by what was owed."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from tests.cli.shell import CLINIC, INTAKE, SERGEANT, Shell
from tests.domain.policies import text_of

FAULTS: Final = 8
IN_TEN_DAYS: Final = (datetime.now(UTC) + timedelta(days=10)).isoformat()


def listed(shell: Shell, *words: str, code: int = FAULTS) -> list[dict[str, Any]]:
    """The findings as of ten days from now."""
    return shell.rows("findings", "--now", IN_TEN_DAYS, *words, code=code)


def test_a_report_that_nobody_takes_up_is_found_with_its_evidence_and_who_is_told(shell: Shell) -> None:
    shell.report("C-1")
    found = {one["detector"]: one for one in listed(shell)}
    assert {"never_begun", "never_screened"} <= found.keys()
    screened = found["never_screened"]
    assert (screened["subject"], screened["unit"], screened["state"]) == ("C-1", "child-crimes", "open")
    assert screened["levels_told"] == [], "no watchdog has told anybody"
    assert screened["untold"] == ["holder", "supervisor", "commander"], (
        "there are no partners, and nobody has oversight"
    )
    (event,) = screened["evidence"]
    case_id, number, leaf = event.replace("#", ":").split(":")
    assert (case_id, number) == ("C-1", "1")
    assert len(bytes.fromhex(leaf)) == 32


def test_only_levels_are_named_at_which_there_is_somebody(shell: Shell) -> None:
    shell.report("C-1")

    def untold(*words: str) -> list[str]:
        in_a_year = (datetime.now(UTC) + timedelta(days=365)).isoformat()
        asked = ("findings", "--now", in_a_year, "--detector", "never-screened", *words)
        (by_views,), (by_log,) = (shell.rows(*asked, *more, code=FAULTS) for more in ((), ("--from-log",)))
        assert by_views == by_log
        found: list[str] = by_views["untold"]
        return found

    in_unit = ["holder", "supervisor", "commander"]
    assert untold() == in_unit
    registered = ("--agency", "inspectorate", "--agency-kind", "oversight")
    shell.run(*SERGEANT, "act", "agency-registered", "registry", *registered)
    assert untold() == [*in_unit, "oversight"]
    concern = ("--concern", "c-1", "--about", "no_response")
    shell.run(*CLINIC, "act", "concern-raised", "C-1", *concern)
    assert untold() == [*in_unit, "partners", "oversight"]


def test_a_deadline_that_was_missed_is_seen_though_no_watchdog_runs(shell: Shell) -> None:
    shell.report("C-1")
    later = (datetime.now(UTC) + timedelta(days=20)).isoformat()  # ten business days at the least, whatever day it is
    assert "ignored_alarm" in {one["detector"] for one in shell.rows("findings", "--now", later, code=FAULTS)}


def test_two_runs_name_the_same_findings(shell: Shell) -> None:
    shell.report("C-1")
    assert listed(shell) == listed(shell)
    later = shell.rows("findings", "--now", (datetime.now(UTC) + timedelta(days=90)).isoformat(), code=FAULTS)
    assert {one["finding"] for one in listed(shell)} <= {one["finding"] for one in later}


def test_nothing_is_found_before_anything_is_owed_and_as_of_a_time_before_it_was_recorded(shell: Shell) -> None:
    assert shell.rows("findings") == []
    shell.report("C-1")
    assert shell.rows("findings") == []
    assert listed(shell, "--as-of", "2020-01-01T00:00:00Z", code=0) == []


def test_what_was_owed_settles_a_finding_which_is_listed_when_it_is_asked_for(shell: Shell) -> None:
    long_ago = (datetime.now(UTC) - timedelta(days=20)).isoformat()
    screening = ("findings", "--detector", "never-screened")
    shell.report("C-1", "--at", long_ago)
    assert [one["state"] for one in shell.rows(*screening, code=FAULTS)] == ["open"]
    shell.run(*INTAKE, "act", "screened-in", "C-1", "--reason", "alleges_crime")
    assert shell.rows(*screening) == []
    (one,) = shell.rows(*screening, "--settled")
    assert (one["state"], one["levels_told"]) == ("settled", [])
    assert one["settled_at"] > one["since"] and one["settled_by"].startswith("C-1#2:")


def test_findings_are_chosen_by_detector_case_holder_and_unit(shell: Shell) -> None:
    shell.report("C-1")
    shell.report("C-2")
    shell.run(*INTAKE, "act", "screened-in", "C-2", "--reason", "alleges_crime")
    shell.run(*SERGEANT, "act", "assigned", "C-2", "--holder", "det.01")
    assert {one["subject"] for one in listed(shell, "--detector", "never-screened")} == {"C-1"}
    assert {one["subject"] for one in listed(shell, "--case", "C-2")} == {"C-2"}
    assert {one["subject"] for one in listed(shell, "--holder", "det.01")} == {"C-2"}
    shell.report("C-3", "--unit", "elsewhere")
    settled = ("--unit", "elsewhere", "--detector", "overloaded")
    assert listed(shell, *settled, code=0) == []
    assert len(listed(shell, "--limit", "1")) == 1
    said = shell.run("findings", "--now", IN_TEN_DAYS, "--limit", "1", code=FAULTS)
    assert "more: give a larger --limit" in said.stderr


def test_findings_are_counted_up_to_a_bound(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 6):
        shell.report(f"C-{number}")
    count = len(listed(shell))
    monkeypatch.setattr("casetrail.cli.findings.MORE", count - 1)
    said = shell.run("findings", "--now", IN_TEN_DAYS, "--limit", "1", code=FAULTS)
    assert f"and {count - 1} more: give a larger --limit" in said.stderr
    monkeypatch.setattr("casetrail.cli.findings.MORE", 2)
    said = shell.run("findings", "--now", IN_TEN_DAYS, "--limit", "1", code=FAULTS)
    assert "and more than 2 more: give a larger --limit" in said.stderr


def test_a_finding_is_explained(shell: Shell) -> None:
    shell.report("C-1")
    finding = listed(shell, "--detector", "never_screened")[0]["finding"]
    (row,) = shell.rows("findings", "explain", finding, "--now", IN_TEN_DAYS)
    assert row["finding"] == finding and row["policy"] == "generic" and row["settings"] == ["limit: 72 hours"]
    assert [one["kind"] for one in row["evidence"]] == ["ReportReceived"]
    assert [one["level"] for one in row["plan"]] == ["holder", "supervisor", "commander"], "those that have somebody"
    assert {one["told_at"] for one in row["plan"]} == {None}
    assert "screening" in row["settled_when"] and row["rule"] and row["may_be_wrong"]
    shown = shell.run("findings", "explain", finding, "--case", "C-1", "--now", IN_TEN_DAYS).stdout
    assert "ReportReceived" in shown and "child-crimes/supervisor" in shown
    assert "no finding" in shell.run("findings", "explain", "0" * 16, code=6).stderr


def test_the_hash_of_evidence_is_the_leaf_hash_of_the_stored_event(shell: Shell) -> None:
    shell.report("C-1")
    (status,) = shell.rows("replay", "C-1")
    assert listed(shell, "--case", "C-1")[0]["evidence"] == [f"C-1#1:{status['last_hash']}"]


def test_another_policy_finds_other_things(shell: Shell, tmp_path: Path) -> None:
    shell.report("C-1")
    own = tmp_path / "ours.toml"
    own.write_text(
        f'{text_of()}\n[detectors.never_screened]\nlimit = "20 days"\n[detectors.never_begun]\noff = true\n'
        "[detectors.ignored_alarm]\noff = true\n"
    )
    assert listed(shell, "--judge-by", str(own), code=0) == []


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('[detectors.never_screend]\nlimit = "1 day"', "write never_screened"),
        ("[detectors.shuffled]\nmost = 'two'", "write a whole number from 0 to 100"),
    ],
)
def test_settings_that_no_detector_has_are_refused(shell: Shell, tmp_path: Path, table: str, message: str) -> None:
    own = tmp_path / "ours.toml"
    own.write_text(f"{text_of()}\n{table}\n")
    shell.report("C-1")
    assert message in shell.run("findings", "--judge-by", str(own), code=1).stderr
    assert message in shell.rows("policy", "check", str(own), code=FAULTS)[0]["advice"]


def test_what_is_not_understood_is_said(shell: Shell) -> None:
    assert "write untouched" in shell.run("findings", "--detector", "untuched", code=2).stderr
    shell.report("C-1")
    assert "know no case" in shell.run("findings", "--case", "C-9", code=6).stderr


def test_a_case_of_somebody_who_has_left_by_the_registry_is_found(shell: Shell) -> None:
    commander = ("--person", "cmd.1", "--agency", "metro-pd", "--role", "commander")
    shell.report("C-1")
    shell.run(*INTAKE, "act", "screened-in", "C-1", "--reason", "alleges_crime")
    shell.run(*SERGEANT, "act", "assigned", "C-1", "--holder", "det.01")
    shell.run(
        *commander, "act", "agency-registered", "registry", "--agency", "metro-pd", "--agency-kind", "law_enforcement"
    )
    joined = ("--person", "det.01", "--agency", "metro-pd", "--role", "investigator", "--unit", "child-crimes")
    shell.run(*commander, "act", "person-joined", "registry", *joined)
    assert listed(shell, "--detector", "holder-left", code=0) == []
    shell.run(*commander, "act", "person-left", "registry", "--person", "det.01")
    (one,) = listed(shell, "--detector", "holder-left")
    assert [event.split(":")[0] for event in one["evidence"]] == ["registry#3", "C-1#3"]
    (row,) = shell.rows("findings", "explain", one["finding"], "--now", IN_TEN_DAYS, "--case", "C-1")
    assert [event["kind"] for event in row["evidence"]] == ["PersonLeft", "Assigned"]


def test_an_answer_to_a_finding_stands_in_the_history_of_its_case_and_settles_nothing(shell: Shell) -> None:
    long_ago = (datetime.now(UTC) - timedelta(days=20)).isoformat()
    shell.report("C-1", "--at", long_ago)
    (before,) = shell.rows("findings", "--case", "C-1", "--detector", "never_screened", code=FAULTS)
    answer = ("findings", "answer", before["finding"], "--answer", "under_review", "--seal", "rationale=A reason.")
    shell.run(*SERGEANT, *answer, "--case", "C-1")
    told = shell.rows("history", "C-1")[-1]
    assert (told["kind"], told["actor"], told["detail"]["finding"]) == (
        "FindingAnswered",
        "sgt.archer",
        before["finding"],
    )
    assert "A reason." not in json.dumps(told)
    (after,) = shell.rows("findings", "--case", "C-1", "--detector", "never_screened", code=FAULTS)
    assert (after["finding"], after["state"]) == (before["finding"], "open")


def test_a_finding_that_nobody_found_cannot_be_answered(shell: Shell) -> None:
    shell.report("C-1")
    said = shell.run(*SERGEANT, "findings", "answer", "0123456789abcdef", "--answer", "explained", code=6)
    assert "no finding" in said.stderr
