"""The schemas of a published log's entries, beside them: whoever has the files can decode them without this program."""

import fnmatch
from collections.abc import Iterable, Mapping, Set
from contextlib import suppress
from pathlib import Path
from typing import Final

from casetrail.audit.faults import Fault, Faults, Kind
from casetrail.eventlog.codec import PREFIX, Unreadable, schema_of
from casetrail.eventlog.port import Log
from casetrail.eventlog.schemas import carried, id_of, published, what_differs
from casetrail.proofs.within import names_within, open_within

FOLDER: Final = "schemas"
SUFFIX: Final = ".avsc"
NAMES: Final = "[0-9a-f]" * 8 + SUFFIX
MOST_BYTES: Final = 1_000_000


def place_of(number: int) -> str:
    """The place of a schema's file below the log's prefix."""
    return f"{FOLDER}/{number:08x}{SUFFIX}"


def named_by(entries: Iterable[bytes]) -> set[int]:
    """The ids of the schemas that entries are written with. What is no event names none."""
    found = set()
    for prefix in {entry[:PREFIX] for entry in entries}:
        with suppress(Unreadable):
            found.add(schema_of(prefix))
    return found


def texts_of(log: Log, numbers: Set[int]) -> Mapping[int, bytes]:
    """The JSON of these schemas, as it was published or as the log carries it. What neither has is left out."""
    known = {number: text.encode() for number, text in published().items() if number in numbers}
    if numbers - known.keys():
        known = {number: text for number, text in carried(log).items() if number in numbers} | known
    return known


def check_schemas(directory: Path, faults: Faults) -> tuple[int, set[int]]:
    """Whether each schema that is there has the id by which it is named; how many there are, and the ids of those that have."""
    try:
        names = fnmatch.filter(names_within(directory, FOLDER), NAMES)
    except FileNotFoundError:  # who mirrors a log need not know of them
        return 0, set()
    except OSError as error:
        faults.add(Fault(Kind.SCHEMA_ALTERED, f"{FOLDER}: {error.strerror}"))
        return 0, set()
    right = set()
    for name in names:
        if found := _what_differs(directory, name):
            faults.add(Fault(Kind.SCHEMA_ALTERED, f"{FOLDER}/{name}: {found}"))
        else:
            right.add(int(name.removesuffix(SUFFIX), 16))
    return len(names), right


def _what_differs(directory: Path, name: str) -> str:
    try:
        with open_within(directory, f"{FOLDER}/{name}") as opened:
            text = opened.read(MOST_BYTES)
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    return what_differs(id_of(name.removesuffix(SUFFIX).encode(), text), text)
