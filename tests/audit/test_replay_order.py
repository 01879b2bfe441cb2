"""Events stand in the order of the actions that they answer; where they do not, as few as possible stand wrong."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casetrail.audit.replaying.order import answered_action, longest_growing
from casetrail.eventlog import stream
from casetrail.eventlog.codec import encode_event
from casetrail.eventlog.errors import LogUnreachable
from casetrail.eventlog.port import Record
from casetrail.eventlog.stream import Stream
from tests.eventlog.examples import BODIES, example_event


@given(st.lists(st.integers(0, 9), max_size=9))
def test_what_stays_is_in_order_and_nothing_longer_is(numbers: list[int]) -> None:
    kept = [numbers[place] for place in sorted(longest_growing(numbers))]
    assert all(one < other for one, other in pairwise(kept))
    assert not any(
        all(one < other for one, other in pairwise(some)) for some in combinations(numbers, len(kept) + 1)
    )  # fmt: skip


@given(st.lists(st.integers(0, 5), max_size=9))
def test_where_several_may_answer_one_action_nothing_longer_stays_in_order(numbers: list[int]) -> None:
    kept = [numbers[place] for place in sorted(longest_growing(numbers, strictly=False))]
    assert kept == sorted(kept)
    assert not any(list(some) == sorted(some) for some in combinations(numbers, len(kept) + 1))


def test_one_answer_out_of_order_moves_no_other() -> None:
    assert longest_growing([0, 1, 900, 2, 3, 4]) == {0, 1, 3, 4, 5}
    assert longest_growing([1, 2, 3, 0, 4]) == {0, 1, 2, 4}


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_the_answered_action_is_read_without_decoding_the_rest(body: object) -> None:
    event = next(example_event(one) for one in BODIES if one is body)
    assert answered_action(encode_event(event)) == event.action_offset


def test_what_is_no_event_answers_nothing() -> None:
    value = encode_event(example_event(BODIES[0]))
    for other in (None, b"", b"\x00", b"\x00\x00\x00\x00\x00" + value[5:], value[:86], b"?" * 300):
        assert answered_action(other) is None


class _Silent:
    """A reader of a log that has more than it gives."""

    flaws = ()

    def poll(self, timeout: float, max_records: int = 5000) -> list[Record]:
        return []

    def position(self, partition: int) -> int:
        return 5

    def close(self) -> None:
        """Nothing is held."""

    def __enter__(self) -> "_Silent":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def test_a_log_that_gives_nothing_more_is_no_end_of_the_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "WAIT", 0.0)
    with pytest.raises(LogUnreachable, match="nothing came"):
        Stream(_Silent(), 0, 9).next()
    assert Stream(_Silent(), 0, 5).next() is None
