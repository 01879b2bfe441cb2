"""The demonstration: 149 reports, told the same way every time, and a file to go on with."""

import csv
import json
import re
import shlex
import subprocess
from collections import Counter
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

import pytest
from textual.pilot import Pilot

from casetrail.cli import exits
from casetrail.cli.board.app import Board
from casetrail.cli.board.reading import Views
from casetrail.cli.board.rows import Asked
from casetrail.cli.config import load_config
from casetrail.cli.submitting import EXIT_BY_RESULT
from casetrail.demo.arrivals import GROUPS
from casetrail.demo.dropped import PATTERNS
from tests.cli.boards import screen, until, used
from tests.cli.shell import PROGRAM, environment

DOCS: Final = Path(__file__).parents[2] / "docs"
END: Final = "2016-01-01T12:00:00Z"
ARTICLE: Final = {
    "rape": 28,
    "molestation": 27,
    "sodomy": 29,
    "sexual misconduct": 9,
    "assault": 7,
    "abuse": 34,
    "other": 15,
}


def play(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [PROGRAM, "demo", *words]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False, timeout=240
    )


def quickly(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The 149 alone."""
    return play(folder, "--quick", *words)


def without_tokens(told: str) -> str:
    """Without the blinded tokens: each demonstration has keys of its own, drawn by chance."""
    return re.sub(r"(child|suspect|address):[0-9a-f]{8}", r"\1:…", told)


def ask(
    folder: Path, *words: str, directory: str = "casetrail-demo", allowed: tuple[int, ...] = (0,)
) -> list[dict[str, Any]]:
    command = [PROGRAM, "--config", f"{directory}/casetrail.toml", *words, "--format", "json"]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode in allowed, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the 149 have been played."""
    made = tmp_path_factory.mktemp("demo")
    done = quickly(made)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (made / "told.txt").write_text(done.stdout, "utf-8")
    return made


@pytest.fixture(scope="session")
def four_years(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all four years have been played: once for all tests."""
    made = tmp_path_factory.mktemp("years")
    done = play(made, "--format", "json", "--write-page", "the-149.md")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (made / "rows.json").write_text(done.stdout, "utf-8")
    return made


def test_the_groups_are_those_of_the_article() -> None:
    assert {group: count for group, count, _, _ in GROUPS} == ARTICLE
    assert sum(ARTICLE.values()) == sum(one.reports for one in PATTERNS) == 149


# --- four years ---


def test_all_149_are_seen_half_of_them_in_three_days_the_slowest_in_45(four_years: Path) -> None:
    rows = json.loads((four_years / "rows.json").read_text("utf-8"))
    assert Counter(row["group"] for row in rows) == ARTICLE
    days = [row["days"] for row in rows]
    assert len(days) == 149 and None not in days
    assert median(days) < 3
    assert max(days) < 45
    assert all(row["seen_by"] and row["levels_told"] for row in rows)
    outside = [row["outside_days"] for row in rows if row["outside_days"] is not None]
    assert len(outside) > 140, "somebody outside the unit was told of nearly all"


def test_each_way_of_dropping_is_seen_by_what_looks_for_it_not_only_by_what_came_before(four_years: Path) -> None:
    rows = json.loads((four_years / "rows.json").read_text("utf-8"))
    for pattern in PATTERNS:
        some = [{*row["seen_by"], *row["also_by"]} for row in rows if row["pattern"] == pattern.name]
        by_own = sum(not found.isdisjoint(pattern.own) for found in some)
        assert len(some) == pattern.reports and by_own >= 0.8 * len(some), pattern.name


def test_of_100_cases_that_were_handled_well_there_are_at_most_2_findings(four_years: Path) -> None:
    dropped = {row["case_id"] for row in json.loads((four_years / "rows.json").read_text("utf-8"))}
    found = ask(four_years, "findings", "--now", END, "--settled", "--limit", "100000", allowed=(0, 8))
    others = [one for one in found if one["subject"] not in dropped and not dropped & cases_of(one)]
    assert len(others) <= 2 * (4000 - 149) / 100, Counter(one["detector"] for one in others)
    assert {one["subject"] for one in found if one["about"] == "case"} >= dropped


def test_the_page_about_the_149_is_what_the_demonstration_writes(four_years: Path) -> None:
    written = [Path("the-149.md"), *sorted(Path("the-149") / f"{name}.svg" for name in ("days", "patterns", "years"))]
    for one in written:
        assert (DOCS / one).read_text("utf-8") == (four_years / one).read_text("utf-8"), (
            f"docs/{one} is out of date: casetrail demo --write-page docs/the-149.md writes it anew"
        )


def test_the_board_in_its_documentation_is_that_of_the_last_day(four_years: Path) -> None:
    text = (DOCS / "board.md").read_text("utf-8")
    (pictured,) = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    shown: list[str] = []

    async def look(pilot: Pilot[None], app: Board) -> None:
        await until(pilot, lambda: "Quit" in screen(app))
        shown.append(screen(app).removeprefix(app.title))

    views = Views(load_config(four_years / "casetrail-demo/casetrail.toml", {}))
    used(views, look, (80, len(pictured.splitlines())), Asked(at=datetime.fromisoformat(END)))
    assert without_minute(pictured) == without_minute(shown[0])
    assert set(re.findall(r"4 Findings ([0-9]+(?:,[0-9]{3})*)", text)) == set(
        re.findall(r"4 Findings ([0-9]+(?:,[0-9]{3})*)", shown[0])
    )


def without_minute(told: str) -> str:
    """Without when the checkpoint was made, and without the room between words."""
    return re.sub(r"checkpoint: of \S+ \S+", "checkpoint: of …", " ".join(told.split()))


def cases_of(finding: dict[str, Any]) -> set[str]:
    return {one.split("#")[0] for one in finding["evidence"]}


def test_four_years_have_a_thousand_reports_each_and_what_was_handled_well_was_closed(four_years: Path) -> None:
    cases = ask(four_years, "cases", "--limit", "10000")
    by_year = Counter(case["case_id"][:4] for case in cases)
    assert len(cases) == 4000 and set(by_year) == {"2012", "2013", "2014", "2015"}
    assert all(900 < count < 1100 for count in by_year.values())
    ended = sum(case["status"] in ("closed", "screened_out") for case in cases)
    assert ended > 3600
    (row,) = ask(four_years, "count")
    assert (row["unreadable"], row["pending"], row["faults"]) == (1, 0, 0)
    assert 2 <= row["rejected"] < 20, "what was handled well was recorded as it was done"


def test_a_policy_was_adopted_people_came_and_went_and_escalations_stand_in_the_log(four_years: Path) -> None:
    registry = ask(four_years, "policy", "history")
    assert [one["name"] for one in registry] == ["missouri", "missouri"]
    left = ask(four_years, "holds", "--left")
    assert left, "some left behind what they held"
    row = next(iter(json.loads((four_years / "rows.json").read_text("utf-8"))))
    told = [one for one in ask(four_years, "history", row["case_id"]) if one["kind"] == "Escalated"]
    assert {"holder", "supervisor", "commander", "partners"} <= {one["detail"]["level"] for one in told}


# --- the 149 alone ---


def test_149_cases_with_the_offences_of_the_article(folder: Path) -> None:
    cases = ask(folder, "cases", "--limit", "1000")
    assert len(cases) == 149
    by_code: Counter[str] = Counter()
    for _, count, offence, _ in GROUPS:
        by_code[offence.value] += count
    assert Counter(one for case in cases for one in case["offences"]) == by_code
    events = [ask(folder, "history", str(case["case_id"]))[0]["detail"]["offences"][0] for case in cases[:3]]
    assert all(re.fullmatch(r"[0-9A-Z]{3}(:\d{3}\.\d{3})?", one) for one in events)


def test_the_count_balances(folder: Path) -> None:
    (row,) = ask(folder, "count")
    assert row["submitted"] == row["accepted"] + row["rejected"] + row["unreadable"] + row["pending"]
    assert (row["unreadable"], row["pending"], row["faults"]) == (1, 0, 0)
    assert row["rejected"] >= 2, "a closure by one person alone, and a repeated submission"


def test_what_is_told_is_what_the_queries_answer(folder: Path) -> None:
    told = (folder / "told.txt").read_text("utf-8")
    for group, count in ARTICLE.items():
        assert f"{count} {group}" in told
    for row in ask(folder, "views", "info"):
        if row["status"] != "unreported":
            assert re.search(rf"^{row['status']} +{row['cases']}$", told, re.MULTILINE)
    assert "closing-takes-two" in told
    for pattern in PATTERNS:
        assert re.search(rf"^{pattern.name} +{pattern.reports} +{pattern.reports} ", told, re.MULTILINE), pattern.name
    assert "149 of 149 were seen" in told


def test_the_table_lies_in_the_folder(folder: Path) -> None:
    rows = table_of(folder)
    assert len(rows) == 149
    assert {row["case_id"] for row in rows} == {one["case_id"] for one in ask(folder, "cases", "--limit", "1000")}


def table_of(folder: Path) -> list[dict[str, str]]:
    """The table that a demonstration leaves in its folder."""
    with (folder / "casetrail-demo" / "the-149.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_replay_from_the_log_alone_gives_what_the_views_say(folder: Path) -> None:
    cases = ask(folder, "cases", "--limit", "1000", "--sort", "case")
    replayed = ask(folder, "replay")
    assert cases == [{name: row[name] for name in cases[0]} for row in replayed if row["status"] != "unreported"]


def test_no_invented_name_stands_unsealed_in_a_file(folder: Path) -> None:
    from casetrail.demo.people import FIRST, LAST

    held = b"".join(one.read_bytes() for one in (folder / "casetrail-demo").rglob("*") if one.is_file())
    names = re.compile(f"({'|'.join(FIRST)}) ({'|'.join(LAST)})".encode())
    assert not names.search(held)
    assert b"Invented for" not in held


def test_every_command_that_it_names_runs_on_the_same_file(folder: Path) -> None:
    commands = re.findall(r"^  (\S+ .*--config .*)$", (folder / "told.txt").read_text("utf-8"), re.MULTILINE)
    assert len(commands) >= 6
    for command in commands:
        done = subprocess.run(
            shlex.split(command), cwd=folder, env=environment(), capture_output=True, text=True, check=False
        )
        allowed = (exits.OK, exits.FAULTS) if " findings " in command else (EXIT_BY_RESULT["accepted"],)
        assert done.returncode in allowed, (command, done.stdout, done.stderr)
        assert done.stdout + done.stderr


def test_the_same_seed_and_day_tell_the_same_story_and_another_seed_another(tmp_path: Path, folder: Path) -> None:
    again = quickly(tmp_path, "--dir", "second")
    told = (folder / "told.txt").read_text("utf-8")
    assert without_tokens(again.stdout).replace("second", "casetrail-demo") == without_tokens(told)
    ids = [one["case_id"] for one in ask(tmp_path, "cases", "--limit", "3", directory="second")]
    assert ids == [one["case_id"] for one in ask(folder, "cases", "--limit", "3")]
    other = quickly(tmp_path, "--dir", "third", "--seed", "7")
    assert other.returncode == 0
    assert other.stdout != again.stdout
    assert len(ask(tmp_path, "cases", "--limit", "1000", directory="third")) == 149


@pytest.fixture(scope="module")
def replaced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """Where the 149 have been played twice in one folder with a blank in its name, and what was said: a list, and CSV."""
    made = tmp_path_factory.mktemp("replaced")
    first, second = (quickly(made, "--dir", "my demo", *words) for words in (("--format", "csv"), ("--table",)))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    return made, second.stdout, first.stdout


def test_the_table_can_be_listed_and_be_all_that_is_said(folder: Path, replaced: tuple[Path, str, str]) -> None:
    rows = table_of(folder)
    _, listed, as_csv = replaced
    assert all(row["case_id"] in listed for row in rows)
    assert [row["case_id"] for row in csv.DictReader(as_csv.splitlines())] == [row["case_id"] for row in rows]


def test_it_replaces_a_demonstration_and_nothing_else(tmp_path: Path, replaced: tuple[Path, str, str]) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("keep", "utf-8")
    refused = quickly(tmp_path, "--dir", "mine")
    assert refused.returncode == 1
    assert "is not empty" in refused.stderr
    assert (tmp_path / "mine" / "letter.txt").read_text("utf-8") == "keep"
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "casetrail.toml").write_text('log = "sqlite:kcpd.db"', "utf-8")
    (tmp_path / "real" / "kcpd.db").write_text("years of work", "utf-8")
    assert quickly(tmp_path, "--dir", "real").returncode == 1, "somebody's configuration is no mark of a demonstration"
    assert (tmp_path / "real" / "kcpd.db").exists()
    again = replaced[0] / "my demo"
    (again / "notes.txt").write_text("mine", "utf-8")
    assert quickly(replaced[0], "--dir", "my demo").returncode == 1
    assert (again / "log.db").exists()
    assert quickly(tmp_path, "--dir", "mine/letter.txt").returncode == 1


@pytest.mark.parametrize("words", [("--today", "soon"), ("--today", "0001-01-01"), ("--seed", "x")])
def test_what_is_not_understood_is_said(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = quickly(tmp_path, *words)
    assert done.returncode == 2, done
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_folder_with_a_blank_in_its_name_can_be_gone_on_with(replaced: tuple[Path, str, str]) -> None:
    made, said, _ = replaced
    (command,) = re.findall(r"^  (.* count --format json)$", said, re.MULTILINE)
    subprocess.run(command, shell=True, cwd=made, env=environment(), capture_output=True, check=True)
