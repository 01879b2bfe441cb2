"""Making a log that is there already: what an earlier attempt has left out is made good, and nothing else is touched."""

from pathlib import Path

import pytest

from casetrail.cli import exits
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.errors import LogRefused
from casetrail.eventlog.port import Topic
from casetrail.eventlog.schemas import carried, published
from tests.cli.shell import Shell


@pytest.fixture
def half_made(tmp_path: Path) -> Shell:
    """The process that made the log was killed before it had written the schemas."""
    made = Shell(tmp_path)
    EmbeddedLog.create(made.log, "kcpd").close()
    return made


def test_if_missing_writes_the_schemas_that_are_not_there_yet(half_made: Shell) -> None:
    for _ in range(2):
        assert "there already" in half_made.run("log", "init", "--if-missing").stdout
    with EmbeddedLog.open(half_made.log) as log:
        assert carried(log).keys() == published().keys()
        assert log.end_offsets(Topic.SCHEMAS) == {0: len(published())}


def test_without_it_the_log_is_left_as_it_is(half_made: Shell) -> None:
    before = half_made.log.read_bytes()
    half_made.run("log", "init", code=exits.FAILED)
    assert half_made.log.read_bytes() == before


def test_who_may_not_look_or_write_there_is_told_and_goes_on(half_made: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise LogRefused("a right is missing")

    monkeypatch.setattr(EmbeddedLog, "append", refused)
    result = half_made.run("log", "init", "--if-missing")
    assert (
        "there already" in result.stdout and "a right is missing" in result.stderr and "serve notary" in result.stderr
    )
