"""The fields around a body, as Avro writes them, and back: who acted, in which log, when it was recorded, where it came from.

The same few people act in the same log again and again: what was written or read once is known, and looked up by its bytes.
"""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from casetrail.domain.actions import Actor, Imported
from casetrail.domain.codes import Role
from casetrail.domain.values import EPOCH
from casetrail.eventlog.binary import (
    NULL,
    PRESENT,
    NotAvro,
    long_bytes,
    read_long,
    read_present,
    read_text,
    text_bytes,
)

MILLISECOND: Final = timedelta(milliseconds=1)
MOST_KNOWN: Final = 65_536
"""So many people, and logs, are known at once."""
_actors: dict[bytes, Actor] = {}
_asking: dict[bytes, tuple[Actor, bytes]] = {}
_logs: dict[bytes, tuple[str, int]] = {}


@lru_cache(1024)
def millis_bytes(moment: datetime) -> bytes:
    """An append time. The log stamps many records with the same."""
    return long_bytes((moment - EPOCH) // MILLISECOND)


@lru_cache(1024)
def log_bytes(log: str, rule_set: int) -> bytes:
    """The log's name, and the rule set."""
    return text_bytes(log) + long_bytes(rule_set)


def actor_bytes(actor: Actor) -> bytes:
    """Who acted."""
    return _acting_bytes(actor.id, actor.agency, actor.role)


@lru_cache(MOST_KNOWN)
def _acting_bytes(person: str, agency: str, role: str) -> bytes:
    return text_bytes(person) + text_bytes(agency) + text_bytes(role)


def read_actor(value: bytes, at: int) -> tuple[Actor, int]:
    """The actor at position ``at``, and the position after it."""
    try:
        end = at + 1 + (value[at] >> 1)
        end += 1 + (value[end] >> 1)
        end += 1 + (value[end] >> 1)
    except IndexError:  # a length of two bytes: an id of 64 characters, or what is no id at all
        end = at
    known = _actors.get(value[at:end])  # found only where the very same bytes were read in full before
    if known is not None:
        return known, end
    person, after = read_text(value, at)
    agency, after = read_text(value, after)
    role, after = read_text(value, after)
    try:
        actor = Actor(person, agency, Role(role))
    except ValueError as error:  # an unknown role: nobody can be said to have asked
        raise NotAvro("no such role") from error
    if len(_actors) >= MOST_KNOWN:
        _actors.clear()
    _actors[value[at:after]] = actor
    return actor, after


def read_asking(value: bytes, at: int) -> tuple[Actor, bytes, int]:
    """The actor of an action at position ``at``, the same as it stands in an event, and the position after it."""
    actor, after = read_actor(value, at)
    known = _asking.get(value[at:after])
    if known is None:
        if len(_asking) >= MOST_KNOWN:
            _asking.clear()
        known = _asking[value[at:after]] = actor, PRESENT + actor_bytes(actor)
    return *known, after


def read_log(value: bytes, at: int) -> tuple[str, int, int]:
    """The log's name and the rule set at position ``at``, hardly ever other ones than before; and the position after."""
    end = at + 2 + (value[at] >> 1)
    known = _logs.get(value[at:end])
    if known is not None:
        log, rule_set = known
        return log, rule_set, end
    log, after = read_text(value, at)
    rule_set, after = read_long(value, after)
    if len(_logs) >= MOST_KNOWN:
        _logs.clear()
    _logs[value[at:after]] = log, rule_set
    return log, rule_set, after


def imported_bytes(imported: Imported | None) -> bytes:
    """Where it was imported from, if it was."""
    if imported is None:
        return NULL
    return PRESENT + imported.file_hash + long_bytes(imported.line) + text_bytes(imported.system)


def read_imported(value: bytes, at: int) -> tuple[Imported | None, int]:
    """Where it was imported from, if it was, at position ``at``; and the position after it."""
    present, at = read_present(value, at)
    if not present:
        return None, at
    file_hash = value[at : at + 32]
    line, at = read_long(value, at + 32)
    system, at = read_text(value, at)
    return Imported(file_hash, line, system), at
