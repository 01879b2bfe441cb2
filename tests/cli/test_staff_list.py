"""A staff list is imported from CSV: once, twice, after an interruption; and the registry is listed."""

import csv
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pytest

from casetrail.cli import exits
from casetrail.domain.actions import Action
from casetrail.domain.registry import PersonLeft
from casetrail.domain.values import iso
from casetrail.eventlog.codec import decode_event
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.port import Topic
from casetrail.importing import staff
from casetrail.importing.submitting import Submitter
from tests.actions import HAPPENED
from tests.cli.shell import INTAKE, SERGEANT, Shell
from tests.conformance.log_kit import read_all

REGISTRAR: Final = (
    "--person",
    "reg.1",
    "--agency",
    "metro-pd",
    "--role",
    "registrar",
    "--time-zone",
    "America/Chicago",
)
LIST: Final = """person,agency,agency_kind,role,unit,joined,left
det.01,metro-pd,law_enforcement,investigator,child-crimes,2024-01-08,2025-06-30
det.01,metro-pd,,supervisor,child-crimes,2025-07-01,
det.02,metro-pd,,investigator,child-crimes,2024-01-08,2026-03-10
det.03,metro-pd,,investigator,child-crimes,2024-01-08,
det.03,metro-pd,,investigator,north,2026-02-02,
clinic.ruiz,clinic,medical,partner,,2023-05-01,
"""
REFUSED: Final = """Jane Doe,clinic,,partner,,2023-05-01,
det.04,county,,investigator,north,2023-05-01,
det.05,metro-pd,,detective,north,2023-05-01,
det.06,metro-pd,,investigator,north,soon,
det.07,metro-pd,,investigator
"""


@pytest.fixture
def file(shell: Shell) -> Path:
    path = shell.folder / "staff.csv"
    path.write_text(LIST, "utf-8")
    return path


def imported(shell: Shell, file: Path, *more: str, code: int = exits.OK) -> dict[str, Any]:
    """Import the list; what it says of it."""
    (row,) = shell.rows(*REGISTRAR, "registry", "import", str(file), *more, code=code)
    return row


def people(shell: Shell, *more: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in shell.rows("registry", *more)]


def kinds(shell: Shell) -> list[str]:
    return [row["kind"] for row in shell.rows("history", "registry")]


def test_a_list_becomes_agencies_and_people_and_their_moves(shell: Shell, file: Path) -> None:
    assert imported(shell, file) == {
        "rows": 6, "known": 0, "actions": 9, "accepted": 9, "rejected": 0, "repeated": 0, "refused_rows": 0,
    }  # fmt: skip
    assert people(shell) == [
        ("clinic.ruiz", "clinic", None, "partner", "2023-05-01T05:00:00Z", None),
        ("det.01", "metro-pd", "child-crimes", "supervisor", "2025-07-01T05:00:00Z", None),
        ("det.02", "metro-pd", "child-crimes", "investigator", "2024-01-08T06:00:00Z", "2026-03-10T05:00:00Z"),
        ("det.03", "metro-pd", "north", "investigator", "2026-02-02T06:00:00Z", None),
        ("det.03", "metro-pd", "child-crimes", None, None, "2026-02-02T06:00:00Z"),
    ]


def test_the_registry_is_listed_by_unit_and_by_agency(shell: Shell, file: Path) -> None:
    imported(shell, file)
    assert [(row["unit"], row["people"], row["supervisors"], row["left"]) for row in shell.rows("registry", "--by", "unit")] == [
        ("child-crimes", 1, 1, 2), ("north", 1, 0, 0),
    ]  # fmt: skip
    assert [tuple(row.values()) for row in shell.rows("registry", "--by", "agency")] == [
        ("clinic", "medical", [], 1, 0), ("metro-pd", "law_enforcement", ["child-crimes", "north"], 2, 1),
    ]  # fmt: skip
    assert {row[0] for row in people(shell, "--left")} == {"det.02", "det.03"}
    assert [row[0] for row in people(shell, "--unit", "north")] == ["det.03"]
    assert [row[0] for row in people(shell, "--agency", "clinic")] == ["clinic.ruiz"]
    for form in ("table", "csv", "ndjson"):
        assert "det.03" in shell.run("registry", "--format", form).stdout
    assert people(shell, "--as-of", "2020-01-01T00:00:00Z") == []


