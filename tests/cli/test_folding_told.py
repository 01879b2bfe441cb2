"""A recorder that has to fold histories before it records says so, and is not taken for one that works, or has died."""

from pathlib import Path

import pytest

from casetrail.cli.serving import FOLDING, ServedRecorder
from casetrail.consumers import recorder as recorder_module
from casetrail.consumers.health import Health
from casetrail.eventlog.codec import encode_action
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.port import Entry, Topic
from tests.actions import life


class Watched(Health):
    """What it answers while somebody notes what takes long."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[bool, dict[str, object]]] = []

    def noted(self, about: str, text: str | None) -> None:
        super().noted(about, text)
        if about == "histories" and text:
            self.seen.append(self.report())


def test_health_says_which_histories_are_folded_and_how_far_that_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "BATCH", 2)
    with EmbeddedLog.create(tmp_path / "log.db", "kcpd", 1) as log:
        log.append(Topic.ACTIONS, [Entry(one.case_id.encode(), encode_action(one)) for one in life("C-1")])
        first = ServedRecorder(log, tmp_path / "first", Health())
        while first.step(0.0):
            pass
        first.close()
        health = Watched()
        second = ServedRecorder(log, tmp_path / "second", health)
        health.stepped("recorder", second.step(0.0))
        second.close()
    healthy, said = health.seen[0]
    assert not healthy
    assert said["consumers"] == {"recorder": {"done": 0, "seconds_since_step": None, "trouble": FOLDING}}
    assert str(said["notes"]).startswith(
        "{'histories': 'folding the histories of partitions 0: partition 0, offset 1 of "
    )
    assert health.report()[0] and "notes" not in health.report()[1]
    assert f'casetrail_trouble_total{{consumer="recorder",code="{FOLDING}"}} 1\n' in health.metrics()
