"""Whole populations of cases for detectors: the demonstration's 149, and cases that were handled well, made by chance."""

from collections.abc import Generator, Iterable, Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Any, Final

from casetrail.demo.scenario import story
from casetrail.demo.telling import Scene
from casetrail.domain.actions import Action, ActionRejected, Actor, Body
from casetrail.domain.assignment import Acknowledged, Assigned, Reassigned
from casetrail.domain.case import Case, Recorded
from casetrail.domain.closure import ClosureApproved, ClosureRequested
from casetrail.domain.codes import (
    SEXUAL_OFFENCES,
    ContactMethod,
    Disposition,
    ExtensionReason,
    HandoverReason,
    Offence,
    ResumptionReason,
    ReviewResult,
    Role,
    ScreeningReason,
    SealedName,
    Service,
    SuspensionReason,
    TokenKind,
)
from casetrail.domain.codes import Step as Kind
from casetrail.domain.contact import VictimContactMade
from casetrail.domain.deciding import decide
from casetrail.domain.detectors.history import History
from casetrail.domain.extension import DecisionExtended
from casetrail.domain.intake import OffenceAlleged, ReportReceived, ScreenedIn, ScreenedOut
from casetrail.domain.investigation import InvestigativeStepTaken, SupervisorReviewed
from casetrail.domain.referral import ReferralAccepted, ReferralCompleted, ReferralMade
from casetrail.domain.sealed import SealedField, Token
from casetrail.domain.suspension import Resumed, Suspended
from tests.actions import INTAKE, OTHER_SERGEANT, SERGEANT, report
from tests.domain.detecting import history_of

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
CENTER: Final = Actor("center.okafor", "advocacy-center", Role.PARTNER)
SHERIFF: Final = Actor("sheriff.desk", "county-sheriff", Role.PARTNER)
PROSECUTOR: Final = Actor("pros.lee", "prosecutor", Role.PARTNER)
DETECTIVES: Final = tuple(Actor(f"det.{number:02}", "metro-pd", Role.INVESTIGATOR) for number in range(1, 9))

Doing = tuple[datetime, Actor, Body]
"""When something is done, by whom, what."""


def recorded(case_id: str, entered: Iterable[tuple[datetime, Doing]]) -> list[Recorded]:
    """The events of a case from what is done in it, and when each is entered."""
    case, events = Case.unreported(case_id), list[Recorded]()
    for number, (entered_at, (at, actor, body)) in enumerate(sorted(entered, key=lambda one: one[0])):
        action = Action(sha256(f"{case_id} {number}".encode()).digest()[:16], case_id, at, actor, body)
        case.record(action, decide(case, action, entered_at), entered_at)
        events += [event for event in case.collect_events() if isinstance(event, Recorded)]
    return events


# --- the demonstration ---


def the_149(seed: int, today: datetime) -> dict[str, list[Recorded]]:
    """The demonstration's 149 reports, as they were dropped."""
    told = story(seed, today, quick=True)
    by_case: dict[str, list[tuple[datetime, Doing]]] = {one.report.case_id: [] for one in told.dropped}
    for scene in told.scenes:
        if scene.case_id in by_case:
            by_case[scene.case_id].append((scene.entered, (scene.at, scene.actor, _body(scene))))
    return {case_id: recorded(case_id, doings) for case_id, doings in by_case.items()}


def _body(scene: Scene) -> Body:
    """What a scene records, with sealed texts that nobody can open and tokens that nobody can trace."""
    more: dict[str, Any] = {}
    if scene.texts:
        more["sealed"] = tuple(SealedField(name, bytes(32), bytes(12), b"sealed") for name in scene.texts)
    if isinstance(scene.body, ReportReceived):
        kinds = {
            TokenKind.CHILD: SealedName.CHILD_NAME,
            TokenKind.SUSPECT: SealedName.SUSPECT_NAME,
            TokenKind.ADDRESS: SealedName.ADDRESS,
        }
        more["tokens"] = tuple(Token(kind, sha256(scene.texts[name].encode()).digest()) for kind, name in kinds.items())
    return type(scene.body)(**{**vars(scene.body), **more})


