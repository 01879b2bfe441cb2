"""Of two policies one can say which limits the second weakens, tightens, adds and removes."""

import pytest

from casetrail.domain.detectors.judging import SETTINGS
from casetrail.domain.detectors.settings import Laxer
from casetrail.domain.policy import Limit
from casetrail.domain.policy_diff import Change, Difference, difference
from casetrail.domain.policy_file import parse_policy
from tests.domain.policies import changed, preset, text_of, within

WEAKENED, TIGHTENED, CHANGED = Change.WEAKENED, Change.TIGHTENED, Change.CHANGED
OTHER_CALENDAR = "[calendars.seven]\nweekdays = ['monday', 'saturday', 'sunday']\nopens = '00:00'\ncloses = '24:00'\n"


def compared(text: str) -> list[tuple[str, Change]]:
    """What the text changes of the generic preset; and the other way round it must come to the opposite."""
    new = parse_policy(text)
    found = difference(preset(), new)
    back = {one.key: one for one in difference(new, preset())}
    opposite = {WEAKENED: TIGHTENED, TIGHTENED: WEAKENED, CHANGED: CHANGED, Change.ADDED: Change.REMOVED,
                Change.REMOVED: Change.ADDED}  # fmt: skip
    assert {one.key: Difference(one.key, opposite[one.change], one.after, one.before) for one in found} == back
    return [(one.key, one.change) for one in found]


def test_a_policy_does_not_differ_from_itself() -> None:
    assert compared(text_of()) == []


def test_a_name_and_a_source_make_no_difference() -> None:
    assert compared(changed(('name = "generic"', 'name = "ours"'), ("RSMo 210.145", "our law"))) == []


@pytest.mark.parametrize(
    ("text", "key", "change"),
    [
        (within("clocks.screening", "72 hours", "73 hours"), "clocks.screening.limit", WEAKENED),
        (within("clocks.screening", "72 hours", "2 days"), "clocks.screening.limit", TIGHTENED),
        (within("clocks.assignment", "1 day", "2 days"), "clocks.assignment.limit", WEAKENED),
        (within("clocks.assignment", 'calendar = "business_days"\n', ""), "clocks.assignment.limit", TIGHTENED),
        (within("clocks.screening", "limit", 'calendar = "business_days"\nlimit'), "clocks.screening.limit", WEAKENED),
        (within("clocks.decision", "120 days", "121 days"), "clocks.decision.instead.sexual_abuse", WEAKENED),
        (within("clocks.decision", 'instead = [{ where = "sexual_abuse", limit = "120 days" }]\n', ""), "clocks.decision.instead.sexual_abuse", TIGHTENED),
        (within("clocks.first_response", '"investigative_step"', '"investigative_step", "reviewed"'), "clocks.first_response.stop", WEAKENED),
        (within("clocks.first_response", ', "investigative_step"', ', "reviewed"'), "clocks.first_response.stop", CHANGED),
        (within("clocks.assignment", '"released", ', ""), "clocks.assignment.start", WEAKENED),
        (within("clocks.acknowledgement", ', "released", "holder_left"]', "]"), "clocks.acknowledgement.void", TIGHTENED),
        (within("clocks.danger_contact", 'where = "immediate_danger"\n', ""), "clocks.danger_contact.where", TIGHTENED),
        (within("clocks.danger_contact", "immediate_danger", "sexual_abuse"), "clocks.danger_contact.where", CHANGED),
        (within("clocks.progress", "pausable = true\n", ""), "clocks.progress.pausable", TIGHTENED),
        (within("clocks.victim_contact", "pauses_once = true\n", ""), "clocks.victim_contact.pauses_once", WEAKENED),
        (within("clocks.medical_evaluation", "acute = true\n", ""), "clocks.medical_evaluation.acute", TIGHTENED),
        (within("clocks.medical_evaluation", "medical_evaluation", "victim_advocacy"), "clocks.medical_evaluation.service", CHANGED),
        (within("clocks.suspension_review", "stated_date = true\n", ""), "clocks.suspension_review.stated_date", WEAKENED),
        (within("clocks.decision", '"holder"', '"supervisor"'), "clocks.decision.owed_by", CHANGED),
        (within("clocks.decision", '"usual"', '"urgent"'), "clocks.decision.escalation", CHANGED),
        (within("escalations.usual", '"7 days"', '"8 days"'), "escalations.usual.partners", WEAKENED),
        (within("escalations.usual", 'oversight = "14 days"\n', ""), "escalations.usual.oversight", WEAKENED),
        (within("workload.open_cases", "30", "31"), "workload.open_cases.most", WEAKENED),
        (changed(("2022-01-01", "2022-01-02")), "withdrawn.SuspensionReason.lack_of_personnel", WEAKENED),
        (within("calendars.business_days", "[]", '["july 4"]'), "calendars.business_days.holidays", WEAKENED),
        (within("calendars.business_days", ', "friday"', ""), "calendars.business_days.weekdays", WEAKENED),
        (within("calendars.business_days", '"24:00"', '"12:00"'), "calendars.business_days.hours", CHANGED),
        (within("calendars.business_days", "holidays", "sunday_to_monday = true\nholidays"), "calendars.business_days.sunday_to_monday", WEAKENED),
    ],
)  # fmt: skip
def test_a_difference_is_weaker_where_somebody_may_wait_longer(text: str, key: str, change: Change) -> None:
    assert compared(text) == [(key, change)]


