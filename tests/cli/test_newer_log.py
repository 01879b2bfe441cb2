"""An auditor whose version is older than the recorder's is told so, before anybody is accused of what only that version cannot read."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from casetrail.cli import exits
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.port import Entry, Topic
from casetrail.eventlog.schemas import current_ids, published, schema_id
from tests.cli.notarial_shell import Office
from tests.cli.shell import Shell

COMMANDS = pytest.mark.parametrize("words", [("audit", "verify"), ("audit", "replay"), ("count",)], ids=" ".join)


def written_later(path: Path, *, is_carried: bool) -> str:
    """Have the last event written as a later version would that has one more field; the id of its schema."""
    schema = json.loads(published()[current_ids()["event"]])
    schema["fields"].append({"name": "later", "type": ["null", "string"], "default": None})
    number = schema_id(schema)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        guard = database.execute("SELECT sql FROM sqlite_master WHERE name = 'no_update'").fetchone()[0]
        database.execute("DROP TRIGGER no_update")
        database.execute(
            "UPDATE record SET value = CAST(substr(value, 1, 1) || ? || substr(value, 6) || x'00' AS BLOB) "
            "WHERE topic = 'events' AND offset = 1",
            (number.to_bytes(4),),
        )
        database.execute(guard)
    if is_carried:
        with EmbeddedLog.open(path) as log:
            log.append(Topic.SCHEMAS, [Entry(f"{number:08x}".encode(), json.dumps(schema).encode())])
    return f"{number:08x}"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    made = Shell(tmp_path)
    made.run("log", "init")
    for case in ("C-1", "C-2"):
        made.report(case)
    return made


@COMMANDS
def test_what_a_newer_version_has_written_is_said_to_be_that(shell: Shell, words: tuple[str, ...]) -> None:
    number = written_later(shell.log, is_carried=True)
    said = shell.run(*words, code=exits.FAULTS).stderr  # somebody may only pretend to be a newer version
    assert f"schemas that this version of casetrail does not know ({number})" in said
    assert "ask again with that one before anybody is accused" in said


@COMMANDS
def test_a_schema_that_the_log_does_not_carry_excuses_nobody(shell: Shell, words: tuple[str, ...]) -> None:
    written_later(shell.log, is_carried=False)
    assert "does not know" not in shell.run(*words, code=exits.FAULTS).stderr


@COMMANDS
def test_a_newer_schema_with_which_nothing_is_written_is_nobodys_concern(shell: Shell, words: tuple[str, ...]) -> None:
    with EmbeddedLog.open(shell.log) as log:
        log.append(Topic.SCHEMAS, [Entry(f"{schema_id('bytes'):08x}".encode(), b'"bytes"')])
    assert "does not know" not in shell.run(*words).stderr


@pytest.mark.parametrize("is_carried", [True, False])
def test_of_a_published_log_the_same_is_said(shell: Shell, is_carried: bool) -> None:
    office = Office(shell)
    number = written_later(shell.log, is_carried=is_carried)
    office.notarise()
    office.run(*office.policy, "audit", "publish", "published")
    done = office.run(*office.policy, "audit", "verify", "--from", "published", code=exits.FAULTS)
    assert "event-unreadable" in done.stdout
    said = f"schemas that this version of casetrail does not know ({number})"
    assert (said in done.stdout + done.stderr) == is_carried
