"""What the registry says to those who judge: which policies each agency has adopted, who has left, in which roles people
work, who has oversight."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final, NamedTuple

from casetrail.domain.case import Recorded
from casetrail.domain.detectors.judging import check_settings
from casetrail.domain.leaving import Departures, departures
from casetrail.domain.policy import Adopted, Policy
from casetrail.domain.policy_file import PolicyFileInvalid, parse_policy
from casetrail.domain.posts import Posts, posts
from casetrail.domain.registry import (
    REGISTRY,
    Adoption,
    Overseer,
    adoptions,
    agencies,
    overseers,
    registered_since,
)

DEFAULT: Final = "generic"
REGISTRY_KEY: Final = REGISTRY.encode()

Hashed = tuple[Recorded, bytes]
"""An event, and its leaf hash."""


class Registry(NamedTuple):
    """What the registry's events say."""

    policies: Adopted
    departures: Departures
    adopted: Sequence[tuple[Adoption, Policy]]
    overseers: tuple[Overseer, ...]
    unread: Sequence[tuple[int, int]]
    """Adopted policies that cannot be read: the number of the event, and how many problems there are."""
    posts: Posts


def registry_of(events: Sequence[Hashed], agency: str | None = None) -> Registry:
    """What the registry's events say, all in their order.

    ``agency``: whose policies they are by themselves; where it is None, the agency's that has adopted one first.
    """
    history = [event for event, _ in events]
    everything = list(readable(history))
    listed = [(one, policy) for one, policy in everything if isinstance(policy, Policy)]
    unread = [(one.number, len(wrong.problems)) for one, wrong in everything if isinstance(wrong, PolicyFileInvalid)]
    found = [(one.actor.agency, one.since, policy) for one, policy in listed]
    by_itself = agency or next((one for one, _, _ in found), None)
    policies = Adopted(default_policy(), found, by_itself, agencies(history), registered_since(history))
    return Registry(policies, departures(events), listed, overseers(history), unread, posts(events))


def readable(registry: Iterable[Recorded]) -> Iterator[tuple[Adoption, Policy | PolicyFileInvalid]]:
    """The policies that were adopted, in order; of one that cannot be read, and is in force nowhere, what is wrong."""
    for one in adoptions(registry):
        try:
            yield one, _read(one.text)
        except PolicyFileInvalid as error:
            yield one, error


@lru_cache(100)
def _read(text: str) -> Policy:
    """The same texts are read whenever some cases are judged. Raises ``PolicyFileInvalid``."""
    policy = parse_policy(text)
    check_settings(policy)
    return policy


def preset_text(name: str) -> str:
    """The text of a policy that comes with the program."""
    return (files("casetrail.domain") / "presets" / f"{name}.toml").read_text("utf-8")


@cache
def default_policy() -> Policy:
    """The policy of an agency that has adopted none."""
    return parse_policy(preset_text(DEFAULT))
