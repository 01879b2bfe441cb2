"""Policies on the command line: checked, shown and compared."""

import codecs
from pathlib import Path

import pytest

from tests.cli.shell import CLINIC, REPORT, Shell
from tests.domain.policies import PRESETS, changed, preset, text_of, within


def written(folder: Path, text: str, name: str = "ours.toml") -> str:
    """A file with this text."""
    path = folder / name
    path.write_text(text, "utf-8")
    return str(path)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_policy(shell: Shell, name: str) -> None:
    assert "this is a policy, with 17 clock(s)" in shell.run("policy", "check", name).stdout
    assert shell.rows("policy", "check", name) == []


def test_a_policy_is_checked_without_any_log(tmp_path: Path) -> None:
    assert Shell(tmp_path).rows("policy", "check", written(tmp_path, text_of())) == []


def test_a_mark_that_windows_puts_before_a_text_is_no_part_of_it(tmp_path: Path) -> None:
    file = Path(written(tmp_path, text_of()))
    file.write_bytes(codecs.BOM_UTF8 + file.read_bytes())
    assert Shell(tmp_path).rows("policy", "check", str(file)) == []


def test_all_that_is_wrong_in_a_file_is_told_and_gives_exit_code_8(shell: Shell, tmp_path: Path) -> None:
    file = written(tmp_path, within("clocks.screening", "72 hours", "72").replace('"intake"', '"intak"', 1))
    rows = shell.rows("policy", "check", file, code=8)
    assert [row["key"] for row in rows] == ["clocks.screening.limit", "clocks.screening.owed_by"]
    assert rows[1] == {"key": "clocks.screening.owed_by", "problem": "is 'intak'", "advice": "write intake"}
    assert "72" in shell.run("policy", "check", file, code=8).stdout


def test_a_policy_comes_from_standard_input_too(shell: Shell) -> None:
    assert shell.run("policy", "check", "-", text="name = 3", code=8).stdout.count("is missing") == 3


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (None, 6, "presets are generic, missouri"),
        (b"\xff\xfe", 1, "it is not in UTF-8"),
        (b"#" * 100_000, 1, "more than the"),
        (b"name = 3", 1, "this is no policy"),
    ],
)
def test_what_is_no_policy_is_not_shown(
    shell: Shell, tmp_path: Path, content: bytes | None, code: int, message: str
) -> None:
    file = tmp_path / "ours.toml"
    if content is not None:
        file.write_bytes(content)
    assert message in shell.run("policy", "show", str(file), code=code).stderr


def test_a_policy_is_shown_part_by_part(shell: Shell) -> None:
    clocks = {row["clock"]: row for row in shell.rows("policy", "show")}
    assert clocks["decision"]["limit"] == "45 days" and clocks["decision"]["instead"] == ["sexual_abuse: 120 days"]
    assert (clocks["assignment"]["calendar"], clocks["decision"]["calendar"]) == ("business_days", "wall")
    calendar = shell.rows("policy", "show", "missouri", "--part", "calendars")[0]
    assert (calendar["opens"], calendar["closes"], len(calendar["holidays"])) == ("08:00", "17:00", 13)
    told = [
        row["tells"] for row in shell.rows("policy", "show", "--part", "escalations") if row["escalation"] == "usual"
    ]
    assert told == ["holder", "supervisor", "commander", "partners", "oversight"]
    assert {row["measure"]: row["most"] for row in shell.rows("policy", "show", "--part", "workload")}[
        "open_cases"
    ] == 30
    assert shell.rows("policy", "show", "missouri", "--part", "withdrawn")[0]["since"] == "2022-01-01T06:00:00Z"
    assert shell.rows("policy", "show", "--part", "detectors") == []


def test_the_text_of_a_preset_is_where_a_file_of_ones_own_may_begin(shell: Shell, tmp_path: Path) -> None:
    text = shell.run("policy", "show", "missouri", "--text").stdout
    assert text == text_of("missouri")
    assert shell.rows("policy", "diff", "missouri", written(tmp_path, text)) == []


def test_settings_of_detectors_are_shown(shell: Shell, tmp_path: Path) -> None:
    file = written(tmp_path, text_of() + '\n[detectors.untouched]\nlimit = "9 days"\n')
    assert shell.rows("policy", "show", file, "--part", "detectors") == [
        {"detector": "untouched", "setting": "limit", "value": "9 days"}
    ]


def test_what_no_detector_knows_is_no_difference_but_a_mistake(shell: Shell, tmp_path: Path) -> None:
    file = written(tmp_path, text_of() + '[detectors.untuched]\nlimit = "60 days"\n')
    for words in (("diff", "missouri", file), ("diff", file, "missouri"), ("show", file, "--part", "detectors")):
        said = shell.run("policy", *words, code=1).stderr
        assert "detectors.untuched is no detector: write untouched" in said


def test_a_weakened_limit_is_seen_in_the_difference(shell: Shell, tmp_path: Path) -> None:
    file = written(tmp_path, changed(('limit = "45 days"', 'limit = "60 days"'), name="missouri"))
    assert shell.rows("policy", "diff", "missouri", file) == [
        {"key": "clocks.decision.limit", "change": "weakened", "before": "45 days", "after": "60 days"}
    ]


def test_control_characters_of_a_policy_reach_no_terminal(shell: Shell, tmp_path: Path) -> None:
    file = written(tmp_path, changed(('"intake"', '"\\u001b[2J"')))
    assert "\x1b" not in shell.run("policy", "check", file, code=8).output
    quoted = written(tmp_path, changed(('source = "practice"', 'source = "\\u001b[2J"')), "other.toml")
    assert "\x1b" not in shell.run("policy", "show", quoted, "--part", "escalations").output


def test_the_presets_hold_the_same_limits() -> None:
    from casetrail.domain.policy_diff import difference

    keys = {one.key.partition(".")[0] for one in difference(preset("generic"), preset("missouri"))}
    assert keys == {"time_zone", "calendars", "withdrawn"}


def test_the_commands_of_the_documentation_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import re
    import shlex

    page = (Path(__file__).parents[2] / "docs" / "policy.md").read_text("utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    assert len(lines) == 15
    monkeypatch.chdir(tmp_path)
    shell = Shell(tmp_path)
    shell.run("log", "init")
    shell.report("C-1")
    shell.run(*CLINIC[:4], "--role", "reporter", "report", "C-2", "--for-agency", "metro-pd", *REPORT)  # it asks for it
    for line in lines:
        command, _, file = line.partition(" > ")
        shown = shell.run(*shlex.split(command)[1:]).stdout
        if file:
            Path(file).write_text(shown, "utf-8")
