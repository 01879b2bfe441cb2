"""What is set aside comes back, case by case, and whole."""

import os
import signal
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from time import sleep

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casetrail.eventlog import crew
from casetrail.eventlog.crew import Crew, Told
from casetrail.eventlog.port import Record
from casetrail.projections import spill
from casetrail.projections.spill import Spill, spilled

KEYS = st.sampled_from([b"case-1", b"case-2", b"case-3", b"~stray.0", b"\xff", b""])


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kept=st.integers(0, 3000),
    polls=st.lists(st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=200)), max_size=20), max_size=8),
)
def test_all_events_of_a_case_come_back_from_one_file_in_their_order(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    kept: int,
    polls: list[list[tuple[bytes, bytes | None]]],
) -> None:
    monkeypatch.setattr(spill, "KEPT_BYTES", kept)
    monkeypatch.setattr(spill, "EVENTS_A_FILE", 40)
    written: list[Record] = []
    made = Spill(tmp_path_factory.mktemp("spill"), "events", 160)
    for poll in polls:
        records = [Record(number % 3, len(written) + number, 5, key, value) for number, (key, value) in enumerate(poll)]
        made.add(records)
        written += records
    files = [[record for _, some in spilled(path) for record in some] for path in made.close()]
    assert sorted(record for file in files for record in file) == sorted(written)
    for key in {record.key for record in written}:
        (home,) = [file for file in files if any(record.key == key for record in file)]
        for partition in range(3):
            assert of(home, key, partition) == of(written, key, partition)


def of(records: list[Record], key: bytes | None, partition: int) -> list[Record]:
    """Those with this key in this partition."""
    return [one for one in records if one.key == key and one.partition == partition]


def test_what_fits_into_memory_comes_case_by_case(tmp_path: Path) -> None:
    made = Spill(tmp_path, "events", 9)
    made.add([Record(0, number, 0, b"case-%d" % (number % 3), b"") for number in range(9)])
    (path,) = made.close()
    assert [(key, [one.offset for one in some]) for key, some in spilled(path)] == [
        (b"case-0", [0, 3, 6]), (b"case-1", [1, 4, 7]), (b"case-2", [2, 5, 8]),
    ]  # fmt: skip


def test_more_events_are_set_aside_in_more_files_not_in_larger_ones(tmp_path: Path) -> None:
    records = [Record(0, number, 0, b"case-%d" % number, b"") for number in range(4 * spill.EVENTS_A_FILE)]
    made = Spill(tmp_path, "events", len(records))
    made.add(records)
    sizes = [len(list(spilled(path))) for path in made.close()]
    assert len(sizes) == 5
    assert max(sizes) <= spill.EVENTS_A_FILE


def test_what_was_set_aside_cut_short_is_not_taken_for_whole(tmp_path: Path) -> None:
    made = Spill(tmp_path, "events", 1)
    made.add([Record(0, 0, 0, b"case-1", bytes(100))])
    (path,) = made.close()
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(EOFError):
        list(spilled(path))


def twice(job: list[int], told: Told) -> int:
    """A job of a crew."""
    for count in job:
        told(count)
    return 2 * sum(job)


def leaves_a_mark(job: Path, told: Told) -> None:
    """A job that fails, or leaves a mark and goes on for as long as anybody waits for it."""
    if job.name == "fails":
        while not list(job.parent.glob("*.begun")):
            sleep(0.01)
        raise OSError(job.name)
    job.with_suffix(".begun").touch()
    while True:
        told(1)
        sleep(0.01)


def test_where_a_job_of_a_crew_fails_the_others_end_and_those_that_wait_never_begin(tmp_path: Path) -> None:
    jobs = [tmp_path / "fails", *(tmp_path / f"{number}" for number in range(40))]
    with pytest.raises(OSError, match="fails"), Crew(2, 1, None) as some:
        some.do(leaves_a_mark, jobs)
    assert 1 <= len(list(tmp_path.glob("*.begun"))) <= 5  # a pool hands out some jobs ahead


def dies(job: Path, told: Told) -> None:
    """A job whose process is killed in the worst moment: while it tells how far it is."""
    if job.name == "0":
        crew._counter.get_lock().acquire()
        os.kill(os.getpid(), signal.SIGKILL)
    leaves_a_mark(job, told)


def test_where_a_process_of_a_crew_is_killed_nobody_waits_for_ever(tmp_path: Path) -> None:
    with pytest.raises(BrokenProcessPool), Crew(2, 1, None) as some:
        some.do(dies, [tmp_path / f"{number}" for number in range(40)])


@pytest.mark.parametrize("processes", [1, 2])
def test_a_crew_tells_of_every_event_once_however_often_it_is_gone_through(processes: int) -> None:
    told: list[int] = []
    with Crew(processes, 2, told.append) as some:
        assert some.do(twice, [[3, 4], [1, 1]]) == [14, 4]
        assert sum(told) == 4
        assert some.do(twice, [[2], [7]]) == [4, 14]
    assert sum(told) == 9
