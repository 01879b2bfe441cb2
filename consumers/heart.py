"""Heartbeats: each machine of this process that works says so in the log, and by when it will say so again.

A thread of its own submits them, beside the loop: a slow log holds no consumer up, and a consumer that makes no steps any
more gives no heartbeat either. Where the log does not take one, that is warned of, and the next is tried in time. Where a right
is missing, that is said once, and stands in the health until a heartbeat is taken.

At each beat it looks at the log's settings, too: one that was weakened loses history in silence, while every machine works.
"""

import logging
import re
import secrets
import socket
import threading
from datetime import UTC, datetime
from time import monotonic
from typing import Final, NamedTuple

from casetrail.consumers.health import Health
from casetrail.consumers.submitting import submit
from casetrail.domain.actions import Action, Actor
from casetrail.domain.codes import MachineKind, Role
from casetrail.domain.heartbeat import LONGEST_SILENCE, Heartbeat, machine_key
from casetrail.eventlog.errors import LogError, LogRefused
from casetrail.eventlog.port import Log
from casetrail.projections.errors import ViewError

LOG: Final = logging.getLogger("casetrail.heart")
EVERY: Final = 600.0
"""Seconds from one heartbeat to the next."""
LATE: Final = 1.5
"""How many times as long it may take, by what is promised."""
LOOK: Final = 0.5
MOST_LETTERS: Final = 32
REFUSED: Final = (
    "this user may not append to the actions, so no heartbeat is given; all else goes on: give it the role 'submitter' as well "
    "('casetrail log access --role submitter'), or start with '--heartbeat 0'"
)
NOTE: Final = "heartbeat"
SETTINGS: Final = "settings"
UNKNOWN: Final = "unknown"
"""What is found of a setting that this user may not see."""


class Host(NamedTuple):
    """On what machines run: its id, by which theirs begin, and whose it is."""

    name: str
    agency: str

    def actor(self, kind: MachineKind) -> Actor:
        """The machine of a kind that runs here."""
        return Actor(f"{self.name}.{kind}", self.agency, Role.SYSTEM)


def host_name() -> str:
    """This host's name as an id."""
    return re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname()).strip("-")[:MOST_LETTERS] or "host"


class Heart:
    """Beats for each consumer of this process that makes steps."""

    def __init__(self, log: Log, host: Host, health: Health, every: float = EVERY) -> None:
        self._log, self._host, self._health, self._every = log, host, health, every
        self._next: dict[str, float] = {}
        self._refused = False
        self._weakened: str | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heart", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Stop. The silence that follows is seen, as it should be."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(min(LOOK, self._every)):
            due = [name for name in self._health.working() if self._next.get(name, 0.0) <= monotonic()]
            for name in due:
                self._next[name] = monotonic() + self._every
            if due:
                self._beat([MachineKind(name) for name in due])
                self._look_at_settings()

    def _look_at_settings(self) -> None:
        """Say which settings of the log protect the history less than they must. Who may not see them says nothing."""
        try:
            found = [one for one in self._log.weaknesses() if one.found != UNKNOWN]
        except LogError:
            return
        said = "; ".join(f"{one.topic}: {one.setting} is {one.found[:MOST_LETTERS]}" for one in found)
        weakened = f"{said}; see 'casetrail log check'" if said else None
        if weakened not in (None, self._weakened):
            LOG.warning("the log is protected less than it must be: %s", weakened)
        self._weakened = weakened
        self._health.noted(SETTINGS, weakened)

    def _beat(self, kinds: list[MachineKind]) -> None:
        now = datetime.now(UTC)
        within = min(LONGEST_SILENCE, max(1, round(LATE * self._every)))
        actions = []
        for kind in kinds:
            actor = self._host.actor(kind)
            body = Heartbeat(actor.id, kind, within)
            actions.append(Action(secrets.token_bytes(16), machine_key(actor.id, now), now, actor, body))
        try:
            submit(self._log, actions)
            self._refused = False
            self._health.noted(NOTE, None)
        except LogRefused as error:
            if not self._refused:
                LOG.error("%s (%s)", REFUSED, error)
            self._refused = True
            self._health.noted(NOTE, REFUSED)
        except (
            LogError,
            ViewError,
        ) as error:  # of an embedded log the submission is recorded, too: its state file is in use
            LOG.warning("no heartbeat of %s was taken by the log: %s", ", ".join(kinds), error)
