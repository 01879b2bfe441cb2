"""A danger that was mistyped in a report that is merged afterwards: who corrects it at once is not accused of hiding it."""

from casetrail.domain.actions import Actor
from casetrail.domain.codes import Role
from casetrail.domain.detectors.finding import Finding
from tests.actions import CLINIC
from tests.domain.clock_histories import day
from tests.domain.detecting import with_settings
from tests.domain.populations import Doing, recorded
from tests.domain.surveying import evidence, found, known, told
from tests.domain.test_detectors_astray import linked
from tests.domain.test_detectors_merging import calm, corrected, into, reported

CLERK = Actor("intake.nurse", CLINIC.agency, Role.INTAKE)


def unseen(*mine: Doing, policy: str = "") -> list[Finding]:
    """What is found of a report that is merged, or screened out as known, into a case without any danger."""
    return found([told("A", *mine), told("B", calm(0))], "merged_unseen", day(99), with_settings(policy))


def test_a_danger_that_was_corrected_within_the_hour_owed_nothing() -> None:
    assert unseen(reported(0), corrected(0.04, False), into("B", 0.1)) == []
    assert unseen(reported(0), corrected(0.04, False), linked("B", 0.1), known(0.2)) == []
    assert len(unseen(reported(0), corrected(0.05, False), into("B", 0.1))) == 1
    policy = '[detectors.merged_unseen]\ngrace = "2 hours"'
    assert unseen(reported(0), corrected(0.05, False), into("B", 0.1), policy=policy) == []


def test_only_who_recorded_the_report_knows_what_was_mistyped_in_it() -> None:
    theirs = day(0.01), CLERK, corrected(0.01, False)[2]
    assert len(unseen(reported(0), theirs, into("B", 0.1))) == 1


def test_a_danger_that_is_alleged_again_or_had_been_missed_by_then_was_not_just_mistyped() -> None:
    twice = [reported(0), corrected(0.02, False), corrected(0.03, True), corrected(0.035, False), into("B", 0.2)]
    assert [evidence(one) for one in unseen(*twice)] == [["A#5", "A#3"]]
    mine = recorded("A", [(day(3), reported(0)), (day(3.01), corrected(3.01, False)), (day(3.1), into("B", 3.1))])
    (one,) = found([mine, told("B", calm(0))], "merged_unseen", day(99))
    assert one.since == day(3.1)
