"""The story of the demonstration: four years of a unit that handles its cases well, and drops 149 of them.

It says of each report what was done to it, so that what is seen can be held against what happened.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time
from importlib.resources import files
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from casetrail.demo.arrivals import Arrival, arrivals
from casetrail.demo.dropped import dropped
from casetrail.demo.handled import handled
from casetrail.demo.hours import Hours
from casetrail.demo.people import (
    AGENCIES,
    COMMANDERS,
    DETECTIVES,
    INTAKE,
    LIAISON,
    OUTSIDERS,
    PERIOD,
    POLICE,
    REGISTRAR,
    SERGEANTS,
    UNIT,
    Member,
)
from casetrail.demo.telling import DAY, HOUR, MINUTE, Scene
from casetrail.demo.unit import Unit
from casetrail.domain.actions import Body
from casetrail.domain.codes import Role
from casetrail.domain.policy_file import parse_policy
from casetrail.domain.registry import REGISTRY, AgencyRegistered, PersonJoined, PersonLeft, PersonMoved, PolicyAdopted
from casetrail.domain.values import iso

PRESET: Final = "missouri"
WITHDRAWN_FROM: Final = "from = 2022-01-01"
"""Since when the preset has withdrawn the code 'lack of personnel'."""


@dataclass(frozen=True)
class Story:
    """All scenes in the order in which they are entered, and all reports: those with a pattern are the 149."""

    start: datetime
    end: datetime
    scenes: list[Scene]
    arrivals: list[Arrival]

    @property
    def dropped(self) -> list[Arrival]:
        """The 149."""
        return [one for one in self.arrivals if one.pattern is not None]


def story(seed: int, end: datetime, quick: bool = False) -> Story:
    """The four years before ``end`` (UTC), the same for the same seed. ``quick``: the 149 alone."""
    chance = Random(seed)  # noqa: S311  (a story, not a secret)
    start = end - PERIOD
    text = _preset()
    policy = parse_policy(text)
    unit = Unit(chance, start, end, Hours(policy.calendars[0]))
    scenes = list(_registry(unit, text, policy.time_zone))
    found = arrivals(chance, end)
    for report, pattern in found:
        if pattern is not None:
            scenes += dropped(pattern, report, unit, chance)
        elif not quick:
            scenes += handled(report, unit, chance)
    told = sorted((one for one in scenes if one.entered < end), key=lambda one: one.entered)
    return Story(start, end, told, [one for one in found if one.pattern is not None or not quick])


def _preset() -> str:
    return (files("casetrail.domain") / "presets" / f"{PRESET}.toml").read_text("utf-8")


# --- the registry ---


def _registry(unit: Unit, text: str, time_zone: str) -> Iterator[Scene]:
    """Agencies, people and policies: the unit adopts the preset, and in its third year withdraws a code."""
    at = unit.start - 5 * HOUR
    for number, (agency, kind) in enumerate(AGENCIES.items()):
        yield _entry(at + number * MINUTE, AgencyRegistered(agency, kind))
    at += HOUR
    for number, actor in enumerate((REGISTRAR, INTAKE, LIAISON, *OUTSIDERS)):
        body = PersonJoined(actor.id, actor.agency, actor.role, UNIT if actor.role is Role.INTAKE else None)
        yield _entry(at + number * MINUTE, body)
    for number, member in enumerate((*COMMANDERS, *SERGEANTS, *DETECTIVES)):
        yield from _career(unit, member, at + (20 + number) * MINUTE)
    third_year = unit.start + 2 * 365 * DAY
    withdrawn = f"from = {iso(datetime.combine(third_year, time(), ZoneInfo(time_zone)))}"
    yield _adopted(unit, unit.start - 3 * HOUR, unit.start - 2 * HOUR, text)
    yield _adopted(unit, third_year - 9 * DAY, third_year, text.replace(WITHDRAWN_FROM, withdrawn))


def _adopted(unit: Unit, at: datetime, since: datetime, text: str) -> Scene:
    return Scene(at, at + 4 * MINUTE, REGISTRY, unit.commander(at), PolicyAdopted(since, text.encode()))


def _career(unit: Unit, member: Member, first: datetime) -> Iterator[Scene]:
    """Somebody joins the unit, and leaves it or the agency."""
    actor, left = member.actor, unit.left(member)
    joined = first if member.joins is None else unit.joined(member)
    yield _entry(joined, PersonJoined(actor.id, POLICE, actor.role, UNIT))
    if left is not None:
        yield _entry(
            left, PersonMoved(actor.id, actor.role, member.moves_to) if member.moves_to else PersonLeft(actor.id)
        )


def _entry(at: datetime, body: Body) -> Scene:
    return Scene(at, at + 3 * MINUTE, REGISTRY, REGISTRAR, body)
