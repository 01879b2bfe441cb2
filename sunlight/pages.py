"""The page of the report: sections with a sentence, a chart, a table and its data file, written by Jinja2.

Every text from the log is escaped (autoescape; the charts escape by themselves). The page asks for nothing from anywhere:
its style sheet stands in it, and its policy (Content-Security-Policy) allows that one by its hash, and nothing else.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from itertools import groupby
from typing import Final

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from casetrail.domain.sunlight import FIGURE, RECEIVED
from casetrail.domain.suppression import THRESHOLD
from casetrail.domain.values import iso
from casetrail.sunlight.charts import Series, bars, columns
from casetrail.sunlight.edition import Edition
from casetrail.sunlight.published import Line, Number, Published
from casetrail.sunlight.reports import CONTACTS, ENDS, STAGES

WITHHELD: Final = "withheld"
HEADLINE: Final = ("contacted", "contact_never", "closed_unseen", "open")
BAD: Final = frozenset({"contact_never", "late", "unanswered", "open"})
"""Figures that are drawn loud."""


@dataclass(frozen=True)
class Section:
    """A part of the page. ``chart`` is SVG; ``file`` the data file with the numbers of the table."""

    name: str
    title: str
    says: str
    table: Published | None
    chart: Markup | None = None

    @property
    def file(self) -> str:
        """The data file's name."""
        return f"{self.name}.csv"


def page(edition: Edition, command: str, version: str) -> str:
    """The report as one HTML page. ``command`` computes it anew from the log."""
    style = _text("style.css")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
        loader=DictLoader({"report.html": _text("report.html")}),
    )  # fmt: skip
    environment.filters |= {"told": told, "day": _day, "iso": iso, "count": lambda number: f"{number:,}"}
    return environment.get_template("report.html").render(
        style=Markup(style),  # noqa: S704  (a file of ours)
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        edition=edition,
        sections=sections(edition),
        headline=list(_headline(edition)),
        meanings=list(_meanings(edition)),
        command=command,
        version=version,
        threshold=THRESHOLD,
        withheld=WITHHELD,
    )


def _text(name: str) -> str:
    return resources.files("casetrail.sunlight").joinpath(name).read_text("utf-8")


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"


def told(number: Number) -> str:
    """A count in a sentence, or on a label."""
    return WITHHELD if number is None else f"{number:,}"


def _headline(edition: Edition) -> Iterator[tuple[str, Number, str]]:
    """The numbers at the top: their headings, and what they mean."""
    table = edition.reports.by_offence
    yield RECEIVED.heading, table.totals.total, RECEIVED.meaning
    names = [figure.name for figure in table.figures]
    for name in HEADLINE:
        if name in names:
            yield FIGURE[name].heading.capitalize(), table.total(name), FIGURE[name].meaning


def _meanings(edition: Edition) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """What is counted, and what the numbers of it mean; headings of one meaning together."""
    reports = edition.reports.by_offence
    for table in (reports, edition.limits.by_clock, edition.escalations, edition.findings, edition.work):
        figures = [RECEIVED, *table.figures] if table is reports else table.figures
        same = groupby(figures, key=lambda figure: figure.meaning)
        found = [(", ".join(figure.heading for figure in some), meaning) for meaning, some in same]
        if found:
            yield table.counted, found


def sections(edition: Edition) -> list[Section]:
    """The parts of the report that have numbers."""
    reports, limits = edition.reports, edition.limits
    contacts, ends = reports.by_offence.only("time-to-contact", CONTACTS), reports.by_offence.only("closed-as", ENDS)
    return [
        Section("by-month", "Month by month", "Reports by the month in which they were received, and what has become of them since.",
                reports.by_month, _contacted("by-month", reports.by_month, standing=True)),
        Section("by-offence", "By offence", "By the first offence that a report names.",
                reports.by_offence.only("by-offence", STAGES), _contacted("by-offence", reports.by_offence, standing=False)),
        Section("time-to-contact", "How long until somebody made contact",
                "From receipt to the first contact with the child or victim.", contacts,
                _totals("time-to-contact", "Reports by time to first contact", contacts)),
        Section("closed-as", "How reports were closed",
                "A report that was closed administratively or inactivated is not solved, and an unfounded one is held to be false or baseless.",
                ends, _totals("closed-as", "Closed reports by disposition", ends)),
        Section("ages", "How old the open reports are",
                "Open reports by calendar months since receipt.", *_ages(edition)),
        Section("clocks", "Time limits missed",
                "Every time limit that ran for a report, by the policy in force when it began. One report runs against many.",
                limits.by_clock, _bars_of("clocks", "Missed time limits by kind", limits.by_clock, "late")),
        Section("clocks-by-month", "Time limits missed, month by month",
                "All time limits that ran for the reports received in a month.",
                limits.by_month, _missed("clocks-by-month", limits.by_month, standing=True)),
        Section("clocks-by-offence", "Time limits missed, by offence",
                "All time limits that ran for the reports of an offence.",
                limits.by_offence, _missed("clocks-by-offence", limits.by_offence, standing=False)),
        Section("escalations", "Alarms answered",
                "A missed time limit is told to supervisors, commanders and partner agencies until somebody answers.",
                edition.escalations, _bars_of("escalations", "Unanswered alarms by time limit", edition.escalations, "unanswered")),
        Section("findings", "Signs of neglect",
                "What the detectors found in the record of a report: patterns known from units in which reports were dropped.",
                edition.findings, _bars_of("findings", "Open findings by detector", edition.findings, "open")),
        Section("work", "Signs in how the work is done",
                "What the detectors found about officers, units and machines, over many reports. Nobody is named, and no report.",
                edition.work, _bars_of("work", "Open findings about the work by detector", edition.work, "open")),
    ]  # fmt: skip


