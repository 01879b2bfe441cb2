"""What can go wrong with an import."""


class ImportFailed(Exception):
    """Base of this room's errors. ``code`` is stable; the message says what is wrong, where, and what to do."""

    code = "import-failed"


class BadMapping(ImportFailed):
    """The mapping file is not understood."""

    code = "bad-mapping"


class RowRefused(Exception):
    """A row that cannot be taken: which column, and why. Never quotes the value: it may name a person."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(f"{column}: {reason}" if column else reason)
        self.column, self.reason = column, reason
