"""The standard methods that statistical detectors use, from SciPy. It is an extra: ``pip install casetrail[statistics]``.

SciPy is large, and whoever only records cases does not need it; so it is imported when something is judged by it.
"""

from collections.abc import Sequence
from functools import cache
from typing import Final, NamedTuple

EXTRA = "statistics"
DIGITS: Final = 12
"""So many digits of a chance count: the last ones depend on what else was computed with it, and must decide nothing."""
MOST_KNOWN: Final = 200_000


class StatisticsMissing(Exception):
    """SciPy is not installed."""

    code = "statistics-missing"

    def __init__(self) -> None:
        super().__init__(f"statistical detectors need SciPy: install casetrail[{EXTRA}]")


@cache
def available() -> bool:
    """Whether SciPy is installed."""
    from importlib.util import find_spec

    return find_spec("scipy") is not None


def load() -> None:
    """Import SciPy now, where it is installed: that takes most of a second."""
    if available():
        import scipy.stats  # noqa: F401


class Seen(NamedTuple):
    """``times`` of ``of``, where ``before`` of ``of_before`` is all that is known."""

    times: int
    of: int
    before: int
    of_before: int


def chance_of(count: int, of: int, before: int, of_before: int) -> float:
    """How likely ``count`` or more of ``of`` are. Raises ``StatisticsMissing``."""
    return chances_of([Seen(count, of, before, of_before)])[0]


def chances_of(many: Sequence[Seen]) -> list[float]:
    """How likely each is by chance, so many ``times`` or more of ``of``.

    The upper tail of the beta-binomial distribution, from Jeffreys' prior: the exact limit of a p chart whose centre line
    is itself uncertain. All are computed together, and what has been computed before is kept. Raises
    ``StatisticsMissing``.
    """
    if len(_known) > MOST_KNOWN:
        _known.clear()
    new = [one for one in dict.fromkeys(many) if one.times and one not in _known]
    if new:
        _known.update(zip(new, _tails(new), strict=True))
    return [_known[one] if one.times else 1.0 for one in many]


def _tails(many: Sequence[Seen]) -> list[float]:
    try:
        import numpy
        from scipy.stats import betabinom
    except ImportError as error:
        raise StatisticsMissing from error
    counts, of, before, of_before = (numpy.array(column) for column in zip(*many, strict=True))
    lengths = of - counts + 1  # the outcomes that are as extreme, or more
    starts = numpy.concatenate(([0], numpy.cumsum(lengths)[:-1]))
    which = numpy.repeat(numpy.arange(len(many)), lengths)
    outcomes = counts[which] + numpy.arange(lengths.sum()) - starts[which]
    alpha, beta = before[which] + 0.5, (of_before - before)[which] + 0.5
    tails = numpy.add.reduceat(betabinom.pmf(outcomes, of[which], alpha, beta), starts)
    return [min(float(f"{tail:.{DIGITS}g}"), 1.0) for tail in tails]


def chance_of_same(count: int, of: int, all_of_one: int, everything: int) -> float:
    """How likely it is that ``count`` or more of ``of`` that are drawn are of one kind, which is so many of everything.

    The upper tail of the hypergeometric distribution. Raises ``StatisticsMissing``.
    """
    try:
        from scipy.stats import hypergeom
    except ImportError as error:
        raise StatisticsMissing from error
    return float(hypergeom.sf(count - 1, everything, all_of_one, of))


def discoveries(chances: Sequence[float], rate: float) -> list[bool]:
    """Which of many tests are discoveries, when at most this share of all discoveries may be false ones.

    Benjamini and Hochberg's procedure. Where nothing is to be discovered, ``rate`` is the chance of finding anything at
    all. Raises ``StatisticsMissing``.
    """
    if not chances:
        return []
    try:
        from scipy.stats import false_discovery_control
    except ImportError as error:
        raise StatisticsMissing from error
    return [bool(adjusted <= rate) for adjusted in false_discovery_control(chances, method="bh")]


_known: dict[Seen, float] = {}
"""Chances that have been computed: most are asked for again after the next event."""