def test_the_same_time_in_other_words_is_no_difference() -> None:
    assert compared(within("clocks.screening", "72 hours", "3 days")) == []


def test_whoever_is_told_no_longer_is_a_step_weakened() -> None:
    assert compared(within("escalations.above", 'supervisor = "0', 'holder = "0')) == [
        ("escalations.above.supervisor", WEAKENED),
        ("escalations.above.holder", TIGHTENED),
    ]


def test_another_time_zone_moves_every_day() -> None:
    assert compared(changed(('time_zone = "UTC"', 'time_zone = "Asia/Tokyo"'))) == [
        ("time_zone", CHANGED),
        ("calendars.business_days.time_zone", CHANGED),
        ("withdrawn.SuspensionReason.lack_of_personnel", TIGHTENED),  # midnight in Tokyo is earlier
    ]


def test_limits_on_different_calendars_are_compared_by_what_is_due() -> None:
    text = within("clocks.assignment", '"business_days"', '"seven"') + OTHER_CALENDAR
    assert dict(compared(text))["clocks.assignment.limit"] is CHANGED
    longer = text.replace('limit = "1 day"', 'limit = "9 days"', 1)
    assert dict(compared(longer))["clocks.assignment.limit"] is WEAKENED


def test_what_is_added_and_what_is_removed_is_told() -> None:
    text = changed(("[clocks.progress]", "[clocks.diligence]"), ("[workload.open_cases]\nmost = 30\nsource", "[detectors.untouched]\ndays"))  # fmt: skip
    assert compared(text) == [
        ("clocks.progress", Change.REMOVED),
        ("clocks.diligence", Change.ADDED),
        ("workload.open_cases", Change.REMOVED),
        ("detectors.untouched.days", CHANGED),
    ]


def test_a_code_that_may_be_used_again_is_told() -> None:
    text, _, _ = text_of().partition("[[withdrawn]]")
    assert compared(text) == [("withdrawn.SuspensionReason.lack_of_personnel", Change.REMOVED)]


def test_a_difference_shows_how_it_was_and_is() -> None:
    found = difference(preset(), parse_policy(within("clocks.assignment", '"1 day"', '"2 days"')))
    assert found == [Difference("clocks.assignment.limit", WEAKENED, "1 day", "2 days")]
    wall = difference(preset(), parse_policy(within("clocks.assignment", 'calendar = "business_days"\n', "")))
    assert wall[0][2:] == ("1 day on business_days", "1 day")


def detecting(detector: str, *lines: str) -> str:
    """The generic preset with a table of a detector."""
    return text_of() + "\n".join((f"\n[detectors.{detector}]", *lines, ""))


@pytest.mark.parametrize(
    ("text", "key", "change"),
    [
        (detecting("untouched", "off = true"), "untouched.off", WEAKENED),
        (detecting("untouched", "off = false"), None, None),
        (detecting("untouched", "limit = '900 days'"), "untouched.limit", WEAKENED),
        (detecting("untouched", "limit = '1 day'"), "untouched.limit", TIGHTENED),
        (detecting("untouched", "limit = '14 days'"), None, None),
        (detecting("renewed_again", "most = 90"), "renewed_again.most", WEAKENED),
        (detecting("closed_without_work", "needs = []"), "closed_without_work.needs", WEAKENED),
        (detecting("entered_late", "late = '300 days'"), "entered_late.late", WEAKENED),
        (detecting("entered_late", "before_review = '1 hour'"), "entered_late.before_review", WEAKENED),
        (detecting("entered_late", "before_review = '9 days'"), "entered_late.before_review", TIGHTENED),
        (detecting("ignored_alarm", "levels = ['oversight']"), "ignored_alarm.levels", WEAKENED),
        (detecting("reported_again", "within = '1 day'"), "reported_again.within", WEAKENED),
        (detecting("convenient_code", "false_alarms = 0.000001"), "convenient_code.false_alarms", WEAKENED),
        (detecting("convenient_code", "months = 24"), "convenient_code.months", CHANGED),
    ],
)  # fmt: skip
def test_what_a_detector_no_longer_sees_is_a_weakened_limit_too(text: str, key: str | None, change: Change) -> None:
    assert compared(text) == ([] if key is None else [(f"detectors.{key}", change)])


def test_a_detector_whose_findings_fewer_are_told_of_is_weakened() -> None:
    mild = "\n[escalations.mild]\nholder = '1 day'\nsource = 'practice'\n"
    added, *steps = compared(detecting("untouched", "escalation = 'mild'") + mild)
    assert added == ("escalations.mild", Change.ADDED)
    levels = ("holder", "supervisor", "commander", "partners", "oversight")
    assert steps == [(f"detectors.untouched.escalation.{level}", WEAKENED) for level in levels]


def test_every_setting_of_a_detector_says_which_way_it_is_laxer() -> None:
    """A limit within which something must lie to be seen is laxer where it is shorter: that has to be said."""
    within = {(name, one.name) for name, settings in SETTINGS.items() for one in settings if one.lets_pass is Laxer.LESS
              and isinstance(one.default, Limit)}  # fmt: skip
    assert within >= {("entered_late", "within"), ("entered_late", "before_review"), ("reported_again", "within")}
