"""Histories of cases that nobody thought of: random, the same for the same seed, and recorded in an embedded log.

Each case walks from status to status by actions that fit mostly, so that it gets far; some actions fit nowhere, some are
submitted twice, some cannot be read. ``recorded_log`` is what most tests want.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from casetrail.consumers.recorder import Recorder
from casetrail.domain.actions import Action, Actor, Body, Imported
from casetrail.domain.assignment import Acknowledged, Assigned, Reassigned, Released
from casetrail.domain.case import Case
from casetrail.domain.closure import ClosureApproved, ClosureRefused, ClosureRequested, Reopened
from casetrail.domain.codes import (
    Channel,
    Clearance,
    ClosureRefusal,
    ConcernAnswer,
    ConcernKind,
    ContactFailure,
    ContactMethod,
    CorrectionReason,
    Disposition,
    HandoverReason,
    MergeReason,
    Offence,
    ReferralReason,
    Relation,
    ReopeningReason,
    ReporterKind,
    ResumptionReason,
    ReviewResult,
    ScreeningReason,
    SealedName,
    Service,
    Step,
    SuspensionReason,
)
from casetrail.domain.concern import ConcernAnswered, ConcernRaised
from casetrail.domain.contact import VictimContactAttempted, VictimContactMade
from casetrail.domain.deciding import decide
from casetrail.domain.intake import OffenceAlleged, ReportReceived, ScreenedIn, ScreenedOut
from casetrail.domain.investigation import InvestigativeStepTaken, NoteAdded, SupervisorReviewed
from casetrail.domain.linking import FactCorrected, Linked, Merged
from casetrail.domain.referral import (
    ReferralAccepted,
    ReferralCompleted,
    ReferralDeclined,
    ReferralMade,
    ReferralWithdrawn,
)
from casetrail.domain.sealed import SealedField
from casetrail.domain.status import Status
from casetrail.domain.suspension import Resumed, Suspended
from casetrail.domain.values import EPOCH, MILLISECOND
from casetrail.eventlog.codec import encode_action
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.port import Entry, Topic
from casetrail.projections.case_store import CaseStore
from tests.actions import CLINIC, DETECTIVE, INTAKE, OTHER_DETECTIVE, OTHER_SERGEANT, REGISTRAR, SERGEANT

BEGINNING: Final = datetime(2025, 11, 3, 8, 0, tzinfo=UTC)
LOG_NAME: Final = "test-log"
REFERRALS: Final = ("r1", "r2", "r3")
CONCERNS: Final = ("c1", "c2")
SERGEANTS: Final = (SERGEANT, OTHER_SERGEANT)
DETECTIVES: Final = (DETECTIVE, OTHER_DETECTIVE)
EVERYBODY: Final = (INTAKE, *SERGEANTS, *DETECTIVES, CLINIC, REGISTRAR)
BY_ID: Final = {actor.id: actor for actor in EVERYBODY}

Doing = tuple[Body, Actor]
Way = Callable[[Random, Case, datetime], Doing]


class Told(NamedTuple):
    """A submission, and when it reaches the log."""

    entry: Entry
    at: datetime


class PastClock:
    """A log's clock that shows what the test sets."""

    def __init__(self, now: datetime = BEGINNING) -> None:
        self.now = now

    def __call__(self) -> int:
        return (self.now - EPOCH) // MILLISECOND


def sealed(chance: Random, name: SealedName = SealedName.NARRATIVE) -> tuple[SealedField, ...]:
    """A sealed text that nobody can open."""
    return (SealedField(name, chance.randbytes(32), chance.randbytes(12), chance.randbytes(chance.randrange(20, 60))),)


# --- what may happen next ---


def _offences(chance: Random) -> tuple[OffenceAlleged, ...]:
    return tuple(OffenceAlleged(code) for code in chance.sample(list(Offence), chance.randrange(1, 4)))


def _report(chance: Random, case: Case, at: datetime) -> Doing:
    body = ReportReceived(
        report_number=f"R-{chance.randrange(10_000)}",
        channel=chance.choice(list(Channel)),
        reporter_kind=chance.choice(list(ReporterKind)),
        agency=chance.choice(("metro-pd", "county-sheriff")),
        unit=chance.choice(("child-crimes", "north", "south")),
        offences=_offences(chance),
        immediate_danger=chance.random() < 0.2,
        sealed=sealed(chance, SealedName.CHILD_NAME),
    )
    return body, chance.choice((INTAKE, CLINIC))


def _screened(chance: Random, case: Case, at: datetime) -> Doing:
    if chance.random() < 0.85:
        return ScreenedIn(ScreeningReason.ALLEGES_CRIME), INTAKE
    return ScreenedOut(ScreeningReason.INSUFFICIENT_INFORMATION), INTAKE


def _assigned(chance: Random, case: Case, at: datetime) -> Doing:
    return Assigned(chance.choice(DETECTIVES).id), chance.choice(SERGEANTS)


