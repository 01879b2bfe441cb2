"""What goes wrong when a partition is taken up comes out of the group as it is, whatever the client says of it."""

from types import SimpleNamespace
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.errors import NoOffsetForPartitionError

from casetrail.consumers.recorder import RecorderFault
from casetrail.eventlog.errors import LogUnreachable
from casetrail.eventlog.kafka_group import KafkaGroup


class _Consumer:
    """A client that assigns a partition in its poll, and then misses an offset to read from."""

    _coordinator = SimpleNamespace(_join_task=None)

    def __init__(self, group: KafkaGroup) -> None:
        self._group = group

    def poll(self, **_: Any) -> Any:
        self._group.assigned([0])
        raise NoOffsetForPartitionError({TopicPartition("log.actions", 0)})


def group_of(problem: Exception) -> KafkaGroup:
    """A group whose member cannot take up its partitions."""

    def fails(_: Any) -> Any:
        raise problem

    group = KafkaGroup.__new__(KafkaGroup)
    group._log, group._name = SimpleNamespace(bootstrap="127.0.0.1:1"), "log.actions"  # type: ignore[assignment]
    group._on_assigned, group._owned, group._problem = fails, frozenset(), None
    group._consumer = _Consumer(group)
    return group


@pytest.mark.parametrize("problem", [RecorderFault("the chain is broken"), LogUnreachable("no answer")])
def test_a_partition_that_cannot_be_taken_up_says_why(problem: Exception) -> None:
    group = group_of(problem)
    with pytest.raises(type(problem), match=str(problem)):
        group.poll(0.0)
    assert group._problem is None
