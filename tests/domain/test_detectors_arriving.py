"""Reports that were refused, and reports that were imported when the log was live."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from casetrail.domain.actions import ActionRejected, Actor, Body
from casetrail.domain.answering import FindingTold
from casetrail.domain.case import Case
from casetrail.domain.closure import ClosureApproved
from casetrail.domain.codes import Level, Relation, Role
from casetrail.domain.deciding import decide
from casetrail.domain.detectors.finding import Finding
from casetrail.domain.detectors.judging import Judge
from casetrail.domain.escalation import Recipient
from casetrail.domain.investigation import NoteAdded
from casetrail.domain.linking import Linked
from casetrail.domain.policy import Adopted, Policy
from tests.actions import DETECTIVE, INTAKE, REGISTRAR, SERGEANT, action, report
from tests.domain.clock_histories import DAY, IMPORT, Story, day
from tests.domain.clock_stories import ASKED, IN, RATIONALE, REVIEW, STEP, approved, held, received
from tests.domain.detecting import found, history_of, numbers, only, seen, with_settings
from tests.domain.policies import preset

HOTLINE = Actor("hotline.3", "hotline", Role.REPORTER)
WATCHDOG = Actor("host.watchdog", "hotline", Role.SYSTEM)
NOTE = NoteAdded(RATIONALE)
TAKEN = b"0123456789abcdef"


def refused(
    story: Story, at: datetime, code: str = "case-exists", actor: Actor = HOTLINE, action_id: bytes | None = None
) -> Story:
    """The story, in which a report is refused at a moment."""
    story._now = max(story._now, at)
    asked = action(report(), actor, at=at)
    asked = asked if action_id is None else replace(asked, action_id=action_id)
    return story.record(asked, ActionRejected("ReportReceived", code))


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
    other = received().record(action(IN, HOTLINE), ActionRejected("ScreenedIn", "role-may-not"))
    assert found(other, "report_refused", day(99)) == []


def test_what_settles_it_where_the_id_was_free() -> None:
    """Whoever was refused may mend the report themselves; another may enter it for them."""
    story = refused(Story(), day(0), "offence-needed").tell(day(3), report(), INTAKE)
    assert only(story, "report_refused", day(9)).settled_at == day(3)
    in_time = refused(Story(), day(0), "offence-needed").tell(day(1), report(), INTAKE)
    assert found(in_time, "report_refused", day(9)) == []


def test_an_import_that_was_refused_is_mended_by_another_import_and_nothing_else_is() -> None:
    """An import states times of long ago: what counts is when it was recorded."""

    def imported_after(story: Story) -> Story:
        return story.tell(day(-900), report(), REGISTRAR, late=903 * DAY, imported=True)

    live = imported_after(refused(Story(), day(0), "offence-needed"))
    assert only(live, "report_refused", day(9)).is_open, "a history was invented under the id"
    asked = replace(action(report(), REGISTRAR, at=day(-900)), imported=IMPORT)
    mended = imported_after(Story().record(asked, ActionRejected("ReportReceived", "offence-needed")))
    assert only(mended, "report_refused", day(9)).settled_at == day(3)


def test_ordinary_work_in_a_case_whose_number_was_taken_does_not_settle_it() -> None:
    """The clerk entered a second report under the family's old number; work goes on in the old case, and it is closed."""
    story = refused(held(), day(1), actor=INTAKE).tell(day(1.2), STEP, DETECTIVE)
    story.tell(day(1.3), NoteAdded(RATIONALE), INTAKE)
    story.tell(day(1.5), ASKED, DETECTIVE).tell(day(1.8), ClosureApproved())
    assert seen(story, "report_refused", day(2)).is_open
    closed = approved(held(), day(1))
    assert seen(refused(closed, day(60), actor=INTAKE).tell(day(60.1), NoteAdded(RATIONALE)), "report_refused", day(61))


