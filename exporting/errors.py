"""What can go wrong with an export."""


class ExportFailed(Exception):
    """Base of this room's errors. ``code`` is stable; the message says what is wrong, and what to do."""

    code = "export-failed"


class AnalysisMissing(ExportFailed):
    """The library that writes Parquet is not installed."""

    code = "analysis-missing"

    def __init__(self) -> None:
        super().__init__("Parquet needs pyarrow: install casetrail[analysis], or export csv, xes or ocel")


class BadPseudonymKey(ExportFailed):
    """The file is no key to make pseudonyms with."""

    code = "bad-pseudonym-key"
