"""docs/witnessing.md is run: a checkpoint is carried by hand as it says, and its tables name what there is."""

import re
import shlex
from pathlib import Path
from typing import Final

from casetrail.audit.compare import Verdict
from casetrail.audit.witnessing import witness
from casetrail.audit.witnessing.server import STATUS, Limits
from casetrail.audit.witnessing.state import MOST_REFUSED
from casetrail.audit.witnessing.witness import MOST_TEXT, Refused
from casetrail.cli import exits
from casetrail.consumers.witnesses import PATIENCE, REST, ROUNDS
from tests.cli.shell import Shell
from tests.cli.witnesses import make_keys, notarise, verifier_key

PAGE: Final = (Path(__file__).parents[2] / "docs" / "witnessing.md").read_text("utf-8")
COMMANDS: Final = re.findall(
    r"^\$ casetrail (.*)$", "\n".join(re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)), re.M
)


def test_a_checkpoint_is_carried_by_hand_as_the_page_says(shell: Shell) -> None:
    make_keys(shell, "court")
    log_key = verifier_key(shell.folder / "log.key")
    lines = [f"log {log_key}", f"witness court {verifier_key(shell.folder / 'court.key')}", "quorum court", ""]
    (shell.folder / "policy").write_text("\n".join(lines))
    shell.report("C-1")
    notarise(shell.log, shell.folder / "log.key")
    said = [shell.run(*shlex.split(one.replace("$LOG_KEY", log_key))).output for one in COMMANDS]
    assert len(said) == 5
    assert "cosigned" in said[2]
    assert "same" in said[4]


def test_the_page_names_each_answer_and_each_verdict() -> None:
    for status in STATUS.values():
        assert f" {status.value} " in PAGE
    for verdict in Verdict:
        assert f"| `{verdict}` |" in PAGE
    kept = {kind.code for kind in vars(witness).values() if isinstance(kind, type) and issubclass(kind, Refused)}
    assert set(re.findall(r"^\| `([a-z-]+)` \| [a-z].*$", PAGE, re.M)) - set(Verdict) <= kept
    assert str(exits.FAULTS) in PAGE


def test_the_page_has_the_numbers_of_the_code() -> None:
    limits = Limits()
    assert f"waits {PATIENCE:g} s" in PAGE
    assert f"({PATIENCE * ROUNDS:g} s where" in PAGE
    assert REST == 60
    assert f"text of at most {MOST_TEXT:,} characters: {MOST_REFUSED:,} checkpoints" in PAGE
    assert f"{limits.body // 1024} KiB and {limits.request:g} s, and {limits.connections} connections" in PAGE
