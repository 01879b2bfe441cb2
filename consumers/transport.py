"""What carries a notification to an address."""

from typing import Final, Protocol

from casetrail.consumers.notification import Notification

PATIENCE: Final = 10.0
"""Seconds that a server may take to answer."""


class NotSent(Exception):
    """The notification did not arrive, as far as can be known: it is tried again. The message names no person."""

    code = "not-sent"


class Transport(Protocol):
    """Carries notifications to one address."""

    @property
    def address(self) -> str:
        """Where they go, as a text that names it."""

    def send(self, notification: Notification) -> None:
        """Send a notification; it has arrived when this returns. Raises ``NotSent``."""
