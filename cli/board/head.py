"""The lines over a board: of which log and moment it is, and what is not as it should be. Each warning says so in words."""

from datetime import datetime, timedelta
from typing import NamedTuple

from casetrail.cli.board.rows import Asked, LogFacts, Snapshot, length, minute
from casetrail.cli.render import harmless


class Line(NamedTuple):
    """A line; ``warns``: whether somebody should see to it."""

    text: str
    warns: bool = False


def head(snapshot: Snapshot, facts: LogFacts | None, asked: Asked) -> list[Line]:
    """What is always said, in two lines, and a line for every warning."""
    where = [f"unit {asked.unit}" if asked.unit else "all units", f"agency {asked.agency}" if asked.agency else ""]
    first = [f"log {snapshot.log}", f"as of {minute(snapshot.at)} UTC", *where]
    second = [_views(snapshot, facts), _checkpoint(facts, snapshot.at), _machines(snapshot)]
    lines = [Line(harmless(" | ".join(filter(None, one)))) for one in (first, second)]
    return [*lines, *(Line(f"! {text}", True) for text in warnings(snapshot))]


def warnings(snapshot: Snapshot) -> list[str]:
    """What somebody should see to."""
    silent = [
        f"SILENT: {kind}, which was to be heard by {minute(until)} UTC ({length(snapshot.at - until)} ago)"
        for kind, until in snapshot.heard_until.items()
        if until < snapshot.at
    ]
    return [harmless(text) for text in (*snapshot.troubles, *silent)]


def _views(snapshot: Snapshot, facts: LogFacts | None) -> str:
    if facts is None:
        return "views: nobody knows how far behind"
    behind = sum(max(0, end - snapshot.taken_in.get(partition, 0)) for partition, end in facts.ends.items())
    return f"views: {behind:,} events behind" if behind else "views: up to date"


def _checkpoint(facts: LogFacts | None, at: datetime) -> str:
    if facts is None:
        return ""
    if facts.checkpoint_at is None:
        return "checkpoint: none yet"
    age = at - facts.checkpoint_at
    return f"checkpoint: of {minute(facts.checkpoint_at)}" if age < timedelta(0) else f"checkpoint: {length(age)} old"


def _machines(snapshot: Snapshot) -> str:
    if not snapshot.heard_until:
        return "machines: none heard yet"
    silent = sum(until < snapshot.at for until in snapshot.heard_until.values())
    return f"machines: {silent} SILENT" if silent else f"machines: {len(snapshot.heard_until)} heard"
