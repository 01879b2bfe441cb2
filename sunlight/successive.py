"""One edition after another: whoever keeps both takes the difference of each number, which nothing in either withholds."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from casetrail.domain.suppression import is_small
from casetrail.sunlight.errors import TooSoon
from casetrail.sunlight.files import ALL, FORM

LEAST_APART: Final = timedelta(days=27)
"""A day apart, the differences tell what came in yesterday and what became of it, a report at a time. It is less than the shortest
month, by a day: who publishes on the first of each need not mind the hour."""
NO_NUMBERS: Final = ("name", "is_total")

Numbers = Mapping[tuple[str, str, str], int]
"""What is printed, by table, row and column."""


class Earlier(NamedTuple):
    """What an edition says of itself, and the numbers in it."""

    log: str
    now: datetime
    positions: Mapping[str, int]
    numbers: Numbers


class Differences(NamedTuple):
    """How many numbers two editions both print, and how many of them differ by so little that it would be withheld."""

    numbers: int
    small: int


def edition_in(directory: Path) -> Earlier | None:
    """The edition in a folder; None where there is none."""
    try:
        return read_edition((directory / ALL).read_bytes())
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def read_edition(content: bytes) -> Earlier | None:
    """What stands in the JSON file of an edition; None where it is of another form. Raises what wrong JSON makes Python raise."""
    found = json.loads(content)
    if found["form"] != FORM:
        return None
    return Earlier(
        found["log"],
        datetime.fromisoformat(found["now"]).astimezone(UTC),
        found["positions"],
        _numbers(found["tables"]),
    )


def _numbers(tables: Mapping[str, Any]) -> Numbers:
    return {
        (name, row["name"], column): number
        for name, table in tables.items()
        for row in table["rows"]
        for column, number in row.items()
        if column not in NO_NUMBERS and number is not None
    }


def check_apart(earlier: Earlier, later: Earlier) -> None:
    """Raise ``TooSoon`` where two editions of a log count other events, and are not far enough apart."""
    apart = abs(later.now - earlier.now)
    if earlier.log == later.log and earlier.positions != later.positions and apart < LEAST_APART:
        raise TooSoon(
            f"the edition that is there counts as of {earlier.now:%Y-%m-%d}, less than {LEAST_APART.days} days from this one: "
            "whoever keeps both takes the difference of each number, and knows what became of single reports meanwhile. "
            "Nothing was written; publish later, or give --soon to put right an edition that was wrong"
        )


def differences(earlier: Earlier, later: Earlier) -> Differences:
    """What two editions tell by their difference."""
    both = [abs(number - later.numbers[place]) for place, number in earlier.numbers.items() if place in later.numbers]
    return Differences(len(both), sum(map(is_small, both)))