def test_a_review_settles_it_and_so_does_a_link_with_another_case() -> None:
    screened = refused(received(), day(1)).tell(day(3), IN, INTAKE).tell(day(4), REVIEW, SERGEANT)
    assert only(screened, "report_refused", day(9)).settled_at == day(4)
    link = Linked("C-2", Relation.SAME_CHILD)
    assert only(refused(received(), day(1)).tell(day(5), link, INTAKE), "report_refused", day(9)).settled_at == day(5)
    assert found(refused(received(), day(1)).tell(day(1.5), link, INTAKE), "report_refused", day(9)) == []
    assert found(refused(approved(held(), day(0)), day(1)).tell(day(1.5), link), "report_refused", day(9)) == []


def test_what_was_recorded_before_it_or_by_a_machine_settles_nothing() -> None:
    link = Linked("C-2", Relation.SAME_CHILD)
    before = refused(received().tell(day(1), link, INTAKE).tell(day(1), REVIEW), day(1))
    assert only(before, "report_refused", day(9)).is_open
    assert only(refused(received(), day(1)).tell(day(1), link, WATCHDOG), "report_refused", day(9)).is_open
    assert only(refused(received(), day(1)).tell(day(5), NOTE, HOTLINE), "report_refused", day(9)).is_open
    told = FindingTold("0123456789abcdef", "report_refused", Level.PARTNERS, (Recipient("hotline"),))
    again = refused(received(), day(1)).tell(day(5), told, WATCHDOG)
    assert only(again, "report_refused", day(9)).is_open, "that people were told of it does not see to it"


# --- an action id that something else has taken ---


def answered(*submitted: tuple[float, Body, Actor], action_id: bytes = TAKEN) -> Story:
    """What is submitted to a case one after the other, all under one action id, and how that is answered."""
    story = Story()
    for at, body, actor in submitted:
        asked = replace(action(body, actor, at=day(at)), action_id=action_id)
        story._now = day(at)
        story.record(asked, decide(story._case, asked, day(at)))
    return story


def test_a_report_whose_action_id_was_taken_by_something_else_is_seen() -> None:
    story = answered((0, NOTE, INTAKE), (1, report(), HOTLINE))
    assert [event.body for event in story.events] == [
        ActionRejected("NoteAdded", "no-such-case"),
        ActionRejected("ReportReceived", "duplicate-action"),
    ]
    finding = seen(story, "report_refused", day(2))
    assert numbers(finding) == [2] and finding.partners == ("hotline",)
    in_a_case = received().record(replace(action(NOTE, INTAKE), action_id=TAKEN), NOTE)
    assert only(refused(in_a_case, day(1), "duplicate-action", INTAKE, TAKEN), "report_refused", day(9)).is_open


def test_a_report_of_another_agency_under_its_action_id_answers_none() -> None:
    story = answered((0, report(), INTAKE), (1, report(), HOTLINE))
    assert numbers(seen(story, "report_refused", day(2))) == [2]


def test_it_is_settled_by_the_same_agency_or_a_review_and_not_by_another_report() -> None:
    def taken() -> Story:
        return answered((0, NOTE, INTAKE), (1, report(), HOTLINE))

    assert found(taken().tell(day(1.5), report(), HOTLINE), "report_refused", day(9)) == []
    other = taken().tell(day(1.5), report(), INTAKE)
    assert only(other, "report_refused", day(9)).is_open
    other.tell(day(3), IN, INTAKE).tell(day(4), REVIEW)
    assert only(other, "report_refused", day(9)).settled_at == day(4)


def test_what_only_repeats_a_report_is_no_second_finding() -> None:
    assert found(answered((0, report(), HOTLINE), (1, report(), HOTLINE)), "report_refused", day(99)) == []
    story = answered((0, report(offences=()), HOTLINE), (1, report(offences=()), HOTLINE))
    assert [numbers(one) for one in found(story, "report_refused", day(99))] == [[1]], "it was refused once"


# --- imports ---


MISSOURI: Final = preset("missouri")


def imports(*recorded: float) -> Story:
    """A report of day 1, and steps of the days after it, each imported on a day."""
    story = Story()
    for number, at in enumerate(recorded, 1):
        body = report() if number == 1 else STEP
        story.tell(day(number), body, REGISTRAR, late=timedelta(days=at - number), imported=True)
    return story


