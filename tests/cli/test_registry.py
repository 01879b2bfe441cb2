"""Agencies and people are recorded from the command line, and what is held by somebody who has left is listed."""

from typing import Any, Final

from casetrail.domain.values import iso
from tests.actions import HAPPENED
from tests.cli.shell import DETECTIVE, INTAKE, SERGEANT, Shell

REGISTRAR: Final = ("--person", "reg.1", "--agency", "metro-pd", "--role", "registrar")
AT: Final = ("--at", iso(HAPPENED))
LATER: Final = ("--at", "2026-03-12T09:00:00Z")


def register(shell: Shell, action: str, *words: str, code: int = 0) -> Any:
    return shell.run(*REGISTRAR, "act", action, "registry", *words, code=code)


def staffed(shell: Shell) -> Shell:
    """An agency with two detectives, the first of whom holds two cases."""
    register(shell, "agency-registered", "--agency", "metro-pd", "--agency-kind", "law_enforcement", *AT)
    for person in ("det.01", "det.02"):
        words = ("--person", person, "--agency", "metro-pd", "--role", "investigator", "--unit", "child-crimes")
        register(shell, "person-joined", *words, *AT)
    for case in ("C-1", "C-2"):
        shell.report(case, *AT)
        shell.run(*INTAKE, "act", "screened-in", case, "--reason", "alleges_crime", *AT)
        shell.run(*SERGEANT, "act", "assigned", case, "--holder", "det.01", *AT)
    return shell


def left(shell: Shell, *more: str) -> list[tuple[str, str]]:
    return [(row["holder"], row["case_id"]) for row in shell.rows("holds", "--left", *more)]


def test_nobody_has_left_where_there_is_no_registry(shell: Shell) -> None:
    shell.report("C-1")
    assert left(shell) == []


def test_what_somebody_holds_who_has_left_is_listed_until_it_is_handed_over(shell: Shell) -> None:
    staffed(shell)
    assert left(shell) == []
    register(shell, "person-left", "--person", "det.01", *LATER)
    assert left(shell, "--now", "2026-03-12T08:59:00Z") == []
    assert left(shell) == [("det.01", "C-1"), ("det.01", "C-2")]
    row = shell.rows("holds", "--left", "--now", "2026-03-20T09:00:00Z")[0]
    assert (row["left_at"], row["days"], row["unit"]) == ("2026-03-12T09:00:00Z", 8, "child-crimes")
    shell.run(*SERGEANT, "act", "reassigned", "C-1", "--holder", "det.02", "--reason", "left_agency")
    assert left(shell) == [("det.01", "C-2")]


def test_what_is_left_behind_in_a_unit_is_listed_too(shell: Shell) -> None:
    staffed(shell)
    register(shell, "person-moved", "--person", "det.01", "--role", "investigator", "--unit", "homicide", *LATER)
    assert left(shell) == [("det.01", "C-1"), ("det.01", "C-2")]


def test_a_departure_starts_the_clock_of_an_assignment(shell: Shell) -> None:
    staffed(shell)
    register(shell, "person-left", "--person", "det.01", *LATER)
    rows = [row for row in shell.rows("overdue", "--now", "2026-03-14T09:00:00Z") if row["clock"] == "assignment"]
    assert [(row["case_id"], row["started_at"], row["owed_by"]) for row in rows] == [
        ("C-1", "2026-03-12T09:00:00Z", "child-crimes/intake"), ("C-2", "2026-03-12T09:00:00Z", "child-crimes/intake"),
    ]  # fmt: skip
    assert [row["clock"] for row in shell.rows("clock", "C-1") if row["started_by"] is None] == ["assignment"]


def test_a_closed_case_is_not_left_behind(shell: Shell) -> None:
    staffed(shell)
    shell.run(
        *DETECTIVE, "act", "closure-requested", "C-1", "--disposition", "inactivated", "--seal", "rationale=no leads"
    )
    shell.run(*SERGEANT, "act", "closure-approved", "C-1")
    register(shell, "person-left", "--person", "det.01")
    assert left(shell) == [("det.01", "C-2")]


def test_the_registry_takes_nothing_of_a_case_and_a_case_nothing_of_the_registry(shell: Shell) -> None:
    words = ("--agency", "clinic", "--agency-kind", "medical")
    assert "registry" in shell.run(*REGISTRAR, "act", "agency-registered", "C-1", *words, code=3).stderr
    shell.run(*INTAKE, "act", "acknowledged", "registry", code=3)
    assert [row["case_id"] for row in shell.rows("cases")] == []


def test_what_is_held_by_somebody_who_has_left_is_held_by_nobody(shell: Shell) -> None:
    staffed(shell)
    before = shell.rows("holds")
    register(shell, "person-left", "--person", "det.01", *LATER)
    after = shell.rows("holds")
    assert [(row["holder"], row["open_cases"]) for row in before] == [("det.01", 2)]
    assert [(row["holder"], row["open_cases"]) for row in after] == [(None, 2)]
    assert shell.rows("holds", "--now", "2026-03-12T08:59:00Z")[0]["holder"] == "det.01"
    shell.run(*SERGEANT, "act", "reassigned", "C-1", "--holder", "det.02", "--reason", "left_agency")
    shell.report("C-3")
    assert [(row["holder"], row["open_cases"]) for row in shell.rows("holds")] == [(None, 2), ("det.02", 1)]
    assert after[0]["overdue"] >= before[0]["overdue"] and after[0]["first_due_at"] is not None


def test_what_is_given_to_somebody_who_had_left_is_listed_as_left_behind(shell: Shell) -> None:
    staffed(shell)
    register(shell, "person-left", "--person", "det.01", *LATER)
    shell.run(*SERGEANT, "act", "reassigned", "C-1", "--holder", "det.02", "--reason", "left_agency")
    shell.run(*SERGEANT, "act", "reassigned", "C-1", "--holder", "det.01", "--reason", "workload")
    assert left(shell) == [("det.01", "C-1"), ("det.01", "C-2")]
