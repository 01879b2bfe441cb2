"""What every form of export is: a writer that is given one history after the other."""

from typing import BinaryIO, Protocol

from casetrail.exporting.histories import Exported
from casetrail.exporting.pseudonyms import Blind


class Writer(Protocol):
    """Writes histories to a file as they come."""

    def __init__(self, out: BinaryIO, log: str, blind: Blind) -> None:
        """``log``: the name of the log that the histories are from; ``blind``: what stands for people's ids."""

    def write(self, history: Exported) -> None:
        """Write a history."""

    def close(self) -> None:
        """Write what comes after the last one. ``out`` stays open."""
