"""A witness's state from somebody else's hand convicts nobody by what stands beside its notes, and stops nobody."""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from casetrail.cli import exits
from tests.actions import life
from tests.attacks.scene import Scene

NOBODY_ASKS = ("no_update", "no_delete", "no_unsigning")


@pytest.fixture
def state(embedded: Scene) -> Iterator[Path]:
    """What the court says that its witness has seen; whoever hands it over may have changed it."""
    made = embedded.folder / "handed-over"
    with closing(sqlite3.connect(embedded.folder / "court.witness")) as court:
        court.execute("VACUUM INTO ?", (str(made),))
    with closing(sqlite3.connect(made)) as evil, evil:
        for name in NOBODY_ASKS:
            evil.execute(f"DROP TRIGGER {name}")
    yield made


def change(state: Path, *statements: str, values: tuple[object, ...] = ()) -> None:
    with closing(sqlite3.connect(state)) as evil, evil:
        for statement in statements:
            evil.execute(statement, values)


NEWEST = "WHERE number = (SELECT max(number) FROM checkpoint)"


@pytest.mark.parametrize("column", ["root", "size", "origin", "seen_at"])
def test_what_a_partner_writes_beside_a_note_convicts_no_honest_log(embedded: Scene, state: Path, column: str) -> None:
    value = {"root": os.urandom(32), "size": 1_000, "origin": "other", "seen_at": 10**18}[column]
    change(state, f"UPDATE checkpoint SET {column} = ? {NEWEST}", values=(value,))
    for other in (embedded.folder / "court.witness", embedded.url):
        (row,) = embedded.rows("audit", "compare", str(state), str(other))
        assert (row["verdict"], row["first_size"]) == ("same", row["second_size"])


def test_what_is_no_checkpoint_in_a_partners_state_is_passed_over_by_name(embedded: Scene, state: Path) -> None:
    change(state, "UPDATE checkpoint SET note = 7, cosignature = NULL WHERE number = 1")
    done = embedded.run("audit", "compare", str(state), embedded.url, "--format", "json")
    assert [row["verdict"] for row in json.loads(done.stdout)] == ["same"]
    assert "row 1" in done.stderr and "is no checkpoint" in done.stderr


def test_a_partners_state_that_never_ends_is_none(embedded: Scene, state: Path) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT * FROM seen, n"
    change(state, "ALTER TABLE checkpoint RENAME TO seen", f"CREATE VIEW checkpoint AS {endless}")
    done = embedded.run("audit", "compare", str(state), embedded.url, code=exits.FAILED)
    assert "not the state of a witness" in done.output


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("name", ["journal", "wal", "shm"])
def test_a_pipe_beside_a_partners_state_is_not_waited_for(embedded: Scene, state: Path, name: str) -> None:
    os.mkfifo(f"{state}-{name}")
    done = embedded.run("audit", "compare", str(state), embedded.url, code=exits.FAILED)
    assert f"handed-over-{name} is no plain file" in done.output


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("name", ["tree.db", "tree.db-journal", "hashes/level-0"])
@pytest.mark.parametrize("what", ["pipe", "link"])
def test_what_is_no_plain_file_in_an_auditors_state_is_not_read(embedded: Scene, name: str, what: str) -> None:
    folder, older = embedded.folder / "auditor", embedded.folder / "older"
    embedded.run("audit", "verify", "--state", str(folder))
    embedded.run("witness", "request", "--from", "0", "--output", str(older))
    embedded.go_on(*life("C-2026-0007"))
    embedded.run("audit", "verify", "--state", str(folder))
    path = folder / name
    if path.exists():
        path.rename(embedded.folder / "moved")
    if name.endswith("-journal"):
        (folder / "tree.db-wal").touch()
    if what == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(embedded.folder / "moved")
    done = embedded.run("audit", "compare", str(older), str(folder), "--from", str(folder), code=exits.FAILED)
    whole = "is not whole" if name.startswith("hashes") else "no plain file" if what == "pipe" else "it is a link"
    assert whole in done.output


def test_a_time_that_is_none_in_a_state_is_said_with_its_place(embedded: Scene, state: Path) -> None:
    change(state, f"UPDATE checkpoint SET seen_at = ? {NEWEST}", values=(10**18,))
    done = embedded.run("witness", "list", "--state", str(state), code=exits.FAILED)
    assert "checkpoint 2" in done.output and "1000000000000000000" in done.output
