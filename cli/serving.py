"""What ``casetrail serve`` runs: each consumer with all that it needs, and how far it has come."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from casetrail.cli.config import Config
from casetrail.cli.context import loaded_policy
from casetrail.consumers.inbox import Inbox
from casetrail.consumers.loop import Consumer
from casetrail.consumers.notary import Cadence, Notary
from casetrail.consumers.projector import Projector
from casetrail.consumers.recorder import Recorder
from casetrail.consumers.witnesses import Witness, Witnesses
from casetrail.eventlog.errors import LogError
from casetrail.eventlog.port import Log, Topic
from casetrail.projections.case_store import CaseStore
from casetrail.projections.database import open_database
from casetrail.projections.errors import ViewMissing
from casetrail.projections.views import Views
from casetrail.proofs.keys import SignerKey


class Notarial(NamedTuple):
    """With what a notary works."""

    key: SignerKey
    cadence: Cadence


class ServedRecorder(Recorder):
    """A recorder with a state file of its own."""

    def __init__(self, log: Log, state: Path) -> None:
        self.store = CaseStore(state, log.name)
        super().__init__(log, self.store)

    def close(self) -> None:
        super().close()
        self.store.close()


class Consumers:
    """Makes the consumers, and knows how far each has come."""

    def __init__(self, config: Config, log: Log, state: Path, notarial: Notarial | None) -> None:
        self._config, self._log, self._state, self._notarial = config, log, state, notarial
        self._recorder: ServedRecorder | None = None
        self._projector: Projector | None = None
        self._notary: Notary | None = None
        self.makers: Mapping[str, Callable[[], Consumer]] = {
            "recorder": self._record,
            "projector": self._project,
            "notary": self._notarise,
        }

    def _record(self) -> Recorder:
        self._recorder = ServedRecorder(self._log, self._state)
        return self._recorder

    def _project(self) -> Projector:
        url = self._config.views_url()
        try:
            views = Views(open_database(url), self._log.name)
        except ViewMissing:
            from casetrail.projections.rebuild import rebuild

            rebuild(self._log, self._config.log_url(), url, self._config.kafka)
            views = Views(open_database(url), self._log.name)
        self._projector = Projector(self._log, views)
        return self._projector

    def _notarise(self) -> Notary:
        assert self._notarial is not None  # the command line asked for a key
        policy = loaded_policy(self._config)
        known = policy.witnesses if policy else ()
        witnesses = Witnesses([Witness(one.key, one.url) for one in known if one.url])
        inbox = Inbox(self._config.inbox_folder(), [one.key for one in known])
        self._notary = Notary(self._log, self._config.path_beside("notary"), *self._notarial, witnesses, inbox)
        return self._notary

    def lags(self) -> dict[tuple[str, int], int]:
        """How many offsets lie between each consumer and the end of what it reads."""
        found: dict[tuple[str, int], int] = {}
        try:
            if self._recorder is not None:
                ends = self._log.end_offsets(Topic.ACTIONS)
                found |= {("recorder", p): ends[p] - at for p, at in self._recorder.owned.items()}
            if self._projector is not None:
                ends = self._log.end_offsets(Topic.EVENTS)
                found |= {("projector", p): ends[p] - at for p, at in self._projector.positions.items()}
            if self._notary is not None:
                ends = self._log.end_offsets(Topic.EVENTS)
                found |= {("notary", p): ends[p] - at for p, at in self._notary.covered.items()}
        except LogError:
            return {}
        return found
