"""Heartbeats: a machine of the log says that it works, and by when it will say so again. Its silence can be seen by all.

They stand under keys that no case has, one for each machine and month (``machine:ID:2026-03``), so each history is short.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Final

from casetrail.domain.actions import Action, Body
from casetrail.domain.case import Case
from casetrail.domain.codes import MachineKind, Role
from casetrail.domain.reserved import MACHINES
from casetrail.domain.rules import rule
from casetrail.domain.status import Status
from casetrail.domain.values import Id

LONGEST_SILENCE: Final = 86_400

HEARTBEAT_KEY: Final = rule(
    "heartbeat-key", "A heartbeat is recorded under 'machine:', the machine's id, ':' and the month, such as 2026-03.",
    binds_imported=True,
)  # fmt: skip
SILENCE_TOO_LONG: Final = rule("silence-too-long", "A machine promises a heartbeat within 1 to 86,400 seconds.")


@dataclass(frozen=True)
class Heartbeat(Body):
    """A machine works. ``within``: so many seconds later, at the latest, it says so again."""

    machine: Id
    machine_kind: MachineKind
    within: int

    roles: ClassVar = frozenset({Role.SYSTEM})
    when: ClassVar = frozenset({Status.UNREPORTED})

    def check(self, case: Case, action: Action) -> None:
        HEARTBEAT_KEY.require(action.case_id == machine_key(self.machine, action.occurred_at), action)
        SILENCE_TOO_LONG.require(1 <= self.within <= LONGEST_SILENCE, action)


def machine_key(machine: str, moment: datetime) -> str:
    """Under which key a machine's heartbeats of a month (UTC) stand."""
    moment = moment.astimezone(UTC)
    return f"{MACHINES}{machine}:{moment.year:04}-{moment.month:02}"
