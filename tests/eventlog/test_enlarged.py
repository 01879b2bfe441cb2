"""A log that has more partitions than it was made with is known by where its oldest events stand, and no other log is."""

from hypothesis import given
from hypothesis import strategies as st

from casetrail.eventlog.enlarged import FEW, made_with
from casetrail.eventlog.partitioner import partition_for

CASES = [f"C-{number}".encode() for number in range(200)]


@given(st.integers(1, 40), st.sets(st.sampled_from(CASES)))
def test_no_log_that_has_as_many_as_it_was_made_with_is_called_enlarged(partitions: int, cases: set[bytes]) -> None:
    assert made_with({(partition_for(case, partitions), case) for case in cases}, partitions) == partitions


@given(st.integers(1, 12), st.integers(1, 12))
def test_of_a_log_that_was_enlarged_the_number_is_known_also_where_it_has_gone_on_since(made: int, more: int) -> None:
    old = {(partition_for(case, made), case) for case in CASES[:150]}
    new = {(partition_for(case, made + more), case) for case in CASES[150:]}
    assert made_with(old | new, made + more) == made


def test_what_somebody_has_put_elsewhere_is_no_enlargement() -> None:
    right = {(partition_for(case, 4), case) for case in CASES}
    strange = {((partition_for(case, 4) + 1) % 4, case) for case in CASES}
    assert made_with(right | set(list(strange)[: FEW - 1]), 4) == 4
    assert made_with(right | strange, 4) == 4