def _acknowledged(chance: Random, case: Case, at: datetime) -> Doing:
    return Acknowledged(), BY_ID.get(case.facts.holder or "", DETECTIVE)


def _handed_over(chance: Random, case: Case, at: datetime) -> Doing:
    if chance.random() < 0.5:
        return Released(chance.choice(list(HandoverReason))), chance.choice(SERGEANTS)
    return Reassigned(chance.choice(DETECTIVES).id, HandoverReason.WORKLOAD), chance.choice(SERGEANTS)


def _worked(chance: Random, case: Case, at: datetime) -> Doing:
    detective = BY_ID.get(case.facts.holder or "", DETECTIVE)
    bodies: tuple[Body, ...] = (
        InvestigativeStepTaken(chance.choice(list(Step)), sealed(chance)),
        VictimContactMade(chance.choice(list(ContactMethod))),
        VictimContactAttempted(ContactMethod.PHONE, chance.choice(list(ContactFailure))),
    )
    return chance.choice(bodies), detective


def _looked_at(chance: Random, case: Case, at: datetime) -> Doing:
    if chance.random() < 0.5:
        return SupervisorReviewed(chance.choice(list(ReviewResult))), chance.choice(SERGEANTS)
    return NoteAdded(sealed(chance)), chance.choice(EVERYBODY)


def _referral(chance: Random, case: Case, at: datetime) -> Doing:
    name = chance.choice(REFERRALS)
    if name not in case.facts.referrals:
        agency = chance.choice(("clinic", "advocacy-center"))
        return ReferralMade(name, chance.choice(list(Service)), agency, chance.random() < 0.4), chance.choice(SERGEANTS)
    reason = chance.choice(list(ReferralReason))
    partner = (ReferralAccepted(name), ReferralCompleted(name, chance.random() < 0.5), ReferralDeclined(name, reason))
    if chance.random() < 0.2:
        return ReferralWithdrawn(name, reason), chance.choice(SERGEANTS)
    return chance.choice(partner), CLINIC


def _concern(chance: Random, case: Case, at: datetime) -> Doing:
    name = chance.choice(CONCERNS)
    if name in case.facts.concerns:
        return ConcernAnswered(name, chance.choice(list(ConcernAnswer))), chance.choice(SERGEANTS)
    return ConcernRaised(name, chance.choice(list(ConcernKind))), CLINIC


def _suspended(chance: Random, case: Case, at: datetime) -> Doing:
    return Suspended(SuspensionReason.AWAITING_LAB, at + timedelta(days=chance.randrange(1, 30))), SERGEANT


def _resumed(chance: Random, case: Case, at: datetime) -> Doing:
    return Resumed(chance.choice(list(ResumptionReason))), chance.choice(SERGEANTS)


def _closure(chance: Random, case: Case, at: datetime) -> Doing:
    clear = chance.random() < 0.3
    disposition = Disposition.CLEARED_EXCEPTIONALLY if clear else Disposition.REFERRED_TO_PROSECUTOR
    clearance = Clearance.VICTIM_REFUSED if clear and chance.random() < 0.5 else Clearance.NOT_APPLICABLE
    return ClosureRequested(disposition, clearance, sealed=sealed(chance, SealedName.RATIONALE)), SERGEANT


def _decided(chance: Random, case: Case, at: datetime) -> Doing:
    if chance.random() < 0.7:
        return ClosureApproved(), chance.choice(SERGEANTS)
    return ClosureRefused(chance.choice(list(ClosureRefusal))), chance.choice(SERGEANTS)


def _reopened(chance: Random, case: Case, at: datetime) -> Doing:
    return Reopened(chance.choice(list(ReopeningReason))), chance.choice(SERGEANTS)


def _joined(chance: Random, case: Case, at: datetime) -> Doing:
    if chance.random() < 0.2:
        return Merged("elsewhere-1", MergeReason.SAME_INCIDENT), chance.choice(SERGEANTS)
    return Linked("elsewhere-2", chance.choice(list(Relation))), INTAKE


def _corrected(chance: Random, case: Case, at: datetime) -> Doing:
    fact = case.kinds.index("ReportReceived") + 1 if "ReportReceived" in case.kinds else 1
    reason = CorrectionReason.ENTERED_WRONG
    received = case.facts.received_at or at
    body = chance.choice(
        (
            FactCorrected(fact, reason, offences=_offences(chance)),
            FactCorrected(fact, reason, immediate_danger=chance.random() < 0.5),
            FactCorrected(fact, reason, happened_at=received - timedelta(days=chance.randrange(1, 60))),
        )
    )
    return body, INTAKE


