"""The export itself: histories from a log into a file of one of the forms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import BinaryIO, Final

from casetrail.exporting.csv_file import CsvWriter
from casetrail.exporting.histories import Of, Source, Told
from casetrail.exporting.ocel import OcelWriter
from casetrail.exporting.parquet import ParquetWriter
from casetrail.exporting.pseudonyms import Blind, plainly
from casetrail.exporting.writers import Writer
from casetrail.exporting.xes import XesWriter


class Form(StrEnum):
    """In what form histories are exported."""

    OCEL = "ocel"
    XES = "xes"
    CSV = "csv"
    PARQUET = "parquet"


WRITERS: Final[Mapping[Form, type[Writer]]] = {
    Form.OCEL: OcelWriter,
    Form.XES: XesWriter,
    Form.CSV: CsvWriter,
    Form.PARQUET: ParquetWriter,
}


@dataclass
class Summary:
    """What was exported. ``unaccepted``: events that are refused or unreadable submissions.

    ``found``: which of the cases that were asked for by their ids.
    """

    cases: int = 0
    events: int = 0
    unaccepted: int = 0
    found: set[str] = field(default_factory=set)


def export(source: Source, form: Form, out: BinaryIO, blind: Blind = plainly, told: Told | None = None) -> Summary:
    """Write what is wanted of a log to a file. ``told`` is told twice of each event that is read.

    Raises ``LogUnreachable``, ``ChainBroken``, ``AnalysisMissing``.
    """
    summary = Summary()
    writer = WRITERS[form](out, source.name, blind)
    for history in source.histories(told or _nobody):
        writer.write(history)
        summary.cases += history.of is Of.CASE
        summary.events += len(history.places)
        summary.unaccepted += sum(not place.is_fact for place in history.places)
        if history.id in source.wanted.cases:
            summary.found.add(history.id)
    writer.close()
    return summary


def _nobody(_: int) -> None:
    """Is told how much is done, and tells nobody."""