# --- cases that were handled well ---


def clean(seed: int, count: int, first: datetime, late: float = 0.02) -> dict[str, list[Recorded]]:
    """Cases that were received one after another over a year and handled well, by people who enter things by and by.

    ``late``: the share of acts that are entered days later.
    """
    chance = Random(seed)
    found = {}
    for number in range(count):
        at = first + timedelta(seconds=chance.randrange(365 * 86_400))
        case_id = f"W-{number:05}"
        doings = list(_screened_out(chance, at) if chance.random() < 0.15 else _worked(chance, at, number))
        found[case_id] = recorded(case_id, _entered(chance, sorted(doings, key=lambda one: one[0]), late))
        assert not any(isinstance(event.body, ActionRejected) for event in found[case_id])
    return found


def _entered(chance: Random, doings: list[Doing], late: float) -> Iterator[tuple[datetime, Doing]]:
    """When each is entered: most within hours, some acts days later; what others build on before them."""
    latest = latest_act = doings[0][0]
    for at, actor, body in doings:
        if isinstance(body, VictimContactMade | InvestigativeStepTaken):
            hours = chance.expovariate(1 / 40) if chance.random() < late else chance.expovariate(1.0)
            entered = max(latest, at + min(hours, 140) * HOUR)
            latest_act = max(latest_act, entered)
        else:
            earlier = max(latest, latest_act) if isinstance(body, ClosureRequested | ScreenedOut) else latest
            entered = latest = max(earlier, at + min(chance.expovariate(1.0), 8) * HOUR)
        yield entered, (at, actor, body)


def histories(population: dict[str, list[Recorded]]) -> Iterator[History]:
    """The histories of a population."""
    for case_id, events in population.items():
        yield history_of(events, case_id)


def _between(chance: Random, least: float, most: float) -> timedelta:
    return timedelta(days=chance.uniform(least, most))


def _received(chance: Random, at: datetime) -> Doing:
    offence = chance.choice(list(Offence))
    body = report(offences=(OffenceAlleged(offence),), immediate_danger=chance.random() < 0.15)
    return at, INTAKE, body


def _screened_out(chance: Random, at: datetime) -> Iterator[Doing]:
    """Looked into, and screened out; what happened elsewhere is passed on, and taken there."""
    yield _received(chance, at)
    yield at + _between(chance, 0.05, 0.4), INTAKE, VictimContactMade(ContactMethod.PHONE)
    reasons = (
        ScreeningReason.NOT_A_CRIME,
        ScreeningReason.INSUFFICIENT_INFORMATION,
        ScreeningReason.OUTSIDE_JURISDICTION,
    )
    reason, screened = chance.choice(reasons), at + _between(chance, 0.5, 1.5)
    if reason is ScreeningReason.OUTSIDE_JURISDICTION:
        yield screened - HOUR, INTAKE, ReferralMade("r0", Service.OTHER, SHERIFF.agency)
        yield screened + 20 * HOUR, SHERIFF, ReferralAccepted("r0")
    yield screened, INTAKE, ScreenedOut(reason)


