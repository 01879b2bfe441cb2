"""The notary of ``casetrail serve``: it says in the health of its process since when no checkpoint has had the quorum."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from casetrail.audit.believed import believed
from casetrail.cli.context import now
from casetrail.consumers.health import Health
from casetrail.consumers.inbox import Inbox
from casetrail.consumers.notary import Cadence, Notary
from casetrail.consumers.witnesses import Cosigned, Witnesses
from casetrail.domain.values import at_millis, iso
from casetrail.eventlog.port import Log
from casetrail.proofs.keys import SignerKey
from casetrail.proofs.policy import NONE, Policy
from casetrail.proofs.treefile import Sealed

PATIENCE: Final = timedelta(minutes=5)
"""A witness that is away for so long is no news: it is shown the next checkpoint."""
LOOKED_AT: Final = 10_000
"""So many checkpoints are looked at when it starts: a week of them."""
LOOKED_AT_AGAIN: Final = 100
"""So many while the quorum is missing: a cosignature from a clock that is ahead counts once its time has come."""


class ServedNotary(Notary):
    """See the module. ``policy`` is the one of ``Notary``."""

    def __init__(
        self,
        health: Health,
        log: Log,
        directory: Path,
        key: SignerKey,
        cadence: Cadence,
        witnesses: Witnesses | None,
        inbox: Inbox | None,
        policy: Policy | None,
        **more: Any,
    ) -> None:
        super().__init__(log, directory, key, cadence, witnesses, inbox, policy, **more)
        self._health, self._policy = health, None if policy is None or policy.quorum == NONE else policy
        found = self._newest_with_quorum(LOOKED_AT)
        self._seen = self._last() - LOOKED_AT if found is None else found
        """The number of the newest checkpoint that has the quorum, or of one before all that were looked at."""
        self._since = self._first_unseen()

    def publish(self) -> Sealed | None:
        made = super().publish()
        if self.unwitnessed() > PATIENCE and (found := self._newest_with_quorum(LOOKED_AT_AGAIN)) is not None:
            self._seen = max(self._seen, found)
        self._since = self._first_unseen()
        since = self._since if self.unwitnessed() > PATIENCE else None
        self._health.noted("witnesses", None if since is None else _text(since))
        return made

    def unwitnessed(self) -> timedelta:
        """For how long the first checkpoint behind the last one with the quorum has waited for it. For any thread."""
        since = self._since
        return timedelta(0) if since is None else max(timedelta(0), now() - since)

    def _last(self) -> int:
        newest = self.tree.newest()
        return -1 if newest is None else newest.number

    def _newest_with_quorum(self, most: int) -> int | None:
        """The number of the newest checkpoint with the quorum, among so many."""
        last = self._last()
        sealed = None if self._policy is None else self.tree.file.cosigned_up_to(last)
        while sealed is not None and sealed.number > last - most:
            if self._has_quorum(sealed):
                return sealed.number
            sealed = self.tree.file.cosigned_up_to(sealed.number - 1)
        return None

    def _first_unseen(self) -> datetime | None:
        waiting = None if self._policy is None else self.tree.file.numbered(max(0, self._seen + 1))
        return None if waiting is None else at_millis(waiting.appended_at)

    def _record(self, sealed: Sealed, cosigned: Sequence[Cosigned]) -> None:
        super()._record(sealed, cosigned)
        if sealed.number > self._seen and self._has_quorum(sealed):
            self._seen = sealed.number

    def _has_quorum(self, sealed: Sealed) -> bool:
        if self._policy is None:
            return False
        return believed(self.tree, sealed, self._policy.at(now())) is not None


def _text(since: datetime) -> str:
    return (
        f"no checkpoint since {iso(since)} has the cosignatures that the policy asks for: what came later cannot be proven yet, and "
        "receipts will be late; the log of this process names the witnesses that do not answer"
    )
