"""What a process has opened is its own: a fork takes along the memory, but neither the threads nor the right to the sockets."""

import ctypes
import os

from casetrail.eventlog.errors import OtherProcess


class OwnProcess:
    """Remembers in which process it was made."""

    def __init__(self) -> None:
        self._id = os.getpid()

    def is_here(self) -> bool:
        """Whether this is that process, and no fork of it."""
        return os.getpid() == self._id

    def check(self) -> None:
        """Raise ``OtherProcess`` in a fork. To be asked before any lock is taken: the fork may have taken it along, locked."""
        if not self.is_here():
            raise OtherProcess(
                "this was opened by another process, which this one was forked off: make a new one after a fork, in each process"
            )


def keep_for_good(client: object) -> None:
    """Never free this in this process, not at its end either: for clients in C that wait for threads which a fork has not got."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(client))
