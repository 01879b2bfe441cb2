"""Questions to the judgements: what is owed, what is overdue, what was found. States follow from the moment that is given."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from casetrail.domain.codes import Level
from casetrail.domain.values import EPOCH
from casetrail.projections.database import Database, in_parts, marks
from casetrail.projections.queries import MICROSECOND, Answer, at_micros, micros
from casetrail.projections.tables import application_name

if TYPE_CHECKING:
    from casetrail.domain.clocks import Told
    from casetrail.domain.registry import Overseer

HOUR: Final = 3_600_000_000
ALL: Final = 2**62
STATE: Final = """CASE WHEN ended_at IS NULL
THEN CASE WHEN :now > due_at THEN 'missed' WHEN paused_from <= :now AND :now < paused_until THEN 'paused' ELSE 'running' END
WHEN ended_at <= due_at THEN CASE WHEN met = 1 THEN 'met' ELSE 'lapsed' END
ELSE CASE WHEN met = 1 THEN 'met_late' ELSE 'missed' END END"""
"""How a run of a clock stands, or how it went, at ``:now`` (microseconds since 1970)."""
OWED: Final = ("due_at", "case_id", "clock", "subject", "owed_by", "unit", "agency", "state", "started_at")
FOUND: Final = ("finding", "detector", "about", "subject", "month", "since", "holder", "unit", "agency", "settled_at",
                "settled_by", "says", "evidence", "told", "partners")  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """Which clocks to list. What is None does not restrict."""

    clock: str | None = None
    owed_by: str | None = None
    unit: str | None = None
    limit: int = 50
    within: timedelta | None = None
    agency: str | None = None


@dataclass(frozen=True)
class WantedFindings:
    """Which findings to list. What is empty or None does not restrict."""

    detectors: Sequence[str] = ()
    case: str | None = None
    holder: str | None = None
    unit: str | None = None
    settled: bool = False
    limit: int = 50
    agency: str | None = None


def horizon(database: Database) -> datetime | None:
    """The latest moment that any event speaks of: from then on, clocks can be asked for. None before the first event."""
    rows = database.rows("SELECT max(latest) FROM judged")
    return at_micros(rows[0][0])


def judged_up_to(database: Database, log: str) -> dict[int, int]:
    """By partition, the offset of the event that is to be judged next."""
    seen: dict[str, int] = dict(database.rows("SELECT application_name, notification_id FROM judged"))
    prefix = application_name(log, 0).removesuffix("0")
    return {int(name.removeprefix(prefix)): at for name, at in seen.items()}


def stale(database: Database) -> int:
    """How many cases, months and persons must be judged anew and have not been yet."""
    rows = database.rows("SELECT count(*) FROM stale")
    return int(rows[0][0])


def due(database: Database, now: datetime, wanted: Wanted) -> Answer:
    """What is owed and not overdue, the most urgent first."""
    last = [] if wanted.within is None else [("due_at <= ?", micros(now) + wanted.within // MICROSECOND)]
    return [_owed(row) for row in _clocks(database, now, wanted, [("due_at >= ?", micros(now)), *last])]


def overdue(database: Database, now: datetime, wanted: Wanted) -> Answer:
    """What is owed and overdue, the longest overdue first; ``to_tell``: the levels that are to have been told by now."""
    from casetrail.domain.registry import overseeing  # takes a while to load: who asks for cases does without

    found, has_overseers = [], bool(overseeing(overseers_in(database), now))
    for row in _clocks(database, now, wanted, [("due_at < ?", micros(now))]):
        late = micros(now) - row[0]
        steps = [level for level, after in json.loads(row[-1]) if after <= late]
        to_tell = [level for level in steps if has_overseers or level != Level.OVERSIGHT]
        found.append({**_owed(row), "overdue_hours": late // HOUR, "to_tell": to_tell})
    return found


def overseers_in(database: Database) -> "tuple[Overseer, ...]":
    """Who has oversight, by the registry."""
    from casetrail.domain.registry import REGISTRY, AgencyRegistered, overseers
    from casetrail.eventlog.codec import decode_event

    rows = database.rows(
        "SELECT event FROM timeline WHERE case_id = ? AND kind = ? ORDER BY number",
        (REGISTRY, AgencyRegistered.__name__),
    )
    return overseers(decode_event(bytes(event)).recorded() for (event,) in rows)


def _clocks(
    database: Database, now: datetime, wanted: Wanted, conditions: Sequence[tuple[str, Any]]
) -> list[tuple[Any, ...]]:
    given = [(f"{name} = ?", getattr(wanted, name)) for name in ("clock", "owed_by", "unit", "agency")]
    some = [*conditions, *((text, value) for text, value in given if value is not None)]
    where = " AND ".join(["ended_at IS NULL", *(text for text, _ in some)])
    names = ", ".join(STATE if name == "state" else name for name in OWED).replace(":now", str(micros(now)))
    statement = f"SELECT {names}, steps FROM clock WHERE {where} ORDER BY due_at, case_id, clock, number LIMIT ?"  # noqa: S608
    return database.rows(statement, [*(value for _, value in some), wanted.limit])


def _owed(row: Sequence[Any]) -> dict[str, Any]:
    found = dict(zip(OWED, row, strict=False))
    return {
        **found,
        "due_at": at_micros(found["due_at"]),
        "started_at": at_micros(found["started_at"]),
        "unit": found["unit"] or None,
        "agency": found["agency"] or None,
    }


def findings(database: Database, now: datetime, wanted: WantedFindings) -> Answer:
    """What was found, the oldest first."""
    where, values = _conditions(now, wanted)
    statement = (
        f"SELECT {', '.join(FOUND)} FROM finding WHERE {where} "  # noqa: S608  (fixed names)
        "ORDER BY since, subject, detector, finding LIMIT ?"
    )
    return _on_record(database, now, [_found(row, now) for row in database.rows(statement, [*values, wanted.limit])])


def count_findings(database: Database, now: datetime, wanted: WantedFindings, most: int | None = None) -> int:
    """How many findings there are; where there are more than ``most``, one more than that: the others are not counted."""
    where, values = _conditions(now, wanted)
    statement = f"SELECT count(*) FROM (SELECT 1 FROM finding WHERE {where} LIMIT ?) AS counted"  # noqa: S608  (fixed names)
    return int(database.rows(statement, [*values, ALL if most is None else most + 1])[0][0])


def finding(database: Database, now: datetime, finding_id: str) -> dict[str, Any] | None:
    """One finding; None where there is no such finding then."""
    statement = f"SELECT {', '.join(FOUND)} FROM finding WHERE finding = ? AND since < ?"  # noqa: S608  (fixed names)
    rows = database.rows(statement, (finding_id, micros(now)))
    return _on_record(database, now, [_found(rows[0], now)])[0] if rows else None


def subject_of(database: Database, finding_id: str) -> tuple[str, str] | None:
    """What a finding is about (``case``, ``person`` …) and which; None where there is no such finding."""
    rows = database.rows("SELECT about, subject FROM finding WHERE finding = ?", (finding_id,))
    return rows[0] if rows else None


def unread_policies(database: Database) -> list[tuple[int, int]]:
    """The events of the registry whose policies cannot be read, and how many problems each has."""
    return [
        (number, problems) for number, problems in database.rows("SELECT number, problems FROM unread ORDER BY number")
    ]


def left_out(database: Database) -> bool:
    """Whether the detectors that need SciPy were left out."""
    return database.rows("SELECT value FROM judged_form WHERE name = 'statistics'") == [("0",)]


def _conditions(now: datetime, wanted: WantedFindings) -> tuple[str, list[Any]]:
    some: list[tuple[str, list[Any]]] = [("since < ?", [micros(now)])]
    if not wanted.settled:
        some.append(("(settled_at IS NULL OR settled_at > ?)", [micros(now)]))
    if wanted.detectors:
        some.append((f"detector IN ({marks(wanted.detectors)})", list(wanted.detectors)))
    if wanted.case is not None:
        some.append(("subject = ? AND about = 'case'", [wanted.case]))
    named = {name: getattr(wanted, name) for name in ("holder", "unit", "agency")}
    some += [(f"{name} = ?", [value]) for name, value in named.items() if value is not None]
    return " AND ".join(text for text, _ in some), [value for _, values in some for value in values]


def _found(row: Sequence[Any], now: datetime) -> dict[str, Any]:
    found = dict(zip(FOUND, row, strict=True))
    is_open = found["settled_at"] is None or found["settled_at"] > micros(now)
    return {
        **found,
        "month": found["month"] or None,
        "since": at_micros(found["since"]),
        "unit": found["unit"] or None,
        "agency": found["agency"] or None,
        "state": "open" if is_open else "settled",
        "settled_at": None if is_open else at_micros(found["settled_at"]),
        "settled_by": None if is_open else found["settled_by"],
        "evidence": json.loads(found["evidence"]),
    }


def _on_record(database: Database, now: datetime, rows: Answer) -> Answer:
    """The same with the latest answer to each; who was told of it, by the log; and who was to be told by now, and was not."""
    if not rows:
        return []
    from casetrail.domain.detectors.finding import untold  # late: see ``overdue``
    from casetrail.domain.escalation import highest

    overseers = overseers_in(database)
    for some in in_parts(rows):
        ids = [row["finding"] for row in some]
        answers, told = answers_to(database, ids, now), told_of(database, ids, now)
        for row in some:
            steps = steps_of(row.pop("told"), row["holder"], row["unit"] or "", row.pop("partners"), overseers)
            given, known = answers.get(row["finding"], []), told.get(row["finding"], set())
            row["answered_at"], row["answer"] = given[-1][:2] if given else (None, None)
            row["levels_told"] = [level for level in Level if level in known]
            answered = highest(level for _, _, level in given)
            is_open = row["state"] == "open"
            row["untold"] = [one.level for one in untold(steps, known, answered, now)] if is_open else []
    return rows


def steps_of(told: str, holder: str | None, unit: str, partners: str, overseers: "Sequence[Overseer]") -> "list[Told]":
    """Who is told of a finding, step by step, without the levels at which there is nobody; ``told``, ``partners``: as stored."""
    from casetrail.domain.detectors.finding import told_steps

    levels = [(Level(name), EPOCH + micros_at * MICROSECOND) for name, micros_at in json.loads(told)]
    return told_steps(levels, holder, unit, tuple(json.loads(partners)), overseers)


def answers_to(database: Database, ids: Sequence[str], now: datetime) -> dict[str, list[tuple[datetime, str, Level]]]:
    """What was answered to findings by a moment: when, what, and at which level; the latest last."""
    found: dict[str, list[tuple[datetime, str, Level]]] = {}
    for some in in_parts(ids):
        for finding_id, at, answer, level in database.rows(
            f"SELECT finding, answered_at, answer, level FROM answered WHERE finding IN ({marks(some)}) "  # noqa: S608
            "AND answered_at <= ? ORDER BY answered_at, number",
            [*some, micros(now)],
        ):
            found.setdefault(finding_id, []).append((EPOCH + at * MICROSECOND, answer, Level(level)))
    return found


def told_of(database: Database, ids: Sequence[str], now: datetime) -> dict[str, set[Level]]:
    """Which levels were told of findings by a moment, by the log."""
    found: dict[str, set[Level]] = {}
    for some in in_parts(ids):
        for finding_id, level in database.rows(
            f"SELECT finding, level FROM finding_told WHERE finding IN ({marks(some)}) AND told_at <= ?",  # noqa: S608
            [*some, micros(now)],
        ):
            found.setdefault(finding_id, set()).add(Level(level))
    return found
