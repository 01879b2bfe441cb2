"""The demonstration: 149 reports, told the same way every time, and a file to go on with."""

import json
import re
import shlex
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest

from casetrail.cli.submit import EXIT_BY_RESULT
from casetrail.demo.scenario import GROUPS
from tests.cli.shell import PROGRAM, environment

DAY: Final = "2026-03-01"
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
    command = [PROGRAM, "demo", "--today", DAY, *words]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False, timeout=120
    )


def without_tokens(told: str) -> str:
    """Without the blinded tokens: each demonstration has keys of its own, drawn by chance."""
    return re.sub(r"(child|suspect|address):[0-9a-f]{8}", r"\1:…", told)


def ask(folder: Path, *words: str, directory: str = "casetrail-demo") -> list[dict[str, Any]]:
    command = [PROGRAM, "--config", f"{directory}/casetrail.toml", *words, "--format", "json"]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a demonstration has been played."""
    made = tmp_path_factory.mktemp("demo")
    done = play(made)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (made / "told.txt").write_text(done.stdout, "utf-8")
    return made


def test_the_groups_are_those_of_the_article() -> None:
    assert {group: count for group, count, _, _ in GROUPS} == ARTICLE
    assert sum(ARTICLE.values()) == 149


def test_149_cases_with_the_offences_of_the_article(folder: Path) -> None:
    cases = ask(folder, "cases", "--limit", "1000")
    assert len(cases) == 149
    by_code: Counter[str] = Counter()
    for _, count, offence, _ in GROUPS:
        by_code[offence.value] += count
    assert Counter(one for case in cases for one in case["offences"]) == by_code
    events = [ask(folder, "history", str(case["case_id"]))[0]["detail"]["offences"][0] for case in cases[:3]]
    assert all(re.fullmatch(r"[0-9A-Z]{3}(:\d{3}\.\d{3})?", one) for one in events)


def test_most_were_never_assigned_or_never_worked(folder: Path) -> None:
    cases = ask(folder, "cases", "--limit", "1000")
    untouched = [one for one in cases if one["steps"] == 0 and one["contacts"] == 0]
    assert len(untouched) > 120
    assert sum(one["holder"] is None for one in cases) > 80


def test_the_count_balances(folder: Path) -> None:
    (row,) = ask(folder, "count")
    assert row["submitted"] == row["accepted"] + row["rejected"] + row["unreadable"] + row["pending"]
    assert (row["unreadable"], row["pending"], row["faults"]) == (1, 0, 0)
    assert row["rejected"] >= 2, "a closure by one person alone, and a repeated submission"


def test_what_is_told_is_what_the_queries_answer(folder: Path) -> None:
    told = (folder / "told.txt").read_text("utf-8")
    assert told.startswith("149 reports")
    for group, count in ARTICLE.items():
        assert f"{count} {group}" in told
    for row in ask(folder, "views", "info"):
        if row["status"] != "unreported":
            assert re.search(rf"^{row['status']} +{row['cases']}$", told, re.MULTILINE)
    assert "closing-takes-two" in told


def test_replay_from_the_log_alone_gives_what_the_views_say(folder: Path) -> None:
    cases = ask(folder, "cases", "--limit", "1000", "--sort", "case")
    replayed = ask(folder, "replay")
    assert cases == [{name: row[name] for name in cases[0]} for row in replayed]


def test_no_invented_name_stands_unsealed_in_a_file(folder: Path) -> None:
    from casetrail.demo.people import FIRST, LAST

    held = b"".join(one.read_bytes() for one in (folder / "casetrail-demo").rglob("*") if one.is_file())
    names = [f"{first} {last}".encode() for first in FIRST for last in LAST]
    assert not [name for name in names if name in held]
    assert b"Invented for" not in held


def test_every_command_that_it_names_runs_on_the_same_file(folder: Path) -> None:
    commands = re.findall(r"^  (\S+ .*--config .*)$", (folder / "told.txt").read_text("utf-8"), re.MULTILINE)
    assert len(commands) >= 6
    for command in commands:
        done = subprocess.run(
            shlex.split(command), cwd=folder, env=environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == EXIT_BY_RESULT["accepted"] == 0, (command, done.stdout, done.stderr)
        assert done.stdout + done.stderr


def test_the_same_seed_and_day_tell_the_same_story_and_another_seed_another(tmp_path: Path, folder: Path) -> None:
    again = play(tmp_path, "--dir", "second")
    told = (folder / "told.txt").read_text("utf-8")
    assert without_tokens(again.stdout).replace("second", "casetrail-demo") == without_tokens(told)
    ids = [one["case_id"] for one in ask(tmp_path, "cases", "--limit", "3", directory="second")]
    assert ids == [one["case_id"] for one in ask(folder, "cases", "--limit", "3")]
    other = play(tmp_path, "--dir", "third", "--seed", "7")
    assert other.returncode == 0
    assert other.stdout != again.stdout
    assert len(ask(tmp_path, "cases", "--limit", "1000", directory="third")) == 149


def test_it_replaces_a_demonstration_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("keep", "utf-8")
    refused = play(tmp_path, "--dir", "mine")
    assert refused.returncode == 1
    assert "is not empty" in refused.stderr
    assert (tmp_path / "mine" / "letter.txt").read_text("utf-8") == "keep"
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "casetrail.toml").write_text('log = "sqlite:kcpd.db"', "utf-8")
    (tmp_path / "real" / "kcpd.db").write_text("years of work", "utf-8")
    assert play(tmp_path, "--dir", "real").returncode == 1, "somebody's configuration is no mark of a demonstration"
    assert (tmp_path / "real" / "kcpd.db").exists()
    assert play(tmp_path, "--dir", "again").returncode == 0
    assert play(tmp_path, "--dir", "again").returncode == 0
    (tmp_path / "again" / "notes.txt").write_text("mine", "utf-8")
    assert play(tmp_path, "--dir", "again").returncode == 1
    assert (tmp_path / "again" / "log.db").exists()
    assert play(tmp_path, "--dir", "mine/letter.txt").returncode == 1


@pytest.mark.parametrize("words", [("--today", "soon"), ("--today", "0001-01-01"), ("--seed", "x")])
def test_what_is_not_understood_is_said(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = play(tmp_path, *words)
    assert done.returncode == 2, done
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_folder_with_a_blank_in_its_name_can_be_gone_on_with(tmp_path: Path) -> None:
    done = play(tmp_path, "--dir", "my demo")
    (command,) = re.findall(r"^  (.* count --format json)$", done.stdout, re.MULTILINE)
    subprocess.run(command, shell=True, cwd=tmp_path, env=environment(), capture_output=True, check=True)
