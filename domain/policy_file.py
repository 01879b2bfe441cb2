"""A policy from its file, which is TOML. ``docs/policy.md`` describes the file; everything that is wrong is named at once."""

import tomllib
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from casetrail.domain import codes
from casetrail.domain.calendars import MINUTES_A_DAY, WEEKDAYS, Calendar, Weekday, Yearly, clock_time, parse_yearly
from casetrail.domain.codes import Service
from casetrail.domain.happenings import ABOUT_A_CONCERN, ABOUT_A_REFERRAL, Happening
from casetrail.domain.policy import (
    ClockRule,
    Condition,
    Escalation,
    Level,
    Limit,
    Measure,
    Owes,
    Policy,
    Step,
    Withdrawn,
    WorkloadLimit,
)
from casetrail.domain.tables import Problem, Table, nearest, shown

MOST_BYTES: Final = 24 * 1024
"""A policy is adopted as one event, which has room for 32 KiB with all that surrounds the text."""

MOST_DEPTH: Final = 50
MOST_DOTS: Final = 200
"""On one line. Whoever may adopt a policy could else write one on which every reader's stack runs out, or its time."""
MOST_WORKLOAD: Final = 1_000_000

SOURCE: Final = 'where it comes from, such as "RSMo 210.145" or "practice"'
WALL: Final = "wall"
STATE_A_DATE: Final = frozenset({Happening.SUSPENDED, Happening.EXTENDED})
A_YEAR: Final = [date(2028, 1, 1) + timedelta(days=day) for day in range(366)]
TIMES: Final = {clock_time(minutes): minutes for minutes in range(MINUTES_A_DAY + 1)}
VOCABULARIES: Final = {
    name: value for name, value in vars(codes).items() if isinstance(value, type) and issubclass(value, StrEnum)
}

KEYS: Final = ("name", "time_zone", "calendars", "escalations", "clocks", "workload", "withdrawn", "detectors")
CALENDAR_KEYS: Final = ("weekdays", "opens", "closes", "holidays", "saturday_to_friday", "sunday_to_monday")
CLOCK_KEYS: Final = (
    "start", "stop", "void", "limit", "instead", "where", "calendar", "pausable", "pauses_once", "stated_date",
    "service", "acute", "owed_by", "escalation", "source",
)  # fmt: skip


class PolicyFileInvalid(ValueError):
    """A text that is no policy. ``problems`` has all that is wrong with it."""

    code = "policy-file-invalid"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        lines = [f"{one.path or 'the file'} {one.problem}: {one.advice}" for one in self.problems]
        super().__init__("this is no policy:\n" + "\n".join(lines))


def parse_policy(text: str) -> Policy:
    """The policy that a text states. Raises ``PolicyFileInvalid``."""
    if (size := len(text.encode())) > MOST_BYTES:
        advice = f"shorten it to at most {MOST_BYTES}: it is adopted as one event"
        raise PolicyFileInvalid([Problem("", f"has {size} bytes", advice)])
    if _is_entangled(text):
        advice = f"nest at most {MOST_DEPTH} tables or lists, and write at most {MOST_DOTS} dots on a line"
        raise PolicyFileInvalid([Problem("", "is nested too deeply", advice)])
    try:
        values = tomllib.loads(text)
    except ValueError as error:  # that of tomllib, or of a number of thousands of digits
        raise PolicyFileInvalid([Problem("", f"is not TOML ({error})", "mend that place")]) from error
    problems: list[Problem] = []
    policy = _policy(Table(values, "", problems))
    if problems:
        raise PolicyFileInvalid(problems)
    return policy


def _is_entangled(text: str) -> bool:
    """Whether a text nests more than any policy does. Brackets in texts and remarks count: those of a policy are few."""
    depth = 0
    for one in text:
        if one in "[{":
            depth += 1
        elif one in "]}":
            depth = max(0, depth - 1)
        if depth > MOST_DEPTH:
            return True
    return any(line.count(".") > MOST_DOTS for line in text.splitlines())


