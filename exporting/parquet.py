"""Parquet: the columns of a flat file with their types, in row groups."""

from typing import TYPE_CHECKING, Any, BinaryIO, Final

from casetrail.exporting.details import Type
from casetrail.exporting.errors import AnalysisMissing
from casetrail.exporting.histories import Exported
from casetrail.exporting.pseudonyms import Blind
from casetrail.exporting.rows import Row, columns, rows, text

if TYPE_CHECKING:
    import pyarrow

ROW_GROUP: Final = 50_000


class ParquetWriter:
    """Writes Parquet."""

    def __init__(self, out: BinaryIO, log: str, blind: Blind) -> None:
        """Raises ``AnalysisMissing``."""
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError as error:
            raise AnalysisMissing from error
        self._columns, self._blind = columns(), blind
        self._schema = _schema(self._columns, log)
        self._batch = pyarrow.RecordBatch.from_pylist
        self._writer = parquet.ParquetWriter(out, self._schema, compression="zstd")
        self._kept: list[Row] = []

    def write(self, history: Exported) -> None:
        self._kept += (self._fitted(row) for row in rows(history, self._blind))
        if len(self._kept) >= ROW_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _fitted(self, row: Row) -> Row:
        """A detail that has several types is a text."""
        return {name: text(value) if self._columns[name] is Type.STRING else value for name, value in row.items()}

    def _flush(self) -> None:
        if self._kept:
            self._writer.write_batch(self._batch(self._kept, schema=self._schema), row_group_size=len(self._kept))
            self._kept.clear()


def _schema(names: dict[str, Type], log: str) -> "pyarrow.Schema":
    import pyarrow

    types: dict[Type, Any] = {
        Type.STRING: pyarrow.string(),
        Type.BOOLEAN: pyarrow.bool_(),
        Type.INTEGER: pyarrow.int64(),
        Type.TIME: pyarrow.timestamp("us", tz="UTC"),
    }
    return pyarrow.schema([(name, types[one]) for name, one in names.items()], metadata={"casetrail.log": log})
