"""Histories for the tests of judgements: random cases, with what makes their judging hard.

People join, move, get another role, leave and come back; two agencies adopt policies, one of which cannot be read; the same people are
reported again, or identified later on; machines give heartbeats; somebody answers findings.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Final

from casetrail.domain.actions import Action, Actor, Body
from casetrail.domain.answering import FindingAnswered, FindingTold
from casetrail.domain.case import Recorded
from casetrail.domain.codes import AgencyKind, FindingAnswer, Level, MachineKind, Role, ScreeningReason, TokenKind
from casetrail.domain.escalation import Recipient
from casetrail.domain.heartbeat import Heartbeat, machine_key
from casetrail.domain.intake import ReportReceived, ScreenedOut
from casetrail.domain.linking import FactCorrected, Linked, Merged
from casetrail.domain.registry import (
    REGISTRY,
    AgencyRegistered,
    PersonJoined,
    PersonLeft,
    PersonMoved,
    PolicyAdopted,
)
from casetrail.domain.sealed import Token
from casetrail.domain.values import EPOCH, MILLISECOND, is_id
from casetrail.eventlog.codec import Unreadable, decode_action, encode_action
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.outcome import History, answer, case_of, follow
from casetrail.eventlog.partitioner import partition_for
from casetrail.eventlog.port import Entry, Record, Topic
from casetrail.eventlog.stream import batches
from tests.actions import DETECTIVE, OTHER_DETECTIVE, OTHER_SERGEANT, REGISTRAR, SERGEANT
from tests.domain.policies import text_of, within
from tests.histories import BEGINNING, LOG_NAME, Teller

Hashed = tuple[Recorded, bytes]

AGENCIES: Final = ("metro-pd", "county-sheriff")
UNITS: Final = ("child-crimes", "north", "south")
PEOPLE: Final = (DETECTIVE.id, OTHER_DETECTIVE.id, SERGEANT.id)
SLOWER: Final = 4
"""So many times as long as ``tests.histories`` tells it, does it take here: some months have to pass."""

STRICT: Final = """
[detectors.convenient_code]
months = 3
least_before = 2
least = 1
false_alarms = 0.5
[detectors.late_entries]
months = 2
least = 1
false_alarms = 0.5
[detectors.rubber_stamp]
quick = 1
a_day = 1
least = 2
same = 0.1
false_alarms = 0.5
[detectors.same_answer]
most = 0
[detectors.entered_late]
late = "20 hours"
"""


@cache
def policies() -> tuple[bytes, ...]:
    """Texts that agencies adopt; the last cannot be read."""
    few = text_of()
    for most in ("30", "12", "10"):
        few = few.replace(f"most = {most}\n", "most = 1\n", 1)
    slow = within("clocks.screening", '"72 hours"', '"200 hours"')
    off = f"{text_of('missouri')}\n[detectors.never_begun]\noff = true\n[detectors.led_nowhere]\nknown = []\n"
    return tuple(text.encode() for text in (few + STRICT, slow, off, 'limits = "none"'))


class JudgedLog:
    """An embedded log of events that grows."""

    def __init__(self, path: Path, seed: int, *, cases: int = 8, partitions: int = 2) -> None:
        self.path = path
        self.log = EmbeddedLog.create(path, LOG_NAME, partitions)
        self._chance = Random(seed)
        self._teller = Teller(seed, cases, partitions)
        self._histories: dict[str, History] = {}
        self._ends = [0] * partitions
        self.now = BEGINNING

    @property
    def url(self) -> str:
        """The log's address."""
        return f"sqlite:{self.path}"

    def go_on(self, count: int) -> None:
        """Let ``count`` more submissions be answered."""
        made: list[Entry] = []
        for told in self._teller.tell(count):
            self.now = BEGINNING + SLOWER * (told.at - BEGINNING)
            entry = told.entry
            with suppress(Unreadable):
                entry = self._changed(decode_action(entry.value), told.at)
            made.append(self._answered(entry))
        if made:
            self.log.append(Topic.EVENTS, made)

    def take(self, action: Action) -> None:
        """Let this action be answered, now."""
        self.log.append(Topic.EVENTS, [self._answered(Entry(action.case_id.encode(), encode_action(action)))])

    def _changed(self, action: Action, told_at: datetime) -> Entry:
        chance = self._chance
        at = self.now - (told_at - action.occurred_at)
        action = replace(action, occurred_at=at)
        other = f"case-{action.action_id[0] % 10}"  # one of the others, or none
        if isinstance(action.body, Merged) and other != action.case_id:
            action = replace(action, body=replace(action.body, into=other))
        if isinstance(action.body, Linked) and other != action.case_id:
            action = replace(action, body=replace(action.body, other=other))
        if isinstance(action.body, ScreenedOut) and action.action_id[1] % 2:
            action = replace(action, body=replace(action.body, reason=ScreeningReason.DUPLICATE_REPORT))
        if isinstance(action.body, ReportReceived):
            action = replace(action, body=replace(action.body, tokens=_tokens(chance, chance.choice((0, 2, 2)))))
        elif isinstance(action.body, FactCorrected):
            action = replace(action, body=replace(action.body, tokens=_tokens(chance, 1)))
        some = chance.random()
        if some < 0.14:
            action = self._registered(at)
        elif some < 0.18:
            action = self._said(action, at)
        return Entry(action.case_id.encode(), encode_action(action))

    def _registered(self, at: datetime) -> Action:
        chance = self._chance
        commander = Actor("cmd.diaz", chance.choice(AGENCIES), Role.COMMANDER)
        adopted = PolicyAdopted(at + timedelta(days=chance.choice((0, 0, 5, 40))), chance.choice(policies()))
        person, unit = chance.choice(PEOPLE), chance.choice((*UNITS, None))
        bodies: tuple[tuple[Body, Actor], ...] = (
            (AgencyRegistered(chance.choice((*AGENCIES, "clinic")), AgencyKind.LAW_ENFORCEMENT), REGISTRAR),
            (PersonJoined(person, chance.choice(AGENCIES), Role.INVESTIGATOR, unit), REGISTRAR),
            (PersonMoved(person, Role.INVESTIGATOR if unit else Role.SUPERVISOR, unit), REGISTRAR),
            (PersonLeft(person), REGISTRAR),
            (adopted, commander),
        )
        body, actor = chance.choice(bodies)
        return Action(chance.randbytes(16), REGISTRY, at, actor, body)

    def _said(self, action: Action, at: datetime) -> Action:
        chance = self._chance
        if chance.random() < 0.5:
            machine = Actor("host.watchdog", AGENCIES[0], Role.SYSTEM)
            kind = chance.choice((MachineKind.WATCHDOG, MachineKind.RECORDER))
            beat = Heartbeat(f"host.{kind}", kind, chance.choice((60, 80_000)))
            return Action(chance.randbytes(16), machine_key(beat.machine, at), at, machine, beat)
        said = FindingAnswered(f"{chance.randrange(4):016x}", "untouched", chance.choice(list(FindingAnswer)))
        where = chance.choice((REGISTRY, action.case_id))
        if said.finding.endswith("3"):
            watchdog = Actor("host.watchdog", AGENCIES[0], Role.SYSTEM)
            body = FindingTold(said.finding, said.detector, Level.COMMANDER, (Recipient(UNITS[0]),))
            return Action(chance.randbytes(16), where, at, watchdog, body)
        return Action(chance.randbytes(16), where, at, chance.choice((SERGEANT, OTHER_SERGEANT)), said)

    def _answered(self, asked: Entry) -> Entry:
        partitions = self.log.partitions
        partition = asked.partition if asked.partition is not None else partition_for(asked.key or b"", partitions)
        at = (self.now - EPOCH) // MILLISECOND
        record = Record(partition, self._ends[partition], at, asked.key, asked.value)
        self._ends[partition] += 1
        case_id = case_of(record, partitions)
        history = self._histories.setdefault(case_id, History.empty(case_id))
        return Entry(case_id.encode(), answer(history, record, self.log.name, partitions), partition)


def _tokens(chance: Random, count: int) -> tuple[Token, ...]:
    """Tokens of few people and places."""
    return tuple(
        Token(kind, sha256(bytes([chance.randrange(4)])).digest()) for kind in chance.sample(list(TokenKind), count)
    )


def histories_in(log: EmbeddedLog) -> Iterator[tuple[str, list[Hashed]]]:
    """The history of every case, from the log alone."""
    found: defaultdict[str, list[Hashed]] = defaultdict(list)
    folded: dict[str, History] = {}
    ends = log.end_offsets(Topic.EVENTS)
    with log.reader(Topic.EVENTS, dict.fromkeys(ends, 0)) as reader:
        for records in batches(reader, ends):
            for record in records:
                case_id = (record.key or b"").decode()
                history = folded.setdefault(case_id, History.empty(case_id))
                found[case_id].append((follow(history, record).recorded(), history.last_hash))
    yield from ((case_id, events) for case_id, events in found.items() if is_id(case_id))