@pytest.mark.parametrize("by", ["unit", "agency"])
@pytest.mark.parametrize(
    "chosen, expected",
    [
        (("--left",), {"unit": {"child-crimes"}, "agency": {"metro-pd"}}),
        (("--unit", "north"), {"unit": {"north"}, "agency": {"metro-pd"}}),
        (("--unit", "child-crimes", "--left"), {"unit": {"child-crimes"}, "agency": {"metro-pd"}}),
        (("--agency", "clinic"), {"unit": set(), "agency": {"clinic"}}),
        (("--agency", "clinic", "--left"), {"unit": set(), "agency": set()}),
    ],
)
def test_what_is_chosen_changes_no_count(
    shell: Shell, file: Path, by: str, chosen: tuple[str, ...], expected: dict[str, set[str]]
) -> None:
    imported(shell, file)
    every = {row[by]: row for row in shell.rows("registry", "--by", by)}
    assert {row[by]: row for row in shell.rows("registry", "--by", by, *chosen)} == {
        name: every[name] for name in expected[by]
    }


def test_the_same_list_doubles_nothing(shell: Shell, file: Path) -> None:
    imported(shell, file)
    before, recorded = people(shell), kinds(shell)
    again = imported(shell, file)
    assert (again["actions"], again["known"]) == (0, 6)
    assert (people(shell), kinds(shell)) == (before, recorded)


