"""``python -m bench.scale``: write the tables of ``docs/scale.md`` anew, from what was measured last.

Every measured input is taken from the newest file in ``bench/results`` of a run in full size that has it; where none has,
the table says so, and nothing is computed from it.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping
from math import ceil, inf
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.keeping import RESULTS
from bench.scale_work import LINES, PLACES, Line

PAGE: Final = Path(__file__).parents[1] / "docs" / "scale.md"
BEGIN, END = "<!-- {}: written by python -m bench.scale -->", "<!-- {}: end -->"
MISSING: Final = "not measured yet"

INPUTS: Final[Mapping[str, tuple[str, str]]] = {
    "recorder": ("events/s", r"intake, submitted to recorded, bulk \(events/s\)"),
    "recorder_fast": ("events/s", r"intake, submitted to recorded, bulk, casetrail\[fast\].*"),
    "fold": ("events/s", r"recorder without a state file folds the histories \(events/s\)"),
    "projector": ("events/s", r"projector on waiting events, PostgreSQL \(events/s\)"),
    "rebuild": ("events/s", r"rebuild into SQLite, [\d,]+ events, 500,000 cases \(events/s\)"),
    "rebuild_postgres": ("events/s", r"rebuild into PostgreSQL, [\d,]+ events, 500,000 cases \(events/s\)"),
    "rebuild_judged": ("events/s", r"rebuild into SQLite, with judgements, .*"),
    "verify": ("events/s", r"audit verify, Kafka, [\d,]+ events \(events/s\)"),
    "verify_fast": ("events/s", r"audit verify, Kafka, casetrail\[fast\], [\d,]+ events \(events/s\)"),
    "replay": ("events/s", r"audit replay, Kafka, [\d,]+ events \(events/s\)"),
    "notary": ("events/s", r"notary, Kafka \(leaves/s\)"),
    "embedded_bytes": ("bytes", r"size, embedded log, an action and its event \(bytes\)"),
    "kafka_bytes": ("bytes", r"size, Kafka, one replica, an action and its event, one at a time \(bytes\)"),
    "sqlite_bytes": ("bytes", r"size, SQLite views, an event \(bytes\)"),
    "postgres_bytes": ("bytes", r"size, PostgreSQL views, an event \(bytes\)"),
    "tree_bytes": ("bytes", r"size, notary's tree and case map, an event \(bytes\)"),
    "state_bytes": ("bytes", r"size, recorder's state file, a case \(bytes\)"),
    "watchdog_bytes": ("bytes", r"size, watchdog's file, an event \(bytes\)"),
    "keyring_bytes": ("bytes", r"size, keyring, a case \(bytes\)"),
}
"""Each measured input: its unit, and the row of a run's results that it is. Of several rows the lowest rate, or the most bytes."""


class Input(NamedTuple):
    """A measured value: the row it was taken from, and the file that the row stands in."""

    value: float
    row: str
    file: str


