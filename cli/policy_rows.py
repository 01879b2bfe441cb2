"""A policy as rows, part by part."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from casetrail.domain.policy import ClockRule, Policy

Row = dict[str, Any]


def _clocks(found: "Policy") -> list[Row]:
    return [_clock(rule) for rule in found.clocks]


def _clock(rule: "ClockRule") -> Row:
    return {
        "clock": rule.name,
        "start": list(rule.start),
        "stop": list(rule.stop),
        "void": list(rule.void),
        "limit": str(rule.limit),
        "instead": [f"{condition}: {limit}" for condition, limit in rule.instead],
        "calendar": rule.calendar.name if rule.calendar else "wall",
        "where": rule.where,
        "service": rule.service,
        "acute": rule.acute,
        "pausable": rule.pausable,
        "pauses_once": rule.pauses_once,
        "stated_date": rule.stated_date,
        "owed_by": rule.owed_by,
        "escalation": rule.escalation.name,
        "source": rule.source,
    }


def _escalations(found: "Policy") -> list[Row]:
    return [
        {"escalation": one.name, "tells": step.level, "after": str(step.after), "source": one.source}
        for one in found.escalations
        for step in one.steps
    ]


def _calendars(found: "Policy") -> list[Row]:
    from casetrail.domain.calendars import WEEKDAYS, clock_time

    return [
        {
            "calendar": one.name,
            "time_zone": one.time_zone,
            "weekdays": [WEEKDAYS[day] for day in sorted(one.weekdays)],
            "opens": clock_time(one.opens),
            "closes": clock_time(one.closes),
            "holidays": [*map(str, one.yearly), *map(str, sorted(one.holidays))],
            "saturday_to_friday": one.saturday_to_friday,
            "sunday_to_monday": one.sunday_to_monday,
        }
        for one in found.calendars
    ]


def _workload(found: "Policy") -> list[Row]:
    return [one._asdict() for one in found.workload]


def _withdrawn(found: "Policy") -> list[Row]:
    return [one._asdict() for one in found.withdrawn]


def _detectors(found: "Policy") -> list[Row]:
    return [
        {"detector": name, "setting": key, "value": str(value)}
        for name, settings in found.detectors.items()
        for key, value in settings.items()
    ]


PARTS: Final[dict[str, tuple[tuple[str, ...], Callable[[Any], list[Row]]]]] = {
    "clocks": (
        ("clock", "start", "stop", "void", "limit", "instead", "calendar", "where", "service", "acute", "pausable",
         "pauses_once", "stated_date", "owed_by", "escalation", "source"),
        _clocks,
    ),
    "escalations": (("escalation", "tells", "after", "source"), _escalations),
    "calendars": (
        ("calendar", "time_zone", "weekdays", "opens", "closes", "holidays", "saturday_to_friday", "sunday_to_monday"),
        _calendars,
    ),
    "workload": (("measure", "most", "source"), _workload),
    "withdrawn": (("vocabulary", "code", "since", "source"), _withdrawn),
    "detectors": (("detector", "setting", "value"), _detectors),
}  # fmt: skip
