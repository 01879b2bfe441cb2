"""``casetrail sunlight``: the report from the views is the one that anybody computes from the log."""

import html
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from casetrail.cli import exits, sunlight
from casetrail.cli.main import cli
from casetrail.proofs.keys import Algorithm, create_key
from tests.cli.notarial_shell import Office
from tests.cli.shell import INTAKE, REPORT, Shell
from tests.domain.policies import within
from tests.histories import Recording

NOW = ("--now", "2030-01-01T00:00:00Z")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A log with a random history, all of it under a checkpoint."""
    recording = Recording(tmp_path / "log.db", seed=7, cases=60, partitions=2)
    recording.go_on(700)
    recording.log.close()
    made = Office(Shell(tmp_path))
    made.notarise()
    yield made


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def numbers(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "sunlight.json").read_bytes())
    return found


def printed_command(folder: Path) -> list[str]:
    """The command that the page gives to whoever holds the log, without the program's name."""
    (text,) = re.findall(r"<code>(casetrail .*?)</code>", (folder / "index.html").read_text("utf-8"))
    return shlex.split(html.unescape(text))[1:]


def test_the_report_from_the_log_alone_is_byte_for_byte_that_from_the_views(office: Office, tmp_path: Path) -> None:
    office.run("sunlight", "views", *NOW)
    office.run("sunlight", "log", "--from-log", *NOW)
    assert content(tmp_path / "views") == content(tmp_path / "log")
    assert numbers(tmp_path / "views")["tables"]["by-offence"]["rows"][-1]["all"] > 30


def test_the_printed_command_computes_an_edition_anew_when_the_log_has_grown(office: Office, tmp_path: Path) -> None:
    office.run("sunlight", "first", *NOW)
    office.report("LATER-1")
    office.notarise()
    office.run("sunlight", "second", *NOW)
    assert content(tmp_path / "first") != content(tmp_path / "second")
    words = [
        {"LOG": f"sqlite:{office.log}", "DIR": "again"}.get(word, word) for word in printed_command(tmp_path / "first")
    ]
    assert CliRunner().invoke(cli, words).exit_code == exits.OK
    assert content(tmp_path / "first") == content(tmp_path / "again")


def test_the_report_names_the_checkpoint_that_it_rests_on_and_how_much_is_newer(office: Office, tmp_path: Path) -> None:
    office.run(*office.policy, "sunlight", "report", *NOW)
    before = numbers(tmp_path / "report")["checkpoint"]
    assert before["later_events"] == 0
    office.report("LATER-1")
    office.run(*office.policy, "sunlight", "report", "--soon", *NOW)
    after = numbers(tmp_path / "report")["checkpoint"]
    assert after == {**before, "later_events": 1}
    assert after["size"] > 0
    assert (tmp_path / "report" / "checkpoint.txt").read_text("utf-8").startswith(after["origin"])


def test_a_log_without_checkpoints_has_a_report_that_says_so(shell: Shell, tmp_path: Path) -> None:
    for number in range(6):
        shell.report(f"C-{number}")
    shell.run("sunlight", "report")
    assert numbers(tmp_path / "report")["checkpoint"] is None
    assert "None yet" in (tmp_path / "report" / "index.html").read_text("utf-8")


def test_the_report_says_which_policy_is_in_force_and_what_it_lets_pass(shell: Shell, tmp_path: Path) -> None:
    shell.report("C-1")
    shell.run("sunlight", "before", *NOW)
    usual = (tmp_path / "before" / "index.html").read_text("utf-8")
    assert "No agency has adopted a policy" in usual
    assert "24 hours, from report received, reopened or reopened unscreened to victim seen; only where immediate danger. Source: RSMo 210.145." in usual  # fmt: skip
    assert "72 hours, from report received or reopened unscreened to screened in or screened out." in usual
    blind = tmp_path / "blind.toml"
    blind.write_text(
        within("clocks.screening", "72 hours", "90 days") + "\n[detectors.untouched]\noff = true\n", "utf-8"
    )
    commander = ("--person", "cmd.diaz", "--agency", "metro-pd", "--role", "commander")
    shell.run(*commander, "policy", "adopt", str(blind))
    shell.run("sunlight", "after", *NOW)
    shell.run("sunlight", "again", *NOW, "--from-log")
    assert content(tmp_path / "after") == content(tmp_path / "again")
    (told,) = numbers(tmp_path / "after")["policies"]
    assert (told["agency"], told["off"]) == ("metro-pd", ["untouched"])
    assert told["weakened"] == ["clocks.screening.limit", "detectors.untouched.off"]
    page = (tmp_path / "after" / "index.html").read_text("utf-8")
    assert "Detectors turned off: untouched." in page and "cmd.diaz" not in page
    assert "<code>clocks.screening.limit</code>: 72 hours, then 90 days" in page
    assert "The time limits of metro-pd" in page and "90 days, from report received or reopened unscreened" in page
    assert "The time limits of agencies that have adopted no policy" in page
    assert "72 hours, from report received or reopened unscreened" in page
    assert [one["agencies"] for one in numbers(tmp_path / "after")["limits"]] == [["metro-pd"], []]


