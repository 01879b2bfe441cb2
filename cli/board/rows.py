"""What a board and its pages are made of: plain rows in sections, as of one moment. Nothing here reads or shows anything."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from casetrail.cli.render import cell

Row = dict[str, Any]
DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
MINUTE: Final = timedelta(minutes=1)
LONG: Final = timedelta(days=60)


@dataclass(frozen=True)
class Asked:
    """Which cases are asked for, and as of when. ``at``: None is the present moment. What is None does not restrict."""

    unit: str | None = None
    agency: str | None = None
    at: datetime | None = None


class Section(NamedTuple):
    """Rows of one kind. ``total``: how many there are in all, of which these are the first."""

    key: str
    rows: list[Row]
    total: int


class Target(NamedTuple):
    """What a row leads to: a ``case``, a ``finding``, an ``event`` (CASE#NUMBER), or what a ``holder`` holds ('': nobody)."""

    kind: str
    id: str


@dataclass(frozen=True)
class Snapshot:
    """A board as of a moment (UTC).

    ``taken_in``: by partition, the offset before which the views have taken in all events. ``heard_until``: by kind of
    machine, until when it said that it would be heard again. ``troubles``: what could not be had, and stands as it was.
    """

    log: str
    at: datetime
    sections: tuple[Section, ...]
    units: tuple[str, ...] = ()
    taken_in: Mapping[int, int] = field(default_factory=dict)
    heard_until: Mapping[str, datetime] = field(default_factory=dict)
    troubles: tuple[str, ...] = ()

    def section(self, key: str) -> Section:
        """The section of that name."""
        return next(one for one in self.sections if one.key == key)


@dataclass(frozen=True)
class LogFacts:
    """What the log itself says: where each partition of its events ends, and when it got its newest checkpoint (UTC)."""

    ends: Mapping[int, int]
    checkpoint_at: datetime | None


@dataclass(frozen=True)
class Page:
    """All there is to know of one thing: facts by name, and sections."""

    title: str
    facts: tuple[tuple[str, Any], ...]
    sections: tuple[Section, ...]


def opens(section: str, row: Row) -> Target | None:
    """What a row of a section leads to; None where it leads nowhere."""
    if section == "holds":
        return Target("holder", row["holder"] or "")
    if section == "findings":
        return Target("case", row["subject"]) if row["about"] == "case" else Target("finding", row["finding"])
    if section == "seen":
        return Target("finding", row["finding"])
    if section == "history":
        return Target("event", f"{row['case_id']}#{row['number']}")
    if section == "clocks":
        return None
    return Target("case", row["case_id"])


def length(time: timedelta | None) -> str:
    """A stretch of time in its two largest units: ``12 d 3 h``; a long one in days."""
    if time is None:
        return ""
    if time < timedelta(0):
        return f"-{length(-time)}"
    if time >= LONG:
        return f"{time // DAY} d"
    if time >= DAY:
        return f"{time // DAY} d {time % DAY // HOUR} h"
    return f"{time // HOUR} h {time % HOUR // MINUTE} m" if time >= HOUR else f"{time // MINUTE} m"


def minute(at: datetime | None) -> str:
    """A moment to the minute, UTC."""
    return "" if at is None else at.isoformat(" ", "minutes")[:16]  # strftime leaves out the noughts of early years


def _last(told: list[str]) -> str:
    return told[-1] if told else "nobody"


def _holder(holder: str | None) -> str:
    return "NOBODY" if holder is None else cell(holder)


def _count(number: int) -> str:
    return str(number) if number else "-"


class Column(NamedTuple):
    """How a field is shown: under which head, how wide at most, and whether only where there is room for all of it."""

    name: str
    head: str
    most: int
    wide: bool = False
    text: Callable[[Any], str] = cell

    @property
    def least(self) -> int:
        """Cells that it is never made narrower than: of an id, a clock and a moment, nothing is left out, but for very long ones."""
        is_whole = self.text in (minute, length) or self.name in ("case_id", "subject", "clock")
        return self.most if is_whole else min(self.most, 6)


class Kind(NamedTuple):
    """How sections of a kind are shown. ``emitted``: the fields that are written for pipes."""

    title: str
    columns: tuple[Column, ...]
    emitted: tuple[str, ...] = ()


CASE: Final = Column("case_id", "Case", 20)
OWED_BY: Final = Column("owed_by", "Owed by", 26)
CLOCK: Final = Column("clock", "Clock", 20)
SUBJECT: Final = Column("subject", "For", 16, wide=True)
UNIT: Final = Column("unit", "Unit", 16, wide=True)
DUE: Final = Column("due_at", "Due (UTC)", 16, wide=True, text=minute)
LATE: Final = Column("late", "Late", 11, text=length)

KINDS: Final[Mapping[str, Kind]] = {
    "overdue": Kind(
        "Overdue",
        (LATE, CASE, CLOCK, OWED_BY, Column("to_tell", "Told", 12, text=_last), DUE, SUBJECT, UNIT),
        ("overdue_hours", "due_at", "case_id", "clock", "subject", "owed_by", "unit", "to_tell"),
    ),
    "due": Kind(
        "Next due",
        (Column("left", "In", 11, text=length), CASE, CLOCK, OWED_BY, Column("state", "State", 8), DUE, SUBJECT, UNIT),
        ("due_at", "case_id", "clock", "subject", "owed_by", "unit", "state"),
    ),
    "escalations": Kind(
        "Unanswered",
        (LATE, CASE, CLOCK, OWED_BY, Column("level", "Told", 12), Column("told", "Who was told", 40, wide=True)),
        ("due_at", "case_id", "clock", "subject", "owed_by", "unit", "level", "told", "told_at"),
    ),
    "findings": Kind(
        "Findings",
        (Column("age", "Open for", 11, text=length), Column("detector", "Detector", 20),
         Column("subject", "About", 20), Column("holder", "Holder", 16), Column("says", "Says", 200)),
        ("since", "finding", "detector", "about", "subject", "month", "holder", "unit", "levels_told", "untold", "says"),
    ),
    "holds": Kind(
        "Holds",
        (Column("holder", "Holder", 24, text=_holder), Column("open_cases", "Open", 6),
         Column("overdue", "Overdue", 7, text=_count), Column("suspended", "Suspended", 9, text=_count),
         Column("next_due_at", "Next due (UTC)", 16, text=minute), Column("note", "Gone", 30)),
        ("holder", "open_cases", "overdue", "suspended", "next_due_at", "left_at", "left_behind"),
    ),
    "seen": Kind(
        "Findings",
        (Column("age", "Open for", 11, text=length), Column("detector", "Detector", 20),
         Column("levels_told", "Told", 12, text=_last), Column("says", "Says", 200)),
    ),
    "clocks": Kind(
        "Clocks",
        (CLOCK, SUBJECT, Column("state", "State", 10),
         Column("due_at", "Due (UTC)", 16, text=minute), Column("ended_at", "Ended (UTC)", 16, text=minute),
         Column("owed_by", "Owed by", 26)),
    ),
    "history": Kind(
        "History",
        (Column("number", "No", 5), Column("occurred_at", "Happened (UTC)", 16, text=minute),
         Column("kind", "What", 24), Column("result", "Result", 10), Column("actor", "By", 20),
         Column("late", "Entered", 8, wide=True), Column("detail", "Detail", 300)),
    ),
    "cases": Kind(
        "Cases",
        (CASE, Column("status", "Status", 12), Column("received_at", "Received (UTC)", 16, text=minute),
         CLOCK, Column("due_at", "Due (UTC)", 16, text=minute),
         Column("last_act_at", "Last act (UTC)", 16, wide=True, text=minute)),
    ),
    "evidence": Kind(
        "Evidence",
        (CASE, Column("number", "Event", 6), Column("hash", "Hash", 64)),
    ),
}  # fmt: skip
"""Every kind of section. At first it is sorted as it was read."""


def fits(section: str, row: Row, words: str) -> bool:
    """Whether each of some words stands in what is shown of a row, whatever the case of their letters."""
    shown = " ".join(column.text(row.get(column.name)) for column in KINDS[section].columns).casefold()
    return all(word in shown for word in words.casefold().split())


def order(column: Column) -> Callable[[Row], Any]:
    """A key to sort rows by a column: by what it means, not by how it is written."""

    def key(row: Row) -> Any:
        value = row.get(column.name)
        return column.text(value).casefold() if isinstance(value, str | list | dict) else value

    return key


def in_order(rows: list[Row], column: Column, descending: bool) -> list[Row]:
    """Rows sorted by a column; those without a value stand last, either way."""
    have = [row for row in rows if row.get(column.name) not in (None, "", [])]
    have_not = [row for row in rows if row.get(column.name) in (None, "", [])]
    return [*sorted(have, key=order(column), reverse=descending), *have_not]