def _policy(table: Table) -> Policy:
    name = table.text("name", "a short name for this policy")
    zone = _zone(table)
    calendars = {name: _calendar(name, zone, one) for name, one in table.tables("calendars")}
    escalations = {name: _escalation(name, one) for name, one in table.tables("escalations", needed=True)}
    clocks = [_clock(name, one, calendars, escalations) for name, one in table.tables("clocks", needed=True)]
    workload = [_workload(name, one) for name, one in table.tables("workload")]
    withdrawn = [_withdrawn(one, zone) for one in table.list_of_tables("withdrawn")]
    detectors = {name: one.values for name, one in table.tables("detectors")}
    table.done(KEYS)
    return Policy(
        name,
        zone,
        tuple(one for one in clocks if one is not None),
        tuple(calendars.values()),
        tuple(escalations.values()),
        tuple(one for one in workload if one is not None),
        tuple(one for one in withdrawn if one is not None),
        detectors,
    )


def _zone(table: Table) -> str:
    name = table.text("time_zone", 'an IANA time zone, such as "America/Chicago"')
    try:
        return ZoneInfo(name).key if name else "UTC"
    except (ZoneInfoNotFoundError, ValueError, OSError):  # some names are folders of the database of zones
        table.note("time_zone", "is no time zone", 'write an IANA time zone, such as "America/Chicago"')
        return "UTC"


# --- calendars ---


def _calendar(name: str, zone: str, table: Table) -> Calendar:
    weekdays = table.many_of("weekdays", Weekday)
    opens, closes = _time(table, "opens"), _time(table, "closes")
    holidays = table.take("holidays", list, "a list of dates and rules", []) or []
    days, rules = _holidays(table, holidays)
    made = Calendar(
        name,
        zone,
        frozenset(WEEKDAYS.index(day) for day in weekdays),
        opens,
        closes,
        frozenset(days),
        tuple(rules),
        table.flag("saturday_to_friday"),
        table.flag("sunday_to_monday"),
    )
    if opens >= closes:
        table.note(
            "closes", "is not after opens", "write a later time; an office that opens at night needs two calendars"
        )
    if weekdays and not any(map(made.is_business_day, A_YEAR)):
        table.note("holidays", "leave no business day", "remove some, or add weekdays")
    table.done(CALENDAR_KEYS)
    return made


def _time(table: Table, key: str) -> int:
    what = 'a local time from "00:00" to "24:00"'
    text = table.take(key, str, what)
    if text is not None and text not in TIMES:
        table.note(key, "is no time of day", f"write {what}")
    return TIMES.get(text or "", 0 if key == "opens" else MINUTES_A_DAY)


def _holidays(table: Table, listed: list[object]) -> tuple[list[date], list[Yearly]]:
    days, rules = [], []
    for number, one in enumerate(listed):
        rule = parse_yearly(one) if isinstance(one, str) else None
        if type(one) is date:
            days.append(one)
        elif rule is not None:
            rules.append(rule)
        else:
            advice = 'write a date without quotes, or a rule such as "january 1" or "third monday of january"'
            table.note(f"holidays[{number}]", "is no holiday", advice)
    return days, rules


# --- escalations ---


def _escalation(name: str, table: Table) -> Escalation:
    source = table.text("source", SOURCE)
    steps: list[Step] = []
    for level in Level:
        if level in table.values and (after := table.limit(level, zero=True)) is not None:
            if steps and after.length(None) < steps[-1].after.length(None):
                table.note(level, "is told before the level below", f"write {steps[-1].after} or more")
            steps.append(Step(level, after))
    table.done((*Level, "source"))
    if not steps:
        table.note("", "tells nobody", f'name one of {", ".join(Level)}, such as supervisor = "24 hours"')
    return Escalation(name, tuple(steps), source)


# --- clocks ---


