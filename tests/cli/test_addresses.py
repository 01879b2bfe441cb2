"""An address that is written wrong is told by what is wrong, and never by a piece of the password that may stand in it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from casetrail.cli import exits
from casetrail.cli.main import cli
from tests.cli.shell import INTAKE, REPORT, Shell

WORD = "geheim"
WRONG = (
    f"ada:{WORD}%et@127.0.0.1:1/x", f"ada:p {WORD}@127.0.0.1:1/x", f"ada:a@{WORD}@127.0.0.1:1/x",
    f"ada:4/{WORD}@127.0.0.1:1/x", f"ada:4?a@{WORD}@127.0.0.1:1/x", f"ada@127.0.0.1:1/x?password={WORD}%et",
    f"ada:{WORD}@127.0.0.1:1/x?{WORD}=1",
)  # fmt: skip
SERVERS = [f"postgresql://{one}" for one in WRONG]
NO_SERVERS = [f"host=127.0.0.1 password={WORD}", f"host=127.0.0.1 password={WORD}:{WORD}", WORD, f"{WORD} 1://h"]


def told(result: Result) -> str:
    """All that a command said and what came out of it, which must be an error of its own and no password."""
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert WORD not in result.output
    return result.output


@pytest.mark.parametrize("address", [*SERVERS, *NO_SERVERS])
@pytest.mark.parametrize(
    "words", [("doctor",), ("cases",), ("views", "rebuild"), ("serve", "projector", "--health-port", "0")], ids=" ".join
)
def test_no_address_of_views_is_repeated_with_its_password(shell: Shell, address: str, words: tuple[str, ...]) -> None:
    said = told(shell.run("--views", address, *words, code=None))
    assert address in NO_SERVERS or "percent-encode the password" in " ".join(said.split())


@pytest.mark.parametrize("address", [*SERVERS, *NO_SERVERS])
@pytest.mark.parametrize("words", [("doctor",), (*INTAKE, "report", "C-1", *REPORT, "--child-name", "Ada Lovelace")])
def test_no_address_of_a_keyring_is_repeated_with_its_password(
    shell: Shell, tmp_path: Path, address: str, words: tuple[str, ...]
) -> None:
    key = ("--master-key-file", str(tmp_path / "master.key"))
    said = told(shell.run("--keyring", address, *key, *words, code=None))
    assert address in NO_SERVERS or "percent-encode the password" in " ".join(said.split())


def test_a_percent_encoded_password_is_taken(shell: Shell) -> None:
    found = shell.rows("--views", f"postgresql://ada:4%2F%40%25{WORD}@127.0.0.1:1/x", "doctor", code=exits.FAULTS)
    assert "PostgreSQL does not answer" in {row["check"]: row["detail"] for row in found}["views"]


@pytest.mark.parametrize(
    "address",
    [
        f"kafka://ada:{WORD}@127.0.0.1:1/kcpd", f"kafka://ada:{WORD}@127.0.0.1:1/a:b", f"kafka://ada:{WORD}/4@h:1/kcpd",
        f"http://ada:{WORD}@127.0.0.1:1/kcpd", f"kafka://ada:{WORD}@x@127.0.0.1:notaport/kcpd",
    ],
)  # fmt: skip
@pytest.mark.parametrize("words", ["doctor", "log check", "log init", "log access --role reader"])
def test_no_address_of_a_log_is_repeated_with_its_password(address: str, words: str) -> None:
    assert "address" in told(CliRunner().invoke(cli, ["--log", address, *words.split()]))


@pytest.mark.parametrize(
    "address",
    [
        "kafka://h:notaport/kcpd", "kafka://h:0/kcpd", "kafka://h:65536/kcpd", "kafka://h:/kcpd", "kafka://h:1,/kcpd",
        "kafka://h:1,g:x/kcpd", "kafka://::1/kcpd", "kafka://[::1]:/kcpd", "kafka://h:9/a:b", "kafka://h:9/", "kafka:///kcpd",
    ],
)  # fmt: skip
@pytest.mark.parametrize("words", ["log init", "log check"])
def test_an_address_that_is_none_of_a_log_is_a_message(address: str, words: str) -> None:
    result = CliRunner().invoke(cli, ["--log", address, *words.split()])
    assert result.exit_code == exits.FAILED
    assert f"'{address}' is no address of a log" in " ".join(told(result).split())


@pytest.mark.parametrize("words", ["cases", "findings", "due", "board --once"])
def test_a_log_without_its_kind_is_told_to_be_that_and_not_views_that_are_missing(shell: Shell, words: str) -> None:
    shell.report()
    said = told(CliRunner().invoke(cli, ["--log", str(shell.log), *words.split()]))
    assert "is no address of a log: write sqlite:PATH" in said


def test_a_file_with_an_at_sign_is_told_whole(shell: Shell) -> None:
    log = f"sqlite:{shell.folder / 'a@b.db'}"
    result = CliRunner().invoke(cli, ["--log", log, "doctor", "--format", "json"])
    assert f"log: {log};" in json.loads(result.stdout)[0]["detail"]


@pytest.mark.parametrize("words", [("due",), ("findings",), ("cases",), ("views", "info"), ("board", "--once")])
def test_a_log_without_its_kind_is_no_reason_to_show_views_as_they_were(shell: Shell, words: tuple[str, ...]) -> None:
    shell.run("due")  # views are there
    shell.report()
    said = CliRunner().invoke(cli, ["--log", str(shell.log), *words])
    assert said.exit_code == exits.FAILED and said.stdout == ""
    assert "is no address of a log: write sqlite:PATH" in said.stderr
