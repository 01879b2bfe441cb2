"""A thread that reads for a screen, so that the screen never waits: not even where a database never answers."""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

Read = Callable[[], Any]
Then = Callable[[Any], None]
"""Is given what was read, or the error."""


class Reader:
    """Reads one thing after the other. It ends with the process, whatever it waits for then."""

    def __init__(self, name: str, tell: Callable[[Then, Any], object]) -> None:
        """``tell``: hands what was read to the screen's own thread, and does nothing where there is no screen any more."""
        self._tell = tell
        self._asked: SimpleQueue[tuple[Read, Then] | None] = SimpleQueue()
        self._waiting: list[Read] = []
        self._lock = Lock()
        Thread(target=self._run, name=name, daemon=True).start()

    def ask(self, read: Read, then: Then) -> None:
        """Have something read."""
        with self._lock:
            self._waiting.append(read)
        self._asked.put((read, then))

    @property
    def is_busy(self) -> bool:
        """Whether something that was asked for has not been read yet."""
        with self._lock:
            return bool(self._waiting)

    def close(self) -> None:
        """End once everything that was asked for has been read."""
        self._asked.put(None)

    def _run(self) -> None:
        while (asked := self._asked.get()) is not None:
            read, then = asked
            try:
                found = read()
            except Exception as error:  # whatever it is, the screen shows it, and it is read anew later
                found = error
            with self._lock:
                self._waiting.remove(read)
            self._tell(then, found)
