"""By which rules the numbers were counted: the policies that agencies have adopted, what each lets pass, and the time limits."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from casetrail.domain.detectors.judging import check_settings
from casetrail.domain.policy import ClockRule, Policy
from casetrail.domain.policy_diff import Change, Difference, difference
from casetrail.domain.registry import REGISTRY
from casetrail.domain.values import harmless
from casetrail.eventlog.codec import decode_event
from casetrail.projections.database import Database
from casetrail.projections.queries import timeline
from casetrail.projections.registry import default_policy, readable

TOLD: Final = (Change.WEAKENED, Change.REMOVED, Change.CHANGED)

TimeLimits = Mapping[str, str]
"""Clocks by their names in words, and in a sentence of each what it is."""


@dataclass(frozen=True)
class Rules:
    """A policy that an agency adopted, compared with the one that it was held to before. ``number``: of the event.

    ``weakened``, ``removed`` and ``changed``: keys of the policy; ``said``: how it was and is, by these keys. ``off``:
    detectors that are turned off. ``since``: from when it is in force, UTC. ``is_first``: it is compared with the usual one.
    ``unread``: how many problems a policy has that is in force nowhere, because of them.
    """

    number: int
    agency: str
    since: datetime
    weakened: Sequence[str] = ()
    removed: Sequence[str] = ()
    changed: Sequence[str] = ()
    off: Sequence[str] = ()
    unread: int = 0
    is_first: bool = False
    said: Mapping[str, str] = field(default_factory=dict)
    limits: TimeLimits = field(default_factory=dict)

    @property
    def weaker(self) -> Sequence[str]:
        """What is weakened, without the detectors that are ``off``."""
        off = {f"detectors.{name}.off" for name in self.off}
        return [key for key in self.weakened if key not in off]


def rules(database: Database, now: datetime) -> list[Rules]:
    """Every policy that is or was in force by ``now``, in that order; the first of each agency is compared with the usual one.

    One that was adopted for a later day is none that an agency has been held to: what is compared with it looks better than it is.
    """
    registry = [decode_event(value).recorded() for _, _, value in timeline(database, REGISTRY)]
    before: dict[str, Policy] = {}
    found = []
    for one, policy in sorted(readable(registry), key=lambda read: (read[0].since, read[0].number)):
        agency = one.actor.agency
        if isinstance(policy, Policy):
            is_first = agency not in before
            differences = difference(before.get(agency, default_policy()), policy)
            before[agency] = policy
            off = [name for name, settings in check_settings(policy).items() if settings.off]
            weakened, removed, changed = (_keys(differences, change) for change in TOLD)
            said = {
                one.key: harmless(f"{one.before or 'nothing'}, then {one.after or 'nothing'}") for one in differences
            }
            found.append(Rules(one.number, agency, one.since, weakened, removed, changed, off, is_first=is_first,
                               said={key: said[key] for key in (*weakened, *removed, *changed)},
                               limits=time_limits(policy)))  # fmt: skip
        else:
            found.append(Rules(one.number, agency, one.since, unread=len(policy.problems)))
    return [one for one in found if one.since <= now]


def _keys(differences: Sequence[Difference], change: Change) -> list[str]:
    return [one.key for one in differences if one.change is change]


def time_limits_in_force(adopted: Iterable[Rules]) -> list[tuple[Sequence[str], TimeLimits]]:
    """The time limits of each agency's newest policy, those that are alike together; last the usual ones, with no agency named.

    By those all others are judged, and everybody's reports from before the first policy of their own.
    """
    newest = {one.agency: one for one in sorted(adopted, key=lambda one: (one.since, one.number)) if not one.unread}
    found: list[tuple[list[str], TimeLimits]] = []
    for agency, one in sorted(newest.items()):
        like = next((agencies for agencies, limits in found if limits == one.limits), None)
        if like is None:
            found.append(([agency], one.limits))
        else:
            like.append(agency)
    return [*found, ([], time_limits(default_policy()))]


def time_limits(policy: Policy) -> TimeLimits:
    """What each clock of a policy is."""
    return {_words(clock.name): _says(clock) for clock in policy.clocks}


def _says(clock: ClockRule) -> str:
    """How long it runs, from what to what, in which cases, and where that comes from."""
    on = f" on {_words(clock.calendar.name)}" if clock.calendar else ""
    only = [f"only where {_words(clock.where)}"] if clock.where else []
    only += [f"only for {'an acute ' if clock.acute else ''}{_words(clock.service)}"] if clock.service else []
    others = [f"{limit} where {_words(condition)}" for condition, limit in clock.instead]
    runs = f"{clock.limit}{on}, from {_any_of(clock.start)} to {_any_of(clock.stop)}"
    return harmless(f"{'; '.join([runs, *only, *others])}. Source: {clock.source}.")


def _any_of(happenings: Sequence[str]) -> str:
    *some, last = map(_words, happenings)
    return f"{', '.join(some)} or {last}" if some else last


def _words(name: str) -> str:
    return name.replace("_", " ")
