"""By which rules the numbers were counted: the policies that agencies have adopted, and what each of them lets pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from casetrail.domain.detectors.judging import check_settings
from casetrail.domain.policy import Policy
from casetrail.domain.policy_diff import Change, Difference, difference
from casetrail.domain.registry import REGISTRY
from casetrail.eventlog.codec import decode_event
from casetrail.projections.database import Database
from casetrail.projections.queries import timeline
from casetrail.projections.registry import default_policy, readable

TOLD: Final = (Change.WEAKENED, Change.REMOVED, Change.CHANGED)


@dataclass(frozen=True)
class Rules:
    """A policy that an agency adopted, compared with the one that it was held to before. ``number``: of the event.

    ``weakened``, ``removed`` and ``changed``: keys of the policy; ``off``: detectors that are turned off. ``since``: from
    when it is in force, UTC. ``unread``: how many problems a policy has that is in force nowhere, because of them.
    """

    number: int
    agency: str
    since: datetime
    weakened: Sequence[str] = ()
    removed: Sequence[str] = ()
    changed: Sequence[str] = ()
    off: Sequence[str] = ()
    unread: int = 0

    @property
    def weaker(self) -> Sequence[str]:
        """What is weakened, without the detectors that are ``off``."""
        off = {f"detectors.{name}.off" for name in self.off}
        return [key for key in self.weakened if key not in off]


def rules(database: Database, now: datetime) -> list[Rules]:
    """Every policy that was adopted by ``now``, in order; the first of each agency is compared with the usual one."""
    registry = [decode_event(value).recorded() for _, _, value in timeline(database, REGISTRY)]
    before: dict[str, Policy] = {}
    found = []
    for one, policy in readable(registry):
        agency = one.actor.agency
        if isinstance(policy, Policy):
            differences = difference(before.get(agency, default_policy()), policy)
            before[agency] = policy
            off = [name for name, settings in check_settings(policy).items() if settings.off]
            weakened, removed, changed = (_keys(differences, change) for change in TOLD)
            found.append(Rules(one.number, agency, one.since, weakened, removed, changed, off))
        else:
            found.append(Rules(one.number, agency, one.since, unread=len(policy.problems)))
    return [one for one in found if one.since <= now]


def _keys(differences: Sequence[Difference], change: Change) -> list[str]:
    return [one.key for one in differences if one.change is change]
