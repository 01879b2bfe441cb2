"""What one policy changes of another, and whether that weakens it: lets somebody wait longer, or owe less."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeVar

from casetrail.domain.business_time import due_after
from casetrail.domain.calendars import WEEKDAYS, Calendar, clock_time
from casetrail.domain.detectors.catalogue import DETECTORS
from casetrail.domain.detectors.judging import check_settings
from casetrail.domain.detectors.settings import Laxer, Setting, Settings
from casetrail.domain.policy import ClockRule, Condition, Escalation, Limit, Policy, Withdrawn, WorkloadLimit
from casetrail.domain.policy_file import PolicyFileInvalid
from casetrail.domain.values import iso

T = TypeVar("T")

SAMPLED: Final = [datetime(2028, 1, 1, tzinfo=UTC) + timedelta(hours=5 * number) for number in range(366 * 24 // 5)]
"""Moments of a whole year, at every hour of the day: limits on different calendars are compared by what is due from them."""


class Change(StrEnum):
    """What a difference between two policies comes to."""

    WEAKENED = "weakened"
    TIGHTENED = "tightened"
    CHANGED = "changed"  # one cannot say: stricter for some, laxer for others, or a matter of meaning
    ADDED = "added"
    REMOVED = "removed"


class Difference(NamedTuple):
    """One difference: the key in the file, what it comes to, and how it was and is (empty: it is not there)."""

    key: str
    change: Change
    before: str
    after: str


def difference(old: Policy, new: Policy) -> list[Difference]:
    """All that differs, in the order of the file. Names and sources are no difference."""
    return [
        *_plain("time_zone", old.time_zone, new.time_zone, Change.CHANGED),
        *_tables("calendars", old.calendars, new.calendars, _calendar, _calendar_in_words),
        *_tables("escalations", old.escalations, new.escalations, _escalation, _escalation_in_words),
        *_tables("clocks", old.clocks, new.clocks, _clock, _clock_in_words),
        *_tables("workload", old.workload, new.workload, _workload, lambda one: str(one.most), "measure"),
        *_withdrawn(old.withdrawn, new.withdrawn),
        *_detectors(old, new),
    ]


def _plain(key: str, before: object, after: object, change: Change) -> Iterator[Difference]:
    if before != after:
        yield Difference(key, change, str(before), str(after))


def _judged(key: str, before: T, after: T, is_weaker: bool, words: Callable[[T], str] = str) -> Iterator[Difference]:
    """A difference of which it is known which side is weaker."""
    if before != after:
        yield Difference(key, Change.WEAKENED if is_weaker else Change.TIGHTENED, words(before), words(after))


def _tables(
    key: str, old: Iterable[T], new: Iterable[T], compare: Callable[[str, T, T], Iterator[Difference]],
    words: Callable[[T], str], name: str = "name",
) -> Iterator[Difference]:  # fmt: skip
    """Tables of two policies, compared by their names."""
    before = {str(getattr(one, name)): one for one in old}
    after = {str(getattr(one, name)): one for one in new}
    for one in dict.fromkeys((*before, *after)):
        if one not in after:
            yield Difference(f"{key}.{one}", Change.REMOVED, words(before[one]), "")
        elif one not in before:
            yield Difference(f"{key}.{one}", Change.ADDED, "", words(after[one]))
        else:
            yield from compare(f"{key}.{one}", before[one], after[one])


def _sets(key: str, before: Iterable[str], after: Iterable[str], more_is: Change) -> Iterator[Difference]:
    """Two sets of codes: having more of them comes to ``more_is``, having fewer to the opposite."""
    old, new = set(before), set(after)
    opposite = Change.TIGHTENED if more_is is Change.WEAKENED else Change.WEAKENED
    if old == new:
        return
    change = more_is if old < new else opposite if old > new else Change.CHANGED
    yield Difference(key, change, _listed(old), _listed(new))


def _listed(codes: Set[str]) -> str:
    return ", ".join(sorted(codes))


# --- calendars ---


def _calendar(key: str, old: Calendar, new: Calendar) -> Iterator[Difference]:
    """Days on which an office is closed, and hours, are time that does not count."""
    yield from _plain(f"{key}.time_zone", old.time_zone, new.time_zone, Change.CHANGED)
    yield from _sets(f"{key}.weekdays", _weekdays(old), _weekdays(new), Change.TIGHTENED)
    yield from _plain(f"{key}.hours", _hours(old), _hours(new), Change.CHANGED)
    yield from _sets(f"{key}.holidays", _holidays(old), _holidays(new), Change.WEAKENED)
    for name in ("saturday_to_friday", "sunday_to_monday"):
        before, after = getattr(old, name), getattr(new, name)
        yield from _judged(f"{key}.{name}", before, after, after, _yes_or_no)


def _calendar_in_words(calendar: Calendar) -> str:
    return f"{_listed(_weekdays(calendar))} {_hours(calendar)}, {len(_holidays(calendar))} holidays"


def _weekdays(calendar: Calendar) -> Set[str]:
    return {WEEKDAYS[day] for day in calendar.weekdays}


def _hours(calendar: Calendar) -> str:
    return f"{clock_time(calendar.opens)}-{clock_time(calendar.closes)}"


def _holidays(calendar: Calendar) -> Set[str]:
    return {*map(str, calendar.yearly), *(day.isoformat() for day in calendar.holidays)}


# --- escalations ---


def _escalation(key: str, old: Escalation, new: Escalation) -> Iterator[Difference]:
    before, after = dict(old.steps), dict(new.steps)
    for level in dict.fromkeys((*before, *after)):
        if level not in after:
            yield Difference(f"{key}.{level}", Change.WEAKENED, str(before[level]), "")
        elif level not in before:
            yield Difference(f"{key}.{level}", Change.TIGHTENED, "", str(after[level]))
        else:
            yield from _limit(f"{key}.{level}", (before[level], None), (after[level], None))


def _escalation_in_words(escalation: Escalation) -> str:
    return ", ".join(f"{step.level} {step.after}" for step in escalation.steps)


# --- clocks ---


def _clock(key: str, old: ClockRule, new: ClockRule) -> Iterator[Difference]:
    yield from _sets(f"{key}.start", old.start, new.start, Change.TIGHTENED)
    yield from _sets(f"{key}.stop", old.stop, new.stop, Change.WEAKENED)
    yield from _sets(f"{key}.void", old.void, new.void, Change.WEAKENED)
    yield from _limit(f"{key}.limit", (old.limit, old.calendar), (new.limit, new.calendar))
    for condition in Condition:
        before, after = dict(old.instead).get(condition), dict(new.instead).get(condition)
        if before is not None or after is not None:
            pair = (before or old.limit, old.calendar), (after or new.limit, new.calendar)
            yield from _limit(f"{key}.instead.{condition}", *pair)
    yield from _only(f"{key}.where", old.where, new.where)
    yield from _plain(f"{key}.service", old.service or "", new.service or "", Change.CHANGED)
    yield from _judged(f"{key}.acute", old.acute, new.acute, new.acute, _yes_or_no)
    yield from _judged(f"{key}.pausable", old.pausable, new.pausable, new.pausable, _yes_or_no)
    yield from _judged(f"{key}.pauses_once", old.pauses_once, new.pauses_once, old.pauses_once, _yes_or_no)
    yield from _judged(f"{key}.stated_date", old.stated_date, new.stated_date, old.stated_date, _yes_or_no)
    yield from _plain(f"{key}.owed_by", old.owed_by, new.owed_by, Change.CHANGED)
    yield from _plain(f"{key}.escalation", old.escalation.name, new.escalation.name, Change.CHANGED)


def _clock_in_words(rule: ClockRule) -> str:
    return _limit_in_words((rule.limit, rule.calendar))


def _only(key: str, before: str | None, after: str | None) -> Iterator[Difference]:
    """A clock that is for some cases only is weaker than one for all of them."""
    if before is None or after is None:
        yield from _judged(key, before, after, before is None, lambda one: one or "")
    else:
        yield from _plain(key, before, after, Change.CHANGED)


OnCalendar = tuple[Limit, Calendar | None]


def _limit(key: str, old: OnCalendar, new: OnCalendar) -> Iterator[Difference]:
    """Limits are compared by their lengths; on calendars that differ, by what is due from them at any moment of a year."""
    (before, old_calendar), (after, new_calendar) = old, new
    names = [calendar.name if calendar else "" for calendar in (old_calendar, new_calendar)]
    if names[0] == names[1] and before.unit is after.unit:
        yield from _judged(key, before, after, before.amount < after.amount)
        return
    dues = [(_due(start, old), _due(start, new)) for start in SAMPLED]
    later, earlier = any(one < other for one, other in dues), any(one > other for one, other in dues)
    if later or earlier:
        change = Change.CHANGED if later and earlier else Change.WEAKENED if later else Change.TIGHTENED
        yield Difference(key, change, _limit_in_words(old), _limit_in_words(new))


def _due(start: datetime, limit: OnCalendar) -> datetime:
    return due_after(start, limit[0].length(limit[1]), limit[1])


def _limit_in_words(limit: OnCalendar) -> str:
    return f"{limit[0]} on {limit[1].name}" if limit[1] else str(limit[0])


def _yes_or_no(value: bool) -> str:
    return "true" if value else "false"


# --- workload, withdrawn codes ---


def _workload(key: str, old: WorkloadLimit, new: WorkloadLimit) -> Iterator[Difference]:
    yield from _judged(f"{key}.most", old.most, new.most, old.most < new.most)


def _withdrawn(old: Iterable[Withdrawn], new: Iterable[Withdrawn]) -> Iterator[Difference]:
    """A code that is withdrawn no longer, or from a later day on, is a limit weakened."""
    before = {f"{one.vocabulary}.{one.code}": one.since for one in old}
    after = {f"{one.vocabulary}.{one.code}": one.since for one in new}
    for name in dict.fromkeys((*before, *after)):
        key = f"withdrawn.{name}"
        if name not in after:
            yield Difference(key, Change.REMOVED, iso(before[name]), "")
        elif name not in before:
            yield Difference(key, Change.ADDED, "", iso(after[name]))
        else:
            yield from _judged(key, before[name], after[name], before[name] < after[name], iso)


# --- detectors ---


def _detectors(old: Policy, new: Policy) -> Iterator[Difference]:
    """What detectors are set to, said or not. Where a policy says what no detector knows, only that it differs is said."""
    try:
        before, after = check_settings(old), check_settings(new)
    except PolicyFileInvalid:
        yield from _as_written(old.detectors, new.detectors)
        return
    for name, detector in DETECTORS.items():
        yield from _detector(f"detectors.{name}", detector.settings, before[name], after[name])


def _as_written(old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]) -> Iterator[Difference]:
    for name in dict.fromkeys((*old, *new)):
        before, after = old.get(name, {}), new.get(name, {})
        for setting in dict.fromkeys((*before, *after)):
            key = f"detectors.{name}.{setting}"
            yield from _plain(key, before.get(setting, ""), after.get(setting, ""), Change.CHANGED)


def _detector(key: str, settings: Iterable[Setting], old: Settings, new: Settings) -> Iterator[Difference]:
    yield from _judged(f"{key}.off", old.off, new.off, new.off, _yes_or_no)
    if old.escalation.name != new.escalation.name:  # of one name, the escalation itself is compared
        yield from _escalation(f"{key}.escalation", old.escalation, new.escalation)
    for one in settings:
        yield from _setting(f"{key}.{one.name}", one, old, new)


def _setting(key: str, setting: Setting, old: Settings, new: Settings) -> Iterator[Difference]:
    """How a setting differs. Where both policies take a limit from the same clock, the clock is what is compared."""
    name, pass_more = setting.name, setting.lets_pass
    if isinstance(setting.default, Limit):
        clock = old.follows_clock(name)
        if clock is None or clock != new.follows_clock(name):
            for one in _limit(key, old.on_calendar(name), new.on_calendar(name)):
                yield one._replace(change=_turned(one.change)) if pass_more is not Laxer.MORE else one
        return
    before, after = old.values[name], new.values[name]
    if isinstance(setting.default, tuple):
        more_is = Change.WEAKENED if pass_more is Laxer.MORE else Change.TIGHTENED
        yield from _sets(key, before, after, more_is)
    elif pass_more is Laxer.UNKNOWN:
        yield from _plain(key, before, after, Change.CHANGED)
    else:
        yield from _judged(key, before, after, (before < after) is (pass_more is Laxer.MORE))


def _turned(change: Change) -> Change:
    """What a longer limit comes to where it lets less pass."""
    opposite = {Change.WEAKENED: Change.TIGHTENED, Change.TIGHTENED: Change.WEAKENED}
    return opposite.get(change, change)
