"""The 149 reports: what was alleged, and what became of each.

Counts by group are the article's (Kansas City Star, 2016; see docs/sources.md). How they were dropped follows the
patterns that were found: never screened, never assigned, assigned and never worked, left behind by whoever left.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from casetrail.demo.people import (
    CENTER,
    CLINIC,
    CLINICIAN,
    DETECTIVES,
    HOTLINE_WORKER,
    INTAKE,
    INTERVIEWER,
    POLICE,
    SERGEANTS,
    UNIT,
    address,
    name,
)
from casetrail.domain.actions import Actor, Body
from casetrail.domain.assignment import Acknowledged, Assigned, Released
from casetrail.domain.closure import ClosureApproved, ClosureRequested
from casetrail.domain.codes import (
    Channel,
    ConcernKind,
    ContactMethod,
    Disposition,
    HandoverReason,
    Offence,
    ReporterKind,
    ScreeningReason,
    SealedName,
    Service,
    Step,
    SuspensionReason,
)
from casetrail.domain.concern import ConcernRaised
from casetrail.domain.contact import VictimContactMade
from casetrail.domain.intake import OffenceAlleged, ReportReceived, ScreenedIn, ScreenedOut
from casetrail.domain.investigation import InvestigativeStepTaken
from casetrail.domain.referral import ReferralAccepted, ReferralCompleted, ReferralMade
from casetrail.domain.suspension import Suspended

GROUPS: Final = (
    ("rape", 28, Offence.RAPE, "566.030"),
    ("molestation", 27, Offence.FONDLING, "566.067"),
    ("sodomy", 29, Offence.SODOMY, "566.060"),
    ("sexual misconduct", 9, Offence.FONDLING, "566.083"),
    ("assault", 7, Offence.AGGRAVATED_ASSAULT, "565.050"),
    ("abuse", 34, Offence.FAMILY_NONVIOLENT, "568.060"),
    ("other", 15, Offence.OTHER, ""),
)
"""Group, number of reports, NIBRS code, statute (RSMo)."""

YEARS: Final = timedelta(days=4 * 365)
QUIET_END: Final = timedelta(days=60)


@dataclass(frozen=True)
class Scene:
    """Something that happens: when, in which case, by whom, what; and the texts that are sealed with it."""

    at: datetime
    case_id: str
    actor: Actor
    body: Body
    texts: dict[SealedName, str]


@dataclass(frozen=True)
class Report:
    """One of the reports, before anything has become of it."""

    case_id: str
    at: datetime
    offence: Offence
    statute: str
    child: str
    suspect: str
    home: str


def reports(chance: Random, today: datetime) -> list[Report]:
    """The 149 reports, over the four years before ``today``."""
    made = []
    for _, count, offence, statute in GROUPS:
        for _ in range(count):
            at = today - QUIET_END - timedelta(seconds=chance.randrange(int((YEARS - QUIET_END).total_seconds())))
            made.append((at, offence, statute, name(chance), name(chance), address(chance)))
    made.sort(key=lambda one: one[0])
    return [Report(f"{one[0].year}-{number:04}", *one) for number, one in enumerate(made, 1)]


def scenes(seed: int, today: datetime) -> list[Scene]:
    """All that happens, in the order of time."""
    chance = Random(seed)  # noqa: S311  (a story, not a secret)
    fates = chance.choices(list(FATES), weights=list(FATES.values()), k=sum(count for _, count, _, _ in GROUPS))
    told = [
        scene
        for report, fate in zip(reports(chance, today), fates, strict=True)
        for scene in (received(report, chance), *fate(report, chance))
        if scene.at < today
    ]
    return sorted(told, key=lambda scene: scene.at)


def received(report: Report, chance: Random) -> Scene:
    """The report reaches the unit."""
    by_hotline = chance.random() < 0.6
    body = ReportReceived(
        report_number=report.case_id,
        channel=Channel.HOTLINE if by_hotline else Channel.PHONE,
        reporter_kind=ReporterKind.MANDATED_REPORTER if by_hotline else ReporterKind.FAMILY,
        agency=POLICE,
        unit=UNIT,
        offences=(OffenceAlleged(report.offence, report.statute or None),),
        immediate_danger=chance.random() < 0.15,
    )
    texts = {
        SealedName.CHILD_NAME: report.child,
        SealedName.SUSPECT_NAME: report.suspect,
        SealedName.ADDRESS: report.home,
        SealedName.NARRATIVE: "Invented for the demonstration.",
    }
    return Scene(report.at, report.case_id, HOTLINE_WORKER if by_hotline else INTAKE, body, texts)


# --- fates ---

Fate = Callable[[Report, Random], Iterator[Scene]]


def _later(chance: Random, days: float) -> timedelta:
    return timedelta(hours=1 + chance.expovariate(1 / (24 * days)))


def _scene(report: Report, at: datetime, actor: Actor, body: Body, **texts: str) -> Scene:
    return Scene(at, report.case_id, actor, body, {SealedName(key): text for key, text in texts.items()})


def never_screened(report: Report, chance: Random) -> Iterator[Scene]:
    """Received, filed, and nothing else."""
    if chance.random() < 0.15:
        concern = ConcernRaised("c1", ConcernKind.NO_RESPONSE)
        yield _scene(report, report.at + _later(chance, 40), CLINICIAN, concern)


def never_assigned(report: Report, chance: Random) -> Iterator[Scene]:
    """Screened in; nobody was ever given the case."""
    screened = report.at + min(_later(chance, 2), timedelta(days=4))
    yield _scene(report, screened, INTAKE, ScreenedIn(ScreeningReason.ALLEGES_CRIME))


def never_worked(report: Report, chance: Random) -> Iterator[Scene]:
    """Assigned; the holder never did anything. Meanwhile the partners did their part."""
    yield from never_assigned(report, chance)
    detective = chance.choice(DETECTIVES)
    at = report.at + timedelta(days=8) + _later(chance, 5)
    yield _scene(report, at, chance.choice(SERGEANTS), Assigned(detective.id))
    if chance.random() < 0.5:
        yield from _interviewed(report, at, chance)
        if chance.random() < 0.4:
            concern = ConcernRaised("c1", ConcernKind.INTERVIEW_NOT_ATTENDED)
            yield _scene(report, at + timedelta(days=45), INTERVIEWER, concern)


def _interviewed(report: Report, at: datetime, chance: Random) -> Iterator[Scene]:
    made = ReferralMade("r1", Service.FORENSIC_INTERVIEW, CENTER)
    yield _scene(report, at + timedelta(days=1), SERGEANTS[0], made)
    yield _scene(report, at + timedelta(days=3), INTERVIEWER, ReferralAccepted("r1"))
    yield _scene(report, at + timedelta(days=10), INTERVIEWER, ReferralCompleted("r1", holder_attended=False))
    if chance.random() < 0.3:
        acute = ReferralMade("r2", Service.MEDICAL_EVALUATION, CLINIC, acute=True)
        yield _scene(report, at + timedelta(days=1, hours=1), SERGEANTS[0], acute)
        yield _scene(report, at + timedelta(days=2), CLINICIAN, ReferralCompleted("r2"))


def left_behind(report: Report, chance: Random) -> Iterator[Scene]:
    """The holder left the unit; nobody took over."""
    yield from never_worked(report, chance)
    leaves = report.at + timedelta(days=60) + _later(chance, 30)
    yield _scene(report, leaves, SERGEANTS[1], Released(HandoverReason.CHANGED_UNIT))


def met_once(report: Report, chance: Random) -> Iterator[Scene]:
    """A family was met once, and never contacted again."""
    yield from never_assigned(report, chance)
    detective = chance.choice(DETECTIVES)
    at = report.at + timedelta(days=6) + _later(chance, 2)
    yield _scene(report, at, SERGEANTS[0], Assigned(detective.id))
    yield _scene(report, at + timedelta(days=1), detective, Acknowledged())
    yield _scene(report, at + timedelta(days=4), detective, VictimContactMade(ContactMethod.IN_PERSON))


def suspended_for_ever(report: Report, chance: Random) -> Iterator[Scene]:
    """Suspended for lack of personnel, and never looked at again."""
    yield from never_assigned(report, chance)
    at = report.at + timedelta(days=12)
    body = Suspended(SuspensionReason.LACK_OF_PERSONNEL, at + timedelta(days=30))
    yield _scene(report, at, SERGEANTS[1], body)


def screened_away(report: Report, chance: Random) -> Iterator[Scene]:
    """Screened out for lack of information that nobody had asked for."""
    body = ScreenedOut(ScreeningReason.INSUFFICIENT_INFORMATION)
    yield _scene(report, report.at + _later(chance, 5), INTAKE, body)


def closed_alone(report: Report, chance: Random) -> Iterator[Scene]:
    """A detective asks to close what was never worked, and a sergeant tries to approve a closure of their own."""
    yield from never_assigned(report, chance)
    sergeant = chance.choice(SERGEANTS)
    at = report.at + timedelta(days=90)
    body = ClosureRequested(Disposition.INACTIVATED)
    yield _scene(report, at, sergeant, body, rationale="Invented: no leads.")
    yield _scene(report, at + timedelta(minutes=1), sergeant, ClosureApproved())


def worked(report: Report, chance: Random) -> Iterator[Scene]:
    """Worked as it should be, and referred to the prosecutor."""
    detective = chance.choice(DETECTIVES)
    day = timedelta(days=1)
    at = report.at
    yield _scene(report, at + day / 8, INTAKE, ScreenedIn(ScreeningReason.ALLEGES_CRIME))
    yield _scene(report, at + day / 6, SERGEANTS[0], Assigned(detective.id))
    yield _scene(report, at + day / 4, detective, Acknowledged())
    yield _scene(report, at + day / 2, detective, VictimContactMade(ContactMethod.IN_PERSON))
    for number, step in enumerate((Step.SUSPECT_IDENTIFIED, Step.EVIDENCE_COLLECTED, Step.SUSPECT_INTERVIEWED), 1):
        yield _scene(report, at + 7 * number * day, detective, InvestigativeStepTaken(step))
    body = ClosureRequested(Disposition.REFERRED_TO_PROSECUTOR)
    yield _scene(report, at + 30 * day, detective, body, rationale="Invented: file complete.")
    yield _scene(report, at + 32 * day, SERGEANTS[1], ClosureApproved())


FATES: Final[dict[Fate, int]] = {
    never_screened: 34,
    never_assigned: 26,
    never_worked: 16,
    left_behind: 7,
    met_once: 5,
    suspended_for_ever: 4,
    screened_away: 3,
    closed_alone: 3,
    worked: 2,
}
"""What becomes of a report, and how often in a hundred."""
