"""The standard methods that statistical detectors use, from SciPy. It is an extra: ``pip install casetrail[statistics]``.

SciPy is large, and whoever only records cases does not need it; so it is imported when something is judged by it.
"""

from collections.abc import Sequence

EXTRA = "statistics"


class StatisticsMissing(Exception):
    """SciPy is not installed."""

    code = "statistics-missing"

    def __init__(self) -> None:
        super().__init__(f"statistical detectors need SciPy: install casetrail[{EXTRA}]")


def available() -> bool:
    """Whether SciPy is installed."""
    from importlib.util import find_spec

    return find_spec("scipy") is not None


def chance_of(count: int, of: int, before: int, of_before: int) -> float:
    """How likely ``count`` or more of ``of`` are, where ``before`` of ``of_before`` is all that is known.

    The upper tail of the beta-binomial distribution, from Jeffreys' prior: the exact limit of a p chart whose centre line
    is itself uncertain. Raises ``StatisticsMissing``.
    """
    try:
        from scipy.stats import betabinom
    except ImportError as error:
        raise StatisticsMissing from error
    return float(betabinom.sf(count - 1, of, before + 0.5, of_before - before + 0.5))


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
