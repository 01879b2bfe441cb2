"""The page of the report: sections with a sentence, a chart, a table and its data file, written by Jinja2.

Every text from the log is escaped (autoescape; the charts escape by themselves), and no character in it turns writing round or
cannot be seen. The page asks for nothing from anywhere:
its style sheet stands in it, and its policy (Content-Security-Policy) allows that one by its hash, and nothing else.
"""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from itertools import groupby
from typing import Final

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from casetrail.domain.codes import Disposition
from casetrail.domain.detectors.catalogue import EVERY
from casetrail.domain.sunlight import FIGURE, RECEIVED
from casetrail.domain.suppression import THRESHOLD
from casetrail.domain.values import harmless, iso
from casetrail.sunlight.charts import bars, columns
from casetrail.sunlight.edition import DETECTOR, Edition
from casetrail.sunlight.limits import CLOCK
from casetrail.sunlight.published import Line, Number, Published
from casetrail.sunlight.reports import CONTACTS, ENDS, FIRST_CONTACTS, STAGES
from casetrail.sunlight.rules import time_limits_in_force

WITHHELD: Final = "withheld"
HEADLINE: Final = ("contacted", "contact_never", "closed_unseen", "open")
LET_GO: Final = f"as_{Disposition.ADMINISTRATIVELY_CLOSED}"
EXPLAINED: Final = {CLOCK: "rules", DETECTOR: "meanings"}
"""In which part of the page the rows of a table are explained, by what they are."""
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
        finalize=lambda value: harmless(value) if type(value) is str else value,  # what is marked up is the page's own
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
        limits=time_limits_in_force(edition.basis.rules),
        explained=EXPLAINED,
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
            yield table.counted, [*found, *kinds(table).items()]


def kinds(table: Published) -> dict[str, str]:
    """What the detectors find that are the rows of a table, by their names in words; empty where the rows are no detectors."""
    if table.rows_are != DETECTOR:
        return {}
    named = {name for line in table.lines for name in line.name.split(", ")}
    return {one.title: one.about for one in EVERY if one.title in named}


def sections(edition: Edition) -> list[Section]:
    """The parts of the report that have numbers."""
    reports, limits = edition.reports, edition.limits
    contacts, ends = reports.by_offence.only("time-to-contact", CONTACTS), reports.by_offence.only("closed-as", ENDS)
    return [
        Section("by-month", "Month by month", "Reports by the month in which they were received, and what has become of them since.",
                reports.by_month.only("by-month", STAGES), _contacted("by-month", reports.by_month, standing=True)),
        Section("by-offence", "By offence", "By the gravest offence that a report names.",
                reports.by_offence.only("by-offence", STAGES), _contacted("by-offence", reports.by_offence, standing=False)),
        Section("time-to-contact", "How long until somebody made contact",
                "From receipt to the first contact with the child or victim.", contacts,
                _totals("time-to-contact", "Reports by time to first contact", contacts)),
        Section("time-to-contact-by-month", "How long until somebody made contact, month by month",
                "By the month in which the reports were received. Those of late months have had less time.",
                reports.by_month.only("time-to-contact-by-month", ("contacted", *FIRST_CONTACTS)), _soon(reports.by_month)),
        Section("closed-as", "How reports were closed",
                "A report that was closed administratively or inactivated is not solved, and an unfounded one is held to be false or baseless.",
                ends, _totals("closed-as", "Closed reports by disposition", ends)),
        Section("closed-as-by-month", "How reports were closed, month by month",
                "By the month in which the reports were received, whenever they were closed: a disposition that has become convenient shows.",
                reports.by_month.only("closed-as-by-month", ENDS), _let_go(reports.by_month)),
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
    """Received reports by row: those contacted, and the others."""
    title = f"Reports received, by {table.rows_are.lower()}"
    return _those(name, title, table, "contacted", ("contacted", "no contact yet"), standing=standing)


def _missed(name: str, table: Published, *, standing: bool) -> Markup | None:
    """Time limits by row: those missed, and the others."""
    title = f"Time limits, by {table.rows_are.lower()}"
    return _those(name, title, table, "late", ("missed", "not missed"), is_bad=True, standing=standing)


def _soon(table: Published) -> Markup | None:
    """Reports by month: those whose victim was contacted within a day, and the others."""
    names = ("within 24 hours", "later, or not yet")
    return _those(
        "time-to-contact-by-month", "Reports by first contact and month of receipt", table, FIRST_CONTACTS[0], names
    )


def _let_go(table: Published) -> Markup | None:
    """Reports by month: those closed administratively, which nobody has solved, and the others."""
    names = ("administratively closed", "open, or closed otherwise")
    return _those("closed-as-by-month", "Reports closed administratively, by month of receipt", table, LET_GO, names,
                  is_bad=True)  # fmt: skip


def _those(
    name: str,
    title: str,
    table: Published,
    figure: str,
    names: tuple[str, str],
    *,
    is_bad: bool = False,
    standing: bool = True,
) -> Markup | None:
    """The rows of a table by those that count in a figure and the others, called by these names.

    Drawn loud is what is bad; and as a third part, those of which only the number of all is printed.
    """
    if figure not in [one.name for one in table.figures]:
        return None
    pairs = [(line.total or 0, number) for line, number in zip(table.lines, table.column(figure), strict=True)]
    those = names[0], [number or 0 for _, number in pairs]
    others = names[1], [0 if number is None else total - number for total, number in pairs]
    series = dict((others, those) if is_bad else (those, others))
    unknown = [total if number is None else 0 for total, number in pairs]
    labels = [line.name[:7] if standing else f"{line.name}: {told(line.total)}" for line in table.lines]
    draw = columns if standing else bars
    told_of = _as_text(table, figure, names[0])
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