def test_a_policy_is_compared_with_the_one_that_an_agency_was_held_to_and_not_with_one_that_is_yet_to_come(
    shell: Shell, tmp_path: Path
) -> None:
    """Else a weaker one that is in force in a far year makes one that is nearly as weak look like an improvement."""
    shell.report("C-1")
    commander = ("--person", "cmd.diaz", "--agency", "metro-pd", "--role", "commander")
    for days, *since in ((90, "--from", "2099-01-01T00:00:00Z"), (60,)):
        (tmp_path / "weak.toml").write_text(within("clocks.screening", "72 hours", f"{days} days"), "utf-8")
        shell.run(*commander, "policy", "adopt", str(tmp_path / "weak.toml"), *map(str, since))
    shell.run("sunlight", "report", *NOW)
    (told,) = numbers(tmp_path / "report")["policies"]
    assert (told["weakened"], told["is_first"]) == (["clocks.screening.limit"], True)
    assert [row["weakened"] for row in shell.rows("policy", "history")] == [["clocks.screening.limit"]] * 2


def test_a_log_in_which_nothing_has_happened_has_a_report_of_nothing(shell: Shell, tmp_path: Path) -> None:
    shell.run("sunlight", str(tmp_path / "views"), *NOW)
    shell.run("sunlight", str(tmp_path / "log"), *NOW, "--from-log")
    assert content(tmp_path / "views") == content(tmp_path / "log")
    (total,) = numbers(tmp_path / "views")["tables"]["by-month"]["rows"]
    assert (total["name"], total["all"]) == ("All", 0)


def test_a_checkpoint_that_is_not_signed_as_the_policy_says_is_a_finding(office: Office, tmp_path: Path) -> None:
    other = tmp_path / "other.policy"
    key = create_key("somebody.example/log", Algorithm.ED25519)
    other.write_text(f"log {key.verifier_key}\nquorum none\n", "utf-8")
    result = office.run("--policy", str(other), "sunlight", "report", *NOW, code=None)
    assert result.exit_code == exits.FAULTS, result.output
    assert not (tmp_path / "report").exists()


def test_a_moment_before_what_the_log_speaks_of_is_refused(office: Office, tmp_path: Path) -> None:
    result = office.run("sunlight", "report", "--now", "2001-01-01T00:00:00Z", code=exits.FAILED)
    assert "--now" in result.output
    assert not (tmp_path / "report").exists()


def test_no_more_events_are_counted_than_the_log_has(office: Office) -> None:
    for events in ("0:1000000", "7:1"):
        result = office.run("sunlight", "report", "--from-log", "--events", events, *NOW, code=exits.FAILED)
        assert "does not reach" in result.output


@pytest.mark.parametrize("words", [("--events", "0:5"), ("--from-log", "--events", "five")])
def test_events_are_chosen_from_the_log_and_by_offset(office: Office, words: tuple[str, ...]) -> None:
    office.run("sunlight", "report", *words, code=exits.USAGE)


def test_a_folder_with_something_else_in_it_is_left_as_it_is(office: Office, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    result = office.run("sunlight", "mine", *NOW, code=exits.FAILED)
    assert "give another folder" in result.output
    assert list((tmp_path / "mine").iterdir()) == [tmp_path / "mine" / "notes.txt"]


def test_without_the_libraries_it_is_said_what_to_install(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sunlight, "NEEDED", ("jinja2", "no_such_library"))
    result = office.run("sunlight", "report", code=exits.FAILED)
    assert "no_such_library: install casetrail[sunlight]" in result.output


def test_what_was_done_is_told_in_a_row(shell: Shell) -> None:
    shell.run(*INTAKE, "report", "C-1", *REPORT)
    (row,) = shell.rows("sunlight", "report")
    assert (row["directory"], row["events"], row["checkpoint"]) == ("report", 1, None)
