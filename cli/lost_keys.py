"""Keys that the keyring has lost: what was sealed under them can be read no more, and a key made anew would hide that.

Which texts are sealed stands in the history. Other agencies may have keyrings of their own, so only what the agency of who acts
has sealed is expected to open.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from casetrail.cli.config import Config
from casetrail.cli.context import opened_log, opened_views
from casetrail.eventlog.errors import LogError
from casetrail.privacy.errors import KeyDestroyed, KeyLost, KeyMissing, PrivacyError
from casetrail.projections.errors import ViewError

if TYPE_CHECKING:
    from casetrail.domain.sealed import SealedField
    from casetrail.eventlog.codec import Event
    from casetrail.eventlog.port import Log
    from casetrail.privacy.keyring import Keyring

NEWEST: Final = 500
"""So many events of each partition are looked at."""


def key_to_seal(config: Config, keyring: "Keyring", case_id: str, *, begins: bool = False) -> bytes:
    """The key of a case, made where nothing is sealed in it yet. Raises ``KeyLost``, ``KeyDestroyed``.

    ``begins``: the case begins with this, unless somebody is mistaken: then the views are asked as they stand.
    """
    try:
        return keyring.case_key(case_id)
    except KeyMissing:
        if not _is_sealed(config, case_id, begins):
            return keyring.create_case_key(case_id)
    try:
        return keyring.case_key(case_id)  # somebody may have made it, and sealed, since it was asked for
    except KeyMissing:
        raise KeyLost(case_id) from None


def _is_sealed(config: Config, case_id: str, begins: bool) -> bool:
    """Whether the agency of who acts has sealed anything in a case, as far as the views know: where they are away, sealing goes on."""
    from casetrail.eventlog.codec import decode_event
    from casetrail.projections.database import open_database
    from casetrail.projections.queries import timeline

    try:
        with closing(open_database(config.views_url())) if begins else opened_views(config) as database:
            values = [value for _, _, value in timeline(database, case_id)]
    except (LogError, ViewError, click.ClickException):
        return False
    return any(_sealed_by(decode_event(value), config.agency) for value in values)


def _sealed_by(event: "Event", agency: str | None) -> "Sequence[SealedField]":
    """What an agency has sealed in an event."""
    if event.actor is None or event.actor.agency != agency:
        return ()
    return _sealed(event)


def _sealed(event: "Event") -> "Sequence[SealedField]":
    found: Sequence[SealedField] = getattr(event.body, "sealed", ())
    return found


class Unreadable(NamedTuple):
    """Of the newest cases in which an agency has sealed texts, ``looked_at``: those without a key, and those with another one."""

    looked_at: int
    missing: Sequence[str]
    other: Sequence[str]


def unreadable(config: Config, keyring: "Keyring | None") -> Unreadable:
    """What the agency of who acts has sealed lately, and cannot be opened. Expunged cases are not among them.

    ``keyring``: None where there is none.
    """
    with opened_log(config) as log:
        cases = _newest(log, config.agency) if config.agency else {}
    missing, other = list[str](), list[str]()
    for case_id, events in cases.items():
        try:
            key = None if keyring is None else keyring.case_key(case_id)
        except KeyMissing:
            key = None
        except KeyDestroyed:
            continue
        if key is None:
            missing.append(case_id)
        elif not all(_opens(key, event) for event in events):
            other.append(case_id)
    return Unreadable(len(cases), missing, other)


def checked_for_import(config: Config, keyring: "Keyring", settings: "Mapping[str, Any]") -> "Keyring":
    """The same keyring. Raises ``KeyLost`` where it has no key of all the cases in which texts of that system were sealed lately.

    Run again with another keyring, an import would seal under new keys, and double what stands in the log: the ids of its actions
    follow from the keyring. ``settings``: of a mapping that has been found in order. Where it names the agencies for which it imports,
    what others have imported from a system of that name is left alone: they may have a keyring of their own.
    """
    agencies = _agencies(settings)
    with opened_log(config) as log:
        cases = [
            event.case_id
            for event in _last_events(log)
            if event.imported is not None
            and event.imported.system == settings["system"]
            and _sealed(event)
            and (not agencies or (event.actor is not None and event.actor.agency in agencies))
        ]
    if cases and not any(_is_known(keyring, case_id) for case_id in dict.fromkeys(cases)):
        keyring.close()
        raise KeyLost(cases[-1])
    return keyring


def _agencies(settings: "Mapping[str, Any]") -> frozenset[str]:
    """The agencies for which a mapping imports; none where its rows say which."""
    found = [one["agency"] for one in (settings, *settings["actions"]) if isinstance(one.get("agency"), str)]
    return frozenset() if any("{" in one for one in found) else frozenset(found)


def _is_known(keyring: "Keyring", case_id: str) -> bool:
    try:
        keyring.case_key(case_id)
    except KeyMissing:
        return False
    except KeyDestroyed:
        pass
    return True


def _newest(log: "Log", agency: str) -> "Mapping[str, Sequence[Event]]":
    """The newest events in which an agency has sealed something, by case."""
    found: dict[str, list[Event]] = {}
    for event in _last_events(log):
        if _sealed_by(event, agency):
            found.setdefault(event.case_id, []).append(event)
    return found


def _last_events(log: "Log") -> "Iterator[Event]":
    from casetrail.eventlog.codec import Unreadable as NoEvent
    from casetrail.eventlog.codec import decode_event
    from casetrail.eventlog.port import Topic
    from casetrail.eventlog.stream import batches

    ends = log.end_offsets(Topic.EVENTS)
    with log.reader(Topic.EVENTS, {one: max(0, end - NEWEST) for one, end in ends.items()}) as reader:
        for records in batches(reader, ends):
            for record in records:
                with suppress(NoEvent):
                    yield decode_event(record.value)


def _opens(key: bytes, event: "Event") -> bool:
    from casetrail.privacy.sealing import unseal

    try:
        for field in _sealed(event):
            unseal(key, event.case_id, event.action_id, field)
    except PrivacyError:
        return False
    return True
