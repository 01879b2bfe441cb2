"""A finding: what a detector saw, the events that it rests on, since when it could be seen, who is told, what settles it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from typing import NamedTuple

from casetrail.domain.clocks import Told as Told  # findings are told like missed clocks
from casetrail.domain.clocks import partners
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.settings import Settings
from casetrail.domain.escalation import answers_for
from casetrail.domain.parties import commander_desk, intake_desk, supervisor_desk
from casetrail.domain.policy import Level
from casetrail.domain.registry import Overseer, overseers_told


class Evidence(NamedTuple):
    """An event that a finding rests on: its number in its case, and its leaf hash."""

    case_id: str
    number: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.case_id}#{self.number}:{self.hash.hex()}"


class About(StrEnum):
    """What a finding is about."""

    CASE = "case"
    PERSON = "person"
    UNIT = "unit"
    MACHINE = "machine"


@dataclass(frozen=True)
class Finding:
    """What a detector saw. Moments are UTC.

    ``subject`` is the id of the case, person or unit that it is ``about``; ``month`` (``2026-03``) where it is about one.
    ``holder``: who holds the case, nobody where the holder has left; the person that it is about; the agency that runs the machine.
    ``deadline``: which one (``escalation.deadline_key``), where it is about one of the case.
    ``partners``: the other agencies of the case. ``since``: from then on anybody could have seen it who had the log. ``settled_at`` and ``settled_by``: when what would
    settle it was recorded, and the event, if it is one.
    """

    detector: str
    about: About
    subject: str
    since: datetime
    evidence: tuple[Evidence, ...]
    says: str
    holder: str | None
    unit: str
    settings: Settings = field(compare=False, repr=False)
    partners: tuple[str, ...] = ()
    month: str | None = None
    deadline: str | None = None
    settled_at: datetime | None = None
    settled_by: Evidence | None = None

    @cached_property
    def id(self) -> str:
        """Sixteen hexadecimal digits that follow from detector, subject and first evidence alone: the same in every run."""
        return finding_id(self.detector, self.about, self.subject, self.month or self.deadline, self.evidence[0])

    @property
    def is_open(self) -> bool:
        """Whether nothing has settled it."""
        return self.settled_at is None

    def told(self, overseers: Sequence[Overseer] = ()) -> list[Told]:
        """Who is told, step by step, by the escalation that the policy names for the detector.

        ``overseers``: what the registry knows of those who have oversight. A level at which there is nobody is passed over.
        """
        return told_steps(self.told_at(), self.holder, self.unit, self.partners, overseers)

    def told_at(self) -> list[tuple[Level, datetime]]:
        """Which levels are told, and when."""
        return [(step.level, self.since + step.after.length(None)) for step in self.settings.escalation.steps]


def told_steps(
    levels: Iterable[tuple[Level, datetime]], holder: str | None, unit: str, partners: tuple[str, ...],
    overseers: Sequence[Overseer],
) -> list[Told]:  # fmt: skip
    """Who is told at which level, and when, of a finding with that holder, unit and other agencies.

    A level at which there is nobody is passed over; who gets oversight later is told then.
    """
    found = []
    for level, turn in levels:
        oversight, at = overseers_told(overseers, turn) if level is Level.OVERSIGHT else ((), turn)
        if who := who_is_told(level, holder, unit, partners, oversight):
            found.append(Told(level, who, at))
    return found


def who_is_told(
    level: Level, holder: str | None, unit: str, partners: tuple[str, ...], oversight: tuple[str, ...]
) -> tuple[str, ...]:
    """Who is told at a level of a finding with that holder, unit and other agencies; empty where there is nobody.

    A report that was refused has reached no unit, and a machine is none's: there no desk is told.
    """
    match level:
        case Level.HOLDER if holder or unit:
            return (holder or intake_desk(unit),)
        case Level.SUPERVISOR if unit:
            return (supervisor_desk(unit),)
        case Level.COMMANDER if unit:
            return (commander_desk(unit),)
        case Level.PARTNERS:
            return partners
        case Level.OVERSIGHT:
            return oversight
    return ()


def untold(steps: Iterable[Told], told: Collection[Level], answered: Level | None, by: datetime) -> list[Told]:
    """The steps that have come by a moment, and of which it is not on the record that they were told.

    ``answered``: the highest level at which somebody has answered. An answer ends the telling up to there.
    """
    return [one for one in steps if one.at <= by and one.level not in told and not answers_for(answered, one.level)]


def finding_id(detector: str, about: About, subject: str, which: str | None, first: Evidence) -> str:
    """The id of a finding with this first evidence. ``which``: the month or the deadline that it is about, if it is."""
    parts = (detector, about, subject, which or "", str(first))
    return sha256("\n".join(parts).encode()).hexdigest()[:16]


def evidence_at(history: History, step: Step) -> Evidence:
    """A fact of a case as evidence."""
    return Evidence(history.case.id, step.number, step.hash)


def evidence_of(history: History, steps: Sequence[Step]) -> tuple[Evidence, ...]:
    """Facts of a case as evidence."""
    return tuple([evidence_at(history, step) for step in steps])


def of_case(
    history: History, settings: Settings, since: datetime, steps: Sequence[Step], says: str, settled: Step | None,
    now: datetime,
) -> Finding | None:  # fmt: skip
    """A finding about a case: from ``since`` on, but never before its evidence was known, until it was ``settled``.

    None where it was settled by then, or is still to come.
    """
    for step in steps:
        if step.known_at > since:
            since = step.known_at
    if now <= since or (settled is not None and settled.known_at <= since):
        return None
    facts = history.case.facts
    is_settled = settled is not None and settled.known_at <= now
    return Finding(
        settings.detector,
        About.CASE,
        history.case.id,
        since,
        evidence_of(history, steps),
        says,
        history.holder,
        facts.unit,
        settings,
        partners(facts),
        settled_at=settled.known_at if settled is not None and is_settled else None,
        settled_by=evidence_at(history, settled) if settled is not None and is_settled else None,
    )


def of_person(
    person: str, unit: str, settings: Settings, since: datetime, evidence: tuple[Evidence, ...], says: str, now: datetime,
    *, month: str | None = None, settled_at: datetime | None = None,
) -> Finding | None:  # fmt: skip
    """A finding about somebody in a unit; about the unit where ``person`` is empty. None where it is still to come."""
    if now <= since:
        return None
    about, subject = (About.PERSON, person) if person else (About.UNIT, unit)
    is_settled = settled_at is not None and settled_at <= now
    return Finding(
        settings.detector,
        about,
        subject,
        since,
        evidence,
        says,
        person or None,
        unit,
        settings,
        month=month,
        settled_at=settled_at if is_settled else None,
    )
