"""Putting the schemas of a log into a schema registry, for tools that look there: under their own ids, which stand in every record.

A registry that speaks Confluent's API hands out ids of its own, unless a subject is in the mode IMPORT: then it takes ours. No part
of casetrail asks a registry; a log carries its schemas itself.
"""

import json
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

from casetrail.consumers.bounded_http import opened
from casetrail.eventlog.errors import LogError
from casetrail.eventlog.port import Topic
from casetrail.eventlog.schemas import current_ids, id_of, published

PATIENCE: Final = 10.0
"""Seconds that an answer may take."""
MOST_SAID: Final = 300
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
CONTENT_TYPE: Final = "application/vnd.schemaregistry.v1+json"
NO_REGISTRY: Final = "{} answers otherwise than a schema registry does; look at the address"
NAMES: Final = {
    Topic.ACTIONS: ("action",),
    Topic.EVENTS: ("event",),
    Topic.CHECKPOINTS: ("checkpoint", "cosignature"),
}
"""The kinds of schemas that the values of a topic are written with."""


class SchemaRegistryUnreachable(LogError):
    """The registry does not answer."""

    code = "schema-registry-unreachable"


class SchemaRegistryRefused(LogError):
    """The registry answers, and does not do what it is asked for."""

    code = "schema-registry-refused"


class Registered(NamedTuple):
    """A schema in a registry. ``is_new``: it was not there before."""

    subject: str
    version: int
    schema_id: int
    is_new: bool


def check_url(url: str, *, has_password: bool) -> None:
    """Raise ``ValueError`` unless a registry may be asked at a URL: a password goes over TLS, or to this machine."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it does not begin with https:// or http://")
    if parts.username is not None:
        raise ValueError("user and password stand in a file, not in an address, which others can see")
    if has_password and parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ValueError("a password goes over TLS only: use https://")


class SchemaRegistry:
    """A registry that speaks Confluent's API. ``credentials``: ``user:password``."""

    def __init__(self, url: str, credentials: bytes | None = None) -> None:
        self._url, self._headers = url.rstrip("/"), {"Content-Type": CONTENT_TYPE, "Accept": CONTENT_TYPE}
        if credentials is not None:
            self._headers["Authorization"] = f"Basic {b64encode(credentials).decode()}"

    def register(self, log: str) -> Iterator[Registered]:
        """Have every published schema under the subject of its topic, ``TOPIC-value``; those that are there are left alone.

        Raises ``SchemaRegistryUnreachable``, ``SchemaRegistryRefused``.
        """
        for topic, names in NAMES.items():
            subject = f"{log}.{topic.value}-value"
            there = dict(self._versions(subject))
            yield from (Registered(subject, version, number, False) for number, version in there.items())
            missing = [number for number in _ids(names) if number not in there]
            if missing:
                yield from self._add(subject, missing, max(there.values(), default=0))

    def _versions(self, subject: str) -> Iterator[tuple[int, int]]:
        """Id and version of each of our schemas that a subject has."""
        place = f"/subjects/{quote(subject, safe='')}/versions"
        try:
            for version in self._ask("GET", place, absent=[]):
                found = self._ask("GET", f"{place}/{int(version)}")
                number = int(found["id"])
                if number in published() and id_of(f"{number:08x}".encode(), str(found["schema"]).encode()) == number:
                    yield number, int(version)
        except (TypeError, KeyError, ValueError) as error:
            raise SchemaRegistryRefused(NO_REGISTRY.format(self._url + place)) from error

    def _mode(self, place: str) -> Any:
        """The mode that a subject has by itself."""
        try:
            return self._ask("GET", place, absent={"mode": "READWRITE"})["mode"]
        except (TypeError, KeyError) as error:
            raise SchemaRegistryRefused(NO_REGISTRY.format(self._url + place)) from error

    def _add(self, subject: str, missing: list[int], last: int) -> Iterator[Registered]:
        """Add schemas to a subject, behind its last version; its mode is afterwards what it was before."""
        mode, place = f"/mode/{quote(subject, safe='')}", f"/subjects/{quote(subject, safe='')}/versions"
        before = self._mode(mode)
        self._ask("PUT", f"{mode}?force=true" if last else mode, {"mode": "IMPORT"})
        try:
            for version, number in enumerate(missing, last + 1):
                wanted = {"schemaType": "AVRO", "version": version, "id": number, "schema": published()[number]}
                self._check_id(self._ask("POST", place, wanted), number, subject)
                yield Registered(subject, version, number, True)
        finally:
            self._ask("PUT", mode, {"mode": before})

    def _check_id(self, answer: Any, number: int, subject: str) -> None:
        """A registry that does not know the mode may take a schema, and give it an id of its own."""
        given = answer.get("id") if isinstance(answer, dict) else None
        if given != number:
            raise SchemaRegistryRefused(
                f"{self._url} has put a schema into {subject} under the id {given}, not under {number:08x}, which stands in the "
                "records: it does not take ids, so it is of no use to this log; delete the subject there"
            )

    def _ask(self, method: str, place: str, body: Any = None, *, absent: Any = None) -> Any:
        """The answer; ``absent`` where there is no such thing."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + place, data, self._headers, method=method)  # noqa: S310
        try:
            with opened(request, PATIENCE) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404 and absent is not None:
                    return absent
                said = error.read(MOST_SAID).decode(errors="replace")
            raise SchemaRegistryRefused(f"{self._url}{place} answers {error.code}: {said}") from error
        except (OSError, HTTPException) as error:
            raise SchemaRegistryUnreachable(f"{self._url} does not answer ({error or type(error).__name__})") from error
        except ValueError as error:
            raise SchemaRegistryRefused(NO_REGISTRY.format(self._url + place)) from error


def _ids(names: tuple[str, ...]) -> list[int]:
    """The ids of these kinds of schemas; what is written now comes last, for tools that take the newest version."""
    current = [current_ids()[name] for name in names]
    kinds = {number: json.loads(text)["name"].lower() for number, text in published().items()}
    return [one for one in published() if kinds[one] in names and one not in current] + current
