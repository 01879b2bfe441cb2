"""What is submitted: stories of a few cases, encoded once. Some submissions fit nowhere, some cannot be read."""

from dataclasses import replace
from datetime import timedelta
from functools import cache
from random import Random
from typing import Final, NamedTuple

from casetrail.domain.actions import Body, kind_of
from casetrail.domain.codes import AgencyKind, Role
from casetrail.domain.registry import REGISTRY, AgencyRegistered, PersonJoined, PersonLeft, PolicyAdopted
from casetrail.eventlog.codec import Unreadable, decode_action, encode_action
from casetrail.eventlog.port import Entry
from tests.actions import DETECTIVE, REGISTRAR, action, life
from tests.domain.policies import text_of, within
from tests.histories import BEGINNING, Teller

STORIES: Final = 24
LENGTH: Final = 14
CASES: Final = 3
HOUR: Final = timedelta(hours=1)
DAY: Final = 24 * HOUR


class Submission(NamedTuple):
    """What is appended, and what it is, for people."""

    entry: Entry
    text: str


@cache
def story(number: int, partitions: int, judged: bool) -> tuple[Submission, ...]:
    """The submissions of a story in the order in which they were made; ``judged``: one in which much depends on each other."""
    told = (
        _entangled(Random(number)) if judged else [one.entry for one in Teller(number, CASES, partitions).tell(LENGTH)]
    )
    return tuple(Submission(one, _text(one)) for one in told)


def _entangled(chance: Random) -> list[Entry]:
    """Two cases come into the hands of somebody who leaves, among policies of which one allows nobody to hold any case.

    So what is judged of a person, and of cases that were judged already, changes by events that are not theirs.
    """
    crowded, quick = (
        within("workload.open_cases", "most = 30", "most = 0"),
        within("clocks.screening", "72 hours", "2 hours"),
    )
    of_the_registry: list[Body] = [
        AgencyRegistered(DETECTIVE.agency, AgencyKind.LAW_ENFORCEMENT),
        PersonJoined(DETECTIVE.id, DETECTIVE.agency, Role.INVESTIGATOR, "child-crimes"),
        PolicyAdopted(BEGINNING + DAY, (crowded if chance.random() < 0.7 else quick).encode()),
        PersonLeft(DETECTIVE.id),
        PolicyAdopted(BEGINNING + DAY, (quick if chance.random() < 0.5 else text_of()).encode()),
    ]
    registry = [action(body, REGISTRAR, REGISTRY) for body in of_the_registry]
    lanes = [registry, life("J-1", 1), life("J-2", 1)]
    told: list[Entry] = []
    while any(lanes):
        (lane,) = chance.choices(lanes, [len(one) for one in lanes])
        act = replace(lane.pop(0), occurred_at=BEGINNING + len(told) * HOUR, action_id=f"number {len(told):9}".encode())
        told.append(Entry(act.case_id.encode(), encode_action(act)))
    return told


def _text(entry: Entry) -> str:
    case = "a key that is no id" if entry.key is None or not entry.key.isascii() else entry.key.decode()[:12]
    try:
        kind = kind_of(decode_action(entry.value).body)
    except Unreadable:
        kind = "unreadable"
    return f"{kind} of {case}" if entry.partition is None else f"{kind} of {case}, straight to {entry.partition}"
