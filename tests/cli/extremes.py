"""Submissions that go to the ends of what the format can hold: the first and last moments, whole numbers, bytes that are no text.

Many of them are accepted: every table of the views gets rows of them.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from casetrail.domain.actions import Action, Actor, Body, Imported
from casetrail.domain.answering import FindingAnswered
from casetrail.domain.assignment import Acknowledged, Assigned
from casetrail.domain.closure import ClosureRequested
from casetrail.domain.codes import (
    AgencyKind,
    Channel,
    ConcernKind,
    Disposition,
    FindingAnswer,
    MachineKind,
    MergeReason,
    Offence,
    ReferralReason,
    ReporterKind,
    Role,
    ScreeningReason,
    SealedName,
    Service,
    SuspensionReason,
    TokenKind,
)
from casetrail.domain.concern import ConcernRaised
from casetrail.domain.escalation import DeadlineMissed
from casetrail.domain.heartbeat import LONGEST_SILENCE, Heartbeat, machine_key
from casetrail.domain.intake import OffenceAlleged, ReportReceived, ScreenedIn
from casetrail.domain.investigation import NoteAdded
from casetrail.domain.linking import Merged
from casetrail.domain.referral import ReferralAccepted, ReferralDeclined, ReferralMade
from casetrail.domain.registry import REGISTRY, AgencyRegistered, PersonJoined, PersonLeft, PolicyAdopted
from casetrail.domain.sealed import SealedField, Token
from casetrail.domain.suspension import Suspended
from casetrail.domain.values import EPOCH
from casetrail.eventlog.codec import encode_action
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.port import Entry, Topic
from casetrail.projections.registry import preset_text
from tests.actions import HAPPENED, SERGEANT, action
from tests.cli.hostile import LONG_ID, WATCHDOG

FIRST: Final = datetime.min.replace(tzinfo=UTC)
LAST: Final = datetime.max.replace(tzinfo=UTC)
LONGEST: Final = 2**63 - 1
LOWEST: Final = -(2**63)
FAR: Final = "F" * 60 + "@+-:"
"""A case whose every id is as long as it may be."""
AGAIN: Final = "Z" * 64
"""A later report of the same people."""
MERGED: Final = "Y" * 64
"""Another that goes on in the first."""
DESK: Final = Actor(LONG_ID, LONG_ID, Role.INTAKE)
LEADER: Final = Actor("L" * 64, LONG_ID, Role.SUPERVISOR)
HOLDER: Final = Actor("H" * 64, LONG_ID, Role.INVESTIGATOR)
PARTNER: Final = Actor("P" * 64, "p" * 64, Role.PARTNER)
MACHINE: Final = "m" * 48
TOKENS: Final = (
    Token(TokenKind.CHILD, bytes(32)),
    Token(TokenKind.CHILD, b"\xff" * 32),
    Token(TokenKind.ADDRESS, b"\x00a" * 16),
)
SEALED: Final = (SealedField(SealedName.NARRATIVE, bytes(32), bytes(12), b"\x00" * 12_000),)
DAY: Final = timedelta(days=1)
NOT_TEXTS: Final = (b"\xed\xa0\x80", b"\xed\xb0\x80", b"\xc0\x80", b"\xf8\x88\x80\x80\x80", b"\xff\xff\xff")
"""Lone surrogates, NUL in two bytes, what is beyond Unicode: as long as the text that they stand in for."""
LONGS: Final = (
    b"\xfe" + b"\xff" * 8 + b"\x01", b"\xff" * 9 + b"\x01", b"\xfe" + b"\xff" * 8 + b"\x7f", b"\xff" * 9 + b"\x7f",
    b"\xff" * 20 + b"\x01", b"\x80" * 40,
)  # fmt: skip
"""The largest and the lowest of 64 bits, larger ones, and numbers without an end."""


def far_case(case_id: str, at: datetime) -> list[Action]:
    """A case that begins at ``at``, and meets with everything that has a table of its own."""
    offences = tuple(OffenceAlleged(one, LONG_ID) for one in Offence)
    received = ReportReceived(
        LONG_ID, Channel.PHONE, ReporterKind.FAMILY, LONG_ID, LONG_ID, offences, immediate_danger=True, tokens=TOKENS, sealed=SEALED
    )  # fmt: skip
    told: tuple[tuple[Body, Actor], ...] = (
        (received, DESK),
        (ScreenedIn(ScreeningReason.ALLEGES_CRIME), DESK),
        (Assigned(HOLDER.id), LEADER),
        (Acknowledged(), HOLDER),
        (ReferralMade("r" * 64, Service.MEDICAL_EVALUATION, PARTNER.agency, acute=True), LEADER),
        (ReferralMade("s" * 64, Service.MENTAL_HEALTH, PARTNER.agency), LEADER),
        (ReferralAccepted("r" * 64, LAST), PARTNER),
        (ReferralDeclined("s" * 64, ReferralReason.NO_CAPACITY), PARTNER),
        (ConcernRaised("c" * 64, ConcernKind.NO_CONTACT_WITH_CHILD), PARTNER),
        (Suspended(SuspensionReason.AWAITING_LAB, at + 30 * DAY), LEADER),
        (DeadlineMissed(LONG_ID, at, LONG_ID, 1), WATCHDOG),
        (FindingAnswered("0" * 16, LONG_ID, FindingAnswer.EXPLAINED), LEADER),
        (ClosureRequested(Disposition.INACTIVATED, sealed=(SEALED[0],)), LEADER),
    )
    return [action(body, actor, case_id, at) for body, actor in told]


def extreme(path: Path) -> int:
    """Submit everything extreme to the embedded log at ``path``; how many submissions that were."""
    entries = [_entry(one) for case_id, at in ((FAR, FIRST), (AGAIN, HAPPENED)) for one in far_case(case_id, at)]
    entries += [_entry(one) for one in _merged()]
    entries += [_entry(one) for one in _registered()]
    entries += [_entry(one) for number in (LONGEST, LOWEST, 0, LONGEST - 1) for one in _numbered(number)]
    entries += [_entry(action(body, SERGEANT, "C-1", at)) for at in (FIRST, LAST) for body in _dated()]
    entries += [Entry(b"C-1", value) for value in (*_no_texts(), *_no_numbers())]
    entries += [Entry(key, b"") for key in (b"\x00", b"C-1\x00", b"\xed\xa0\x80", b"x" * 60_000, b"", None)]
    with EmbeddedLog.open(path) as log:
        for entry in entries:
            log.append(Topic.ACTIONS, [entry])
    return len(entries)


def _merged() -> list[Action]:
    """A case that is merged into one with the longest id."""
    received = far_case(MERGED, HAPPENED)[0]
    return [received, action(Merged(FAR, MergeReason.SAME_INCIDENT), LEADER, MERGED, HAPPENED)]


def _registered() -> list[Action]:
    """What the registry takes: people who have left, a policy that comes into force at the end of time, heartbeats."""
    far = Actor("chief", LONG_ID, Role.COMMANDER)
    bodies: tuple[Body, ...] = (
        AgencyRegistered(LONG_ID, AgencyKind.LAW_ENFORCEMENT),
        PersonJoined(HOLDER.id, LONG_ID, Role.INVESTIGATOR, LONG_ID),
        PersonLeft(HOLDER.id),
        PolicyAdopted(LAST, preset_text("missouri").encode()),
        PolicyAdopted(HAPPENED, b'name = "\xed\xa0\x80"'),
        PolicyAdopted(HAPPENED, b'name = "\\u0000"\n' + b"\x00" * 1000),
    )
    beats = [
        action(Heartbeat(MACHINE, MachineKind.RECORDER, within), WATCHDOG, machine_key(MACHINE, at), at)
        for within in (1, LONGEST_SILENCE)
        for at in (FIRST, HAPPENED)
    ]
    early: tuple[Body, ...] = (
        PersonJoined("first", LONG_ID, Role.INVESTIGATOR, LONG_ID),
        PersonLeft("first"),
        PolicyAdopted(FIRST, preset_text("missouri").encode()),
    )
    told = [*(action(body, far, REGISTRY) for body in bodies), *(action(one, far, REGISTRY, FIRST) for one in early)]
    return [*told, *beats]


def _numbered(number: int) -> list[Action]:
    """What has a whole number in it."""
    beat = Heartbeat(MACHINE, MachineKind.RECORDER, number)
    registrar = Actor("registrar.1", "metro-pd", Role.REGISTRAR)
    old = f"OLD{number}".replace("-", "m")
    report = ReportReceived(
        "R-1", Channel.PHONE, ReporterKind.FAMILY, "metro-pd", "north", (OffenceAlleged(Offence.RAPE),)
    )
    return [
        action(beat, WATCHDOG, machine_key(MACHINE, HAPPENED)),
        action(DeadlineMissed("made.up", HAPPENED, None, number), WATCHDOG),
        action(report, registrar, old, FIRST, imported=Imported(bytes(32), number, "old.system")),
        action(Assigned("det.01"), registrar, old, FIRST, imported=Imported(b"\xff" * 32, number, "old.system")),
    ]


def _dated() -> list[Body]:
    """What has a moment in it."""
    return [
        *(Suspended(SuspensionReason.AWAITING_LAB, at) for at in (FIRST, LAST)),
        *(DeadlineMissed("made.up", at) for at in (FIRST, LAST)),
        NoteAdded(sealed=SEALED),
    ]


def _no_texts() -> list[bytes]:
    """Actions in which a text is none."""
    return [
        encode_action(action(Assigned("det.01"), Actor("N" * len(bad), "N" * len(bad), Role.SUPERVISOR), "C-1"))
        .replace(b"N" * len(bad), bad, times)
        for bad in NOT_TEXTS
        for times in (1, 2)
    ]  # fmt: skip


def _no_numbers() -> list[bytes]:
    """Actions in which a moment or a length is larger than any."""
    good = encode_action(action(Assigned("det.01"), SERGEANT, "C-1", EPOCH))
    moment, length = good.index(b"C-1") + 3, good.index(b"C-1") - 1
    return [
        value
        for long in LONGS
        for value in (good[:moment] + long + good[moment + 1 :], good[:length] + long + good[length + 1 :])
    ]


def _entry(one: Action) -> Entry:
    return Entry(one.case_id.encode(), encode_action(one))
