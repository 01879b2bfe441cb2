"""The arithmetic of ``docs/scale.md``: what a city, a state and the country need, from measured inputs and stated assumptions."""

from collections.abc import Callable, Mapping
from math import ceil
from typing import Final, NamedTuple

ACTIONS_A_REPORT: Final = 30
"""Assumed. The lives of the bench have ten; missed deadlines, tellings and reassignments come on top."""
HEARTBEATS: Final = 52_560
"""A year, of one process: one every ten minutes."""
PROCESSES: Final = 5
"""That give heartbeats: two recorders, a projector, a watchdog, a notary."""
PEAK: Final = 10
"""Assumed. So many times the mean of all hours comes in the busiest one."""
HOURS: Final = 8760
REPLICAS: Final = 3
YEARS: Final = 10
LEAST_PARTITIONS: Final = 12
"""What ``log init`` makes. The number can never be changed."""
SPARE: Final = 2
"""One recorder may be lost, and one is at most half busy."""


class Place(NamedTuple):
    """Who has so many reports a year."""

    name: str
    reports: int


PLACES: Final = (
    Place("one unit: 1,000 reports a year", 1_000),
    Place("a big city, all reports: 255,000", 255_000),
    Place("a state: 480,000", 480_000),
    Place("the country: 4,000,000", 4_000_000),
)

Values = Mapping[str, float]
Work = Callable[[Place, Values], float]


class Line(NamedTuple):
    """A line of the table: a name, the arithmetic in words, the unit, and the same arithmetic in code.

    ``work`` raises ``KeyError`` where an input has not been measured.
    """

    name: str
    arithmetic: str
    unit: str
    work: Work


def events(place: Place) -> float:
    """Events a year."""
    return place.reports * ACTIONS_A_REPORT + PROCESSES * HEARTBEATS


def busiest(place: Place) -> float:
    """Events a second in the busiest hour."""
    return events(place) / HOURS * PEAK / 3600


def _of_events(key: str, years: int = 1, factor: int = 1) -> Work:
    return lambda place, values: events(place) * years * factor * values[key]


def _of_cases(key: str, years: int = 1) -> Work:
    return lambda place, values: place.reports * years * values[key]


def _time(key: str, years: int = 1) -> Work:
    return lambda place, values: events(place) * years / values[key]


def _recorders(place: Place, values: Values) -> float:
    return ceil(busiest(place) * SPARE / values["recorder"]) + 1


def _partitions(place: Place, values: Values) -> float:
    return max(LEAST_PARTITIONS, 2 * _recorders(place, values))


LINES: Final = (
    Line(
        "events a year", f"reports × {ACTIONS_A_REPORT} + {PROCESSES} processes × {HEARTBEATS:,} heartbeats",
        "", lambda place, _: events(place),
    ),
    Line("events in ten years", "× 10", "", lambda place, _: events(place) * YEARS),
    Line("events in the busiest hour", f"a year ÷ {HOURS:,} × {PEAK}", "", lambda place, _: busiest(place) * 3600),
    Line("the same a second", "÷ 3,600", "", lambda place, _: busiest(place)),
    Line("recorders", f"a second × {SPARE} ÷ `recorder`, rounded up, + 1 in reserve", "pieces", _recorders),
    Line("partitions", f"2 × recorders, at least {LEAST_PARTITIONS}", "pieces", _partitions),
    Line("brokers", f"{REPLICAS} replicas on as many machines", "pieces", lambda *_: REPLICAS),
    Line("projectors, notaries, watchdogs", "one works at a time, + 1 in reserve", "pieces", lambda *_: 2),
    Line("the one projector's time for the events of a busiest hour", "÷ `projector`", "seconds",
         lambda place, values: busiest(place) * 3600 / values["projector"]),
    Line("log on Kafka, a year, all replicas", f"events × {REPLICAS} × `kafka_bytes`", "bytes",
         _of_events("kafka_bytes", factor=REPLICAS)),
    Line("log on Kafka, ten years", "× 10", "bytes", _of_events("kafka_bytes", YEARS, REPLICAS)),
    Line("embedded log, ten years", "events × 10 × `embedded_bytes`", "bytes", _of_events("embedded_bytes", YEARS)),
    Line("views in SQLite, ten years", "events × 10 × `sqlite_bytes`", "bytes", _of_events("sqlite_bytes", YEARS)),
    Line("views in PostgreSQL, ten years", "events × 10 × `postgres_bytes`", "bytes", _of_events("postgres_bytes", YEARS)),
    Line("notary's tree, ten years", "events × 10 × `tree_bytes`", "bytes", _of_events("tree_bytes", YEARS)),
    Line("recorder's state file, ten years", "reports × 10 × `state_bytes`", "bytes", _of_cases("state_bytes", YEARS)),
    Line("watchdog's file, ten years", "events × 10 × `watchdog_bytes`", "bytes", _of_events("watchdog_bytes", YEARS)),
    Line("keyring, ten years", "reports × 10 × `keyring_bytes`", "bytes", _of_cases("keyring_bytes", YEARS)),
    Line("verify a year", "events ÷ `verify`", "seconds", _time("verify")),
    Line("verify ten years", "× 10", "seconds", _time("verify", YEARS)),
    Line("the same with casetrail[fast]", "events × 10 ÷ `verify_fast`", "seconds", _time("verify_fast", YEARS)),
    Line("replay a year", "events ÷ `replay`", "seconds", _time("replay")),
    Line("replay ten years", "× 10", "seconds", _time("replay", YEARS)),
    Line("rebuild ten years into SQLite, status alone", "events × 10 ÷ `rebuild`", "seconds", _time("rebuild", YEARS)),
    Line("the same into PostgreSQL", "events × 10 ÷ `rebuild_postgres`", "seconds", _time("rebuild_postgres", YEARS)),
    Line("the same into SQLite, with judgements", "events × 10 ÷ `rebuild_judged`", "seconds", _time("rebuild_judged", YEARS)),
    Line("a recorder without a state file takes over half of a year's events", "events ÷ 2 ÷ `fold`", "seconds",
         lambda place, values: events(place) / 2 / values["fold"]),
    Line("a lost notary's tree, made again after ten years", "events × 10 ÷ `notary`", "seconds", _time("notary", YEARS)),
)  # fmt: skip
"""The table, line by line."""
