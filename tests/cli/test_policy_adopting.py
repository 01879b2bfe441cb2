"""An agency adopts a policy: it is in force for its own clocks, stands in the log whole, and shows what it weakened."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from casetrail.domain.values import iso
from tests.cli.shell import CLINIC, COMMANDER, DETECTIVE, INTAKE, REPORT, SERGEANT, Shell
from tests.domain.policies import text_of, within

CLINIC_HEAD: Final = ("--person", "clinic.head", "--agency", "clinic", "--role", "commander")
LAX: Final = within("clocks.screening", "72 hours", "30 days")


def ago(days: float) -> str:
    return iso(datetime.now(UTC) - timedelta(days=days))


def ahead(days: float) -> str:
    return ago(-days)


@pytest.fixture
def lax(tmp_path: Path) -> str:
    """A file with a policy that lets screenings wait."""
    path = tmp_path / "lax.toml"
    path.write_text(LAX, "utf-8")
    return str(path)


def overdue_in(shell: Shell, days: float, *more: str) -> set[tuple[str, str]]:
    """What will be overdue in so many days."""
    rows = shell.rows(*more, "overdue", "--now", ahead(days), "--limit", "999")
    return {(row["case_id"], row["clock"]) for row in rows}


def history(shell: Shell) -> list[dict[str, Any]]:
    return shell.rows("policy", "history")


def test_an_adopted_policy_judges_the_clocks_that_start_from_then_on(shell: Shell, lax: str) -> None:
    shell.report("C-1")
    assert "weaker than before: clocks.screening.limit (72 hours, then 30 days)" in shell.run(
        *COMMANDER, "policy", "adopt", lax
    ).stderr  # fmt: skip
    shell.report("C-2")
    assert {one for one in overdue_in(shell, 4) if one[1] == "screening"} == {("C-1", "screening")}
    screening = {row["clock"]: row["limit"] for row in shell.rows("clock", "C-2")}["screening"]
    assert screening == "30 days"


def test_a_policy_may_come_into_force_later(shell: Shell, lax: str) -> None:
    shell.run(*COMMANDER, "policy", "adopt", lax, "--from", ahead(9))
    shell.report("C-1")
    assert ("C-1", "screening") in overdue_in(shell, 4)
    shell.run(*COMMANDER, "policy", "adopt", lax, "--from", ago(9), code=3)


def test_another_agencys_policy_is_no_matter(shell: Shell, lax: str) -> None:
    shell.run(*CLINIC_HEAD, "policy", "adopt", lax)
    shell.report("C-1")
    assert ("C-1", "screening") in overdue_in(shell, 4) & overdue_in(shell, 4, *CLINIC_HEAD)


def test_a_policy_that_is_given_judges_alone(shell: Shell, lax: str) -> None:
    shell.run(*COMMANDER, "policy", "adopt", lax)
    shell.report("C-1")
    rows = shell.rows("overdue", "--now", ahead(4), "--judge-by", "missouri")
    assert "screening" in {row["clock"] for row in rows}


def test_a_weakened_limit_stays_visible(shell: Shell, lax: str) -> None:
    shell.run(*COMMANDER, "policy", "adopt", "missouri")
    shell.run(*CLINIC_HEAD, "policy", "adopt", lax)
    shell.run(*COMMANDER, "policy", "adopt", lax)
    shell.run(*COMMANDER, "policy", "adopt", "generic")
    rows = history(shell)
    assert [(row["number"], row["agency"], row["actor"], row["name"]) for row in rows] == [
        (1, "metro-pd", "cmd.diaz", "missouri"), (2, "clinic", "clinic.head", "generic"),
        (3, "metro-pd", "cmd.diaz", "generic"), (4, "metro-pd", "cmd.diaz", "generic"),
    ]  # fmt: skip
    assert rows[1]["weakened"] == ["clocks.screening.limit"]
    assert "clocks.screening.limit" in rows[2]["weakened"] and rows[3]["weakened"] == []
    assert all(row["in_force_from"] >= row["recorded_at"] for row in rows)
    assert shell.run("policy", "history", "--text", "3").stdout == LAX
    shell.run("policy", "history", "--text", "9", code=6)


def test_a_detector_that_is_turned_off_stays_visible(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "blind.toml"
    text = shell.run("policy", "show", "generic", "--text").stdout
    file.write_text(text + "\n[detectors.untouched]\noff = true\n[detectors.convenient_code]\nmonths = 24\n", "utf-8")
    said = shell.run(*COMMANDER, "policy", "adopt", str(file)).stderr
    assert "weaker than before: detectors.untouched.off (false, then true)" in said
    (row,) = shell.rows("policy", "history")
    assert row["weakened"] == ["detectors.untouched.off"]
    assert row["changed"] == ["detectors.convenient_code.months"]


def test_who_may_not_adopt_is_refused_and_stays_in_the_history(shell: Shell, lax: str) -> None:
    for who in (DETECTIVE, SERGEANT, CLINIC):
        assert "role" in shell.run(*who, "policy", "adopt", lax, code=3).stderr
    assert history(shell) == []
    kinds = [(row["kind"], row["result"]) for row in shell.rows("history", "registry")]
    assert kinds == [("PolicyAdopted", "rejected")] * 3


def test_what_is_no_policy_is_not_submitted(shell: Shell, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(within("clocks.screening", "72 hours", "72"), "utf-8")
    assert "clocks.screening.limit is '72'" in shell.run(*COMMANDER, "policy", "adopt", str(wrong), code=1).stderr
    wrong.write_text(text_of() + "\n[detectors.no_such_detector]\nx = 1\n", "utf-8")
    assert "no_such_detector" in shell.run(*COMMANDER, "policy", "adopt", str(wrong), code=1).stderr
    shell.run("history", "registry", code=6)


def test_a_text_that_is_no_policy_is_in_force_nowhere_and_is_named(shell: Shell, lax: str) -> None:
    from casetrail.domain.actions import Actor
    from casetrail.domain.codes import Role
    from casetrail.domain.registry import REGISTRY, PolicyAdopted
    from casetrail.publishing import connect
    from tests.actions import action

    shell.run(*COMMANDER, "policy", "adopt", lax)
    at = datetime.now(UTC)
    with connect(f"sqlite:{shell.log}") as connection:
        asked = action(
            PolicyAdopted(at, b"limits = 'none'"), Actor("cmd.diaz", "metro-pd", Role.COMMANDER), REGISTRY, at
        )
        assert connection.wait(connection.submit(asked)).result == "accepted"
    shell.report("C-1")
    result = shell.run("overdue", "--now", ahead(4))
    assert "event 2 of the registry" in result.stderr and "screening" not in result.stdout


def test_as_of_a_past_moment_only_what_had_been_adopted_counts(shell: Shell, lax: str) -> None:
    shell.report("C-1")
    before = iso(datetime.now(UTC))
    shell.run(*COMMANDER, "policy", "adopt", lax)
    shell.run(*INTAKE, "report", "C-2", *REPORT)
    asked = ("clock", "C-1", "--as-of", before)
    assert {row["clock"]: row["limit"] for row in shell.rows(*asked)}["screening"] == "72 hours"
    shell.run("clock", "C-2", "--as-of", before, code=6)


def test_who_adopts_or_checks_a_policy_is_told_at_which_levels_nobody_is_known(shell: Shell) -> None:
    said = "policy 'missouri' has levels at which the registry knows nobody to tell: partners, oversight"
    assert said in shell.run(*COMMANDER, "policy", "adopt", "missouri").stderr
    assert "nobody to tell" not in shell.run("policy", "check", "missouri").stderr, "there are no views yet"
    shell.rows("registry")
    assert said in shell.run(*COMMANDER, "policy", "check", "missouri").stderr
    register = (*COMMANDER, "act", "agency-registered", "registry", "--agency")
    shell.run(*register, "inspectorate", "--agency-kind", "oversight")
    shell.run(*register, "clinic", "--agency-kind", "medical")
    assert "nobody to tell" not in shell.run(*COMMANDER, "policy", "adopt", "generic").stderr


def test_a_policy_can_be_checked_while_the_views_do_not_answer(shell: Shell) -> None:
    done = shell.run("--views", "mysql://x", "policy", "check", "missouri")
    assert "this is a policy" in done.stdout and "who is told cannot be seen" in done.stderr


def test_the_history_of_the_registry_says_where_an_adopted_text_is_read(shell: Shell) -> None:
    shell.run(*COMMANDER, "policy", "adopt", "missouri")
    (row,) = shell.rows("history", "registry")
    size = len(text_of("missouri").encode())
    assert row["detail"]["text"] == f"({size:,} bytes: casetrail policy history --text 1)"