def _clock(
    name: str, table: Table, calendars: Mapping[str, Calendar], escalations: Mapping[str, Escalation]
) -> ClockRule | None:
    start, stop = table.many_of("start", Happening), table.many_of("stop", Happening)
    void = table.many_of("void", Happening, needed=False)
    limit, instead = table.limit("limit"), _instead(table)
    where = table.one_of("where", Condition, needed=False)
    calendar = None
    if table.values.get("calendar", WALL) != WALL:
        calendar = table.named("calendar", calendars, "calendars")
    table.values.pop("calendar", None)
    pausable, stated_date = table.flag("pausable"), table.flag("stated_date")
    pauses_once = table.flag("pauses_once")
    service, acute = table.one_of("service", Service, needed=False), table.flag("acute")
    owed_by = table.one_of("owed_by", Owes)
    escalation = table.named("escalation", escalations, "escalations")
    source = table.text("source", SOURCE)
    table.done(CLOCK_KEYS)
    if limit is None or owed_by is None or escalation is None:
        return None
    made = ClockRule(
        name, start, stop, limit, owed_by, escalation, source, void, instead, where, calendar, pausable, stated_date,
        service, acute, pauses_once,
    )  # fmt: skip
    _check_clock(made, table)
    return made


def _instead(table: Table) -> tuple[tuple[Condition, Limit], ...]:
    found = []
    for one in table.list_of_tables("instead"):
        where, limit = one.one_of("where", Condition), one.limit("limit")
        one.done(("where", "limit"))
        if where is not None and limit is not None:
            found.append((where, limit))
    return tuple(found)


def _check_clock(rule: ClockRule, table: Table) -> None:
    """Note what would make a clock that never fits."""
    about = {(what in ABOUT_A_REFERRAL, what in ABOUT_A_CONCERN) for what in rule.start}
    if len(about) > 1:
        table.note("start", "mixes a referral or a concern with something else", "make two clocks of it")
    if both := set(rule.stop) & set(rule.void):
        table.note("void", f"has what stops the clock, too: {', '.join(sorted(both))}", "remove it from one of the two")
    if rule.acute and ABOUT_A_REFERRAL.isdisjoint(rule.start):
        table.note("acute", "fits only a clock that a referral starts", "remove it")
    if rule.pauses_once and not rule.pausable:
        table.note("pauses_once", "fits only a clock that is pausable", "remove it, or write pausable = true")
    if rule.owed_by is Owes.PARTNER and ABOUT_A_REFERRAL.isdisjoint(rule.start):
        table.note(
            "owed_by", "is 'partner', but no referral starts this clock", f"write {nearest('', list(Owes)[:-1])}"
        )
    if rule.stated_date and not STATE_A_DATE.issuperset(rule.start):
        advice = f"remove it, or let it start with {' or '.join(sorted(STATE_A_DATE))} alone"
        table.note("stated_date", "does not fit: what starts this clock states no date", advice)


# --- workload, withdrawn codes ---


def _workload(name: str, table: Table) -> WorkloadLimit | None:
    most = table.take("most", int, "a whole number")
    source = table.text("source", SOURCE)
    table.done(("most", "source"))
    measure = table.code("", name, Measure)
    if most is not None and most < 0:
        table.note("most", "is below nothing", "write 0 or more")
    if most is not None and most > MOST_WORKLOAD:
        table.note("most", f"is {shown(most)}", f"write {MOST_WORKLOAD} or less")
    return None if measure is None or most is None else WorkloadLimit(measure, most, source)


def _withdrawn(table: Table, zone: str) -> Withdrawn | None:
    vocabulary = table.take("vocabulary", str, 'the name of a vocabulary of docs/codes.md, such as "SuspensionReason"')
    code = table.take("code", str, "a code of that vocabulary")
    since = table.moment("from", zone)
    source = table.text("source", SOURCE)
    table.done(("vocabulary", "code", "from", "source"))
    if vocabulary is not None and vocabulary not in VOCABULARIES:
        table.note("vocabulary", f"is '{vocabulary}'", f"write {nearest(vocabulary, list(VOCABULARIES))}")
        return None
    if vocabulary is None or code is None or since is None:
        return None
    found = table.code("code", code, VOCABULARIES[vocabulary])
    return None if found is None else Withdrawn(vocabulary, found, since, source)
