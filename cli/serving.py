"""What ``casetrail serve`` runs: each consumer with all that it needs, and how far it has come."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from casetrail.cli.config import Config
from casetrail.cli.context import Failure, loaded_policy, now, opened_views
from casetrail.cli.judged import are_left_out
from casetrail.cli.serving_notary import ServedNotary
from casetrail.consumers.health import Health
from casetrail.consumers.heart import Host
from casetrail.consumers.inbox import Inbox
from casetrail.consumers.judging_process import JudgingProcess, Place, Projecting
from casetrail.consumers.loop import Consumer
from casetrail.consumers.notary import Cadence
from casetrail.consumers.outbox import Outbox
from casetrail.consumers.projector import Projector
from casetrail.consumers.recipients import Recipients
from casetrail.consumers.recorder import Recorder
from casetrail.consumers.telling import Teller
from casetrail.consumers.watchdog import Watchdog
from casetrail.consumers.witnesses import Witness, Witnesses
from casetrail.domain.codes import MachineKind
from casetrail.domain.values import EPOCH
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.port import Log, Topic
from casetrail.eventlog.schemas import register_in_log
from casetrail.projections.case_store import CaseStore
from casetrail.projections.database import Database, has_judgements, open_database
from casetrail.projections.errors import ViewMissing
from casetrail.projections.fitting import check_fit
from casetrail.projections.judgements import Judgements
from casetrail.projections.outbox_store import OutboxStore
from casetrail.projections.views import Views
from casetrail.projections.watch_store import WatchStore
from casetrail.proofs.keys import SignerKey

LOG: Final = logging.getLogger("casetrail")
FOLDING: Final = "histories-folding"
"""The trouble of a recorder that folds the histories of the partitions that it takes over."""


class Notarial(NamedTuple):
    """With what a notary works. ``key``: reads its key. ``past``: see ``Notary``."""

    key: Callable[[], SignerKey]
    cadence: Cadence
    past: int


class Watching(NamedTuple):
    """How a watchdog and an outbox work.

    ``host``: on which machine. ``played``: as of which moment, where time is an input. ``since``: what was missed, or
    recorded, before that is left alone. ``state``: a file, where it is not the usual one beside the log.
    ``recipients``: reads who is reached where. ``has_projector``: whether a projector runs beside them, which keeps the views up to date.
    """

    host: Host
    played: datetime | None = None
    since: datetime | None = None
    state: Path | None = None
    recipients: Callable[[], Recipients] | None = None
    has_projector: bool = False


class Running(NamedTuple):
    """What those who run the consumers share with them: what ends them, and where they say what they are at."""

    stop: threading.Event
    health: Health


class Stopped:
    """What is made where the consumers were told to stop before there was one."""

    def step(self, timeout: float) -> int:
        """Nothing is done any more."""
        return 0

    def close(self) -> None:
        """There is nothing to give back."""


class ServedRecorder(Recorder):
    """A recorder with a state file of its own, which says in the health of its process what takes it long.

    It puts the schemas with which it writes into an embedded log, which may be older than this program; on brokers the
    notary does, and a recorder has no right to.
    """

    def __init__(self, log: Log, state: Path, health: Health) -> None:
        if isinstance(log, EmbeddedLog):
            register_in_log(log)
        self.store, self._health, self._folds = CaseStore(state, log.name), health, False
        super().__init__(log, self.store, told=self._say)

    def _say(self, text: str | None) -> None:
        if text and not self._folds:
            self._health.troubled("recorder", FOLDING)
        self._folds = text is not None
        self._health.noted("histories", text)

    def close(self) -> None:
        super().close()
        self.store.close()


class Consumers:
    """Makes the consumers, and knows how far each has come."""

    def __init__(
        self, config: Config, log: Log, state: Path, notarial: Notarial | None, watching: Watching, running: Running
    ) -> None:
        self._config, self._log, self._state, self._notarial, self._watching = config, log, state, notarial, watching
        self._stop, self._health = running
        self._rebuilt: tuple[int, int] | None = None
        self._recorder: ServedRecorder | None = None
        self._projector: Projector | Projecting | None = None
        self._notary: ServedNotary | None = None
        self._watchdog: Watchdog | None = None
        self._outbox: Outbox | None = None
        self.makers: Mapping[str, Callable[[], Consumer]] = {
            "recorder": self._record,
            "projector": self._project,
            "notary": self._notarise,
            "watchdog": self.watch,
            "outbox": self._tell,
        }

    def _record(self) -> Recorder:
        self._recorder = ServedRecorder(self._log, self._state, self._health)
        return self._recorder

    def _project(self) -> Consumer:
        try:
            self._projector = self._following()
        except ViewMissing as error:
            LOG.info("projector: %s; they are built anew now", error)
            if not self._rebuild():
                return Stopped()
            LOG.info("projector: the views have been built anew")
            self._projector = self._following()
        return self._projector

    def _rebuild(self) -> bool:
        """Build the views anew, and say so meanwhile; False where all were told to stop first."""
        from casetrail.consumers.rebuilding import rebuild_apart  # late: seldom needed

        events = sum(self._log.end_offsets(Topic.EVENTS).values())
        self._health.troubled("projector", "views-rebuilding")
        self._told(0, events)
        try:
            return rebuild_apart(self._place(), self._stop, lambda done: self._told(done, events))
        finally:
            self._rebuilt = None
            self._health.noted("views", None)

    def _told(self, done: int, events: int) -> None:
        so_far = done + (self._rebuilt[0] if self._rebuilt else 0)
        self._rebuilt = so_far, events
        self._health.noted("views", f"they are built anew: {so_far:,} of {events:,} events are done")

    def _place(self) -> Place:
        return Place(self._config.log_url(), dict(self._config.kafka), self._config.views_url())

    def _following(self) -> Projector | Projecting:
        """A projector, and who judges beside it, unless the judgements were left out. Raises ``ViewMissing``, ``ViewContradicted``."""
        url, name = self._config.views_url(), self._log.name
        views = Views(open_database(url), name)
        try:
            check_fit(views.database, self._log, {one: views.next_offset(one) for one in range(self._log.partitions)})
        except BaseException:
            views.close()  # where the log is away this is tried again and again
            raise
        if not has_judgements(views.database):
            return Projector(self._log, views)
        with closing(Judgements(open_database(url), name)) as judgements:
            positions = {one: judgements.next_offset(one) for one in range(self._log.partitions)}
        return Projecting(Projector(self._log, views), JudgingProcess(self._place(), positions))

    def _notarise(self) -> ServedNotary:
        assert self._notarial is not None  # the command line asked for a key
        policy = loaded_policy(self._config)
        known = policy.witnesses if policy else ()
        witnesses = Witnesses([Witness(one.key, one.url) for one in known if one.url])
        inbox = Inbox(self._config.inbox_folder(), [one.key for one in known])
        read_key, cadence, past = self._notarial
        key, folder = read_key(), self._config.path_beside("notary")
        self._notary = ServedNotary(self._health, self._log, folder, key, cadence, witnesses, inbox, policy, past=past)
        return self._notary

    def watch(self) -> Watchdog:
        """A watchdog."""
        watching, config = self._watching, self._config
        store = WatchStore(watching.state or config.path_beside("watchdog"), self._log.name)
        self._watchdog = Watchdog(
            self._log, store, watching.host.actor(MachineKind.WATCHDOG), self._moment,
            played=watching.played is not None, since=watching.since or EPOCH, teller=self._teller(MachineKind.WATCHDOG),
        )  # fmt: skip
        return self._watchdog

    def _tell(self) -> Outbox:
        assert self._watching.recipients is not None  # the command line asked for them
        recipients = self._watching.recipients()
        store = OutboxStore(self._watching.state or self._config.path_beside("outbox"), self._log.name)
        teller = self._teller(MachineKind.OUTBOX, of=MachineKind.WATCHDOG)
        self._outbox = Outbox(self._log, store, recipients, now, self._watching.since, teller=teller)
        return self._outbox

    def _teller(self, kind: MachineKind, of: MachineKind | None = None) -> Teller:
        """What tells of findings, in a machine of a kind; ``of``: only of the silence of another."""
        watching, health = self._watching, self._health
        since = EPOCH if kind is MachineKind.OUTBOX else watching.since or EPOCH
        return Teller(
            self._log, self._judgements, watching.host.actor(kind), self._moment, played=watching.played is not None,
            since=since, machine=of, noted=lambda text: health.noted(f"findings by {kind}", text),
        )  # fmt: skip

    def _moment(self) -> datetime:
        return self._watching.played or now()

    @contextmanager
    def _judgements(self) -> Iterator[Database]:
        """The views. Those of an embedded log are brought up to date where no projector runs. Raises ``ViewError``."""
        if self._watching.has_projector or are_left_out(self._config):
            with closing(open_database(self._config.views_url())) as database:
                yield database
            return
        try:
            with opened_views(self._config, judged=True) as database:
                yield database
        except Failure as error:
            raise ViewMissing(str(error)) from error

    def lags(self) -> dict[tuple[str, int], int]:
        """How many offsets lie between each consumer and the end of what it reads. Raises ``LogUnreachable``."""
        found: dict[tuple[str, int], int] = {}
        if self._recorder is not None:
            ends = self._log.end_offsets(Topic.ACTIONS)
            found |= {("recorder", p): ends[p] - at for p, at in self._recorder.owned.items()}
        ends = self._log.end_offsets(Topic.EVENTS)
        for name, positions in self._readers().items():
            found |= {(name, partition): ends[partition] - at for partition, at in positions.items()}
        return found

    def gauges(self) -> dict[tuple[str, str], float]:
        """What else is measured: what a recorder owns, how far a rebuild is, whether what the outbox has to send arrives."""
        found: dict[tuple[str, str], float] = {}
        if self._recorder is not None:
            found["casetrail_owned_partitions", "recorder"] = len(self._recorder.owned)
        if (rebuilt := self._rebuilt) is not None:
            found["casetrail_rebuilt_events", "projector"] = rebuilt[0]
            found["casetrail_rebuilding_events", "projector"] = rebuilt[1]
        if self._notary is not None:
            found["casetrail_unwitnessed_seconds", "notary"] = self._notary.unwitnessed().total_seconds()
        if self._outbox is not None:
            found["casetrail_waiting", "outbox"] = self._outbox.waiting
            found["casetrail_unreached_seconds", "outbox"] = self._outbox.unreached.total_seconds()
        return found

    def _readers(self) -> dict[str, Mapping[int, int]]:
        """How far each of those has come that read the events."""
        found: dict[str, Mapping[int, int]] = {}
        if self._projector is not None:
            found["projector"] = self._projector.positions
        if self._notary is not None:
            found["notary"] = self._notary.covered
        if self._watchdog is not None:
            found["watchdog"] = self._watchdog.positions
        if self._outbox is not None:
            found["outbox"] = self._outbox.positions
        return found
