"""The commands in docs/sunlight.md are run as they stand there, and the two reports are the same."""

import re
import shlex
from pathlib import Path

from click.testing import CliRunner

from casetrail.cli import exits
from casetrail.cli.main import cli
from tests.histories import recorded_log

PAGE = (Path(__file__).parents[2] / "docs" / "sunlight.md").read_text("utf-8")
NOW = " --now 2030-01-01T00:00:00Z"


def test_the_commands_of_the_page_give_the_same_report_twice(tmp_path: Path) -> None:
    recorded_log(tmp_path / "log.db", seed=5, actions=300, cases=30).close()
    (tmp_path / "casetrail.toml").write_text('log = "sqlite:log.db"\n', "utf-8")
    commands = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    ours = [line for line in commands if line.startswith("casetrail ")]
    assert [line for line in commands if line not in ours] == ["cd casetrail-demo", "diff -r mine theirs"]
    for line in ours:
        words = shlex.split(line if NOW in line else line + NOW)[1:]  # the history told here may end in the future
        result = CliRunner().invoke(cli, words)
        assert result.exit_code == exits.OK, result.output
    mine, theirs = (
        {one.name: one.read_bytes() for one in (tmp_path / name).glob("*.*")} for name in ("mine", "theirs")
    )
    assert mine == theirs
    assert len(mine) >= 2
