"""Notifications by webhook: a CloudEvent in JSON by HTTPS POST, signed as Standard Webhooks says.

The signature is an HMAC-SHA256 over id, time and body; so whoever has the secret knows that the notification is genuine,
whole and fresh (standardwebhooks.com; cloudevents.io, JSON event format 1.0).
"""

import hmac
import urllib.error
import urllib.request
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPException
from time import time
from typing import Final
from urllib.parse import urlsplit

from casetrail.consumers.bounded_http import opened
from casetrail.consumers.notification import Notification
from casetrail.consumers.transport import PATIENCE, NotSent

PREFIX: Final = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"


def secret_of(text: str) -> bytes:
    """The secret that both sides know: ``whsec_`` and 24 to 64 bytes in base64. Raises ``ValueError``."""
    try:
        made = b64decode(text.strip().removeprefix(PREFIX), validate=True)
    except NotBase64 as error:
        raise ValueError("it is not in base64") from error
    if not LEAST_BYTES <= len(made) <= MOST_BYTES:
        raise ValueError(f"it has {len(made)} bytes, not {LEAST_BYTES} to {MOST_BYTES}")
    return made


def check_url(url: str) -> None:
    """Raise ``ValueError`` unless notifications may go to a URL: over TLS, or to this host."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"it is no URL ({error})") from error
    if not host or parts.scheme not in ("https", "http"):
        raise ValueError("it does not begin with https://")
    if parts.scheme == "http" and host not in LOOPBACK:
        raise ValueError("without TLS notifications go to this host only: use https://")


@dataclass(frozen=True)
class WebhookTransport:
    """Posts to a URL."""

    url: str
    secret: bytes = field(repr=False)
    now: Callable[[], float] = time

    @property
    def address(self) -> str:
        """Where it goes."""
        return f"webhook:{self.url}"

    def send(self, notification: Notification) -> None:
        """Post the notification. Anything but an answer of 2xx means that it has not arrived. Raises ``NotSent``."""
        body, moment = notification.body.encode(), str(int(self.now()))
        headers = {
            "Content-Type": CONTENT_TYPE,
            "User-Agent": "casetrail",
            "webhook-id": notification.id,
            "webhook-timestamp": moment,
            "webhook-signature": self.signature(notification.id, moment, body),
        }
        request = urllib.request.Request(self.url, body, headers)  # noqa: S310  (see ``check_url``)
        try:
            with opened(request, PATIENCE) as answer:
                status = answer.status
        except urllib.error.HTTPError as error:
            with error:
                status = error.code
        except (OSError, HTTPException, ValueError) as error:
            raise NotSent(f"{self.url} does not answer ({error or type(error).__name__})") from error
        if not 200 <= status < 300:
            raise NotSent(f"{self.url} answers {status}")

    def signature(self, message_id: str, moment: str, body: bytes) -> str:
        """The signature of a message: its version, and the HMAC in base64."""
        signed = b".".join((message_id.encode(), moment.encode(), body))
        return "v1," + b64encode(hmac.digest(self.secret, signed, "sha256")).decode()
