"""The unit as the story goes on: who is there, who is given the next case, who takes over from somebody who leaves."""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from datetime import datetime, timedelta
from random import Random
from typing import Final

from casetrail.demo.hours import Hours
from casetrail.demo.people import COMMANDERS, DETECTIVES, LEFT_UNPLANNED, SERGEANTS, Member
from casetrail.domain.actions import Actor

DAY: Final = timedelta(days=1)
WINDING_DOWN: Final = timedelta(days=14)
"""Before a planned leave nobody is given new cases any more."""
MOST_HELD: Final = 29
"""With so many open cases nobody is given another while somebody else can take it: the policy allows 30."""


class Unit:
    """Eight investigators and their sergeants, over the years of the story."""

    def __init__(self, chance: Random, start: datetime, end: datetime, hours: Hours) -> None:
        self.chance, self.start, self.end, self.hours = chance, start, end, hours
        self._given: defaultdict[str, list[datetime]] = defaultdict(list)
        self._kept: defaultdict[str, list[datetime]] = defaultdict(list)
        self._ends: defaultdict[str, list[datetime]] = defaultdict(list)
        for member in (*SERGEANTS, *DETECTIVES):
            hours.days_off(chance, member.actor.id, start, end)

    def joined(self, member: Member) -> datetime:
        """When somebody joined."""
        return self.start - DAY if member.joins is None else self.start + member.joins * DAY

    def left(self, member: Member) -> datetime | None:
        """When somebody left; None where they never did."""
        return None if member.leaves is None else self.start + member.leaves * DAY

    def is_there(self, member: Member, at: datetime) -> bool:
        """Whether somebody works in the unit at a moment."""
        left = self.left(member)
        return self.joined(member) <= at and (left is None or at < left)

    def commander(self, at: datetime) -> Actor:
        """The commander at a moment."""
        return next(one.actor for one in COMMANDERS if self.is_there(one, at))

    def sergeant(self, at: datetime, of: Actor | None = None, other_than: Actor | None = None) -> Actor:
        """The sergeant of an investigator's team; the other one where the first is not at work."""
        there = [one.actor for one in SERGEANTS if self.is_there(one, at)]
        team = 0 if of is None else int(of.id[-2:]) % 2
        ordered = [*there[team:], *there[:team]]
        fit = [one for one in ordered if one != other_than and self.hours.absence(one.id, at) is None]
        return next(iter(fit), self.commander(at))

    def second_sergeant(self, at: datetime) -> Actor:
        """The sergeant of the second team, at work or not."""
        return [one.actor for one in SERGEANTS if self.is_there(one, at)][-1]

    def next_to_leave(self, at: datetime) -> Actor:
        """Who leaves next without having planned it."""
        leaving = [(left, one.actor) for one in LEFT_UNPLANNED if (left := self.left(one)) is not None and left > at]
        return min(leaving, key=lambda one: one[0])[1]

    def successor(self, left: Actor) -> tuple[Actor, datetime]:
        """Who takes the place of somebody who left, and when that one begins."""
        gone = next(self.left(one) for one in LEFT_UNPLANNED if one.actor == left)
        assert gone is not None
        return min(
            ((one.actor, self.joined(one)) for one in DETECTIVES if self.joined(one) > gone), key=lambda one: one[1]
        )

    def on_call(self, at: datetime) -> Actor:
        """Who is on call in a week."""
        there = self._there(at)
        week = (at - self.start) // (7 * DAY)
        return there[week % len(there)].actor

    def assign(self, at: datetime, other_than: Actor | None = None) -> Actor:
        """Whom a sergeant gives the next case to: of those who do not hold too many, who was given the fewest this month.

        The policy counts by months, so sergeants do.
        """
        free = [one for one in self._there(at) if one.actor != other_than and self._takes_cases(one, at)]
        member = min(free or self._there(at), key=lambda one: self._load(one.actor.id, at))
        insort(self._given[member.actor.id], at)
        return member.actor

    def burden(self, holder: Actor, at: datetime) -> None:
        """Somebody is given a case past all this, and keeps it."""
        insort(self._kept[holder.id], at)

    def hold(self, holder: Actor, until: datetime) -> None:
        """Note until when somebody holds a case."""
        insort(self._ends[holder.id], until)

    def _takes_cases(self, member: Member, at: datetime) -> bool:
        leaves = self.left(member) if member.plans else None
        if leaves is not None and at > leaves - WINDING_DOWN:
            return False
        return self.hours.absence(member.actor.id, at) is None and self.hours.absence(member.actor.id, at + DAY) is None

    def _load(self, person: str, at: datetime) -> tuple[bool, int, int]:
        given, kept = self._given[person], self._kept[person]
        first = at.replace(day=1, hour=0, minute=0)
        held = bisect_right(given, at) + bisect_right(kept, at) - bisect_right(self._ends[person], at)
        month = bisect_right(given, first + 31 * DAY) - bisect_left(given, first)
        month += bisect_right(kept, at) - bisect_left(kept, first)
        return held >= MOST_HELD, month, held

    def _there(self, at: datetime) -> list[Member]:
        return [one for one in DETECTIVES if self.is_there(one, at)]

    def hands_over_at(self, holder: Actor) -> datetime | None:
        """When what somebody holds is handed over: in the last week, or on the day when the sergeants find out."""
        member = next(one for one in DETECTIVES if one.actor == holder)
        leaves = self.left(member)
        if leaves is None:
            return None
        if member.plans:
            return self.hours.after(leaves - self.chance.uniform(2, 7) * DAY, self.chance.uniform(0.1, 6))
        return self.hours.after(leaves, self.chance.uniform(0.5, 7))
