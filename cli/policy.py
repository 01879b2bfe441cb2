"""``casetrail policy``: the file that says which clocks run and how long, who is told, and what one person may hold."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from casetrail.cli import exits
from casetrail.cli.context import format_option, guarded
from casetrail.cli.documents import write_document
from casetrail.cli.policies import DEFAULT, policy_text, read_policy
from casetrail.cli.render import emit

if TYPE_CHECKING:
    from casetrail.domain.policy import ClockRule, Policy

Row = dict[str, Any]

PROBLEM: Final = ("key", "problem", "advice")
DIFFERENCE: Final = ("key", "change", "before", "after")


@click.group()
def policy() -> None:
    """Check, show and compare the limits that cases are judged by.

    A policy is a TOML file, or a preset: generic, missouri. It is not the trust policy that --policy names.
    """


@policy.command()
@click.argument("file", metavar="FILE")
@format_option
@guarded
def check(file: str, form: str) -> None:
    """Check a policy file: all that is wrong in it, where, and what to do. Exit code 8 where something is."""
    from casetrail.domain.detectors.judging import check_settings
    from casetrail.domain.policy_file import PolicyFileInvalid

    try:
        found = read_policy(file)
        check_settings(found)
    except PolicyFileInvalid as error:
        rows = [{"key": path or None, "problem": problem, "advice": advice} for path, problem, advice in error.problems]
        emit(rows, PROBLEM, form, f"problems of {file}")
        click.get_current_context().exit(exits.FAULTS)
    emit([], PROBLEM, form, f"problems of {file}")
    if form == "table":
        click.echo(f"this is a policy, with {len(found.clocks)} clock(s)")


@policy.command()
@click.argument("source", metavar="[PRESET|FILE]", default=DEFAULT)
@click.option(
    "--part",
    type=click.Choice(["clocks", "escalations", "calendars", "workload", "withdrawn", "detectors"]),
    default="clocks",
    show_default=True,
    help="What to show of it.",
)
@click.option("--text", is_flag=True, help="Its text instead, as a file of your own may begin.")
@format_option
@guarded
def show(source: str, part: str, text: bool, form: str) -> None:
    """Show a policy: its clocks, or another part of it."""
    if text:
        write_document(policy_text(source).encode(), None)
        return
    columns, rows = PARTS[part]
    emit(rows(read_policy(source)), columns, form, part)


@policy.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@format_option
@guarded
def diff(before: str, after: str, form: str) -> None:
    """Say what policy B weakens, tightens, adds and removes of policy A. Each is a preset or a file."""
    from casetrail.domain.policy_diff import difference

    rows = [
        {"key": key, "change": change.value, "before": was or None, "after": now or None}
        for key, change, was, now in difference(read_policy(before), read_policy(after))
    ]
    emit(rows, DIFFERENCE, form, "differences")


# --- a policy as rows ---


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
         "stated_date", "owed_by", "escalation", "source"),
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
