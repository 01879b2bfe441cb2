"""Whatever a hostile service submits, views in PostgreSQL take it in, and hold and answer what those in SQLite do."""

import shlex
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from secrets import token_hex
from typing import Final

import psycopg
import pytest

from casetrail.cli import exits
from casetrail.domain.actions import Actor
from casetrail.domain.codes import Role
from casetrail.domain.rules import RULE_SET
from casetrail.eventlog.codec import Event, decode_event, encode_action, encode_event
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.hashing import NO_HASH, leaf_hash
from casetrail.eventlog.port import Entry, Topic
from casetrail.eventlog.stream import batches
from casetrail.projections import rebuild
from casetrail.projections.database import open_database
from casetrail.projections.errors import ViewError
from casetrail.projections.judgement_tables import JUDGEMENT_TABLES, STALE
from casetrail.projections.tables import TABLES
from tests.actions import HAPPENED, action, report
from tests.cli.extremes import AGAIN, FAR, MERGED, extreme
from tests.cli.hostile import HOSTILE, LONG_ID, assert_harmless, attack, attacked_by
from tests.cli.shell import Shell
from tests.conformance import judgements_kit, views_kit
from tests.conformance.views_kit import Fresh, Tables, all_rows, assert_same
from tests.servers.postgres import Postgres

pytestmark = pytest.mark.postgres

