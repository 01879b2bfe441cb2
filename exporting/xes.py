"""XES (IEEE 1849-2016 and 2023): a log of traces of events. A trace is a history, its events by when they happened.

The standard's own attributes say what every tool understands: ``concept:name``, ``time:timestamp`` and ``org:resource``,
``org:role``, ``org:group`` (the actor's agency). All others have the names of the columns of a flat file.
"""

from datetime import datetime
from functools import cache
from typing import Any, BinaryIO, Final
from xml.sax.saxutils import quoteattr

from casetrail.exporting.histories import Exported
from casetrail.exporting.pseudonyms import Blind
from casetrail.exporting.rows import event_row, text

HEAD: Final = """<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1849.2016" xes.features="">
<extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>
<extension name="Time" prefix="time" uri="http://www.xes-standard.org/time.xesext"/>
<extension name="Organizational" prefix="org" uri="http://www.xes-standard.org/org.xesext"/>
<global scope="trace"><string key="concept:name" value="none"/><string key="history" value="case"/></global>
<global scope="event"><string key="concept:name" value="none"/><date key="time:timestamp" \
value="1970-01-01T00:00:00.000000Z"/></global>
<classifier name="Activity" scope="event" keys="concept:name"/>
"""
STANDARD: Final = {
    "activity": "concept:name",
    "time": "time:timestamp",
    "actor": "org:resource",
    "role": "org:role",
    "agency": "org:group",
}


class XesWriter:
    """Writes XES."""

    def __init__(self, out: BinaryIO, log: str, blind: Blind) -> None:
        self._out, self._blind = out, blind
        self._write(HEAD + attribute("concept:name", log) + "\n")

    def write(self, history: Exported) -> None:
        parts = ["<trace>", attribute("concept:name", history.id), attribute("history", history.of.value), "\n"]
        for place in history.places:
            row = event_row(place, self._blind)
            parts += ["<event>", *(attribute(STANDARD.get(name, name), value) for name, value in row.items())]
            parts.append("</event>\n")
        self._write("".join([*parts, "</trace>\n"]))

    def close(self) -> None:
        self._write("</log>\n")
        self._out.flush()

    def _write(self, written: str) -> None:
        self._out.write(written.encode())


def attribute(key: str, value: Any) -> str:
    """An attribute as an element of its type."""
    return f"<{_tag(value)} key={_quoted(key)} value={quoteattr(text(value))}/>"


_quoted = cache(quoteattr)


def _tag(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "int"
    return "date" if isinstance(value, datetime) else "string"
