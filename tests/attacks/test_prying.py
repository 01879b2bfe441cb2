"""Who has no key wants to know who is meant: from the log itself, and from what casetrail shows, says and publishes."""

from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest

from casetrail.cli import exits
from casetrail.domain.actions import SubmissionUnreadable
from casetrail.eventlog.codec import Event, decode_event
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.port import Entry, Topic
from tests.cli.shell import INTAKE, MAPPING, REPORT, SERGEANT, Shell
from tests.conformance.log_kit import read_all

CHILD: Final = "Adelheid Zwetschkenbaum"
SEALING: Final = MAPPING + 'seal.child_name = "{child}"\ntokens.child = "{child}"\n'


def events_of(shell: Shell) -> list[Event]:
    """What whoever may read the log has: no key."""
    with EmbeddedLog.open(shell.log) as log:
        return [decode_event(record.value) for record in read_all(log, Topic.EVENTS)]


def shell_at(folder: Path) -> Shell:
    """A log of its own, with a keyring of its own."""
    folder.mkdir()
    made = Shell(folder)
    made.run("log", "init", "--name", "log")
    return made


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A log in a folder of its own."""
    return shell_at(tmp_path / "log")


# --- names that are tried until something fits ---


def imported(shell: Shell) -> list[Event]:
    """A child's report as an old system had it."""
    (shell.folder / "map.toml").write_text(SEALING, "utf-8")
    (shell.folder / "old.csv").write_text(f"number,received,story,child\nR-1,2016-01-05T08:00,,{CHILD}\n", "utf-8")
    shell.run("import", str(shell.folder / "old.csv"), "--mapping", str(shell.folder / "map.toml"))
    return events_of(shell)


def test_no_name_can_be_tried_on_the_id_of_an_imported_action(tmp_path: Path) -> None:
    (event,) = imported(shell_at(tmp_path / "one"))
    for name in ("Somebody Else", CHILD):  # all else of the row stands in the open in the event
        content = "\x1f".join(f"{column}\x1e{text}" for column, text in (
            ("child", name), ("number", event.case_id), ("received", "2016-01-05T08:00")))  # fmt: skip
        named = f"casetrail/import/1\x1fold-rms\x1f{event.case_id}\x1f0\x1f{content}"
        assert sha256(named.encode()).digest()[:16] != event.action_id
    (elsewhere,) = imported(shell_at(tmp_path / "two"))
    assert elsewhere.action_id != event.action_id, "what follows from the row alone, anybody can make from a guess"


# --- what is said ---

LAST_NAME: Final = "Zwetschkenbaum"
UNQUOTED: Final = ("--child-name", "Adelheid", LAST_NAME)


@pytest.mark.parametrize(
    "words",
    [
        (*INTAKE, "report", "C-1", *REPORT, *UNQUOTED),
        (*SERGEANT, "act", "note-added", "C-1", "--seal", "narrative=Adelheid", LAST_NAME),
        (*SERGEANT, "findings", "answer", "f0", "--answer", "explained", "--seal", "rationale=Adelheid", LAST_NAME),
    ],
    ids=["report", "act", "findings answer"],
)
def test_a_name_that_was_not_quoted_is_in_no_message(shell: Shell, words: tuple[str, ...]) -> None:
    result = shell.run(*words, code=exits.USAGE)
    assert LAST_NAME not in result.output
    assert "1 word too many" in result.stderr and "quote" in result.stderr
    assert events_of(shell) == []


PLAIN: Final = f'{{"child": "{CHILD}"}}'.encode()
SHOWN: Final = ("history C-9", "history C-9 --unseal", "history ~stray.0", "show C-9", "replay", "watch --no-follow",
                "audit replay", "audit verify --no-policy", "count", "export csv --output -", "cases", "doctor")  # fmt: skip


def test_a_name_that_a_service_submits_in_clear_stays_in_the_log_and_no_command_shows_it(shell: Shell) -> None:
    with EmbeddedLog.open(shell.log) as log:
        log.append(Topic.ACTIONS, [Entry(b"C-9", PLAIN), Entry(CHILD.encode(), PLAIN)])
    shell.report()
    assert [event.body.code for event in events_of(shell) if isinstance(event.body, SubmissionUnreadable)] == [
        "not-framed", "bad-key",
    ]  # fmt: skip
    assert CHILD.encode() in shell.log.read_bytes(), "what was submitted is kept: docs/sealing.md says so"
    for query in SHOWN:
        said = shell.run(*query.split(), code=None).output
        assert not [part for part in (*CHILD.split(), PLAIN.hex(), CHILD.encode().hex()) if part in said], query
