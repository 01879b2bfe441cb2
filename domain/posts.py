"""In which role the registry knows whom, and since when."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from casetrail.domain.actions import Actor
from casetrail.domain.case import Recorded
from casetrail.domain.codes import Role
from casetrail.domain.leaving import KINDS
from casetrail.domain.registry import PersonJoined, PersonLeft

RANKS: Final = {Role.SUPERVISOR: 1, Role.COMMANDER: 2}
"""Roles in which somebody decides about what others do. A commander may do what a supervisor may."""
UNRANKED: Final = 0


class Post(NamedTuple):
    """What somebody is by an event of the registry: in which agency, in which role (None: they have left it). UTC.

    ``number`` and ``hash`` are those of the event. ``known_at``: since when the log could show it.
    """

    agency: str
    role: Role | None
    at: datetime
    known_at: datetime
    number: int
    hash: bytes

    def allows(self, actor: Actor) -> bool:
        """Whether somebody may act in this role, as far as this says. Of another agency it says nothing once they have left."""
        if self.role is None and self.agency != actor.agency:
            return True
        rank = UNRANKED if self.role is None or self.agency != actor.agency else RANKS.get(self.role, UNRANKED)
        return rank >= RANKS.get(actor.role, UNRANKED)


Posts = Mapping[str, Sequence[Post]]
"""What the registry says of people, each in the order of its events."""
NO_POSTS: Final[Posts] = {}


def posts(registry: Iterable[tuple[Recorded, bytes]]) -> Posts:
    """The posts of every person, from the events of the registry in their order, each with its leaf hash."""
    found: defaultdict[str, list[Post]] = defaultdict(list)
    for event, leaf in registry:
        body, action = event.body, event.action
        if action is None or not isinstance(body, KINDS):
            continue
        before = found.get(body.person)
        if isinstance(body, PersonJoined):
            agency = body.agency
        elif before:
            agency = before[-1].agency
        else:
            continue  # an imported history begins in the middle; nobody knows the agency
        role = None if isinstance(body, PersonLeft) else body.role
        known_at = event.timestamp if action.imported is None else action.occurred_at
        found[body.person].append(Post(agency, role, action.occurred_at, known_at, event.originator_version, leaf))
    return dict(found)


def post_at(some: Sequence[Post], at: datetime, known_at: datetime) -> Post | None:
    """Which of somebody's posts held at a moment, by what was known at another; None where nothing was."""
    held = [post for post in some if post.at <= at and post.known_at <= known_at]
    return max(held, key=lambda post: (post.at, post.number), default=None)
