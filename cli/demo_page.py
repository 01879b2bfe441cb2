"""The page about the 149: what was played, what was seen of it and when, with charts as files beside it."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any, Final

from casetrail.cli.context import Failure
from casetrail.demo.dropped import PATTERNS
from casetrail.demo.scenario import Story
from casetrail.demo.seeing import DAY, Seen, Sight, by_pattern
from casetrail.domain.policy import Level
from casetrail.sunlight.charts import bars, columns

CLASSES: Final = (0.5, 1, 1.5, 2, 3, 7, 14, 30, 45)
"""Bounds of the classes of days."""
COLOURS: Final = """
.chart { background: #fff; font-family: system-ui, sans-serif; }
.chart text { fill: #222; font-size: 13px; }
.chart .axis.y text { text-anchor: end; }
.chart .axis.x text { text-anchor: middle; fill: #555; }
.chart .background { fill: none; }
.chart path { stroke: #ddd; fill: none; }
.chart .color-0 rect, .chart rect.color-0 { fill: #4a76a8; }
.chart .color-1 rect, .chart rect.color-1 { fill: #b3401f; }
@media (prefers-color-scheme: dark) {
.chart { background: #0d1117; } .chart text { fill: #e6e6e6; } .chart .axis.x text { fill: #aaa; } .chart path { stroke: #333; }
.chart .color-0 rect, .chart rect.color-0 { fill: #7ba7d9; } .chart .color-1 rect, .chart rect.color-1 { fill: #e07a5a; }
}
"""
"""A picture that stands by itself brings its colours along."""
LEVELS: Final = {
    Level.HOLDER: "the one who holds the case, or the intake desk",
    Level.SUPERVISOR: "the supervisors",
    Level.COMMANDER: "the commander",
    Level.PARTNERS: "the other agencies of the case",
    Level.OVERSIGHT: "the oversight",
}


def write_page(page: Path, story: Story, sight: Sight) -> None:
    """Write the page at ``page``, and its charts into the folder beside it that has its name. Raises ``OSError``."""
    folder = page.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        charts = dict(_charts(story, sight))
    except ImportError as error:
        raise Failure("charts need pygal: install casetrail[sunlight]") from error
    for name, svg in charts.items():
        (folder / f"{name}.svg").write_text(_by_itself(svg), "utf-8")
    page.write_text(_text(folder.name, story, sight), "utf-8")


def _by_itself(svg: str) -> str:
    at = svg.index(">") + 1
    return f"{svg[:at]}<style>{COLOURS}</style>{svg[at:]}\n"


# --- charts ---


def _charts(story: Story, sight: Sight) -> Iterator[tuple[str, str]]:
    labels, counts = _classes(sight.days)
    told = "; ".join(f"{label}: {count}" for label, count in zip(labels, counts, strict=True))
    yield "days", bars("days", "Days from receipt until a report was seen", told, labels, {"reports": counts})
    rows = by_pattern(sight.seen)
    names = [str(row["pattern"]) for row in rows]
    slowest = [ceil(_number(row["slowest_days"])) for row in rows]
    told = "; ".join(f"{name}: {days}" for name, days in zip(names, slowest, strict=True))
    yield (
        "patterns",
        bars("patterns", "Days until the last report of each pattern was seen", told, names, {"days": slowest}),
    )
    months = list(_months(story.start, story.end))
    seen = [sum(one.seen_at is not None and one.seen_at < month for one in sight.seen) for month in months]
    unseen = [sum(one.received_at < month for one in sight.seen) - had for month, had in zip(months, seen, strict=True)]
    series = {"seen by the detectors": seen, "received, to be dropped, and not seen yet": unseen}
    told = f"At the end {seen[-1]} are seen; at no month's end are more than {max(unseen)} received and not yet seen."
    ends = [f"{month - DAY:%Y-%m}" for month in months]
    yield (
        "years",
        columns("years", "The 149, month by month: received until then, and seen by then", told, ends, series),
    )


def _number(value: object) -> float:
    return value if isinstance(value, float) else 0.0


def _classes(days: Sequence[float]) -> tuple[list[str], list[int]]:
    counts = Counter(bisect_left(CLASSES, one) for one in days)
    labels = [f"{low:g} to {high:g} days" for low, high in zip((0, *CLASSES), CLASSES, strict=False)]
    return labels, [counts[place] for place in range(len(labels))]


def _months(start: datetime, end: datetime) -> Iterator[datetime]:
    """The beginnings of the months after the first one."""
    month = start
    while (month := datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)) <= end:
        yield month


# --- text ---


def _text(folder: str, story: Story, sight: Sight) -> str:
    years = f"{story.start.year} to {(story.end - DAY).year}"
    return "\n".join(
        [
            "<!-- Written by 'casetrail demo --write-page': do not edit. -->",
            "# The 149",
            "",
            "In 2016 newspapers reported that a police unit in Kansas City had dropped 149 reports of crimes against children; some had lain for",
            "more than a year, and those who could have asked did not know ([sources](sources.md)). This page plays four such years through",
            "casetrail, and shows on which day each of the reports would have been seen, and by whom.",
            "",
            "**What is invented:** every person, date and case, and which report was dropped how. **What is not:** how many reports of which",
            "kind they were, about how many the unit received in a year and how many worked there, and the ways in which they were dropped,",
            "in Kansas City, Houston and Arizona. The unit's limits are Missouri's law and common practice ([policy](policy.md)).",
            "",
            f"The story: {len(story.arrivals):,} reports, {years}; eight investigators, two sergeants and a commander, some of whom leave; a hotline and six",
            f"partner agencies. {sight.well:,} reports are handled well, as far as people do who have days off, write things up late and wait for",
            f"laboratories. {len(sight.seen)} are dropped. Everything is recorded, and judged from the log alone: no detector knows the story.",
            "",
            "## What was seen",
            "",
            *_summary(sight),
            "",
            f"![How many reports were seen after how many days]({folder}/days.svg)",
            "",
            "## How they were dropped",
            "",
            *_table(by_pattern(sight.seen)),
            "",
            f"![Days until the last report of each pattern was seen]({folder}/patterns.svg)",
            "",
            "What each detector looks for: [detectors](detectors/README.md). A report is often seen before it is dropped in the way that gives",
            "the pattern its name: one that is closed without work was not begun in time either. So the last three columns count only the",
            "detectors that look for just this way, and the days until they could: which is after the report had been dropped so.",
            "",
            "## What the years would have looked like",
            "",
            f"![The 149, month by month]({folder}/years.svg)",
            "",
            "In the newspaper's years the blue was missing: all that came in and was dropped stayed unseen until the end.",
            "",
            "## Who was told, and when",
            "",
            *_told(sight.seen),
            "",
            "Days are counted from receipt. Who is told of what after how long is the unit's own policy; that somebody outside is told does not",
            "depend on anybody in the unit. A watchdog records it in the log; the findings follow from the log whether or not one runs.",
            "",
            "## False alarms",
            "",
            *_alarms(sight),
            "",
            "## Each of them",
            "",
            *_each(sight.seen),
            "",
            "## Play it yourself",
            "",
            "```sh",
            "casetrail demo",
            "casetrail demo --quick --table",
            "casetrail demo --seed 7 --format csv",
            "```",
            "",
            "The first plays all of this, and lists each of the 149 in `casetrail-demo/the-149.csv`; the second plays the 149 alone; another seed",
            "tells another story. This page and its charts are written by `casetrail demo --write-page docs/the-149.md`.",
            "",
        ]
    )


def _summary(sight: Sight) -> list[str]:
    three = sum(days < 3 for days in sight.days)
    return [
        f"- **{len(sight.days)} of {len(sight.seen)}** reports were seen.",
        f"- Half of them within **{sight.median_days:.1f} days** of receipt, {three} within three days.",
        f"- The slowest after **{sight.slowest.days or 0:.0f} days** ({sight.slowest.pattern}).",
        f"- For every 100 cases that were handled well, **{sight.alarms_per_100:.1f} findings**.",
    ]


def _table(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    found_in = {one.name: one.found_in for one in PATTERNS}
    yield "| pattern | found in | reports | seen | median days | slowest | seen first by | made for it | seen by that | median days |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | --- | --- | ---: | ---: |"
    for row in rows:
        first, own = (
            ", ".join(f"[{one}](detectors/{one}.md)" for one in row[name]) for name in ("seen_first_by", "own")
        )
        yield (
            f"| {row['pattern']} | {found_in[row['pattern']]} | {row['reports']} | {row['seen']} "
            f"| {row['median_days']} | {row['slowest_days']} | {first} "
            f"| {own} | {row['seen_by_own']} | {'' if row['own_median_days'] is None else row['own_median_days']} |"
        )


def _each(seen: Sequence[Seen]) -> Iterator[str]:
    yield "Days are counted from receipt; told of a finding or of a missed deadline: who, after how many days."
    yield ""
    yield "| case | kind | how it was dropped | days until seen | seen by | told |"
    yield "| --- | --- | --- | ---: | --- | --- |"
    for one in seen:
        told = ", ".join(f"{level.value} {days:.1f}" for level, days in one.told.items())
        days = "" if one.days is None else f"{one.days:.1f}"
        yield f"| {one.case_id} | {one.group} | {one.pattern} | {days} | {', '.join((*one.seen_by, *one.also_by))} | {told} |"


def _told(seen: Sequence[Seen]) -> Iterator[str]:
    yield "| who | told of | median days |"
    yield "| --- | ---: | ---: |"
    for level, who in LEVELS.items():
        days = [one.told[level] for one in seen if level in one.told]
        if days:
            yield f"| {who} | {len(days)} | {median(days):.1f} |"


def _alarms(sight: Sight) -> Iterator[str]:
    counts = Counter(one.detector for one in sight.alarms)
    listed = ", ".join(f"{count} by [{name}](detectors/{name}.md)" for name, count in counts.most_common())
    yield f"There are {len(sight.alarms)} findings that rest on none of the 149: {listed}."
    settled = sum(one.settled_at is not None for one in sight.alarms)
    yield f"{settled} of them were settled by the next act in the case. They count all the same."