def _contacted(name: str, table: Published, *, standing: bool) -> Markup | None:
    """Received reports by row: those contacted, the others, and those of which only the number of all is printed."""
    if "contacted" not in [figure.name for figure in table.figures]:
        return None
    pairs = _pairs(table, "contacted")
    series = {
        "contacted": [number or 0 for _, number in pairs],
        "no contact yet": [0 if number is None else total - number for total, number in pairs],
    }
    title, told_of = f"Reports received, by {table.rows_are.lower()}", _as_text(table, "contacted", "contacted")
    return _parted(name, title, told_of, table, series, pairs, standing=standing)


def _missed(name: str, table: Published, *, standing: bool) -> Markup | None:
    """Time limits by row: those missed, the others, and those of which only the number of all is printed."""
    if "late" not in [figure.name for figure in table.figures]:
        return None
    pairs = _pairs(table, "late")
    series = {
        "not missed": [0 if number is None else total - number for total, number in pairs],
        "missed": [number or 0 for _, number in pairs],
    }
    title, told_of = f"Time limits, by {table.rows_are.lower()}", _as_text(table, "late", "missed")
    return _parted(name, title, told_of, table, series, pairs, standing=standing)


Pairs = Sequence[tuple[int, Number]]
"""Of each row, the number of all, and that of a figure."""


def _pairs(table: Published, figure: str) -> Pairs:
    return [(line.total or 0, number) for line, number in zip(table.lines, table.column(figure), strict=True)]


def _parted(
    name: str, title: str, told_of: str, table: Published, series: Series, pairs: Pairs, *, standing: bool
) -> Markup:
    """The rows of a table in two parts, and as a third those of which only the number of all is printed."""
    unknown = [total if number is None else 0 for total, number in pairs]
    labels = [line.name[:7] if standing else f"{line.name}: {told(line.total)}" for line in table.lines]
    draw = columns if standing else bars
    return _svg(draw(name, title, told_of, labels, {**series, WITHHELD: unknown} if any(unknown) else series))


def _totals(name: str, title: str, table: Published) -> Markup | None:
    """The totals of a table's columns, a bar each."""
    if not table.figures:
        return None
    labels = [
        f"{figure.heading}: {told(number)}" for figure, number in zip(table.figures, table.totals.numbers, strict=True)
    ]
    quiet, loud = (
        [
            number if (figure.name in BAD) is bad else 0
            for figure, number in zip(table.figures, table.totals.numbers, strict=True)
        ]
        for bad in (False, True)
    )
    return _svg(bars(name, title, "; ".join(labels), labels, {"": quiet, " ": loud}, legend=False))


def _bars_of(name: str, title: str, table: Published, figure: str) -> Markup | None:
    """One column of a table, a bar for each row."""
    if figure not in [one.name for one in table.figures] or not table.lines:
        return None
    numbers = table.column(figure)
    labels = [f"{line.name}: {told(number)}" for line, number in zip(table.lines, numbers, strict=True)]
    return _svg(bars(name, title, "; ".join(labels), labels, {"": [], table.counted: numbers}))


def _ages(edition: Edition) -> tuple[Published | None, Markup | None]:
    """The ages of open reports as a table of one column, and as a chart."""
    ages = edition.reports.ages
    if ages is None:
        return None, None
    lines = [Line(name, number, []) for name, number in ages]
    table = Published("ages", "Age", "open reports", [], lines, Line("All", sum(number for _, number in ages), []))
    labels = [f"{name}: {number:,}" for name, number in ages]
    chart = bars("ages", "Open reports by age", "; ".join(labels), labels, {"open": [number for _, number in ages]})
    return table, _svg(chart)


def _as_text(table: Published, figure: str, what: str) -> str:
    pairs = zip(table.lines, table.column(figure), strict=True)
    return "; ".join(f"{line.name}: {told(number)} of {told(line.total)} {what}" for line, number in pairs)


def _svg(text: str) -> Markup:
    return Markup(text)  # noqa: S704  (made by an XML library, which escapes)
