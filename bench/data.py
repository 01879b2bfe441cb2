"""Invented actions and events in any number."""

import random
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

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
    SealedName,
    Service,
    Step,
)
from casetrail.domain.contact import VictimContactMade
from casetrail.domain.intake import OffenceAlleged, ReportReceived, ScreenedIn
from casetrail.domain.investigation import InvestigativeStepTaken
from casetrail.domain.referral import ReferralMade
from casetrail.domain.sealed import SealedField
from casetrail.eventlog.codec import encode_action
from casetrail.eventlog.outcome import History, answer
from casetrail.eventlog.partitioner import partition_for
from casetrail.eventlog.port import Entry, Record

START = datetime(2024, 1, 1, tzinfo=UTC)
SEALED = SealedField(SealedName.RATIONALE, bytes(32), bytes(12), bytes(112))
INTAKE = Actor("intake.desk", "metro-pd", Role.INTAKE)
SERGEANTS = [Actor(f"sgt.{number}", "metro-pd", Role.SUPERVISOR) for number in range(40)]
DETECTIVES = [Actor(f"det.{number:03}", "metro-pd", Role.INVESTIGATOR) for number in range(300)]
OPEN_AT_ONCE = 4000


def life(case_id: str, number: int, chance: random.Random) -> list[tuple[Actor, Body]]:
    """A case of ten events, worked from receipt to closure; some stop early."""
    detective, sergeant = chance.choice(DETECTIVES), chance.choice(SERGEANTS)
    whole: list[tuple[Actor, Body]] = [
        (INTAKE, ReportReceived(case_id, Channel.HOTLINE, ReporterKind.AGENCY, "metro-pd", f"unit-{number % 12}",
                                (OffenceAlleged(chance.choice(list(Offence))),), sealed=(SEALED,))),
        (INTAKE, ScreenedIn(ScreeningReason.ALLEGES_CRIME)),
        (sergeant, Assigned(detective.id)),
        (detective, Acknowledged()),
        (detective, VictimContactMade(ContactMethod.IN_PERSON)),
        (detective, ReferralMade("r1", Service.FORENSIC_INTERVIEW, "advocacy-center")),
        (detective, InvestigativeStepTaken(Step.FORENSIC_INTERVIEW_ATTENDED)),
        (detective, InvestigativeStepTaken(Step.SUSPECT_INTERVIEWED)),
        (detective, ClosureRequested(Disposition.INACTIVATED, sealed=(SEALED,))),
        (SERGEANTS[0] if sergeant is not SERGEANTS[0] else SERGEANTS[1], ClosureApproved()),
    ]  # fmt: skip
    return whole


def everything(_: str) -> bool:
    """Every case belongs to who makes all of them."""
    return True


def actions(
    cases: int, seed: int = 1, first: int = 0, belongs: Callable[[str], bool] = everything
) -> Iterator[tuple[str, bytes]]:
    """The encoded actions of that many cases, ten each, with thousands of cases under way at once: key and value.

    ``first``: the number of the first case. ``belongs``: which of the cases to make.
    """
    chance = random.Random(seed)
    running: list[tuple[str, datetime, list[tuple[Actor, Body]]]] = []
    begun, end = first, first + cases
    while begun < end or running:
        while begun < end and len(running) < OPEN_AT_ONCE:
            case_id = f"case-{begun:08}"
            if belongs(case_id):
                made = life(case_id, begun, chance)[::-1]
                running.append((case_id, START + timedelta(minutes=begun % 500_000), made))
            begun += 1
        if not running:
            return
        place = chance.randrange(len(running))
        case_id, at, left = running[place]
        actor, body = left.pop()
        at += timedelta(hours=9 * (10 - len(left)))
        yield case_id, encode_action(Action(secrets.token_bytes(16), case_id, at, actor, body))
        if not left:
            running[place] = running[-1]
            running.pop()


def events(
    cases: int, log: str, partitions: int, seed: int = 1, first: int = 0, belongs: Callable[[str], bool] = everything
) -> Iterator[Entry]:
    """The events that a recorder would make of them."""
    histories: dict[str, History] = {}
    offsets = [0] * partitions
    at = int(START.timestamp() * 1000) + 600 * 86_400_000
    for case_id, value in actions(cases, seed, first, belongs):
        history = histories.setdefault(case_id, History.empty(case_id))
        partition = partition_for(case_id.encode(), partitions)
        record = Record(partition, offsets[partition], at, case_id.encode(), value)
        offsets[partition] += 1
        yield Entry(case_id.encode(), answer(history, record, log, partitions), partition)
        if history.case.version == 10:
            del histories[case_id]
