"""Traces in a file give back what traces in memory do."""

from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from casetrail.cli import traces_on_disk
from casetrail.cli.traces_on_disk import TracesOnDisk
from casetrail.domain.codes import TokenKind
from casetrail.domain.detectors.finding import Evidence
from casetrail.domain.detectors.lasting import Lasting
from casetrail.domain.detectors.suspecting import Suspected
from casetrail.domain.detectors.traces import (
    Danger,
    End,
    Identified,
    Idle,
    Link,
    Look,
    Seen,
    Trace,
    Traces,
    TracesInMemory,
)
from tests.domain.clock_histories import day


def random_trace(chance: Random, number: int) -> Trace:
    event = Evidence(f"C-{number}", 1, chance.randbytes(32))
    tokens = tuple((chance.choice(list(TokenKind)), bytes([chance.randrange(40)]) * 32) for _ in range(2))
    known_at = day(chance.randrange(300))
    idle = (Idle(known_at, None, False, event, None, None), Idle(known_at, day(400), True, event, event, day(-9)))
    return Trace(
        event.case_id,
        "agency",
        "unit",
        None,
        ("clinic",),
        tokens,
        (Identified(tokens[0], day(400), event),) * (number % 2),
        event,
        known_at,
        known_at,
        idle,
        (Link("C-1", known_at, event),),
        (End(known_at, None, "C-1" if number % 3 else None, number % 7 == 0, None, "sgt", event, None),),
        (Danger(known_at, known_at, event, day(400) if number % 2 else None, None),) if number % 5 == 0 else (),
        (Seen(known_at, known_at, event),) * (number % 3),
        (Look("sgt", known_at, event),) * (number % 2),
        (Lasting(known_at, event, None, None),) * (number % 2),
        (Lasting(known_at, event, day(400), event),) * (number % 3),
        (Lasting(known_at, event, None, None),) * (number % 2),
        Suspected(known_at, day(400) if number % 2 else None),
    )


@pytest.mark.parametrize("count", [0, 1, 30, 400])
def test_only_traces_that_share_a_token_come_back_in_the_order_of_their_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(traces_on_disk, "TOGETHER", 7)
    chance, memory = Random(count), TracesInMemory()
    with closing(TracesOnDisk(tmp_path)) as disk:
        kept: tuple[Traces, ...] = (memory, disk)
        for number in range(count):
            trace = random_trace(chance, number)
            for one in kept:
                one.add(trace)
        found = list(disk.sharing())
        assert found == list(memory.sharing()) == list(disk.sharing())
        merged = list(disk.merged())
        assert merged == list(memory.merged()) and all(one.mergers for one in merged)
        for case_id in ("C-0", "C-29", "C-999"):
            assert disk.of(case_id) == memory.of(case_id)
    assert all(any(set(one.tokens) & set(other.tokens) for other in found if other is not one) for one in found)
    assert len(found) <= count and (count < 400 or len(found) > 300)
