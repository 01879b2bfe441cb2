"""What is entered late finds its place among runs that have ended: the same one, however many there are, and without looking at all."""

from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

import pytest

from casetrail.domain import ended_runs
from casetrail.domain.actions import Action, Actor, Body
from casetrail.domain.alarms import Watch
from casetrail.domain.assignment import Assigned
from casetrail.domain.case import Case, Recorded
from casetrail.domain.clock_runs import Runs, fold
from casetrail.domain.closure import ClosureApproved
from casetrail.domain.codes import ConcernKind, CorrectionReason, Service
from casetrail.domain.concern import ConcernRaised
from casetrail.domain.deciding import decide
from casetrail.domain.happenings import Happening
from casetrail.domain.linking import FactCorrected
from casetrail.domain.policy import InForce, Policy
from casetrail.domain.policy_file import parse_policy
from casetrail.domain.referral import ReferralAccepted, ReferralMade
from casetrail.domain.stopping import Run
from tests.actions import CLINIC, DETECTIVE, HAPPENED, INTAKE, OTHER_SERGEANT, SERGEANT, report
from tests.domain.clock_histories import CASE_ID, DAY, HOUR, day
from tests.domain.clock_stories import (
    ASKED,
    ATTEMPT,
    CONTACT,
    IN,
    MERGED,
    PROTECTIVE,
    REFUSED,
    REOPENED,
    RESUMED,
    REVIEW,
    STEP,
    held,
    suspended,
)  # fmt: skip
from tests.domain.policies import changed, preset

ACTS: Final[tuple[tuple[Body, Actor], ...]] = (
    (STEP, DETECTIVE), (CONTACT, DETECTIVE), (ATTEMPT, DETECTIVE), (REVIEW, SERGEANT),
)  # fmt: skip
OTHERS: Final[tuple[tuple[Body, Actor], ...]] = (
    (IN, INTAKE), (ASKED, DETECTIVE), (REFUSED, OTHER_SERGEANT), (ClosureApproved(), OTHER_SERGEANT), (REOPENED, SERGEANT),
    (Assigned(DETECTIVE.id), SERGEANT), (MERGED, SERGEANT), (RESUMED, SERGEANT), (suspended(day(25)), SERGEANT),
)  # fmt: skip
OWN: Final = """
[clocks.own]
start = ["report_received", "victim_contact", "reviewed"]
stop = ["victim_contact", "reviewed", "screened_in"]
limit = "3 days"
owed_by = "holder"
escalation = "usual"
source = "practice"
"""


def random_case(seed: int, count: int = 150) -> list[Recorded]:
    """A case in which most acts are entered late, some from before the report."""
    chance, case, events = Random(seed), Case.unreported(CASE_ID), list[Recorded]()
    told: list[tuple[datetime, Body, Actor]] = [
        (HAPPENED, report(immediate_danger=True), INTAKE),
        (HAPPENED, IN, INTAKE),
    ]
    told.append((HAPPENED, Assigned(DETECTIVE.id), SERGEANT))
    for number in range(count):
        now = HAPPENED + number * 6 * HOUR
        body, actor = chance.choice(ACTS) if chance.random() < 0.7 else chance.choice(OTHERS)
        if chance.random() < 0.15:
            body, actor = chance.choice(
                [
                    (ReferralMade(f"r{number}", Service.OTHER, "metro-pd"), PROTECTIVE),
                    (ReferralMade(f"r{number}", Service.FORENSIC_INTERVIEW, CLINIC.agency), DETECTIVE),
                    (ReferralAccepted(f"r{chance.randrange(number + 1)}"), CLINIC),
                    (ConcernRaised(f"c{number}", ConcernKind.OTHER), CLINIC),
                    (FactCorrected(1, CorrectionReason.ENTERED_WRONG, happened_at=day(-chance.random())), INTAKE),
                ]
            )
        late = chance.choice((0, 0, chance.random() * 3, chance.random() * 40))
        told.append((HAPPENED + (now - HAPPENED) * (1 - min(late, 1)) - max(late - 38, 0) * DAY, body, actor))
    for number, (at, body, actor) in enumerate(told):
        recorded_at = HAPPENED + number * 6 * HOUR
        action = Action(chance.randbytes(16), CASE_ID, min(at, recorded_at), actor, body)
        case.record(action, decide(case, action, recorded_at), recorded_at)
        events += [event for event in case.collect_events() if isinstance(event, Recorded)]
    return events


