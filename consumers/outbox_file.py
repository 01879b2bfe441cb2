"""Notifications into a file: one line of JSON for each, on disk before it counts as sent."""

import os
from dataclasses import dataclass
from pathlib import Path

from casetrail.consumers.notification import Notification
from casetrail.consumers.transport import NotSent


@dataclass(frozen=True)
class FileTransport:
    """Appends to a file."""

    path: Path

    @property
    def address(self) -> str:
        """Where it goes."""
        return f"file:{self.path}"

    def send(self, notification: Notification) -> None:
        """Append the notification. Raises ``NotSent``: a part of its line may stand there then, and the next one begins behind that."""
        try:
            with self.path.open("a+b") as out:
                if out.tell():
                    out.seek(-1, os.SEEK_END)
                is_cut_off = out.read(1) not in (b"", b"\n")
                out.write(b"\n" * is_cut_off + notification.body.encode() + b"\n")
                out.flush()
                os.fsync(out.fileno())
        except OSError as error:
            raise NotSent(f"{self.path} cannot be written ({error.strerror})") from error
