"""Suppression of small counts: an attacker who solves all that is printed learns of no small count that it is small."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casetrail.domain.suppression import (
    THRESHOLD,
    Columns,
    Counts,
    Part,
    Row,
    Table,
    Unprotected,
    is_small,
    pooled,
    printable,
    size,
    withheld,
)
from tests.domain.attackers import Attacker, Printed, table

ENDS = Columns(("arrest", "unfounded", "open"), frozenset({1, 2, 4}))
NAMES = ("a", "b", "c", "d")

Facts = dict[tuple[int, ...], Counter[int]]
"""Reports by their row in each table."""


def counted(columns: Columns, **names: int) -> Counts:
    return {columns.profile([name]): number for name, number in names.items()}


@st.composite
def populations(draw: st.DrawFn) -> tuple[Columns, Facts]:
    """Columns that overlap and contain each other at random, and reports by two rows, none of them small."""
    possible = draw(st.frozensets(st.integers(0, 15), min_size=2, max_size=6))
    profiles = st.sampled_from(sorted(possible))
    few, many = st.integers(0, 4), st.integers(5, 30)
    facts: Facts = {
        (month, group): Counter(draw(st.dictionaries(profiles, draw(st.sampled_from([few, few, many])), max_size=4)))
        for month in range(3)
        for group in range(2)
    }
    return Columns(NAMES, possible), facts


def rows_along(axis: int, facts: Facts) -> list[Row]:
    found: dict[int, Counter[int]] = {}
    for place, counts in facts.items():
        found.setdefault(place[axis], Counter()).update(counts)
    return [Row(str(number), counts) for number, counts in sorted(found.items())]


def without_small_rows(facts: Facts, columns: Columns) -> None:
    """Add to the rows that are small."""
    for axis in (0, 1):
        for number, row in enumerate(rows_along(axis, facts)):
            if is_small(size([row])):
                facts[(number, 0) if axis == 0 else (0, number)][min(columns.possible)] += THRESHOLD


@settings(max_examples=60, deadline=None)
@given(populations())
def test_whatever_is_printed_in_two_tables_every_small_count_could_be_large(
    population: tuple[Columns, Facts],
) -> None:
    columns, facts = population
    without_small_rows(facts, columns)
    totals: Counter[int] = Counter()
    for counts in facts.values():
        totals.update(counts)
    printed = printable(columns, totals)
    tables = [table(rows_along(axis, facts), columns) for axis in (0, 1)]
    shown = [Printed(axis, one, withheld(columns, printed, one)) for axis, one in enumerate(tables)]
    attacker = Attacker(columns, printed, shown, facts)
    if is_small(sum(totals.values())) or sum(totals.values()) == 0:
        return
    for part in columns.parts:
        if is_small(part.count(totals)):
            assert attacker.most(part) >= THRESHOLD, part
        for axis, one, _ in shown:
            for number, row in enumerate(one.rows):
                if is_small(part.count(row.counts)):
                    assert attacker.most(part, axis, number) >= THRESHOLD, (part, axis, row)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from([1, 2, 4]), st.integers(0, 9)), min_size=2, max_size=4), st.integers(1, 3)
)
def test_sums_over_blocks_give_no_small_count_away(found: list[dict[int, int]], cut: int) -> None:
    rows = [
        Row(str(number), counts, "old" if number < cut else "new")
        for number, counts in enumerate(found)
        if not is_small(sum(counts.values()))
    ]
    totals: Counter[int] = Counter()
    for row in rows:
        totals.update(row.counts)
    printed = printable(ENDS, totals)
    one = Table(rows, ENDS.all, summed=4)
    try:
        hidden = withheld(ENDS, printed, one)
    except Unprotected as error:
        blocks = {row.block for row in rows}
        assert error.block in blocks
        assert len(blocks) > 1
        return
    attacker = Attacker(ENDS, printed, [Printed(0, one, hidden)], {(at,): row.counts for at, row in enumerate(rows)})
    for number, row in enumerate(rows):
        for part in ENDS.parts:
            if is_small(part.count(row.counts)):
                assert attacker.most(part, 0, number) >= THRESHOLD


def test_a_small_count_takes_another_of_its_row_and_two_of_another_row_along() -> None:
    rows = [
        Row("rape", counted(ENDS, arrest=3, unfounded=20, open=40)),
        Row("assault", counted(ENDS, arrest=30, unfounded=25, open=50)),
        Row("other", counted(ENDS, arrest=31, unfounded=26, open=51)),
    ]
    hidden = withheld(ENDS, ENDS.all, table(rows, ENDS))
    assert [one.bit_count() for one in hidden] == [2, 2, 0]
    assert all(one & 1 for one in hidden[:2])


def test_a_sum_over_a_block_sends_the_search_to_another_row_of_it() -> None:
    rows = [
        Row("march", counted(ENDS, open=3, arrest=20), "old"),
        Row("april", counted(ENDS, open=9, arrest=20), "new"),
        Row("february", counted(ENDS, open=6, arrest=20), "old"),
    ]
    columns = Columns(ENDS.names, ENDS.possible)
    assert [one.bit_count() for one in withheld(columns, columns.all, Table(rows, columns.all))] == [2, 2, 0]
    assert [one.bit_count() for one in withheld(columns, columns.all, Table(rows, columns.all, summed=4))] == [2, 0, 2]


def test_nought_and_what_is_large_are_printed() -> None:
    rows = [Row("rape", counted(ENDS, arrest=5, unfounded=0, open=9)), Row("other", counted(ENDS, arrest=7, open=5))]
    assert withheld(ENDS, ENDS.all, table(rows, ENDS)) == [0, 0]


def test_a_row_of_which_all_but_two_are_in_a_column_does_not_tell_of_the_two() -> None:
    columns = Columns(("contacted",), frozenset({0, 1}))
    rows = [Row("march", {1: 40, 0: 2}), Row("april", {1: 30, 0: 30})]
    assert withheld(columns, columns.all, table(rows, columns)) == [1, 1]


def test_a_column_with_a_small_total_is_withheld_with_the_cheapest_other() -> None:
    columns = Columns(ENDS.names, ENDS.possible, {"open": 100})
    assert printable(columns, counted(columns, arrest=40, unfounded=2, open=60)) == columns.profile(["open"])


def test_of_fewer_than_five_reports_in_all_nothing_is_printed() -> None:
    assert printable(ENDS, counted(ENDS, arrest=1, open=3)) == 0


def test_months_are_added_up_until_none_is_small_and_never_beyond_their_block() -> None:
    rows = [
        Row(name, {1: number}, block)
        for name, number, block in (
            ("jan", 2, "old"), ("feb", 0, "old"), ("mar", 4, "old"), ("apr", 9, "old"), ("may", 1, "old"), ("jun", 6, ""),
            ("jul", 0, ""),
        )
    ]  # fmt: skip
    names = [[row.name for row in group] for group in pooled(rows)]
    assert names == [["jan", "feb", "mar"], ["apr", "may"], ["jun"], ["jul"]]


def test_a_row_that_is_small_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="small itself"):
        withheld(ENDS, ENDS.all, table([Row("march", {1: 2})], ENDS))


def test_what_two_columns_tell_is_known() -> None:
    columns = Columns(("closed", "unseen", "open"), frozenset({1, 3, 4}))
    assert Part(1, 2) in columns.parts  # closed, and not unseen
    assert Part(0, 1 | 4) in columns.parts  # neither closed nor open
    assert Part(1, 4) not in columns.parts  # the same as closed
