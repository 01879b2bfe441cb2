"""Machines of the log that fall silent: recorder, projector, notary, watchdog, outbox."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from casetrail.domain.codes import MachineKind
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import About, Evidence, Finding, evidence_at
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.settings import Setting
from casetrail.domain.heartbeat import Heartbeat
from casetrail.domain.policy import Limit, Unit


class Beating(NamedTuple):
    """From when until when machines of a kind gave their signs as promised, UTC; and the first and the last of these."""

    kind: MachineKind
    agency: str
    since: datetime
    until: datetime
    first: Evidence
    last: Evidence


def beatings(history: History) -> list[Beating]:
    """The heartbeats of a history, joined where each came when it was promised. When they came is the log's own time."""
    found: list[Beating] = []
    for step in history.steps:
        if isinstance(step.body, Heartbeat):
            found.append(_beating(history, step, step.body))
            if len(found) > 1:
                found[-2:] = joined(found[-2:])
    return found


def _beating(history: History, step: Step, body: Heartbeat) -> Beating:
    evidence = evidence_at(history, step)
    until = step.known_at + timedelta(seconds=body.within)
    return Beating(body.machine_kind, step.action.actor.agency, step.known_at, until, evidence, evidence)


def joined(some: Sequence[Beating]) -> list[Beating]:
    """The same beatings, of one kind, those that touch as one: the same in whatever order they come.

    Two machines may give a sign in the same millisecond: then the first and the last are told by their events.
    """
    made: list[Beating] = []
    for one in sorted(some, key=_begins):
        if made and one.since <= made[-1].until:
            before = made[-1]
            later = max(before, one, key=_ends)
            made[-1] = before._replace(until=later.until, last=later.last, agency=later.agency)
        else:
            made.append(one)
    return made


def _begins(one: Beating) -> tuple[datetime, str, int]:
    return one.since, one.first.case_id, one.first.number


def _ends(one: Beating) -> tuple[datetime, str, int]:
    return one.until, one.last.case_id, one.last.number


class Machines:
    """What is known of the machines of a log, joined from their histories, which may come in any order."""

    def __init__(self) -> None:
        self.of: defaultdict[MachineKind, list[Beating]] = defaultdict(list)

    def add(self, some: Sequence[Beating]) -> None:
        """Add what one history says."""
        for one in some:
            self.of[one.kind] = joined([*self.of[one.kind], one])

    @property
    def agencies(self) -> frozenset[str]:
        """Whose machines they are."""
        return frozenset(one.agency for some in self.of.values() for one in some)


@detector(
    Setting("grace", Limit(10, Unit.MINUTES), "how long after it promised one a machine may be without a heartbeat"),
)
def silent_machine(machines: Machines, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A machine of the log that no longer says that it works.

    Rule: recorder, projector, notary, watchdog or outbox gave a heartbeat that promised the next one, and none of its kind
    came until then, nor in the time of grace. When they came is the log's own time, which nobody can choose.

    Evidence: the last heartbeat.

    Settled by: the next heartbeat of a machine of the same kind.

    May be wrong: where the machine is stopped on purpose, because the log is no longer used. A machine that never gave a
    heartbeat is not missed: whoever wants a watchdog has to start it once.

    Found in: the making of this program: what watches others must be watched itself.
    """
    for kind, some in sorted(machines.of.items()):
        for place, one in enumerate(some):
            standard = settings(one.until)
            since = standard.due("grace", one.until)
            later = some[place + 1] if place + 1 < len(some) else None
            if now <= since or (later is not None and later.since <= since):
                continue
            is_settled = later is not None and later.since <= now
            yield Finding(
                standard.detector, About.MACHINE, kind.value, since, (one.last,), f"no {kind} gives a heartbeat",
                one.agency, "", standard, settled_at=later.since if later and is_settled else None,
                settled_by=later.first if later and is_settled else None,
            )  # fmt: skip
