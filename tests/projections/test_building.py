"""What each process of a rebuild reads."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Never

import pytest

from casetrail.domain.detectors.finding import Finding
from casetrail.domain.detectors.judging import Judge
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.port import Entry, Topic
from casetrail.projections.building import Share, set_aside
from casetrail.projections.judging import CaseJudge
from casetrail.projections.rebuild import rebuild
from casetrail.projections.registry import REGISTRY_KEY
from casetrail.projections.spill import spilled
from tests.conformance.judgements_kit import all_rows, follow_to_end, make, rebuilt_rows
from tests.conformance.views_kit import assert_same
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


def test_two_findings_with_one_id_keep_nobody_from_rebuilding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A detector is at fault then. Whoever follows the events has the last one, and so has who begins from zero."""
    find = Judge.case

    def twice(*arguments: Any, **more: Any) -> Iterator[Finding]:
        for one in find(*arguments, **more):
            yield replace(one, says="the first")
            yield one

    told = JudgedLog(tmp_path / "log", 31)
    told.go_on(60)
    before = rebuilt_rows(lambda: f"sqlite:{tmp_path / 'right'}", told.log)
    monkeypatch.setattr(Judge, "case", twice)
    followed = f"sqlite:{tmp_path / 'followed'}"
    make(followed, told.log)
    follow_to_end(followed, told.log)
    assert before["finding"] == all_rows(followed)["finding"]
    assert_same(rebuilt_rows(lambda: f"sqlite:{tmp_path / 'views'}", told.log), before)
    told.log.close()
