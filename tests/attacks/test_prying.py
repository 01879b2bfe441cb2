"""Who has no key wants to know who is meant: from the log itself, and from what casetrail shows, says and publishes."""

from hashlib import sha256
from pathlib import Path
from typing import Final

from casetrail.eventlog.codec import Event, decode_event
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.port import Topic
from tests.cli.shell import MAPPING, Shell
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
