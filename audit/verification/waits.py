"""How long submissions have waited until a checkpoint covered their events, and until the quorum had cosigned one that does.

It is counted from the time at which a submission came in, as its event says it: that stands in the tree, so nobody can
alter it afterwards. And up to the time that the witnesses themselves state.
"""

from typing import NamedTuple

from casetrail.audit.verification.checkpoints import Group
from casetrail.audit.verification.copy import Copy


class Wait(NamedTuple):
    """Somebody has waited so long for the checkpoint of so many leaves, or for its quorum."""

    seconds: float
    size: int


class Waits:
    """The longest ones that have come to an end; None where there was none to be measured."""

    def __init__(self, now: int) -> None:
        """``now``: the moment of the verification, milliseconds UTC. Nobody has waited for longer than until then."""
        self._now = now
        self.checkpoint: Wait | None = None
        self.quorum: Wait | None = None

    def measure(self, group: Group, copy: Copy) -> None:
        """Take in a group of checkpoints, when the copy has them."""
        for one in group.checkpoints:
            asked = copy.asked_at(one.number, one.number)
            if asked is not None:
                self.checkpoint = self._longer(self.checkpoint, asked, one.appended_at, one.said.size)
        for before, number, at in group.steps:
            asked, reached = copy.asked_at(before + 1, number), copy.file.numbered(number)
            if asked is not None and reached is not None:
                self.quorum = self._longer(self.quorum, asked, at, reached.size)

    def _longer(self, known: Wait | None, asked: int, at: int, size: int) -> Wait:
        waited = max(0, min(at, self._now) - asked)  # clocks differ
        wait = Wait(waited / 1000, size)
        return wait if known is None or wait.seconds > known.seconds else known
