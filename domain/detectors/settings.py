"""Settings of detectors: what a policy may set in its tables ``[detectors.NAME]``, and what holds where it sets nothing.

A limit that a policy's clock states already is taken from that clock, with its calendar: so one number says it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

from casetrail.domain.business_time import Span, due_after
from casetrail.domain.calendars import Calendar
from casetrail.domain.policy import ClockRule, Condition, Escalation, InForce, Limit, Policy, Unit
from casetrail.domain.policy_file import PolicyFileInvalid
from casetrail.domain.tables import Problem, Table, nearest, shown

NEAR: Final = range(2, 9000)
"""Years from which a limit leads to no end of the calendar."""
USUAL: Final = "usual"
NOBODY: Final = Escalation("nobody", (), "")
COMMON: Final = ("off", "escalation")
"""Keys that every detector has: turn it off; who is told (the escalation ``usual`` unless another is named)."""


class Laxer(StrEnum):
    """Which way a setting lets more pass unseen."""

    MORE = "more"
    LESS = "less"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Setting:
    """One setting: its name, its default, what it means, and where the default comes from.

    ``clock``: unless it is set, the limit of the policy's clock of this name, if there is one, holds, on its calendar.
    ``calendar_of``: a limit of its own, on the calendar of this clock, if there is one.
    ``codes``: the vocabulary that a list of codes is of. ``least`` and ``most``: between what a number must lie.
    ``laxer``: which way it lets more pass; unless it is said, larger limits and numbers do, and fewer codes.
    """

    name: str
    default: Limit | int | float | tuple[str, ...]
    meaning: str
    source: str = "practice"
    clock: str | None = None
    calendar_of: str | None = None
    codes: type[StrEnum] | None = None
    least: float = 0
    most: float = 10_000
    laxer: Laxer | None = None

    @property
    def lets_pass(self) -> Laxer:
        """Which way it lets more pass."""
        return self.laxer or (Laxer.MORE if isinstance(self.default, Limit | int | float) else Laxer.LESS)

    def taken_from(self, table: Table) -> Any:
        """The value that a table gives it; the default where it gives none, or a wrong one."""
        if self.name not in table.values:
            return self.default
        if isinstance(self.default, Limit):
            return table.limit(self.name, zero=True) or self.default
        if isinstance(self.default, tuple):
            assert self.codes is not None, self.name
            return table.many_of(self.name, self.codes, needed=False)
        return self._number(table, self.default)

    def _number(self, table: Table, default: float) -> Any:
        whole = isinstance(default, int)
        what = f"a {'whole number' if whole else 'number, such as 0.01,'} from {self.least:g} to {self.most:g}"
        found = table.take(self.name, int if whole else float, what, default)
        if found is not None and not self.least <= found <= self.most:
            table.note(self.name, f"is {shown(found)}", f"write {what}")
            return default
        return found


def days(amount: int) -> Limit:
    """So many days."""
    return Limit(amount, Unit.DAYS)


def hours(amount: int) -> Limit:
    """So many hours."""
    return Limit(amount, Unit.HOURS)


@dataclass(frozen=True)
class Settings:
    """The settings of one detector by one policy."""

    detector: str
    policy: Policy
    values: Mapping[str, Any]
    clocks: Mapping[str, ClockRule]
    """The clocks from which limits, or only their calendars, are taken."""
    escalation: Escalation
    off: bool

    def due(
        self, name: str, start: datetime, conditions: frozenset[Condition] = frozenset(), rests: Sequence[Span] = ()
    ) -> datetime:
        """When a limit is over that began at ``start``, in a case of these kinds, not counting ``rests``."""
        clock = self.clocks.get(name)
        calendar = clock.calendar if clock else None
        if calendar is None and not rests and start.year in NEAR and not (clock and clock.instead):
            return start + self.spans[name]  # what most are, in less time
        return due_after(start, self.limit(name, conditions).length(calendar), calendar, rests)

    def is_like(self, other: "Settings") -> bool:
        """Whether both judge alike."""
        alike = (self.values, self.clocks, self.escalation, self.off)
        return alike == (other.values, other.clocks, other.escalation, other.off)

    def limit(self, name: str, conditions: frozenset[Condition] = frozenset()) -> Limit:
        """A limit."""
        set_to = self.values[name]
        clock = self.clocks.get(name)
        if clock is None or set_to is not None:
            return set_to  # type: ignore[no-any-return]
        return next((limit for condition, limit in clock.instead if condition in conditions), clock.limit)

    def shortest(self, name: str) -> timedelta:
        """A limit is never over sooner: on a calendar it takes longer."""
        clock = self.clocks.get(name)
        limits = [self.limit(name)]
        if clock is not None and self.values[name] is None:
            limits += [limit for _, limit in clock.instead]
        return min(limit.length(clock.calendar if clock else None) for limit in limits)

    def follows_clock(self, name: str) -> str | None:
        """The clock from which a limit is taken; None where the policy sets the limit itself."""
        clock = self.clocks.get(name)
        return clock.name if clock is not None and self.values[name] is None else None

    def on_calendar(self, name: str) -> tuple[Limit, Calendar | None]:
        """A limit, and on which calendar it is reckoned: as ``due`` does."""
        clock = self.clocks.get(name)
        return self.limit(name), clock.calendar if clock else None

    def span(self, name: str) -> timedelta:
        """A limit on the wall clock."""
        return self.spans[name]

    @cached_property
    def spans(self) -> dict[str, timedelta]:
        """All limits on the wall clock."""
        limits = [name for name, value in self.values.items() if value is None or isinstance(value, Limit)]
        return {name: self.limit(name).length(None) for name in limits}

    def number(self, name: str) -> int:
        """A whole number."""
        return int(self.values[name])

    def share(self, name: str) -> float:
        """A share, or a probability."""
        return float(self.values[name])

    def codes(self, name: str) -> frozenset[str]:
        """A list of codes."""
        return frozenset(self.values[name])

    def shown(self) -> dict[str, str]:
        """All of them as texts, for people."""
        return {name: self._shown(name, value) for name, value in self.values.items()}

    def _shown(self, name: str, value: Any) -> str:
        if isinstance(value, tuple) and not isinstance(value, Limit):
            return ", ".join(value)
        clock = self.clocks.get(name)
        text = str(self.limit(name)) if value is None or isinstance(value, Limit) else str(value)
        return f"{text} on {clock.calendar.name}" if clock and clock.calendar else text


def settings_of(policy: Policy, detectors: Mapping[str, Iterable[Setting]]) -> dict[str, Settings]:
    """What a policy sets for each of these detectors. Raises ``PolicyFileInvalid``, which names all that is wrong."""
    problems: list[Problem] = []
    for name in policy.detectors:
        if name not in detectors:
            problems.append(Problem(f"detectors.{name}", "is no detector", f"write {nearest(name, list(detectors))}"))
    found = {}
    for name, settings in detectors.items():
        table = Table(dict(policy.detectors.get(name, {})), f"detectors.{name}", problems)
        found[name] = _settings(name, policy, tuple(settings), table)
    if problems:
        raise PolicyFileInvalid(problems)
    return found


def _settings(detector: str, policy: Policy, settings: Sequence[Setting], table: Table) -> Settings:
    by_name = {clock.name: clock for clock in policy.clocks}
    named = {one.name: one.clock or one.calendar_of for one in settings}
    clocks = {name: by_name[clock] for name, clock in named.items() if clock in by_name}
    values = {one.name: None if one.clock in by_name and one.name not in table.values else one.taken_from(table)
              for one in settings}  # fmt: skip
    escalations = {one.name: one for one in policy.escalations}
    escalation = escalations.get(USUAL, next(iter(policy.escalations), NOBODY))
    if "escalation" in table.values:
        escalation = table.named("escalation", escalations, "escalations") or escalation
    off = table.flag("off")
    table.done([*[one.name for one in settings], *COMMON])
    return Settings(detector, policy, values, clocks, escalation, off)


class Standards:
    """By which settings detectors judge, at any moment: those of the policy that was in force then."""

    def __init__(self, policies: InForce, detectors: Mapping[str, Iterable[Setting]]) -> None:
        self._policies = policies
        self._detectors = detectors
        self._known: dict[int, dict[str, Settings]] = {}

    def of(self, agency: str, detector: str) -> Callable[[datetime], Settings]:
        """The settings of a detector by which an agency is judged, at any moment. Raises ``PolicyFileInvalid`` then."""
        policies = self._policies.of(agency)

        def at(moment: datetime) -> Settings:
            return self._by(policies.at(moment))[detector]

        if len(policies.all) > 1:
            return at
        found: list[Settings] = []  # most agencies have one policy: it is looked up once

        def always(moment: datetime) -> Settings:
            if not found:
                found.append(at(moment))
            return found[0]

        return always

    def all(self, agency: str, detector: str) -> list[Settings]:
        """All settings of a detector by which an agency was ever judged. Raises ``PolicyFileInvalid``."""
        return [self._by(policy)[detector] for policy in self._policies.of(agency).all]

    def _by(self, policy: Policy) -> dict[str, Settings]:
        known = self._known.get(id(policy))  # the policies live as long as this does
        if known is None:
            known = self._known[id(policy)] = settings_of(policy, self._detectors)
        return known
