"""The README's five minutes, as a newcomer types them."""

import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from casetrail.cli import exits
from casetrail.eventlog.opening import open_log
from casetrail.eventlog.port import Topic
from tests.cli.shell import environment

ROOT: Final = Path(__file__).parents[2]
README: Final = (ROOT / "README.md").read_text("utf-8")
SAID: Final = {"exit code 3": exits.REJECTED}
SERVES: Final = "casetrail serve notary"


def commands() -> list[str]:
    """The lines of the block under 'Five minutes', with their comments."""
    block = README.partition("## Five minutes")[2].split("```")[1]
    return [line for line in block.splitlines() if line]


def test_what_the_readme_shows_in_five_minutes_happens(tmp_path: Path) -> None:
    known = environment() | {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    for line in commands():
        words, _, remark = line.partition("#")
        if words.startswith("export "):
            known |= dict(pair.split("=", 1) for pair in shlex.split(words)[1:])
        elif words.startswith(SERVES):
            serve_until_signed(words, tmp_path, known)
        else:
            done = subprocess.run(
                words, shell=True, cwd=tmp_path, env=known, capture_output=True, text=True, check=False, timeout=60
            )
            expected = next((code for text, code in SAID.items() if text in remark), exits.OK)
            assert done.returncode == expected, (words, done.stdout, done.stderr)
            assert "Traceback" not in done.stderr


def serve_until_signed(words: str, folder: Path, known: dict[str, str]) -> None:
    """Run the notary until it has signed what there is, and end it with Ctrl-C."""
    serving = subprocess.Popen(
        [*shlex.split(words), "--health-port", "0"], cwd=folder, env=known, stderr=subprocess.PIPE, text=True
    )
    try:
        until = time.monotonic() + 30
        with open_log(f"sqlite:{folder / 'cases.db'}") as log:
            while not log.end_offsets(Topic.CHECKPOINTS)[0]:
                assert time.monotonic() < until, "no checkpoint has come"
                time.sleep(0.05)
        serving.send_signal(signal.SIGINT)
        assert serving.wait(30) == exits.OK
    finally:
        serving.kill()
        serving.communicate()


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_what_the_readme_refers_to_is_there(link: str) -> None:
    assert (ROOT / link).exists()
