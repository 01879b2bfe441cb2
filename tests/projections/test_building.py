"""What each process of a rebuild reads."""

from contextlib import closing
from pathlib import Path
from typing import Never

import pytest

from casetrail.eventlog.opening import init_log
from casetrail.eventlog.port import Entry, Topic
from casetrail.projections.building import Share, set_aside
from casetrail.projections.judging import CaseJudge
from casetrail.projections.rebuild import rebuild
from casetrail.projections.registry import REGISTRY_KEY
from casetrail.projections.spill import spilled
from tests.judged_histories import JudgedLog


@pytest.mark.parametrize("ends", [{0: 3, 1: 5}, {0: 6, 1: 1}, {0: 6, 1: 6}, {1: 2}])
def test_events_are_set_aside_up_to_the_end_and_no_further(tmp_path: Path, ends: dict[int, int]) -> None:
    url = f"sqlite:{tmp_path / 'log'}"
    with init_log(url, partitions=2) as log:
        keys = (b"case-1", b"case-2", REGISTRY_KEY)
        for partition in (0, 1):
            entries = [Entry(keys[number % 3], b"%d-%d" % (partition, number), partition) for number in range(6)]
            log.append(Topic.EVENTS, entries)
    told: list[int] = []
    found = set_aside(Share(url, {}, ends, tmp_path, "events"), told.append)
    wanted = {
        (partition, number): b"%d-%d" % (partition, number) for partition in ends for number in range(ends[partition])
    }
    assert {
        (one.partition, one.offset): one.value for path in found.files for _, some in spilled(path) for one in some
    } == wanted
    assert sum(told) == len(wanted)
    assert found.positions == ends
    assert sorted(found.registry) == sorted(value for (_, number), value in wanted.items() if number % 3 == 2)


def test_a_fault_of_judging_accuses_no_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It raises what a forged history makes folding raise, and the history is as it should be."""

    def at_fault(*_: object) -> Never:
        raise KeyError("a referral that the judge has made up")

    told = JudgedLog(tmp_path / "log", 31)
    told.go_on(30)
    monkeypatch.setattr(CaseJudge, "rows", at_fault)
    with closing(told.log), pytest.raises(KeyError, match="made up"):
        rebuild(told.log, told.url, f"sqlite:{tmp_path / 'views'}", processes=1)
