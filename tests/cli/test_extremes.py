"""The ends of time and of whole numbers: whatever is submitted, judging goes on, and the present stays the present."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from casetrail.cli import exits
from casetrail.eventlog.codec import encode_action
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.port import Entry, Topic
from casetrail.projections.database import open_database
from casetrail.projections.judgement_queries import horizon
from tests.actions import INTAKE, action, report
from tests.cli.extremes import FAR, LAST, extreme
from tests.cli.shell import Shell
from tests.conformance import judgements_kit
from tests.conformance.views_kit import all_rows, assert_same

FIRST_DAY: Final = "--now 0001-01-02T00:00:00Z"
LAST_DAY: Final = "--now 9999-12-30T23:59:59.999999Z"
QUERIES: Final = (
    "due", "due --within 36500", "due --from-log --within 36500", "overdue", "overdue --from-log", "findings", "findings --from-log",
    "escalations", f"clock {FAR}", "holds", "holds --left", "cases --overdue", "cases --quiet-for 36500",
    "cases --older-than 36500", "partner list metro-pd",
)  # fmt: skip


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedLog]:
    """A log into which everything extreme was put."""
    with pytest.MonkeyPatch.context() as alone:
        folder = tmp_path_factory.mktemp("extreme")
        alone.chdir(folder)
        shell = Shell(folder)
        shell.run("log", "init")
        shell.report("C-1")
        extreme(shell.log)
        shell.report("C-2")
        with EmbeddedLog.open(shell.log) as log:
            yield log


@pytest.fixture
def far(log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(log.path.parent)
    return Shell(log.path.parent)


@pytest.mark.parametrize("batch", [1, 17, 5000])
def test_going_along_gives_the_rows_of_a_rebuild(log: EmbeddedLog, far: Shell, tmp_path: Path, batch: int) -> None:
    going, rebuilt = (f"sqlite:{tmp_path / name}" for name in ("going", "rebuilt"))
    judgements_kit.make(going, log)
    judgements_kit.follow_to_end(going, log, batch)
    far.run("--views", rebuilt, "views", "rebuild")
    assert_same(all_rows(going), all_rows(rebuilt))
    assert_same(judgements_kit.all_rows(going), judgements_kit.all_rows(rebuilt))


@pytest.mark.parametrize("end", [FIRST_DAY, LAST_DAY])
@pytest.mark.parametrize("query", QUERIES)
def test_every_question_has_an_answer_as_of_the_ends_of_time(far: Shell, query: str, end: str) -> None:
    done = far.run(*query.split(), *end.split(), code=None)
    assert isinstance(done.exception, SystemExit | None), done.exception
    assert done.exit_code in (exits.OK, exits.FAULTS), done.output


def test_board_and_report_for_the_public_can_be_made_as_of_the_end_of_time(far: Shell, tmp_path: Path) -> None:
    far.run("board", "--once", *LAST_DAY.split(), code=exits.FAULTS)
    far.run("sunlight", str(tmp_path / "out"), *LAST_DAY.split())
    far.run("sunlight", str(tmp_path / "out"))


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:00:00-14:00"])
def test_a_moment_at_the_very_ends_is_refused_with_a_message(far: Shell, text: str) -> None:
    for query in ("due", "escalations", "sunlight out"):
        done = far.process(*query.split(), "--now", text, check=False)
        assert done.returncode == exits.USAGE
        assert "Traceback" not in done.stderr
        assert text in done.stderr


def test_a_refused_submission_that_speaks_of_the_future_does_not_move_the_present(shell: Shell) -> None:
    shell.report("C-1")
    with EmbeddedLog.open(shell.log) as log:
        log.append(Topic.ACTIONS, [Entry(b"C-9", encode_action(action(report(), INTAKE, "C-9", LAST)))])
    shell.report("C-2")
    (refused,) = shell.rows("history", "C-9")
    assert refused["detail"]["code"] == "occurred-in-the-future"
    assert [row["case_id"] for row in shell.rows("due", "--within", "2")] == ["C-1", "C-2"]
    assert shell.rows("overdue") == []
    with closing(open_database(f"sqlite:{shell.log}.views")) as database:
        latest = horizon(database)
    assert latest is not None
    assert latest.year < LAST.year
