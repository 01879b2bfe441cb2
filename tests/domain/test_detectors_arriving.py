"""Reports that were refused, and reports that were imported when the log was live."""

from datetime import datetime, timedelta

from casetrail.domain.actions import ActionRejected, Actor
from casetrail.domain.answering import FindingTold
from casetrail.domain.case import Case
from casetrail.domain.codes import Level, Role
from casetrail.domain.deciding import decide
from casetrail.domain.detectors.finding import Finding
from casetrail.domain.escalation import Recipient
from casetrail.domain.investigation import NoteAdded
from casetrail.domain.values import EPOCH
from tests.actions import CLINIC, INTAKE, REGISTRAR, SERGEANT, action, report
from tests.domain.clock_histories import DAY, Story, day
from tests.domain.clock_stories import IN, RATIONALE, REVIEW, received
from tests.domain.detecting import SECOND, found, history_of, judge, numbers, only, seen
from tests.domain.policies import preset

HOTLINE = Actor("hotline.3", "hotline", Role.REPORTER)


def refused(story: Story, at: datetime, code: str = "case-exists", actor: Actor = HOTLINE) -> Story:
    """The story, in which a report is refused at a moment."""
    story._now = max(story._now, at)
    return story.record(action(report(), actor, at=at), ActionRejected("ReportReceived", code))


def test_a_report_that_was_refused_is_seen_a_day_later() -> None:
    finding = seen(refused(Story(), day(0), "occurred-in-the-future"), "report_refused", day(1))
    assert numbers(finding) == [1] and finding.partners == ("hotline",)
    assert {told.level for told in finding.told()} == {"partners"}, "it has reached no desk"


def test_a_report_that_is_accepted_after_all_in_time_is_none() -> None:
    story = refused(Story(), day(0), "occurred-in-the-future").tell(day(0.5), report(), HOTLINE)
    assert found(story, "report_refused", day(99)) == []
    late = refused(Story(), day(0), "occurred-in-the-future").tell(day(3), report(), HOTLINE)
    assert only(late, "report_refused", day(2)).is_open
    assert only(late, "report_refused", day(99)).settled_at == day(3)


def test_whoever_takes_the_id_that_another_will_give_drops_no_report() -> None:
    story = refused(received(), day(1))
    assert numbers(seen(story, "report_refused", day(2))) == [2]
    assert found(received(), "report_refused", day(99)) == []


def test_the_same_report_once_more_is_none() -> None:
    assert found(refused(received(), day(0.01), actor=INTAKE), "report_refused", day(99)) == []
    assert len(found(refused(received(), day(1), actor=INTAKE), "report_refused", day(99))) == 1, "it is another report"
    assert found(refused(received(), day(1), "duplicate-action"), "report_refused", day(99)) == []
    other = received().record(action(IN, HOTLINE), ActionRejected("ScreenedIn", "role-may-not"))
    assert found(other, "report_refused", day(99)) == []


def test_a_review_settles_it_and_so_does_the_agency_that_was_refused() -> None:
    screened = refused(received(), day(1)).tell(day(3), IN, INTAKE).tell(day(4), REVIEW, SERGEANT)
    assert only(screened, "report_refused", day(9)).settled_at == day(4)
    note = NoteAdded(RATIONALE)
    assert only(refused(received(), day(1)).tell(day(5), note, HOTLINE), "report_refused", day(9)).settled_at == day(5)
    assert only(refused(received(), day(1)).tell(day(5), note, CLINIC), "report_refused", day(9)).is_open
    told = FindingTold("0123456789abcdef", "report_refused", Level.PARTNERS, (Recipient("hotline"),))
    watchdog = Actor("host.watchdog", "hotline", Role.SYSTEM)
    again = refused(received(), day(1)).tell(day(5), told, watchdog)
    assert only(again, "report_refused", day(9)).is_open, "that people were told of it does not see to it"


# --- imports ---


def of_import(recorded: float, adopted: float = 0, *, reviewed: float | None = None) -> list[Finding]:
    """What is found of a report of day 1 that was imported on another, by an agency that has adopted a policy."""
    story = Story().tell(day(1), report(), REGISTRAR, late=timedelta(days=recorded - 1), imported=True)
    if reviewed is not None:
        story.tell(day(reviewed), IN, INTAKE).tell(day(reviewed), REVIEW, SERGEANT)
    policies = [(EPOCH, preset()), (day(adopted), preset("missouri"))]
    return list(judge(*policies, detectors=["imported_when_live"]).case(history_of(story.events), day(400)))


def test_an_import_into_a_log_that_has_long_been_live_is_seen_at_once() -> None:
    (one,) = of_import(200)
    assert (one.since, numbers(one), one.is_open) == (day(200), [1], True)
    assert of_import(200, reviewed=210)[0].settled_at == day(210)


def test_an_import_in_the_first_weeks_is_how_a_log_begins() -> None:
    assert of_import(29) == [] == of_import(200, adopted=300)
    story = Story().tell(day(1), report(), REGISTRAR, late=200 * DAY, imported=True)
    assert found(story, "imported_when_live", day(400)) == [], "nothing was ever adopted"
    assert (
        list(
            judge((EPOCH, preset()), (day(0), preset("missouri"))).case(history_of(received().events), day(0) + SECOND)
        )
        == []
    )


def test_a_report_is_refused_as_it_is_told_here() -> None:
    case = Case.unreported("C-1")
    assert decide(case, action(report(), HOTLINE, at=day(1)), day(0)) == ActionRejected(
        "ReportReceived", "occurred-in-the-future"
    )
    first = action(report(), INTAKE)
    case.record(first, decide(case, first, day(0)), day(0))
    assert decide(case, action(report(), HOTLINE, at=day(1)), day(1)) == ActionRejected("ReportReceived", "case-exists")