NOW: Final = "--now 2036-01-01T00:00:00Z"
CASES: Final = ("C-1", "C-2", LONG_ID, "AD-1", FAR, AGAIN, MERGED)
QUERIES: Final = (
    f"cases --sort case {NOW}", f"cases --sort due --descending {NOW}", f"cases --overdue {NOW}", f"cases --status unreported {NOW}",
    f"cases --older-than 36500 {NOW}", f"cases --quiet-for 1 {NOW}", f"cases --nobody {NOW}", f"cases --unit {LONG_ID} {NOW}",
    f"due {NOW}", f"due --within 36500 {NOW}", f"overdue {NOW} --limit 100000", f"overdue --unit {LONG_ID} {NOW}",
    f"findings {NOW}", f"findings --settled {NOW} --limit 100000", f"findings --case {FAR} {NOW}", f"escalations --all {NOW}",
    f"holds {NOW}", f"holds --by unit {NOW}", f"holds --by agency {NOW}", f"holds --left {NOW}", "referrals --limit 100000",
    f"referrals --agency {'p' * 64}", "intake", f"partner list metro-pd {NOW}", f"partner list {LONG_ID} {NOW}",
    f"partner list {'p' * 64} {NOW}", "registry", "registry --left", "registry --by unit", "policy history", "history registry",
    "history ~stray.0", "history C-1 --unseal", *(f"{query} {case_id}" for query in ("show", "history") for case_id in CASES),
    *(f"clock {case_id} {NOW}" for case_id in CASES),
)  # fmt: skip
ENDS: Final = ("0001-01-02T00:00:00Z", "9999-12-30T23:59:59.999999Z")
AT_THE_ENDS: Final = tuple(f"{query} --now {at}" for at in ENDS for query in (
    "cases --overdue", "cases --quiet-for 1", "due", "overdue", "findings", f"clock {FAR}", "escalations", "holds",
    f"partner list {LONG_ID}", "due --within 36500",
))  # fmt: skip
FORMS: Final = ("table", "json")
"""The others are made of the same rows."""


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A log into which everything hostile and everything extreme was put wherever it goes."""
    with pytest.MonkeyPatch.context() as alone:
        folder = tmp_path_factory.mktemp("attacked")
        alone.chdir(folder)
        shell = attacked_by(folder, attack, extreme)
        shell.run("due", *NOW.split())
    return shell


@pytest.fixture(scope="module")
def log(attacked: Shell) -> Iterator[EmbeddedLog]:
    with EmbeddedLog.open(attacked.log) as log:
        yield log


@pytest.fixture(scope="module")
def fresh(postgres: Postgres) -> Fresh:
    """Gives, each time, the address of a new and empty database."""

    def made() -> str:
        name = f"test_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return postgres.url(name)

    return made


@pytest.fixture(scope="module")
def rebuilt(attacked: Shell, fresh: Fresh) -> str:
    """Views in PostgreSQL as ``views rebuild`` makes them."""
    url = fresh()
    attacked.run("--views", url, "views", "rebuild")
    return url


@pytest.fixture(scope="module")
def expected(attacked: Shell) -> Tables:
    """What views in SQLite hold."""
    return everything(f"sqlite:{attacked.log}.views")


@pytest.fixture(autouse=True)
def _there(attacked: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(attacked.folder)


def everything(url: str) -> Tables:
    return all_rows(url, (*TABLES, *JUDGEMENT_TABLES))


# --- table by table ---


def test_what_is_compared_has_rows_in_every_table_and_nothing_is_stale(expected: Tables) -> None:
    assert [name for name, rows in expected.items() if not rows] == [STALE.name]


def test_a_rebuild_holds_what_sqlite_holds(rebuilt: str, expected: Tables) -> None:
    assert_same(everything(rebuilt), expected)


def test_a_rebuild_by_two_processes_holds_what_sqlite_holds(
    attacked: Shell, log: EmbeddedLog, fresh: Fresh, expected: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild, "FEW", 1)  # else a small log is done in this process
    url = fresh()
    rebuild.rebuild(log, f"sqlite:{attacked.log}", url, processes=2)
    assert_same(everything(url), expected)


def test_a_rebuild_without_judgements_holds_what_sqlite_holds(attacked: Shell, fresh: Fresh, expected: Tables) -> None:
    url = fresh()
    attacked.run("--views", url, "views", "rebuild", "--without-judgements")
    assert_same(all_rows(url), {table.name: expected[table.name] for table in TABLES})


@pytest.mark.parametrize("batch", [17, 5000])
def test_who_follows_the_log_holds_what_sqlite_holds(
    log: EmbeddedLog, fresh: Fresh, expected: Tables, batch: int
) -> None:
    url = fresh()
    judgements_kit.make(url, log)
    judgements_kit.follow_to_end(url, log, batch)
    assert_same(everything(url), expected)


def test_who_follows_the_log_without_judgements_holds_what_sqlite_holds(
    log: EmbeddedLog, fresh: Fresh, expected: Tables
) -> None:
    url = fresh()
    views_kit.make_views(url, log)
    views_kit.follow_to_end(url, log, 17)
    assert_same(all_rows(url), {table.name: expected[table.name] for table in TABLES})


def test_every_event_is_there_byte_for_byte_and_every_case(log: EmbeddedLog, rebuilt: str) -> None:
    ends = log.end_offsets(Topic.EVENTS)
    stored: list[tuple[int, int, bytes]] = []
    with log.reader(Topic.EVENTS, dict.fromkeys(ends, 0)) as reader:
        for some in batches(reader, ends):
            stored += [(one.partition, one.offset, one.value or b"") for one in some]
    with closing(open_database(rebuilt)) as database:
        found = database.rows("SELECT partition, event_offset, event FROM timeline ORDER BY partition, event_offset")
        cases = {case_id for (case_id,) in database.rows("SELECT case_id FROM case_status")}
    assert [(partition, offset, bytes(event)) for partition, offset, event in found] == stored
    assert cases == {decode_event(value).case_id for _, _, value in stored}
    assert {*CASES} <= cases


# --- command by command ---


@pytest.mark.parametrize("query", [*QUERIES, *AT_THE_ENDS])
def test_every_query_answers_as_it_does_from_sqlite(attacked: Shell, rebuilt: str, query: str) -> None:
    for form in FORMS:
        words = (*query.split(), "--format", form)
        wanted, told = attacked.run(*words, code=None), attacked.run("--views", rebuilt, *words, code=None)
        assert (told.exit_code, told.stdout, told.stderr) == (wanted.exit_code, wanted.stdout, wanted.stderr)
        assert told.exit_code in (exits.OK, exits.FAULTS), told.output
        assert isinstance(told.exception, SystemExit | None)
        assert_harmless(told.output)


def test_the_board_shows_what_it_shows_from_sqlite(attacked: Shell, rebuilt: str) -> None:
    words = ("board", "--once", *NOW.split())
    wanted, told = attacked.run(*words, code=None), attacked.run("--views", rebuilt, *words, code=None)
    assert (told.exit_code, told.output) == (wanted.exit_code, wanted.output)
    assert told.exit_code == exits.FAULTS
    assert_harmless(told.output)


def test_the_report_for_the_public_is_what_it_is_from_sqlite(attacked: Shell, rebuilt: str, tmp_path: Path) -> None:
    attacked.run("sunlight", str(tmp_path / "sqlite"), *NOW.split())
    attacked.run("--views", rebuilt, "sunlight", str(tmp_path / "postgres"), *NOW.split())
    made = {path.relative_to(tmp_path / "sqlite") for path in (tmp_path / "sqlite").rglob("*") if path.is_file()}
    assert len(made) > 5
    for name in made:
        assert (tmp_path / "postgres" / name).read_bytes() == (tmp_path / "sqlite" / name).read_bytes(), name


def test_the_doctor_finds_these_views_sound(attacked: Shell, rebuilt: str) -> None:
    (views,) = [row for row in attacked.rows("--views", rebuilt, "doctor", code=None) if row["check"] == "views"]
    assert views["result"] == "ok", views


# --- asked for something hostile ---


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_who_asks_for_something_hostile_is_answered_as_from_sqlite(attacked: Shell, rebuilt: str, text: str) -> None:
    for words in (("show", text), ("cases", "--unit", text), ("due", "--unit", text), ("findings", "--case", text)):
        wanted, told = attacked.run(*words, code=None), attacked.run("--views", rebuilt, *words, code=None)
        assert isinstance(told.exception, SystemExit | None), shlex.join(words)
        if "\x00" in text:
            assert told.exit_code in (exits.FAILED, exits.USAGE), "PostgreSQL has no such texts"
        else:
            assert (told.exit_code, told.output) == (wanted.exit_code, wanted.output)


# --- events that no recorder has written ---

FORGED: Final = {
    "a NUL in an id": ("a\x00b", "metro-pd"),
    "a NUL in an agency": ("X-1", "a\x00b"),
    "an id too long for an index": (token_hex(4000), "metro-pd"),
    "an agency too long for an index": ("X-1", token_hex(4000)),
}


@pytest.fixture(params=list(FORGED.values()), ids=list(FORGED))
def forged(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A log to whose events somebody who may write them has added one of a report, which a recorder would have refused."""
    case_id, agency = request.param
    monkeypatch.chdir(tmp_path)
    shell = Shell(tmp_path)
    shell.run("log", "init")
    shell.report("C-1")
    asked = action(report(), Actor("intake.desk", agency, Role.INTAKE), case_id)
    value = encode_action(asked)
    with EmbeddedLog.open(shell.log) as log:
        (at,) = log.append(Topic.ACTIONS, [Entry(case_id.encode(), value)])
        event = Event(
            leaf_hash(value), NO_HASH, asked.action_id, 1, at.partition, at.offset, HAPPENED, case_id, log.name, RULE_SET,
            HAPPENED, asked.actor, None, asked.body,
        )  # fmt: skip
        log.append(Topic.EVENTS, [Entry(case_id.encode(), encode_event(event), at.partition)])
    return shell


def test_an_event_that_postgresql_cannot_hold_is_named_as_one_that_no_recorder_wrote(
    forged: Shell, fresh: Fresh
) -> None:
    forged.run("cases")
    url = fresh()
    for more in ((), ("--without-judgements",)):
        told = forged.run("--views", url, "views", "rebuild", *more, code=exits.FAILED)
        assert isinstance(told.exception, SystemExit)
        assert "no recorder writes such an event" in told.stderr
    with EmbeddedLog.open(forged.log) as log:
        judgements_kit.make(url, log)
        with pytest.raises(ViewError, match=r"no recorder writes such an event|no text in a database can have"):
            judgements_kit.follow_to_end(url, log)
    assert forged.run("audit", "replay", code=exits.FAULTS)
