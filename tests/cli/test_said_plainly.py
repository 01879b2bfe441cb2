"""What was typed wrong is named as it was typed; and who does not confirm is not told of an interruption."""

import json
from pathlib import Path

import click
import pytest

from casetrail.cli import exits
from casetrail.cli.keys import _is_confirmed
from tests.cli.shell import COMMANDER, INTAKE, REPORT, SERGEANT, Shell


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_a_key_that_nobody_wants_destroyed_is_kept_and_that_is_said(shell: Shell, answer: str) -> None:
    shell.run(*INTAKE, "report", "C-1", *REPORT, "--child-name", "Ada Lovelace")
    result = shell.run("keys", "destroy", "C-1", "--reason", "court_order", text=answer, code=exits.FAILED)
    assert "nothing was destroyed" in result.stderr and "Aborted" not in result.output
    assert "Ada Lovelace" in shell.run("history", "C-1", "--unseal").stdout
    shell.run("keys", "destroy", "C-1", "--reason", "court_order", text="y\n")
    assert "Ada Lovelace" not in shell.run("history", "C-1", "--unseal", code=exits.FAILED).output


def test_an_interruption_at_the_question_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: str) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr("click.termui.visible_prompt_func", interrupted)
    with pytest.raises(click.Abort):
        _is_confirmed()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--keyring", "foo", *INTAKE, "report", "C-1", *REPORT, "--child-name", "x"), exits.FAILED, "no kind before a colon"),
        (("--keyring", "mysql:x", *INTAKE, "report", "C-1", *REPORT, "--child-name", "x"), exits.FAILED, "'mysql:…' is no address"),
        (("import", ".", "--mapping", "m.toml"), exits.NOT_FOUND, ". is a folder"),
        (("import", "nope", "--mapping", "m.toml"), exits.NOT_FOUND, "there is no file nope"),
        (
            (*SERGEANT, "act", "suspended", "C-1", "--reason", "other", "--review-at", "2027-01-01"),
            exits.USAGE,
            "--review-at '2027-01-01' has no zone",
        ),
        (("--spool", "s", "spool", "receipt", "zz"), exits.USAGE, "ACTION-ID wants 32 hex digits"),
        ((*SERGEANT, "act", "acknowledged", "C-1", "--action-id", "zz"), exits.USAGE, "--action-id wants 32 hex digits"),
        *(
            ((*words, "--timeout", text), exits.USAGE, "--timeout")
            for text in ("nan", "-1", "inf")
            for words in (
                ("import", "m.toml", "--mapping", "m.toml"),
                (*COMMANDER, "registry", "import", "m.toml"),
                (*INTAKE, "report", "C-1", *REPORT),
            )
        ),
        (("serve", "notary", "--key", "k", "--every", "nan"), exits.USAGE, "--every"),
        (("serve", "recorder", "--heartbeat", "nan"), exits.USAGE, "--heartbeat"),
        (("audit", "verify", "--promised", "nan"), exits.USAGE, "--promised"),
        (("board", "--refresh", "nan"), exits.USAGE, "--refresh"),
    ],
)  # fmt: skip
def test_what_was_typed_wrong_is_named_as_it_was_typed(
    shell: Shell, words: tuple[str, ...], code: int, said: str
) -> None:
    Path("m.toml").write_text("")
    result = shell.run(*words, code=code)
    assert said in result.stderr
    assert shell.rows("count")[0]["submitted"] == 0


def test_the_months_of_early_years_have_four_digits_too(shell: Shell) -> None:
    shell.report("C-1", "--at", "0001-01-02T00:00:00Z")
    months = {row["month"] for row in json.loads(shell.run("intake", "--format", "json").stdout)}
    assert months == {"0001-01"}


def test_who_may_not_is_told_who_may(shell: Shell) -> None:
    said = shell.run(*SERGEANT, "policy", "adopt", "missouri", code=exits.REJECTED).stderr
    assert "Somebody in this role cannot have this recorded. (who may: commander, registrar)" in said


def test_a_case_that_was_never_reported_has_no_clocks_because_of_that(shell: Shell) -> None:
    shell.run(*SERGEANT, "act", "assigned", "C-l", "--holder", "det.01", code=exits.REJECTED)
    assert "no report has been received as C-l" in shell.run("clock", "C-l").stderr