def test_an_interrupted_import_goes_on_where_it_was(shell: Shell, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class PowerFailureError(Exception):
        pass

    submit, done = Submitter.submit, list[int]()

    def failing(self: Submitter, actions: list[tuple[int, Action]]) -> Any:
        if done:
            raise PowerFailureError
        done.append(len(actions))
        return submit(self, actions)

    with monkeypatch.context() as broken:
        broken.setattr(staff, "BATCH", 2)
        broken.setattr(Submitter, "submit", failing)
        result = shell.run(*REGISTRAR, "registry", "import", str(file), code=None)
        assert isinstance(result.exception, PowerFailureError)
    assert len(kinds(shell)) == done[0] == 3
    assert imported(shell, file)["accepted"] == 6
    once = kinds(shell)
    assert imported(shell, file)["actions"] == 0
    assert sorted(once) == sorted(
        ["AgencyRegistered"] * 2 + ["PersonJoined"] * 4 + ["PersonMoved"] * 2 + ["PersonLeft"]
    )


def test_what_cannot_be_taken_is_kept_with_line_column_and_reason_but_without_its_content(
    shell: Shell, file: Path
) -> None:
    file.write_text(LIST + REFUSED, "utf-8")
    assert imported(shell, file, code=exits.FAULTS)["refused_rows"] == 5
    text = (shell.folder / "staff.csv.rejects.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert [(row["line"], row["column"]) for row in rows] == [
        ("8", "person"), ("9", "agency"), ("10", "role"), ("11", "joined"), ("12", ""),
    ]  # fmt: skip
    assert "Jane" not in text
    assert len(people(shell)) == 5


def test_a_dry_run_lists_what_would_be_recorded_and_records_nothing(shell: Shell, file: Path) -> None:
    file.write_text(LIST + REFUSED, "utf-8")
    result = shell.run(*REGISTRAR, "registry", "import", str(file), "--dry-run", "--format", "csv", code=exits.FAULTS)
    would = [(row["line"], row["action"]) for row in csv.DictReader(result.stdout.splitlines())]
    assert would[:3] == [("2", "AgencyRegistered"), ("2", "PersonJoined"), ("3", "PersonMoved")]
    assert len(would) == 9
    assert "line 8: person" in result.stderr and "Jane" not in result.stderr
    assert shell.rows("count")[0]["submitted"] == 0
    assert not (shell.folder / "staff.csv.rejects.csv").exists()


def test_a_list_can_be_imported_into_a_registry_that_is_in_use(shell: Shell, file: Path) -> None:
    shell.run("--person", "cmdr.stone", "--agency", "metro-pd", "--role", "commander", "policy", "adopt", "missouri")
    words = ("--agency", "metro-pd", "--agency-kind", "law_enforcement")
    shell.run(*REGISTRAR, "act", "agency-registered", "registry", *words)
    assert imported(shell, file)["rejected"] == 0
    assert len(people(shell)) == 5


def test_what_somebody_holds_who_leaves_by_the_list_is_held_by_nobody(shell: Shell, file: Path) -> None:
    at = ("--at", iso(HAPPENED))
    shell.report("C-1", *at)
    shell.run(*INTAKE, "act", "screened-in", "C-1", "--reason", "alleges_crime", *at)
    shell.run(*SERGEANT, "act", "assigned", "C-1", "--holder", "det.02", *at)
    assert shell.rows("holds", "--left") == []
    imported(shell, file)
    assert [(row["holder"], row["case_id"]) for row in shell.rows("holds", "--left")] == [("det.02", "C-1")]


def test_only_who_keeps_the_registry_can_import(shell: Shell, file: Path) -> None:
    assert "registrar" in shell.run(*INTAKE, "registry", "import", str(file), code=exits.USAGE).stderr
    shell.run(*REGISTRAR, "registry", "import", "nowhere.csv", code=exits.NOT_FOUND)


@pytest.mark.parametrize(
    ("head", "reason"), [("person,agency,role", "no column 'joined'"), ("person,agency,role,joined,born", "'born'")]
)
def test_a_list_with_other_columns_is_refused_whole(shell: Shell, file: Path, head: str, reason: str) -> None:
    file.write_text(f"{head}\n", "utf-8")
    assert reason in shell.run(*REGISTRAR, "registry", "import", str(file), code=exits.FAILED).stderr


def test_dates_need_a_zone(shell: Shell, file: Path) -> None:
    result = shell.run(*REGISTRAR[:6], "registry", "import", str(file), "--dry-run", code=exits.FAULTS)
    assert "no time_zone is named: set it where the import is configured" in result.stderr


def id_of_the_leaving(file: Path, tmp_path: Path) -> bytes:
    """Under which id a leaving of the list is recorded, as anybody finds out who imports the list into a log of his own."""
    elsewhere = Shell(tmp_path / "elsewhere")
    elsewhere.folder.mkdir()
    elsewhere.run("log", "init")
    imported(elsewhere, file)
    with EmbeddedLog.open(elsewhere.log) as log:
        events = [decode_event(record.value) for record in read_all(log, Topic.EVENTS)]
    (leaving,) = [event.action_id for event in events if event.body == PersonLeft("det.02")]
    return leaving


@pytest.mark.parametrize("refused_before", [False, True])
def test_an_action_that_stands_under_the_id_of_a_row_of_the_list_is_not_taken_for_it(
    shell: Shell, file: Path, tmp_path: Path, refused_before: bool
) -> None:
    """The ids of staff lists follow from what they say, which everybody can guess."""
    leaving = id_of_the_leaving(file, tmp_path)
    other = (
        *REGISTRAR,
        "act",
        "agency-registered",
        "registry",
        "--agency",
        "nobody",
        "--agency-kind",
        "school",
        "--action-id",
    )
    ids = [leaving]
    if refused_before:  # so that another id is tried, which can be guessed, too
        ids.append(sha256(b"casetrail/import/again/1" + ids[0]).digest()[:16])
        shell.run(*INTAKE, *other[len(REGISTRAR) :], ids[0].hex(), code=exits.REJECTED)
    shell.run(*other, ids[-1].hex())
    first = imported(shell, file, code=exits.FAULTS)
    assert (first["accepted"], first["rejected"], first["repeated"]) == (8, 1, 0)
    assert "PersonLeft was refused: duplicate-action" in (shell.folder / "staff.csv.rejects.csv").read_text("utf-8")
    assert imported(shell, file, code=exits.FAULTS)["rejected"] == 1, "as long as it is so"


def test_nor_is_one_that_says_the_same_of_another_day(shell: Shell, file: Path, tmp_path: Path) -> None:
    """Somebody left and came back under the id of the leaving that the list tells: that one is in no registry."""
    leaving = id_of_the_leaving(file, tmp_path)
    file.write_text("".join(line for line in LIST.splitlines(True) if not line.startswith("det.02")), "utf-8")
    imported(shell, file)
    for number, (what, at) in enumerate((("joined", "2024-01-08"), ("left", "2025-01-01"), ("joined", "2025-01-02"))):
        more = ("--agency", "metro-pd", "--role", "investigator") if what == "joined" else ()
        chosen = leaving.hex() if what == "left" else f"{number:032x}"
        shell.run(*REGISTRAR, "act", f"person-{what}", "registry", "--person", "det.02", *more,
                  "--at", at, "--action-id", chosen)  # fmt: skip
    file.write_text(LIST, "utf-8")
    found = imported(shell, file, code=exits.FAULTS)
    assert (found["rejected"], found["repeated"]) == (1, 0)
    assert ("det.02", None) in [(row[0], row[-1]) for row in people(shell)]