def results(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """The runs in full size that were kept, the newest first: the name of the file, and what it holds."""
    found = [(file.name, json.loads(file.read_text("utf-8"))) for file in folder.glob("*.json")]
    full = [one for one in found if one[1].get("scale") == 1.0]
    return sorted(full, key=lambda one: str(one[1]["at"]), reverse=True)


def inputs_of(runs: list[tuple[str, dict[str, Any]]]) -> dict[str, Input]:
    """Those inputs that some run has measured."""
    found: dict[str, Input] = {}
    for key, (unit, pattern) in INPUTS.items():
        for file, run in runs:
            rows = {row: float(value) for row, value in run["results"].items() if re.fullmatch(pattern, row)}
            if rows:
                worst = (max if unit == "bytes" else min)(rows, key=rows.__getitem__)
                found[key] = Input(rows[worst], worst, file)
                break
    return found


def shown(value: float) -> str:
    """A number as it stands in a table: three digits that count."""
    if value in (0, inf):
        return str(value)
    digits = max(0, 2 - len(str(int(abs(value)))) + 1) if abs(value) < 100 else 0
    return f"{value:,.{min(digits, 2)}f}".rstrip("0").rstrip(".") if digits else f"{value:,.0f}"


def amount(value: float, unit: str) -> str:
    """A value with its unit, in the larger unit where there are many."""
    steps: dict[str, list[tuple[float, str]]] = {
        "bytes": [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")],
        "seconds": [(86_400, "days"), (3600, "hours"), (60, "min"), (1, "s")],
    }
    if unit == "seconds" and value < 1:
        return "under 1 s"
    for size, name in steps.get(unit, []):
        if value >= size:
            return f"{shown(value / size)} {name}"
    return shown(ceil(value) if unit == "pieces" else value)


def row_of(line: Line, inputs: Mapping[str, Input]) -> str:
    """One line of the table of needs."""
    values = {key: one.value for key, one in inputs.items()}
    cells = []
    for place in PLACES:
        try:
            cells.append(amount(line.work(place, values), line.unit))
        except KeyError:
            cells.append(MISSING)
    return f"| {line.name} | {line.arithmetic} | {' | '.join(cells)} |"


def needs(inputs: Mapping[str, Input]) -> list[str]:
    """The table of what each place needs."""
    head = f"| what | arithmetic | {' | '.join(place.name for place in PLACES)} |"
    return [head, "| --- " * (2 + len(PLACES)) + "|", *(row_of(line, inputs) for line in LINES)]


def measured(inputs: Mapping[str, Input]) -> list[str]:
    """The table of measured inputs."""
    lines = ["| input | value | row of the bench | file in `bench/results` |", "| --- | --- | --- | --- |"]
    for key, (unit, _) in INPUTS.items():
        one = inputs.get(key)
        found = (f"{shown(one.value)} {unit}", one.row, one.file) if one else (MISSING, "", "")
        lines.append(f"| `{key}` | {' | '.join(found)} |")
    return lines


def partitions(runs: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """The table of what many partitions cost, from the newest run that has measured it."""
    pattern = re.compile(r"(\d+) partitions: (.*)")
    kept = [(file, run, found) for file, run in runs if (found := _matching(pattern, run))]
    if not kept:
        return ["No run that measured it has been kept yet: `python -m bench partitions --keep` does."]
    file, run, found = kept[0]
    parts = [match for row in found if (match := pattern.fullmatch(row))]
    counts = sorted({int(part[1]) for part in parts})
    lines = [f"| what | {' | '.join(f'{count} partitions' for count in counts)} |", "| --- " * (len(counts) + 1) + "|"]
    for what in dict.fromkeys(part[2] for part in parts):
        names = [f"{count} partitions: {what}" for count in counts]
        cells = [_cell(found.get(name), str(run.get("remarks", {}).get(name, ""))) for name in names]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return [*lines, "", f"From `bench/results/{file}`."]


def _matching(pattern: re.Pattern[str], run: Mapping[str, Any]) -> dict[str, float]:
    """The rows of a run with such names."""
    return {row: value for row, value in run["results"].items() if pattern.fullmatch(row)}


def _cell(value: float | None, remark: str) -> str:
    """A value; what did not come to its end says so instead."""
    if value is None:
        return MISSING
    return remark if remark.startswith(("NOT", "FAILED")) else shown(value)


def rewritten(page: str, tables: Mapping[str, list[str]]) -> str:
    """The page with its tables anew. Raises ``ValueError`` where a marker is not there."""
    for name, lines in tables.items():
        begin, end = BEGIN.format(name), END.format(name)
        before, found, rest = page.partition(begin)
        _, ended, after = rest.partition(end)
        if not found or not ended:
            raise ValueError(f"the page has no place for the table '{name}'")
        page = "\n".join([before + begin, *lines, end + after])
    return page


def tables_of(folder: Path) -> dict[str, list[str]]:
    """All tables, by the names of their markers."""
    runs = results(folder)
    inputs = inputs_of(runs)
    made: dict[str, Callable[[], list[str]]] = {
        "inputs": lambda: measured(inputs),
        "needs": lambda: needs(inputs),
        "partitions": lambda: partitions(runs),
    }
    return {name: make() for name, make in made.items()}


def main() -> None:
    """Write the page anew; with ``--check`` only say whether it is as it should be."""
    page = PAGE.read_text("utf-8")
    fresh = rewritten(page, tables_of(RESULTS))
    if "--check" in sys.argv[1:]:
        sys.exit(0 if fresh == page else f"{PAGE.name} does not follow from bench/results: run python -m bench.scale")
    PAGE.write_text(fresh, "utf-8")


if __name__ == "__main__":
    main()
