"""Who records in an embedded log puts the schemas there first, with which he writes: the log may be older than the program."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from casetrail.cli.serving import ServedRecorder
from casetrail.consumers.health import Health
from casetrail.consumers.inprocess import InProcessRecorder
from casetrail.eventlog import schemas
from casetrail.eventlog.codec import encode_action
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.port import Appended, Entry, Topic
from tests.actions import life
from tests.cli.shell import Shell


@pytest.fixture
def older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedLog]:
    """A log that was made by an earlier version, which wrote with other schemas."""
    written_now = set(schemas.current_ids().values())
    known = {number: text for number, text in schemas.published().items() if number not in written_now}
    with monkeypatch.context() as then:
        then.setattr(schemas, "published", lambda: known)
        log = init_log(f"sqlite:{tmp_path / 'log.db'}")
    assert isinstance(log, EmbeddedLog)
    with log:
        yield log


def in_process(log: EmbeddedLog, case_id: str) -> None:
    """As whoever submits has it."""
    InProcessRecorder(log).record_up_to(submitted(log, case_id), 5)


def served(log: EmbeddedLog, case_id: str) -> None:
    """As ``casetrail serve recorder`` has it."""
    (at,) = submitted(log, case_id)
    recorder = ServedRecorder(log, log.path.with_name("state"), Health())
    while log.end_offsets(Topic.EVENTS)[0] <= at.offset:
        recorder.step(0.1)
    recorder.close()


def submitted(log: EmbeddedLog, case_id: str) -> list[Appended]:
    (first, *_) = life(case_id)
    return log.append(Topic.ACTIONS, [Entry(case_id.encode(), encode_action(first))])


@pytest.mark.parametrize("record", [in_process, served])
def test_a_log_from_before_an_upgrade_carries_the_schemas_that_are_written_now(
    older: EmbeddedLog, tmp_path: Path, record: Callable[[EmbeddedLog, str], None]
) -> None:
    record(older, "C-1")
    Shell(tmp_path).run("audit", "verify", "--no-policy")  # nobody has done anything wrong
    assert set(schemas.carried(older)) == set(schemas.published())
    records = older.end_offsets(Topic.SCHEMAS)[0]
    record(older, "C-2")
    assert older.end_offsets(Topic.SCHEMAS)[0] == records
