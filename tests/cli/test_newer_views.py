"""Views that a newer version has made, or one with SciPy, or those of another log: nobody puts others in their place unasked."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from casetrail.cli import exits
from casetrail.domain.memory import MEMORY
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.projections.database import open_database
from casetrail.projections.errors import ViewForeign, ViewNewer
from casetrail.projections.judgement_tables import JUDGED_FORM, JUDGEMENT_FORM
from casetrail.projections.rebuild import rebuild
from casetrail.projections.stale import MONTH
from casetrail.projections.tables import FORM, VIEW_FORM, Table
from tests.cli.shell import Shell
from tests.judged_histories import JudgedLog

NEWER = str(int(VIEW_FORM) + 1)
NEWER_JUDGEMENTS = str(int(JUDGEMENT_FORM) + 1)
OLDER = str(int(VIEW_FORM) - 1)


def views_of(shell: Shell) -> str:
    return f"sqlite:{shell.log}.views"


def serving(shell: Shell) -> str:
    """The file of the views that serve: each rebuild makes another one."""
    return Path(f"{shell.log}.views").resolve().name


def write(shell: Shell, table: Table, values: Mapping[str, str]) -> None:
    """Have the views say that they are of another form."""
    with closing(open_database(views_of(shell))) as database:
        database.run_many(table.upsert(), values.items())


def rows_of(shell: Shell, query: str) -> list[Any]:
    with closing(open_database(views_of(shell))) as database:
        return database.rows(query)


def form_now(shell: Shell, table: Table = FORM) -> dict[str, str]:
    with closing(open_database(views_of(shell))) as database:
        return dict(database.rows(f"SELECT name, value FROM {table.name}"))


@pytest.fixture
def judged(shell: Shell) -> Shell:
    """A log whose views have been made and judged."""
    shell.report("C-1")
    shell.rows("overdue", code=None)
    return shell


@pytest.mark.parametrize(
    ("table", "values", "said"),
    [
        (FORM, {"form": NEWER, "version": "9.1.0"}, f"casetrail 9.1.0 in form {NEWER}"),
        (FORM, {"memory": "of another build"}, "another build"),
        (JUDGED_FORM, {"form": NEWER_JUDGEMENTS, "version": "9.1.0"}, f"casetrail 9.1.0 in form {NEWER_JUDGEMENTS}"),
        (JUDGED_FORM, {"statistics": "2"}, "install casetrail[statistics]"),
    ],
)
def test_a_projector_leaves_newer_views_as_they_are_and_ends_with_what_to_do(
    judged: Shell, table: Table, values: dict[str, str], said: str
) -> None:
    write(judged, table, values)
    file, form = serving(judged), form_now(judged, table)
    done = judged.process("serve", "projector", "--health-port", "0", "--heartbeat", "0", check=False)
    assert done.returncode == exits.FAILED
    assert said in done.stderr and "or stop it" in done.stderr and "Traceback" not in done.stderr
    assert (serving(judged), form_now(judged, table)) == (file, form)


def test_a_question_leaves_newer_views_as_they_are(judged: Shell) -> None:
    write(judged, FORM, {"form": NEWER})
    file = serving(judged)
    assert f"in form {NEWER}" in judged.run("cases", code=exits.FAILED).output
    assert serving(judged) == file


def test_where_only_statistics_lack_all_else_is_judged_and_that_is_left_for_who_has_them(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = JudgedLog(shell.folder / "told.db", 12, cases=20)
    told.go_on(300)
    mine = Shell(shell.folder)
    mine.log = shell.folder / "told.db"
    mine.rows("findings", code=None)
    file = serving(mine)
    told.go_on(100)
    with monkeypatch.context() as lacking:
        for place in ("projections.judgements", "domain.detectors.judging", "domain.detectors.statistics"):
            lacking.setattr(f"casetrail.{place}.available", lambda: False)
        assert "not compared anew" in mine.run("findings", code=None).stderr
        months = {row[0] for row in rows_of(mine, "SELECT kind FROM stale")}
        assert months == {MONTH}
        dues = mine.rows("due", code=None)
        assert len(mine.rows("cases", code=None)) > 0 and serving(mine) == file
    assert "not compared anew" not in mine.run("findings", code=None).stderr
    assert dues == mine.rows("due", code=None) and serving(mine) == file
    went_along = rows_of(mine, "SELECT * FROM finding ORDER BY finding, subject, agency")
    mine.run("views", "rebuild")
    assert went_along == rows_of(mine, "SELECT * FROM finding ORDER BY finding, subject, agency")


@pytest.mark.parametrize(
    ("table", "values"), [(FORM, {"form": OLDER}), (JUDGED_FORM, {"form": "1"}), (JUDGED_FORM, {"statistics": "0"})]
)
def test_older_views_are_made_anew_by_whoever_asks(judged: Shell, table: Table, values: dict[str, str]) -> None:
    write(judged, table, values)
    file = serving(judged)
    judged.report("C-2")
    assert len(judged.rows("due", code=None)) > 0
    assert serving(judged) != file
    assert form_now(judged, table).items().isdisjoint(values.items())


def test_a_rebuild_that_nobody_asked_for_looks_once_more_when_its_turn_has_come(judged: Shell) -> None:
    write(judged, FORM, {"form": NEWER})
    file = serving(judged)
    with EmbeddedLog.open(judged.log) as log:
        with pytest.raises(ViewNewer):
            rebuild(log, f"sqlite:{judged.log}", views_of(judged), asked=False)
        assert serving(judged) == file
    judged.run("views", "rebuild")
    assert form_now(judged)["form"] == VIEW_FORM


def test_views_of_another_log_are_left_as_they_are_until_somebody_asks_for_others(judged: Shell) -> None:
    file = serving(judged)
    other = Shell(judged.folder)
    other.log = judged.folder / "other.db"
    other.run("log", "init")
    other.report("D-1")
    ours = ("--views", views_of(judged))
    done = other.process(*ours, "serve", "projector", "--health-port", "0", "--heartbeat", "0", check=False)
    assert done.returncode == exits.FAILED
    assert f"those of log '{judged.log.stem}', not of log 'other'" in done.stderr and "Traceback" not in done.stderr
    assert f"those of log '{judged.log.stem}'" in other.run(*ours, "cases", code=exits.FAILED).output
    with EmbeddedLog.open(other.log) as log, pytest.raises(ViewForeign):
        rebuild(log, f"sqlite:{other.log}", views_of(judged), asked=False)
    assert serving(judged) == file and [row["case_id"] for row in judged.rows("cases")] == ["C-1"]
    other.run(*ours, "views", "rebuild")
    assert form_now(judged)["log"] == "other"
    assert f"those of log 'other', not of log '{judged.log.stem}'" in judged.run("cases", code=exits.FAILED).output


def test_whoever_changes_what_a_case_remembers_raises_the_form_of_the_views() -> None:
    """Else it is not known which of two builds is the newer one. Where the form is not published yet, write both here."""
    assert (VIEW_FORM, int(MEMORY, 16) % 10**6) == ("7", 708_315)
