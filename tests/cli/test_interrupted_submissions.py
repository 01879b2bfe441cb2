"""A submission that is broken off, or not answered, says how it is repeated: told again under a new id it would be there twice."""

import errno
import os
import re
import sqlite3
from contextlib import closing

import pytest

from casetrail.cli import exits
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.errors import LogRefused, LogUnreachable
from casetrail.publishing import Connection
from tests.cli.shell import INTAKE, REPORT, Shell

AGAIN = re.compile(r"case (\S+) and --action-id ([0-9a-f]{32})")
WHERE = [(EmbeddedLog, "append"), (Connection, "wait")]


@pytest.mark.parametrize(("what", "name"), WHERE, ids=["while it is appended", "while it is waited for"])
@pytest.mark.parametrize(
    "error",
    [KeyboardInterrupt(), LogUnreachable("the log does not answer"), LogRefused("the brokers refuse this user")],
    ids=["Ctrl-C", "no answer", "no right to read the answer"],
)
@pytest.mark.parametrize("spooled", [False, True])
def test_repeated_as_it_is_told_it_doubles_nothing(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, what: type, name: str, error: BaseException, spooled: bool
) -> None:
    if name == "append" and isinstance(error, LogRefused):
        return  # then nothing is appended
    more = ("--spool", str(shell.folder / "spool")) if spooled else ()
    real = getattr(what, name)

    def breaks_off(*given: object, **words: object) -> None:
        real(*given, **words)
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(what, name, breaks_off)
        result = shell.run(*more, *INTAKE, "report", *REPORT, code=None)
    if spooled and name == "append" and isinstance(error, LogUnreachable):
        assert result.exit_code == exits.PENDING, "it waits in the spool, and is delivered under its id"
        return
    assert result.exit_code == (exits.INTERRUPTED if isinstance(error, KeyboardInterrupt) else exits.UNREACHABLE)
    found = AGAIN.search(result.stderr)
    assert found is not None, result.stderr
    repeated = shell.run(*INTAKE, "report", found[1], *REPORT, "--action-id", found[2], code=exits.REJECTED)
    assert "the first time it was accepted" in repeated.stderr
    assert len(shell.rows("cases")) == 1


def test_an_answer_that_cannot_be_written_says_so_too(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where standard output goes into a file on a full disk: the report is recorded."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("casetrail.cli.submitting.emit_fields", full)
        result = shell.run(*INTAKE, "report", *REPORT, code=exits.FAILED)
    found = AGAIN.search(result.stderr)
    assert found is not None and "No space left" in result.stderr
    shell.run(*INTAKE, "report", found[1], *REPORT, "--action-id", found[2], code=exits.REJECTED)
    assert len(shell.rows("cases")) == 1


def test_where_the_brokers_refuse_to_take_it_nothing_is_said_of_repeating_it(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object, **__: object) -> None:
        raise LogRefused("the brokers refuse this user")

    with monkeypatch.context() as patched:
        patched.setattr(EmbeddedLog, "append", refuses)
        result = shell.run(*INTAKE, "report", *REPORT, code=exits.UNREACHABLE)
    assert "refuse this user" in result.stderr and not AGAIN.search(result.stderr)


def test_where_nothing_was_sent_nothing_is_said_of_repeating_it(shell: Shell) -> None:
    with closing(sqlite3.connect(shell.log)) as database:
        database.execute("DROP TABLE writer")
    result = shell.run(*INTAKE, "report", *REPORT, code=exits.FAULTS)
    assert not AGAIN.search(result.stderr)
