"""Folded cases on disk are a convenience: whatever happens to them, the answers are those of the log."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from casetrail.consumers import recorder
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.outcome import History, follow
from casetrail.eventlog.port import Entry, Record, Topic
from casetrail.projections import case_store
from casetrail.projections.as_of import replay
from casetrail.projections.cache import HistoryCache
from casetrail.projections.case_store import CaseStore, Position
from casetrail.projections.database import open_database
from casetrail.projections.errors import ViewError
from casetrail.projections.views import Views
from tests.conformance.views_kit import all_rows, assert_same
from tests.histories import LOG_NAME, PastClock, Recording, Teller, record_all, recorded_log, submit


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    with recorded_log(tmp_path / "log", 51, actions=250, cases=20, partitions=2) as log:
        yield log


def events(log: EmbeddedLog) -> list[Record]:
    """All events, partition by partition."""
    with log.reader(Topic.EVENTS, dict.fromkeys(range(log.partitions), 0)) as reader:
        return sorted(reader.poll(0.0, 100_000))


def folded(log: EmbeddedLog) -> dict[str, History]:
    """Every history, folded in memory alone."""
    found: dict[str, History] = {}
    for record in events(log):
        case_id = (record.key or b"").decode()
        follow(found.setdefault(case_id, History.empty(case_id)), record)
    return found


def facts(histories: dict[str, History]) -> dict[str, object]:
    """What there is to compare."""
    return {
        case_id: (one.last_hash, one.case.version, one.case.kinds, one.case.numbers, one.case.facts)
        for case_id, one in histories.items()
    }


def stored(store: CaseStore) -> dict[str, History]:
    """Every stored history."""
    return {history.case.id: history for _, history, *_ in store.stored()}


@pytest.mark.parametrize(("cached", "save_every"), [(0, 1), (1, 7), (3, 50), (100, 1000)])
def test_a_small_memory_folds_the_same_cases(log: EmbeddedLog, tmp_path: Path, cached: int, save_every: int) -> None:
    store = CaseStore(tmp_path / "state", log.name, cached)
    for number, record in enumerate(events(log)):
        case_id = (record.key or b"").decode()
        follow(store.cache.history(case_id), record)
        store.cache.changed(case_id, record.partition)
        if number % save_every == 0:
            store.save({record.partition: Position(record.offset, b"")})
    store.save({})
    assert facts(stored(store)) == facts(folded(log))
    store.close()


@pytest.mark.parametrize("cached", [0, 2])
def test_views_with_a_small_memory_have_the_same_rows(log: EmbeddedLog, tmp_path: Path, cached: int) -> None:
    urls = [f"sqlite:{tmp_path}/views-{number}" for number in (0, 1)]
    for url in urls:
        views = Views.create(open_database(url, create=True), log.name)
        if url == urls[1]:
            views._cache = HistoryCache(views._load, cached)
        with log.reader(Topic.EVENTS, {0: 0, 1: 0}) as reader:
            while True:
                before = {partition: reader.position(partition) for partition in (0, 1)}
                records = reader.poll(0.0, 9)
                if not records:
                    break
                moved = {record.partition for record in records}
                views.apply(records, {one: (before[one], reader.position(one)) for one in moved})
        views.close()
    assert_same(all_rows(urls[0]), all_rows(urls[1]))


def test_a_recorder_with_a_small_memory_writes_the_same_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "SAVE_EVERY", 5)
    written = []
    for number, cached in enumerate((0, 20_000)):
        clock = PastClock()
        with EmbeddedLog.create(tmp_path / f"log-{number}", LOG_NAME, 2, clock) as log:
            told = list(Teller(77, 15, 2).tell(200))
            store = CaseStore(tmp_path / f"state-{number}", log.name, cached)
            for start in range(0, 200, 10):
                submit(log, clock, told[start : start + 10])
                record_all(log, store)
            store.close()
            written.append(events(log))
    assert written[0] == written[1]


# --- a state file that is of no use ---


def test_a_state_file_of_another_log_is_emptied(log: EmbeddedLog, tmp_path: Path) -> None:
    path = tmp_path / "state"
    store = CaseStore(path, log.name)
    record_all(log, store)
    assert store.position(0) is not None
    assert stored(store)
    store.close()
    other = CaseStore(path, "another-log")
    assert other.position(0) is None
    assert stored(other) == {}
    other.close()


def test_a_state_file_of_another_form_is_emptied(
    log: EmbeddedLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state"
    store = CaseStore(path, log.name)
    record_all(log, store)
    store.close()
    monkeypatch.setattr(case_store, "MEMORY", "a form of tomorrow")
    later = CaseStore(path, log.name)
    assert later.position(0) is None
    assert stored(later) == {}
    record_all(log, later)
    assert facts(stored(later)) == facts(folded(log))
    later.close()


def test_what_was_not_saved_is_forgotten(tmp_path: Path) -> None:
    store = CaseStore(tmp_path / "state", "log")
    store.cache.history("case-1").case.facts.steps = 5
    store.cache.changed("case-1", 0)
    assert store.unsaved == 1
    store.unlearn()
    assert store.unsaved == 0
    assert store.cache.history("case-1").case.facts.steps == 0
    store.close()


def test_a_state_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("This is a letter. " * 100)
    with pytest.raises(ViewError, match=r"letter\.txt .*delete it"):
        CaseStore(path, "log")
    assert path.read_text() == "This is a letter. " * 100


def go_on_with(path: Path, state: Path, seed: int, caplog: pytest.LogCaptureFixture) -> EmbeddedLog:
    """Open the log, submit more, and record it with the state file; the warning must have come."""
    clock = PastClock()
    log = EmbeddedLog.open(path, clock)
    last = log.last(Topic.ACTIONS, 0)
    assert last is not None
    entries = [Entry(one.entry.key, one.entry.value, 0) for one in Teller(seed, 12, 1).tell(30)]
    log.append(Topic.ACTIONS, entries)
    store = CaseStore(state, log.name)
    with caplog.at_level(logging.WARNING, "casetrail.recorder"):
        record_all(log, store)
    assert "the state file does not fit the log" in caplog.text
    assert facts(stored(store)) == facts(folded(log))
    store.close()
    assert sum(row["events"] for row in replay(log)) == last.offset + 31
    return log


def test_a_state_file_that_is_ahead_of_the_log_is_noticed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recording = Recording(tmp_path / "log", 61)
    recording.go_on(100)
    backup = tmp_path / "backup"
    recording.log.database.execute("VACUUM INTO ?", (str(backup),))
    recording.go_on(50)
    store = CaseStore(tmp_path / "state", LOG_NAME)
    record_all(recording.log, store)
    store.close()
    recording.log.close()
    go_on_with(backup, tmp_path / "state", 62, caplog).close()  # the log was put back, its state file was not


def test_a_state_file_of_a_log_of_the_same_name_is_noticed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number, seed in enumerate((71, 72)):
        with recorded_log(tmp_path / f"log-{number}", seed, actions=100) as log:
            if number == 0:
                store = CaseStore(tmp_path / "state", log.name)
                record_all(log, store)
                store.close()
    go_on_with(tmp_path / "log-1", tmp_path / "state", 73, caplog).close()


def test_a_state_file_that_is_behind_the_log_catches_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recording = Recording(tmp_path / "log", 81, partitions=2)
    recording.go_on(80)
    store = CaseStore(tmp_path / "state", LOG_NAME)
    record_all(recording.log, store)
    store.close()
    recording.go_on(80)  # by a recorder with a state file of its own
    store = CaseStore(tmp_path / "state", LOG_NAME)
    record_all(recording.log, store)
    assert caplog.text == ""
    assert facts(stored(store)) == facts(folded(recording.log))
    store.close()
    recording.log.close()