ANYTIME: Final[tuple[Way, ...]] = (_looked_at, _referral, _referral, _concern, _worked, _joined, _corrected)
NEXT: Final[dict[Status, tuple[Way, ...]]] = {
    Status.UNREPORTED: (_report,),
    Status.RECEIVED: (_screened,),
    Status.SCREENED_OUT: (_reopened,),
    Status.UNASSIGNED: (_assigned, _assigned, _suspended),
    Status.ASSIGNED: (_acknowledged, _handed_over),
    Status.INVESTIGATING: (_worked, _worked, _handed_over, _suspended, _closure),
    Status.SUSPENDED: (_resumed, _suspended, _closure),
    Status.CLOSURE_REQUESTED: (_decided,),
    Status.CLOSED: (_reopened,),
    Status.MERGED: (_reopened, _joined),
}
ALL_WAYS: Final = (*ANYTIME, *(way for ways in NEXT.values() for way in ways))


# --- telling ---


class Teller:
    """Tells what happens in some cases, one submission after the other."""

    def __init__(self, seed: int, cases: int, partitions: int, beginning: datetime = BEGINNING) -> None:
        self._chance = Random(seed)
        self._cases = [Case.unreported(f"case-{number}") for number in range(cases)]
        self._partitions = partitions
        self._now = beginning
        self._told: list[Told] = []

    def tell(self, count: int) -> Iterator[Told]:
        """The next submissions."""
        for _ in range(count):
            self._now += timedelta(hours=self._chance.expovariate(1 / 8), microseconds=self._chance.randrange(1000))
            odd = self._chance.random()
            told = self._odd() if odd < 0.06 else self._again() if odd < 0.10 and self._told else self._next()
            self._told.append(told)
            yield told

    def _next(self) -> Told:
        chance = self._chance
        case = chance.choice(self._cases)
        some = chance.random()
        ways = NEXT[case.status] if some < 0.6 else ANYTIME if some < 0.95 else ALL_WAYS
        happened = self._now - timedelta(hours=chance.choice((0, 0, 1, 30)), microseconds=chance.randrange(10))
        body, actor = chance.choice(ways)(chance, case, happened)
        imported = None
        if chance.random() < 0.05:
            imported, actor = Imported(chance.randbytes(32), chance.randrange(2, 99), "old-system"), REGISTRAR
        action = Action(chance.randbytes(16), case.id, happened, actor, body, imported)
        case.record(action, decide(case, action, self._now), self._now)
        case.collect_events()
        return Told(Entry(case.id.encode(), encode_action(action)), self._now)

    def _again(self) -> Told:
        """Somebody did not hear the answer."""
        return Told(self._chance.choice(self._told[-20:]).entry, self._now)

    def _odd(self) -> Told:
        """What no client of casetrail would submit."""
        chance = self._chance
        case_id = chance.choice(self._cases).id.encode()
        known = chance.choice(self._told).entry.value if self._told else None
        entries = (
            Entry(case_id, chance.randbytes(chance.randrange(40))),
            Entry(case_id, None),
            Entry(b"not an id'; DROP TABLE case_status;--", known),
            Entry(None, known, 0),
            Entry(b"\xff\x00\xfe", b"x" * chance.randrange(2000)),
            Entry(case_id, known, chance.randrange(self._partitions)),
            Entry(f"unheard-{chance.randrange(3)}".encode(), known),
        )
        return Told(chance.choice(entries), self._now)


def record_all(log: EmbeddedLog, store: CaseStore) -> int:
    """Give every submission its event; how many there were."""
    recorder = Recorder(log, store)
    count = 0
    while done := recorder.step(0.0):
        count += done
    recorder.close()
    return count


def submit(log: EmbeddedLog, clock: PastClock, told: Sequence[Told]) -> None:
    """Append submissions, those of one moment in one go."""
    if told:
        clock.now = max(clock.now, told[-1].at)
        log.append(Topic.ACTIONS, [one.entry for one in told])


class Recording:
    """A log that grows: ``go_on`` tells more and has it recorded."""

    def __init__(self, path: Path, seed: int, *, cases: int = 12, partitions: int = 1, name: str = LOG_NAME) -> None:
        self.path = path
        self.clock = PastClock()
        self.log = EmbeddedLog.create(path, name, partitions, self.clock)
        self._chance = Random(seed)
        self._teller = Teller(seed, cases, partitions)

    @property
    def url(self) -> str:
        """The log's address."""
        return f"sqlite:{self.path}"

    def go_on(self, count: int, most_at_once: int = 40) -> None:
        """Tell ``count`` more submissions, in batches of random sizes, and record them."""
        told = list(self._teller.tell(count))
        store = CaseStore(":memory:", self.log.name)
        while told:
            size = self._chance.randrange(1, most_at_once + 1)
            submit(self.log, self.clock, told[:size])
            del told[:size]
        self.clock.now += timedelta(milliseconds=self._chance.randrange(2000))
        record_all(self.log, store)
        store.close()


def recorded_log(
    path: Path, seed: int, *, actions: int = 200, cases: int = 12, partitions: int = 1, name: str = LOG_NAME
) -> EmbeddedLog:
    """A new embedded log with a random history, every submission of which has its event."""
    recording = Recording(path, seed, cases=cases, partitions=partitions, name=name)
    recording.go_on(actions)
    return recording.log