def runs_of(events: list[Recorded], few: int, policy: Policy, patch: pytest.MonkeyPatch) -> list[Run]:
    """All runs of a case, where so many are looked through one by one."""
    patch.setattr(ended_runs, "FEW", few)
    return fold(CASE_ID, events, InForce([(day(-99), policy)]), day(99)).all()


@pytest.mark.parametrize(
    "policy", [preset(), parse_policy(changed() + OWN)], ids=["generic", "a clock that starts anew"]
)
def test_the_runs_are_the_same_as_if_all_were_looked_through(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    late = 0
    for seed in range(60):
        events = random_case(seed)
        expected = runs_of(events, 10**6, policy, monkeypatch)
        assert runs_of(events, 0, policy, monkeypatch) == expected
        assert runs_of(events, 5, policy, monkeypatch) == expected
        late += sum((run.started_by or 0) > (run.ended_by or 10**6) for run in expected)
    assert late > 200, "runs that were ended by an act, and one that was entered later goes before it"


def test_a_case_with_many_acts_that_are_entered_late_is_folded_in_time_that_grows_with_their_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    story, looked_at, lasted = held(), 0, Run.lasted
    for number in range(1000):
        story.tell(day(300 - 299 * number / 1000), STEP, DETECTIVE, late=timedelta(days=400))

    def counted(run: Run, what: Happening, at: datetime) -> bool:
        nonlocal looked_at
        looked_at += 1
        return lasted(run, what, at)

    monkeypatch.setattr(Run, "lasted", counted)
    fold(CASE_ID, story.events, InForce([(HAPPENED, preset())]), day(999))
    assert looked_at < 10_000


# --- corrections of the receipt ---


class Anew(Watch):
    """A watch that folds the case anew at each correction of a time, whether or not that changes anything."""

    def _is_dated_anew(self, event: Recorded) -> bool:
        return isinstance(event.body, FactCorrected) and event.body.happened_at is not None


def test_a_correction_that_lets_no_other_receipt_count_changes_nothing_and_folds_nothing_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policies = InForce([(day(-99), preset())])
    for seed in range(40):
        plain, anew = Watch(CASE_ID, policies), Anew(CASE_ID, policies)
        for event in random_case(seed, 80):
            plain.follow(event)
            anew.follow(event)
            assert plain.runs.all() == anew.runs.all()
        plain.until(day(99))
        anew.until(day(99))
        assert plain.alarms == anew.alarms
    folded = 0

    def counted(*given: Any) -> Runs:
        nonlocal folded
        folded += 1
        return fold(*given)

    monkeypatch.setattr("casetrail.domain.alarms.fold", counted)
    watch, story = Watch(CASE_ID, policies), held()
    for number, days in enumerate((1, -0.5, -0.4, -0.5, -2, -1)):
        corrected = FactCorrected(1, CorrectionReason.ENTERED_WRONG, happened_at=day(days))
        story.tell(day(2 + number), corrected, INTAKE)
    story.tell(day(9), FactCorrected(2, CorrectionReason.ENTERED_WRONG, happened_at=day(-9)), INTAKE)
    for event in story.events:
        watch.follow(event)
    assert folded == 2


def test_a_deadline_of_the_report_is_met_afterwards_by_the_act_also_where_the_receipt_was_corrected_before() -> None:
    earlier = FactCorrected(1, CorrectionReason.ENTERED_WRONG, happened_at=day(-0.1))
    story = held().tell(day(2), earlier, INTAKE).tell(day(0.5), CONTACT, DETECTIVE, late=6 * DAY)
    watch = Watch(CASE_ID, InForce([(day(-99), preset())]))
    for event in story.events:
        watch.follow(event)
    (alarm,) = [one for one in watch.alarms.values() if one.clock.deadline[::2] == ("first_response", day(1))]
    assert alarm.met_by == 6
