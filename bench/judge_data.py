"""Invented cases as they are judged: received over ten years, worked by people of their units, each event recorded in time."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from heapq import heapify, heappop, heapreplace
from typing import Final

from bench.data import SEALED
from casetrail.domain.actions import Action, Actor, Body
from casetrail.domain.assignment import Acknowledged, Assigned
from casetrail.domain.closure import ClosureApproved, ClosureRequested
from casetrail.domain.codes import (
    Channel,
    ContactMethod,
    Disposition,
    Offence,
    ReporterKind,
    Role,
    ScreeningReason,
    Service,
    Step,
    TokenKind,
)
from casetrail.domain.contact import VictimContactMade
from casetrail.domain.intake import OffenceAlleged, ReportReceived, ScreenedIn
from casetrail.domain.investigation import InvestigativeStepTaken
from casetrail.domain.referral import ReferralCompleted, ReferralMade
from casetrail.domain.sealed import Token
from casetrail.domain.values import EPOCH, MILLISECOND
from casetrail.eventlog.codec import encode_action
from casetrail.eventlog.outcome import History, answer
from casetrail.eventlog.partitioner import partition_for
from casetrail.eventlog.port import Entry, Record

START: Final = datetime(2016, 1, 1, tzinfo=UTC)
YEARS: Final = timedelta(days=3650)
UNITS: Final = 60
IN_A_UNIT: Final = 16
EVENTS: Final = 10
ADVOCATE: Final = Actor("adv.01", "advocacy-center", Role.PARTNER)
DISPOSITIONS: Final = (Disposition.INACTIVATED, Disposition.SUBSTANTIATED, Disposition.UNSUBSTANTIATED)
"""Those that say of a case no more than its ten events show."""
WHEN: Final = (0, 3, 8, 14, 20, 40, 60, 150, 240, 300)
"""Hours after receipt at which the ten events of a case happen, about."""

Doing = tuple[datetime, Actor, Body]


def life(number: int, at: datetime, chance: random.Random) -> list[Doing]:
    """A case of ten events; one in ten stops on its way, one in twenty is about somebody who was reported before."""
    unit = chance.randrange(UNITS)
    detective = Actor(f"det.{unit}.{chance.randrange(IN_A_UNIT)}", "metro-pd", Role.INVESTIGATOR)
    intake = Actor(f"intake.{unit}", "metro-pd", Role.INTAKE)
    asks, approves = (Actor(f"sgt.{unit}.{one}", "metro-pd", Role.SUPERVISOR) for one in chance.sample(range(3), 2))
    child = number if chance.random() < 0.95 else chance.randrange(number + 1)
    tokens = (Token(TokenKind.CHILD, child.to_bytes(32)),)
    report = ReportReceived(
        f"r-{number}", Channel.HOTLINE, ReporterKind.AGENCY, "metro-pd", f"unit-{unit}",
        (OffenceAlleged(chance.choice(list(Offence))),), chance.random() < 0.1, tokens, (SEALED,),
    )  # fmt: skip
    doings: list[tuple[Actor, Body]] = [
        (intake, report),
        (intake, ScreenedIn(ScreeningReason.ALLEGES_CRIME)),
        (asks, Assigned(detective.id)),
        (detective, Acknowledged()),
        (detective, VictimContactMade(ContactMethod.IN_PERSON)),
        (detective, ReferralMade("r1", Service.FORENSIC_INTERVIEW, ADVOCATE.agency)),
        (ADVOCATE, ReferralCompleted("r1", holder_attended=True)),
        (detective, InvestigativeStepTaken(Step.SUSPECT_INTERVIEWED)),
        (asks, ClosureRequested(chance.choices(DISPOSITIONS, (6, 2, 2))[0], sealed=(SEALED,))),
        (approves, ClosureApproved()),
    ]
    kept = chance.randrange(1, EVENTS) if chance.random() < 0.1 else EVENTS
    lag = chance.uniform(0.8, 1.2)
    return [(at + timedelta(hours=hours * lag), *doing) for hours, doing in zip(WHEN, doings[:kept], strict=False)]


def case_id(number: int) -> str:
    """The id of a case."""
    return f"case-{number:08}"


def actions(cases: int, seed: int = 1) -> Iterator[tuple[str, Action, datetime]]:
    """The actions of that many cases in the order in which they are recorded, and when they are."""
    chance = random.Random(seed)
    step = YEARS / cases
    running: list[tuple[datetime, int, list[Doing]]] = []

    def begin(number: int) -> tuple[datetime, int, list[Doing]]:
        doings = life(number, START + number * step, chance)
        return doings[0][0], number, doings[::-1]

    together = min(cases, max(1, int(cases * timedelta(days=16) / YEARS)))
    running = [begin(number) for number in range(together)]
    heapify(running)
    begun = together
    while running:
        at, number, left = running[0]
        happened, actor, body = left.pop()
        late = timedelta(hours=chance.expovariate(1.0) if chance.random() < 0.98 else chance.expovariate(1 / 100))
        is_act = isinstance(body, VictimContactMade | InvestigativeStepTaken)
        yield case_id(number), Action(chance.randbytes(16), case_id(number), happened - late * is_act, actor, body), at
        if left:
            heapreplace(running, (left[-1][0], number, left))
        elif begun < cases:
            heapreplace(running, begin(begun))
            begun += 1
        else:
            heappop(running)


def events(cases: int, log: str, partitions: int, seed: int = 1) -> Iterator[Entry]:
    """The events that a recorder would make of them."""
    histories: dict[str, History] = {}
    offsets = [0] * partitions
    for name, action, at in actions(cases, seed):
        history = histories.setdefault(name, History.empty(name))
        partition = partition_for(name.encode(), partitions)
        recorded_at = (at - EPOCH) // MILLISECOND
        record = Record(partition, offsets[partition], recorded_at, name.encode(), encode_action(action))
        offsets[partition] += 1
        yield Entry(name.encode(), answer(history, record, log, partitions), partition)
        if history.case.version == EVENTS:
            del histories[name]