def seen_of(
    story: Story, *adopted: tuple[str, float, Policy], registered: float | None = None, now: float = 400
) -> list[Finding]:
    """What is found of imports where agencies have adopted policies, and one was registered."""
    since = None if registered is None else day(registered)
    policies = Adopted(preset(), [(one, day(at), policy) for one, at, policy in adopted], None, {}, since)
    return list(Judge(policies, ["imported_when_live"]).case(history_of(story.events), day(now)))


def test_an_import_into_a_log_that_has_long_been_live_is_seen_at_once() -> None:
    adopted = ("metro-pd", 0, MISSOURI)
    (one,) = seen_of(imports(200), adopted)
    assert (one.since, numbers(one), one.is_open) == (day(200), [1], True)
    reviewed = imports(200).tell(day(210), IN, INTAKE).tell(day(210), REVIEW, SERGEANT)
    assert seen_of(reviewed, adopted)[0].settled_at == day(210)
    assert seen_of(imports(30), adopted) != [], "the days of grace are over"


def test_whichever_agency_adopted_a_policy_the_log_has_been_in_use_since() -> None:
    assert seen_of(imports(200), ("clinic", 100, MISSOURI), ("metro-pd", 190, MISSOURI)) != []
    assert seen_of(imports(200), ("clinic", 180, MISSOURI), ("metro-pd", 199, MISSOURI)) == []


def test_where_no_policy_was_in_force_yet_the_first_agency_of_the_registry_tells() -> None:
    assert seen_of(imports(200), registered=100) != []
    assert seen_of(imports(200), registered=180) == []
    assert seen_of(imports(200), ("metro-pd", 199, MISSOURI), registered=0) == [], "setting up took long"
    assert seen_of(imports(200), ("metro-pd", 201, MISSOURI), registered=0) != [], (
        "what is adopted later undoes nothing"
    )


def test_all_that_was_imported_is_judged_by_when_it_was_recorded() -> None:
    adopted = ("metro-pd", 0, MISSOURI)
    (one,) = seen_of(imports(5, 6, 60, 60), adopted)
    assert (one.since, numbers(one)) == (day(60), [3])
    assert seen_of(imports(5, 6, 60, 60), adopted, now=60) == [] == seen_of(imports(5, 6, 29), adopted)
    reviewed = imports(5, 60).tell(day(70), IN, INTAKE).tell(day(71), REVIEW)
    assert seen_of(reviewed, adopted)[0].settled_at == day(71)
    told = FindingTold("0123456789abcdef", "never_begun", Level.PARTNERS, (Recipient("hotline"),))
    watched = imports(5).tell(day(9), told, WATCHDOG).tell(day(2), STEP, REGISTRAR, late=58 * DAY, imported=True)
    assert numbers(seen_of(watched, adopted)[0]) == [3]


def test_an_agency_that_joins_later_may_adopt_a_longer_grace() -> None:
    longer = with_settings('[detectors.imported_when_live]\ngrace = "300 days"\n')
    assert seen_of(imports(200), ("clinic", 0, MISSOURI), ("metro-pd", 199, longer)) == []
    assert seen_of(imports(200), ("clinic", 0, MISSOURI), ("metro-pd", 201, longer)) != []


def test_an_import_in_the_first_weeks_is_how_a_log_begins() -> None:
    assert seen_of(imports(29), ("metro-pd", 0, MISSOURI)) == [] == seen_of(imports(200), ("metro-pd", 300, MISSOURI))
    assert seen_of(imports(200)) == [], "nothing says that the log was in use"
    assert seen_of(received(), ("metro-pd", -300, MISSOURI)) == [], "it was not imported"


def test_a_report_is_refused_as_it_is_told_here() -> None:
    case = Case.unreported("C-1")
    assert decide(case, action(report(), HOTLINE, at=day(1)), day(0)) == ActionRejected(
        "ReportReceived", "occurred-in-the-future"
    )
    first = action(report(), INTAKE)
    case.record(first, decide(case, first, day(0)), day(0))
    assert decide(case, action(report(), HOTLINE, at=day(1)), day(1)) == ActionRejected("ReportReceived", "case-exists")
