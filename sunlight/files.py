"""The files of an edition: the page, a data file a table, all numbers in one JSON file, and the checkpoint."""

import csv
import io
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from casetrail.domain.suppression import THRESHOLD
from casetrail.domain.values import iso
from casetrail.sunlight.edition import Edition
from casetrail.sunlight.errors import FolderTaken
from casetrail.sunlight.pages import WITHHELD, Section, kinds, page, sections
from casetrail.sunlight.published import Line
from casetrail.sunlight.rules import time_limits_in_force

ALL: Final = "sunlight.json"
OURS: Final = ("index.html", ALL, "checkpoint.txt")
FORM: Final = "casetrail-sunlight-1"

Cell = Callable[[Any], str]
"""How a value is written into a cell of CSV so that no spreadsheet takes it for a formula."""


def files(edition: Edition, command: str, version: str, cell: Cell) -> dict[str, bytes]:
    """The files by their names, whose folders are parted by slashes: the same edition makes the same bytes."""
    found = {"index.html": page(edition, command, version).encode()}
    parts = sections(edition)
    for part in parts:
        if part.table is not None:
            found[f"data/{part.file}"] = _csv(part, cell)
    found[ALL] = (json.dumps(_plain(edition, parts, command, version), indent=1) + "\n").encode()
    if edition.basis.checkpoint is not None:
        found["checkpoint.txt"] = edition.basis.checkpoint.note
    return found


def _rows(part: Section) -> Iterator[tuple[Line, bool]]:
    assert part.table is not None  # who calls has looked
    yield from ((line, False) for line in part.table.lines)
    yield part.table.totals, True


def _csv(part: Section, cell: Cell) -> bytes:
    """The numbers of a table, the line of all last; RFC 4180."""
    assert part.table is not None  # who calls has looked
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(
        [cell(part.table.rows_are), cell(part.table.counted), *(cell(one.heading) for one in part.table.figures)]
    )
    for line, _ in _rows(part):
        numbers = (WITHHELD if number is None else cell(number) for number in (line.total, *line.numbers))
        writer.writerow([cell(line.name), *numbers])
    return out.getvalue().encode()


def _plain(edition: Edition, parts: list[Section], command: str, version: str) -> Mapping[str, Any]:
    basis = edition.basis
    checkpoint = basis.checkpoint
    return {
        "form": FORM,
        "casetrail": version,
        "log": basis.log,
        "now": iso(basis.now),
        "positions": {str(partition): offset for partition, offset in sorted(basis.positions.items())},
        "checkpoint": checkpoint
        and {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex(), "later_events": checkpoint.later},
        "command": command,
        "policies": [{**asdict(one), "since": iso(one.since)} for one in basis.rules],
        "limits": [{"agencies": agencies, "clocks": limits} for agencies, limits in time_limits_in_force(basis.rules)],
        "threshold": THRESHOLD,
        "tables": {
            part.name: {
                "title": part.title,
                "rows_are": part.table.rows_are,
                "counted": part.table.counted,
                "figures": {one.name: {"heading": one.heading, "meaning": one.meaning} for one in part.table.figures},
                "kinds": kinds(part.table),
                "rows": [
                    {
                        "name": line.name, "is_total": is_total, "all": line.total,
                        **dict(zip([one.name for one in part.table.figures], line.numbers, strict=True)),
                    }
                    for line, is_total in _rows(part)
                ],
            }
            for part in parts
            if part.table is not None
        },
    }  # fmt: skip


def put_in_place(found: Mapping[str, bytes], directory: Path) -> None:
    """Write the files into a folder of their own, whole or not at all, in place of an earlier edition.

    Raises ``FolderTaken`` where the folder holds anything but an earlier edition, and ``OSError``.
    """
    if directory.exists() and not _is_ours(directory):
        raise FolderTaken(f"{directory} is not empty and holds no earlier edition of the report; give another folder")
    directory.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{directory.name}-", dir=directory.absolute().parent) as beside:
        made, before = Path(beside) / "made", Path(beside) / "before"
        for name, content in found.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if directory.exists():
            directory.rename(before)
        try:
            made.rename(directory)
        except OSError:
            if before.exists():
                before.rename(directory)
            raise
        shutil.rmtree(before, ignore_errors=True)


def _is_ours(directory: Path) -> bool:
    if not directory.is_dir():
        return False
    found = {str(one.relative_to(directory)) for one in directory.rglob("*") if not one.is_dir()}
    if not found:
        return True
    if not all(name in OURS or (name.startswith("data/") and name.endswith(".csv")) for name in found):
        return False
    try:
        return bool(json.loads((directory / ALL).read_bytes()).get("form") == FORM)
    except (OSError, ValueError, AttributeError):
        return False
