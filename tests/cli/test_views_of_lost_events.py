"""An older copy of the log is restored beside newer views: nobody is shown those as if they were the log's."""

import sqlite3
from contextlib import closing

import pytest

from casetrail.cli import exits
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.projections.database import open_database
from casetrail.projections.judgements import Judgements
from casetrail.projections.rebuild import judge_to_end
from tests.cli.shell import Shell


@pytest.fixture
def restored(shell: Shell) -> Shell:
    """The log has C-1 alone, the views have C-2 and C-3 as well."""
    shell.report("C-1")
    copy = shell.folder / "copy.db"
    with closing(sqlite3.connect(shell.log)) as log, closing(sqlite3.connect(copy)) as there:
        log.backup(there)
    shell.report("C-2")
    shell.report("C-3")
    shell.run("findings")
    for suffix in ("-wal", "-shm", ".state"):
        shell.log.with_name(shell.log.name + suffix).unlink(missing_ok=True)
    copy.replace(shell.log)
    return shell


@pytest.mark.parametrize("reported_since", [0, 1, 2, 3], ids="{} since".format)
@pytest.mark.parametrize("words", ["cases", "findings"])
def test_who_asks_is_told_what_happened_and_what_to_do(restored: Shell, reported_since: int, words: str) -> None:
    """Else a report that was made since would be in no list, as the views have seen that far already."""
    new = [f"C-{number}" for number in range(4, 4 + reported_since)]
    for case_id in new:
        restored.report(case_id)
    result = restored.run(words, code=exits.FAULTS)
    assert "older copy" in result.stderr and "views rebuild" in result.stderr
    (views,) = (row for row in restored.rows("doctor", code=exits.FAULTS) if row["check"] == "views")
    assert views["result"] == "wrong" and "older copy" in str(views["detail"])
    restored.run("views", "rebuild")
    assert {row["case_id"] for row in restored.rows("cases")} == {"C-1", *new}
    restored.run("findings")


def test_what_is_lost_stays_in_the_views_until_they_are_made_anew(restored: Shell) -> None:
    for words in ("cases", "findings", "show C-2"):
        restored.run(*words.split(), code=exits.FAULTS)
    with closing(sqlite3.connect(f"{restored.log}.views")) as views:
        assert views.execute("SELECT count(*) FROM case_status").fetchall() == [(3,)]


def test_judgements_may_be_ahead_of_the_views_that_they_stand_beside(shell: Shell) -> None:
    """Who projects and who judges follow the log apart: one may be killed before the other has gone on."""
    shell.report("C-1")
    shell.run("findings")
    shell.report("C-2")
    with EmbeddedLog.open(shell.log) as log, closing(open_database(f"sqlite:{shell.log}.views")) as database:
        judge_to_end(log, Judgements(database, log.name))
    for words in ("cases", "findings", "doctor"):
        shell.run(words)
    assert len(shell.rows("cases")) == 2


def test_a_projector_ends(restored: Shell) -> None:
    restored.report("C-4")
    result = restored.run("serve", "projector", "--health-port", "0", "--heartbeat", "0", code=exits.FAILED)
    assert "older copy" in result.stderr
