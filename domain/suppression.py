"""Which counts of a report must not be printed, so that no small count can be worked out from those that are.

*Primary suppression* withholds a count of 1 to 4 (``THRESHOLD``), whether it is printed or follows from two others by
subtraction. *Complementary suppression* withholds what would give it away: with one number missing in a column, the
total tells it. Practice of health statistics (CDC, NCHS: *Data suppression*; CDC WONDER), method of statistical
disclosure control: Cox 1980 (*Suppression methodology and statistical disclosure control*), Hundepool et al. 2012
(*Statistical Disclosure Control*, chapter 4), where the least that is withheld is sought cell by cell.

Here each small count is protected by a proof, a *counter-world*: other facts, which could just as well be, under which
every number that is printed is the same and the small count is not small. Two reports of different rows change places
(data swapping: Dalenius and Reiss 1982), or one of them was other than it was in a way that nothing printed tells. What
differs between the worlds is withheld. So no reckoning with what is printed, however clever, tells more.

A report counts in columns; the set of them, as bits, is its *profile*. Columns may overlap and contain each other.

Where many of what is counted can be about one child (the time limits that ran for a report), a count is small if those in
it are ``about`` fewer than five reports, however many they are: the *threshold rule* by contributors, not by their sum
(Hundepool et al. 2012, chapter 4). Nothing printed tells which report anything is about, so whatever the counter-world
brings into such a count can be about one more report.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

THRESHOLD: Final = 5
"""The smallest count, but for nought, that is printed."""

Counts = Mapping[int, int]
"""How many have which profile."""

MANY: Final = frozenset(f"/{number}" for number in range(THRESHOLD))
"""Stands for five reports or more: which they are makes no difference. No id has a slash."""

About = Mapping[int, frozenset[str]]
"""By profile, the ids of the reports that those with it are about; ``MANY`` where they are five or more."""


class Part(NamedTuple):
    """A count that can be told from columns: of all that are in the columns ``within``, and in none of ``without``."""

    within: int
    without: int

    def has(self, profile: int) -> bool:
        """Whether whoever has this profile is counted."""
        return profile & self.within == self.within and not profile & self.without

    def count(self, counts: Counts) -> int:
        """How many are counted."""
        return sum(number for profile, number in counts.items() if self.has(profile))

    def reports(self, counts: Counts, about: About | None) -> int:
        """How many reports those counted are about, or some number from five on. ``about`` is None where each is a report."""
        if about is None:
            return self.count(counts)
        return len(frozenset[str]().union(*(some for profile, some in about.items() if self.has(profile))))


ALL: Final = Part(0, 0)
"""All that are counted."""


@dataclass(frozen=True)
class Columns:
    """What is counted: the names of the columns (bit 0 is the first), which profiles can be, and what a column is worth.

    ``worth``: what it costs to do without a column, in comparison with the others; 1 where it is not given.
    """

    names: Sequence[str]
    possible: frozenset[int]
    worth: Mapping[str, int] = field(default_factory=dict)

    def profile(self, names: Iterable[str]) -> int:
        """The profile of whoever is counted in these columns."""
        return sum(1 << self.names.index(name) for name in set(names))

    @cached_property
    def all(self) -> int:
        """All columns, as bits."""
        return (1 << len(self.names)) - 1

    @cached_property
    def parts(self) -> Sequence[Part]:
        """All counts that one column, or two, can tell: themselves, the rest, what one has more than another, neither."""
        found = [Part(1 << one, 0) for one in range(len(self.names))]
        found += [Part(0, 1 << one) for one in range(len(self.names))]
        for one in range(len(self.names)):
            for other in range(one):
                found += self._told_by_two(1 << one, 1 << other)
        return found

    def _told_by_two(self, one: int, other: int) -> Iterator[Part]:
        both, only_one, only_other = (
            any(profile & (one | other) == bits for profile in self.possible) for bits in (one | other, one, other)
        )
        if not both:
            yield Part(0, one | other)
        elif not only_one:
            yield Part(other, one)
        elif not only_other:
            yield Part(one, other)

    def cost(self, columns: int) -> int:
        """What it costs to do without these columns."""
        return sum(self.worth.get(name, 1) for bit, name in enumerate(self.names) if columns >> bit & 1)


def is_small(count: int) -> bool:
    """Whether a count is one that must not be told."""
    return 0 < count < THRESHOLD


def printable(columns: Columns, counts: Counts, about: About | None = None) -> int:
    """The columns, as bits, whose totals can be printed: the others are withheld in every row, too.

    ``counts`` is of all rows together. What is withheld with a small total is so much else that it could be large.
    """
    printed = columns.all
    for part in columns.parts:
        count = part.reports(counts, about)
        while is_small(count) and count + _could_be(columns, part, counts, printed) < THRESHOLD:
            changes = [
                ((first ^ second) & printed)
                for first, number in counts.items()
                if number and not part.has(first)
                for second in columns.possible
                if part.has(second) and (first ^ second) & printed
            ]
            if not changes:
                return 0  # so few reports in all that nothing can be said of them
            printed &= ~min(changes, key=lambda one: (columns.cost(one), one.bit_count(), one))
    return printed


def _could_be(columns: Columns, part: Part, counts: Counts, printed: int) -> int:
    """How many more could be counted in a part without any printed total telling."""
    looks = {profile & printed for profile in columns.possible if part.has(profile)}
    return sum(number for profile, number in counts.items() if not part.has(profile) and profile & printed in looks)


class Row(NamedTuple):
    """A row: its name, what is counted in it, and its ``block``: rows that are added up in another table together.

    ``about``: which reports they are about; None where each is a report.
    """

    name: str
    counts: Counts
    block: str = ""
    about: About | None = None

    def reports(self, part: Part = ALL) -> int:
        """How many reports a part of it is about, or some number from five on."""
        return part.reports(self.counts, self.about)


def added_up(name: str, rows: Sequence[Row]) -> Row:
    """Some rows of a block as one."""
    counts: Counter[int] = Counter()
    about: dict[int, frozenset[str]] = {}
    for row in rows:
        counts.update(row.counts)
        for profile, some in (row.about or {}).items():
            about[profile] = capped(about.get(profile, frozenset()) | some)
    first = rows[0] if rows else Row(name, counts)
    return Row(name, counts, first.block, None if first.about is None else about)


def capped(reports: frozenset[str]) -> frozenset[str]:
    """These reports, or ``MANY``."""
    return reports if len(reports) < THRESHOLD else MANY


class Table(NamedTuple):
    """A table: its rows, the columns in it, and those whose sums over the rows of each block are printed elsewhere."""

    rows: Sequence[Row]
    shown: int
    summed: int = 0


class Unprotected(ValueError):
    """The sums over blocks give a small count away, whatever is withheld here. ``block``: where the count stands."""

    def __init__(self, block: str) -> None:
        super().__init__(f"the sums over block '{block}' give a small count away")
        self.block = block


def withheld(columns: Columns, printed: int, table: Table) -> list[int]:
    """For each row the columns, as bits, that are withheld in it. The number of all in a row is printed, and not small.

    ``printed``: from ``printable``, for all tables together. Raises ``Unprotected``, and ``ValueError`` for a row that is
    small itself (``pooled`` adds such rows up). Without sums over several blocks it never raises ``Unprotected``.
    """
    for row in table.rows:
        if is_small(row.reports()):
            raise ValueError(f"row '{row.name}' is small itself")
    search = _Search(columns, printed, table)
    for number in range(len(table.rows)):
        for part in columns.parts:
            if not (part.within | part.without) & ~table.shown:
                search.protect(number, part)
    return search.hidden


class _Swap(NamedTuple):
    cost: int
    distance: int
    give: int  # the profile that the row gives away
    take: int  # the profile that it gets for it, from row ``other``
    other: int
    changes: int


class _Search:
    """Finds counter-worlds, and gathers what has to be withheld for them."""

    def __init__(self, columns: Columns, printed: int, table: Table) -> None:
        self._columns, self._printed, self._rows, self._summed = columns, printed, table.rows, table.summed & printed
        self._shown = table.shown & printed
        self.hidden = [table.shown & ~printed] * len(table.rows)

    def protect(self, number: int, part: Part) -> None:
        """Withhold so much that the count of a part in row ``number`` could be large, if it is small."""
        need = THRESHOLD - self._rows[number].reports(part)
        if not 0 < need < THRESHOLD:
            return
        looks = {profile & self._printed for profile in self._columns.possible if part.has(profile)}
        world = [Counter(dict(sorted(row.counts.items()))) for row in self._rows]
        while need > 0:
            swap = self._best(number, part, looks, world)
            if swap is None:
                raise Unprotected(self._rows[number].block)
            there = need if swap.other == number else world[swap.other][swap.take]
            much = min(need, world[number][swap.give], there)
            world[number][swap.give] -= much
            if swap.other != number:
                world[swap.other][swap.take] -= much
                world[swap.other][swap.give] += much
                self.hidden[number] |= swap.changes
                self.hidden[swap.other] |= swap.changes
            need -= much

    def _best(self, number: int, part: Part, looks: set[int], world: Sequence[Counter[int]]) -> _Swap | None:
        """The swap that brings more into the part and needs the least to be withheld."""
        best: _Swap | None = None
        takes = [
            (other, [take for take, count in theirs.items() if count and take & self._printed in looks])
            for other, theirs in enumerate(world)
            if other != number
        ]
        for give, count in world[number].items():
            if not count or part.has(give):
                continue
            if give & self._printed in looks:  # it could be in the part as it is: nothing printed would tell
                return _Swap(0, 0, give, give, number, 0)
            for swap in self._swaps(number, give, takes):
                if best is None or swap < best:
                    best = swap
                    if best.cost == 0:
                        return best
        return best

    def _swaps(self, number: int, give: int, takes: Sequence[tuple[int, Sequence[int]]]) -> Iterator[_Swap]:
        """``takes``: of each other row, the profiles that it could give."""
        here = ~self.hidden[number]
        for other, theirs in takes:
            there = ~self.hidden[other]
            free = self._rows[other].block == self._rows[number].block
            for take in theirs:
                if free or not (give ^ take) & self._summed:
                    changes = (give ^ take) & self._shown
                    cost = (changes & here).bit_count() + (changes & there).bit_count()
                    yield _Swap(cost, abs(other - number), give, take, other, changes)


def pooled(rows: Sequence[Row], least: int = THRESHOLD) -> list[list[Row]]:
    """Neighbouring rows of a block together, as few as it takes for none to be of fewer than ``least``, or small.

    A row of nothing stays by itself. Where a whole block has fewer, its rows are one group.
    """
    found: list[list[Row]] = []
    for row in rows:
        if found and found[-1][0].block == row.block and _is_few(found[-1], least):
            found[-1].append(row)
        else:
            found.append([row])
    for place in range(len(found) - 1, 0, -1):
        if _is_few(found[place], least) and found[place - 1][0].block == found[place][0].block:
            found[place - 1] += found.pop(place)
    return found


def _is_few(rows: Sequence[Row], least: int) -> bool:
    return 0 < size(rows) < least or is_small(added_up("", rows).reports())


def size(rows: Iterable[Row]) -> int:
    """How many are counted in all of these rows."""
    return sum(sum(row.counts.values()) for row in rows)
