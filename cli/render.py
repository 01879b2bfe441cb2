"""Rows to the terminal, as a table, JSON, CSV or newline-delimited JSON. What is shown can do no harm.

Control characters never reach a terminal, and a cell of CSV never begins with what a spreadsheet takes for a formula.
"""

import csv
import io
import itertools
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import click

from casetrail.cli.tables import aligned, fitted
from casetrail.domain.values import harmless as harmless
from casetrail.domain.values import iso

FORMATS: Final = ("table", "json", "csv", "ndjson")
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

Rows = Iterable[dict[str, Any]]


def plain(value: Any) -> Any:
    """A value as JSON takes it: times in ISO 8601 with ``Z``, bytes in hex."""
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value


def cell(value: Any) -> str:
    """A value as text of one cell of a table."""
    if value is None or value == []:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return iso(value.replace(microsecond=0)).replace("T", " ").replace("Z", "")
    if isinstance(value, list | tuple):
        return " ".join(cell(one) for one in value)
    if isinstance(value, dict):
        return " ".join(f"{key}={cell(one)}" for key, one in value.items() if one not in (None, [], ()))
    return harmless(str(plain(value)))


def csv_cell(value: Any) -> str:
    """A value as text of one cell of CSV (RFC 4180); an apostrophe disarms what would be a formula."""
    if value is None:
        return ""
    made = plain(value)
    if isinstance(made, bool):
        return str(made).lower()
    if isinstance(made, int | float):
        return str(made)
    text = made if isinstance(made, str) else json.dumps(made, ensure_ascii=False)
    if isinstance(made, list) and all(isinstance(one, str) for one in made):
        text = " ".join(made)
    return harmless(f"'{text}" if text.startswith(FORMULA) else text)


def emit(rows: Rows, columns: Sequence[str], form: str, title: str = "") -> None:
    """Write rows to standard output. ``ndjson`` and ``csv`` write each row as it comes."""
    {"table": _table, "json": _json, "csv": _csv, "ndjson": _ndjson}[form](rows, columns, title)
    sys.stdout.flush()  # here, where a full disk is still understood


def emit_first(rows: Sequence[dict[str, Any]], limit: int, columns: Sequence[str], form: str, title: str) -> None:
    """Write the first rows, of which so many and one more were asked for; that there are more is said, not to be guessed."""
    emit(rows[:limit], columns, form, title)
    if len(rows) > limit:
        click.echo("and more: give a larger --limit", err=True)


def _json(rows: Rows, columns: Sequence[str], _: str) -> None:
    click.echo(json.dumps([_chosen(row, columns) for row in rows], indent=2, ensure_ascii=True))


def _ndjson(rows: Rows, columns: Sequence[str], _: str) -> None:
    for row in rows:
        click.echo(json.dumps(_chosen(row, columns), ensure_ascii=True))


def _chosen(row: dict[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    return {name: plain(row.get(name)) for name in columns}


def _csv(rows: Rows, columns: Sequence[str], _: str) -> None:
    for line in csv_lines(rows, columns):
        sys.stdout.write(line)
        if not isinstance(rows, list):
            sys.stdout.flush()  # rows that come one by one are wanted one by one


def csv_lines(rows: Rows, columns: Sequence[str]) -> Iterator[str]:
    """The lines of a CSV file (RFC 4180), the names of the columns first. No cell is a formula to a spreadsheet."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    for cells in itertools.chain([columns], ([csv_cell(row.get(name)) for name in columns] for row in rows)):
        writer.writerow(cells)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def _table(rows: Rows, columns: Sequence[str], title: str) -> None:
    """A table that fits the terminal; without a terminal as wide as it is."""
    values = [[row.get(name) for name in columns] for row in rows]
    if not values:
        click.echo(f"{title}: none" if title else "none", err=True)
        return
    heads, found = [name.replace("_", " ") for name in columns], [[cell(one) for one in row] for row in values]
    shown = fitted(title, heads, found, values) if sys.stdout.isatty() else aligned(title, heads, found)
    click.echo(shown, nl=False)


def fields(row: dict[str, Any], form: str) -> None:
    """Write one row, a line a field as a table."""
    if form != "table":
        emit([row], list(row), form)
        return
    width = max(len(name) for name in row)
    for name, value in row.items():
        text = cell(value)
        if text:
            click.echo(f"{name.replace('_', ' '):<{width}}  {text}")