def _worked(chance: Random, at: datetime, number: int) -> Iterator[Doing]:
    """Screened, assigned, and worked until it is closed, with a review every four weeks."""
    detective = chance.choice(DETECTIVES)
    received = _received(chance, at)
    yield received
    yield at + _between(chance, 0.02, 0.15), INTAKE, ScreenedIn(ScreeningReason.ALLEGES_CRIME)
    yield at + _between(chance, 0.16, 0.3), SERGEANT, Assigned(detective.id)
    yield at + _between(chance, 0.31, 0.4), detective, Acknowledged()
    now = at + _between(chance, 0.41, 0.8)
    yield now, detective, VictimContactMade(ContactMethod.IN_PERSON)
    codes = {one.code for one in received[2].offences} if isinstance(received[2], ReportReceived) else set()
    if not codes.isdisjoint(SEXUAL_OFFENCES | {Offence.AGGRAVATED_ASSAULT}):
        yield from _interviewed(chance, now, detective, "r0")
    steps = [Kind.SCENE_VISITED, Kind.WITNESS_INTERVIEWED, Kind.SUSPECT_IDENTIFIED, Kind.SUSPECT_INTERVIEWED]
    for place in range(chance.randrange(4, 9)):
        now += _between(chance, 1, 10)
        kind = steps[place] if place < len(steps) else Kind.EVIDENCE_ANALYSED
        yield now, detective, InvestigativeStepTaken(kind)
        if place % 3 == 2:
            yield now + HOUR, detective, VictimContactMade(ContactMethod.PHONE)
            yield now + 2 * HOUR, SERGEANT, SupervisorReviewed(ReviewResult.CONTINUE)
        if place == 1 and chance.random() < 0.5:
            yield from _interviewed(chance, now, detective, "r1")
        if place == 2 and chance.random() < 0.1:
            detective = chance.choice([one for one in DETECTIVES if one is not detective])
            yield now + 3 * HOUR, SERGEANT, Reassigned(detective.id, HandoverReason.LEAVE)
            yield now + 12 * HOUR, detective, Acknowledged()
        if place == 3 and chance.random() < 0.15:
            now = yield from _rested(chance, now)
    if codes.isdisjoint(SEXUAL_OFFENCES):
        yield from _extended(at, now)
    yield from _closed(chance, now, detective, number)


def _extended(received: datetime, end: datetime) -> Iterator[Doing]:
    """A case that takes longer than the law gives it is extended for good cause, every six weeks."""
    at = received + 42 * DAY
    while at < end:
        yield at, SERGEANT, DecisionExtended(at + 44 * DAY, ExtensionReason.AWAITING_LAB)
        at += 42 * DAY


def _interviewed(chance: Random, now: datetime, detective: Actor, name: str) -> Iterator[Doing]:
    yield now + 4 * HOUR, detective, ReferralMade(name, Service.FORENSIC_INTERVIEW, CENTER.agency)
    yield now + 8 * HOUR, CENTER, ReferralAccepted(name)
    yield now + 20 * HOUR, CENTER, ReferralCompleted(name, holder_attended=True)
    yield now + 22 * HOUR, detective, InvestigativeStepTaken(Kind.FORENSIC_INTERVIEW_ATTENDED)


def _rested(chance: Random, now: datetime) -> Generator[Doing, None, datetime]:
    review = now + 4 * HOUR + timedelta(days=chance.randrange(10, 29))
    yield now + 4 * HOUR, SERGEANT, Suspended(SuspensionReason.AWAITING_LAB, review)
    resumed = review + _between(chance, 0, 0.5)
    yield resumed, SERGEANT, Resumed(ResumptionReason.REVIEW_DATE_REACHED)
    return resumed


def _closed(chance: Random, now: datetime, detective: Actor, number: int) -> Iterator[Doing]:
    ends = (Disposition.REFERRED_TO_PROSECUTOR, Disposition.CLEARED_BY_ARREST, Disposition.INACTIVATED)
    rationale = (SealedField(SealedName.RATIONALE, bytes(32), bytes(12), b"sealed"),)
    asked = now + _between(chance, 1, 6)
    end = chance.choice(ends)
    if end is Disposition.CLEARED_BY_ARREST:
        yield now + 4 * HOUR, detective, InvestigativeStepTaken(Kind.ARREST_MADE)
    elif end is Disposition.REFERRED_TO_PROSECUTOR:
        yield now + 4 * HOUR, detective, ReferralMade("p0", Service.PROSECUTOR, PROSECUTOR.agency)
        yield now + 8 * HOUR, PROSECUTOR, ReferralAccepted("p0")
    yield asked, detective, ClosureRequested(end, sealed=rationale)
    yield asked + _between(chance, 0.3, 3), (SERGEANT, OTHER_SERGEANT)[number % 2], ClosureApproved()
