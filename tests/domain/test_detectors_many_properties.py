"""What is counted over many cases is as steadfast as what is found in one: neither time nor later events undo it."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Final

import pytest

from casetrail.domain.actions import Action, Actor, Body
from casetrail.domain.assignment import Assigned, Reassigned
from casetrail.domain.case import Case, Recorded
from casetrail.domain.closure import ClosureApproved, ClosureRequested
from casetrail.domain.codes import (
    CorrectionReason,
    Disposition,
    HandoverReason,
    MergeReason,
    ReferralReason,
    Relation,
    ScreeningReason,
    SealedName,
    Service,
    TokenKind,
)
from casetrail.domain.codes import Step as Kind
from casetrail.domain.deciding import decide
from casetrail.domain.detectors.catalogue import OF_MANY
from casetrail.domain.detectors.finding import Finding
from casetrail.domain.intake import ScreenedOut
from casetrail.domain.investigation import InvestigativeStepTaken, NoteAdded
from casetrail.domain.linking import FactCorrected, Linked, Merged
from casetrail.domain.referral import (
    ReferralAccepted,
    ReferralCompleted,
    ReferralDeclined,
    ReferralMade,
    ReferralWithdrawn,
)
from casetrail.domain.sealed import SealedField, Token
from tests.actions import DETECTIVE, HAPPENED, INTAKE, OTHER_DETECTIVE, OTHER_SERGEANT, SERGEANT, report
from tests.domain.clock_histories import DAY
from tests.domain.clock_stories import CONTACT, FONDLING, IN, OUT, RATIONALE, REOPENED, REVIEW, SIMPLE, STEP, suspended
from tests.domain.detecting import history_of, judge
from tests.domain.populations import CENTER
from tests.domain.test_detectors_many import LIMITS

DAYS: Final = 400
Doing = tuple[Body, Actor]
CHILD: Final = (SealedField(SealedName.CHILD_NAME, bytes(32), bytes(12), b"sealed"),)
SUSPECT: Final = (SealedField(SealedName.SUSPECT_NAME, bytes(32), bytes(12), b"sealed"),)
HEARD: Final = (Kind.SUSPECT_INTERVIEWED, Kind.FORENSIC_INTERVIEW_ATTENDED)
KNOWN: Final = ScreenedOut(ScreeningReason.DUPLICATE_REPORT)
NOTE: Final = NoteAdded((SealedField(SealedName.NARRATIVE, bytes(32), bytes(12), b"sealed"),))
NAMES: Final = [bytes([number]) * 32 for number in range(25)]


def random_cases(seed: int, count: int = 60) -> dict[str, list[Recorded]]:
    """Cases of few people, who are reported again and again, given to two detectives, and worked or not."""
    chance = Random(seed)
    found = {}
    for number in range(count):
        case_id = f"C-{number}"
        case, events = Case.unreported(case_id), list[Recorded]()
        now = HAPPENED + chance.uniform(0, DAYS) * DAY
        tokens = _tokens(chance) if chance.random() < 0.7 else ()
        received = report(tokens=tokens, immediate_danger=chance.random() < 0.3)
        screened = chance.choices((OUT, KNOWN, IN), (2, 2, 6))[0]
        doings: list[Doing] = [(received, INTAKE), (screened, INTAKE)]
        for _ in range(chance.randrange(2, 14)):
            doings.append(_any(chance, number, now))
            if isinstance(doings[-1][0], ClosureRequested) and chance.random() < 0.8:
                doings.append((ClosureApproved(), OTHER_SERGEANT))
        for body, actor in doings:
            at = now - chance.choice((0, 0, 0, 10)) * DAY * chance.random()
            action = Action(chance.randbytes(16), case_id, at, actor, body)
            case.record(action, decide(case, action, now), now)
            events += [event for event in case.collect_events() if isinstance(event, Recorded)]
            now += timedelta(seconds=chance.choice((20, 90_000, 900_000)) * chance.random())
        found[case_id] = events
    return found


def _tokens(chance: Random) -> tuple[Token, ...]:
    return Token(TokenKind.CHILD, chance.choice(NAMES)), Token(TokenKind.ADDRESS, chance.choice(NAMES))


def _any(chance: Random, number: int, now: datetime) -> Doing:
    other = f"C-{chance.randrange(60)}"
    asked = ClosureRequested(chance.choice((Disposition.INACTIVATED, Disposition.CLEARED_BY_ARREST)), sealed=RATIONALE)
    ways: tuple[Doing, ...] = (
        (Assigned(DETECTIVE.id), SERGEANT),
        (Reassigned(OTHER_DETECTIVE.id, HandoverReason.WORKLOAD), SERGEANT),
        (STEP, DETECTIVE),
        (CONTACT, DETECTIVE),
        (asked, SERGEANT),
        (ClosureApproved(), OTHER_SERGEANT),
        (REOPENED, SERGEANT),
        (suspended(now + 20 * DAY), SERGEANT),
        (FactCorrected(1, CorrectionReason.NEW_INFORMATION, sealed=CHILD, tokens=_tokens(chance)), INTAKE),
        (Linked(other if other != f"C-{number}" else "C-x", Relation.SAME_CHILD), INTAKE),
        (Linked(other if other != f"C-{number}" else "C-x", Relation.SAME_CHILD), INTAKE),
        (Merged(other if other != f"C-{number}" else "C-x", MergeReason.SAME_INCIDENT), SERGEANT),
        (FactCorrected(1, CorrectionReason.NEW_INFORMATION, immediate_danger=chance.random() < 0.5), INTAKE),
        (REVIEW, chance.choice((SERGEANT, OTHER_SERGEANT))),
        (NOTE, chance.choice((INTAKE, SERGEANT, OTHER_SERGEANT))),
        (FactCorrected(1, CorrectionReason.NEW_INFORMATION, sealed=SUSPECT), INTAKE),
        (FactCorrected(1, CorrectionReason.ENTERED_WRONG, offences=chance.choice((SIMPLE, FONDLING))), INTAKE),
        (InvestigativeStepTaken(chance.choice(HEARD)), DETECTIVE),
        (asked, SERGEANT),
        *_about_an_interview(chance),
    )
    return chance.choice(ways)


def _about_an_interview(chance: Random) -> Iterator[Doing]:
    """A partner is asked for an interview, and says something of one; the unit withdraws it."""
    name = f"r{chance.randrange(3)}"
    yield ReferralMade(name, Service.FORENSIC_INTERVIEW, CENTER.agency), DETECTIVE
    yield ReferralMade(name, Service.FORENSIC_INTERVIEW, CENTER.agency), SERGEANT
    yield ReferralAccepted(name), CENTER
    yield ReferralDeclined(name, chance.choice((ReferralReason.NO_CAPACITY, ReferralReason.OUTSIDE_CRITERIA))), CENTER
    yield ReferralCompleted(name, chance.choice((None, True, False))), CENTER
    yield ReferralWithdrawn(name, chance.choice((ReferralReason.NOT_NEEDED, ReferralReason.FAMILY_DECLINED))), DETECTIVE


def findings(cases: dict[str, list[Recorded]], until: datetime, now: datetime) -> dict[str, Finding]:
    """All that was ever found by what had been recorded, by id."""
    one = judge((HAPPENED, LIMITS), detectors=[detector.name for detector in OF_MANY])
    for case_id, events in cases.items():
        known = [event for event in events if event.timestamp <= until]
        if known:
            one.count(history_of(known, case_id))
    listed = list(one.many(now))
    made = {finding.id: finding for finding in listed}
    assert len(made) == len(listed)
    return made


@pytest.mark.parametrize("seed", range(4))
def test_what_could_be_seen_once_stays_seen_and_could_be_seen_when_it_says_so(seed: int) -> None:
    cases = random_cases(seed)
    end = HAPPENED + (DAYS + 200) * DAY
    whole = findings(cases, end, end)
    for day in range(10, DAYS + 100, 23):
        then = HAPPENED + day * DAY
        for name, one in findings(cases, then, then).items():
            later = whole[name]
            assert (later.since, later.evidence, later.subject) == (one.since, one.evidence, one.subject)
            assert one.is_open or later.settled_at == one.settled_at
    for name, one in whole.items():
        just_after = one.since + timedelta(microseconds=1)
        assert name in findings(cases, just_after, just_after)
        assert one.evidence and (one.settled_at is None or one.settled_at > one.since)


def test_the_random_cases_reach_most_of_these_detectors() -> None:
    reached = Counter[str]()
    for seed in range(4):
        end = HAPPENED + 700 * DAY
        reached.update(one.detector for one in findings(random_cases(seed), end, end).values())
    of_mergers = {"merged_away", "merged_astray", "merged_unseen", "merged_unheard", "merged_unmet"}
    assert {"reported_again", "overloaded", *of_mergers} <= set(reached), reached
