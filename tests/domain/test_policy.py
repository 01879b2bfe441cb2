"""A policy file says all that clocks need, or is told what is wrong with it: all of it, where, and what to do."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casetrail.domain.business_time import due_after
from casetrail.domain.codes import Service
from casetrail.domain.happenings import Happening
from casetrail.domain.policy import Condition, InForce, Level, Limit, Measure, Owes, Step, Unit, Withdrawn
from casetrail.domain.policy_file import MOST_BYTES, PolicyFileInvalid, parse_policy
from casetrail.domain.tables import Problem
from tests.domain.policies import PRESETS, changed, clock, preset, text_of, within

HOURS, DAYS = Unit.HOURS, Unit.DAYS
START = datetime(2026, 3, 6, 18, 0, tzinfo=UTC)  # a Friday

TABLE: dict[str, tuple[Limit, bool, str]] = {
    "danger_contact": (Limit(24, HOURS), False, "RSMo 210.145"),
    "first_response": (Limit(24, HOURS), False, "RSMo 210.145; Missouri Children's Division"),
    "assistance_answer": (Limit(24, HOURS), False, "RSMo 210.145"),
    "screening": (Limit(72, HOURS), False, "RSMo 210.145"),
    "assignment": (Limit(1, DAYS), True, "practice"),
    "acknowledgement": (Limit(1, DAYS), True, "practice"),
    "victim_contact": (Limit(14, DAYS), False, "practice"),
    "forensic_interview": (Limit(5, DAYS), True, "practice"),
    "medical_evaluation": (Limit(72, HOURS), False, "practice"),
    "referral_answer": (Limit(2, DAYS), True, "practice"),
    "concern_answer": (Limit(5, DAYS), True, "practice"),
    "supervisor_review": (Limit(30, DAYS), False, "practice"),
    "progress": (Limit(14, DAYS), False, "practice"),
    "suspension_review": (Limit(30, DAYS), False, "practice"),
    "closure_decision": (Limit(5, DAYS), True, "practice"),
    "decision": (Limit(45, DAYS), False, "RSMo 210.183"),
    "extended_decision": (Limit(45, DAYS), False, "RSMo 210.183: 45 days, with good cause 90"),
}
"""The clocks of the field: limit, whether business days, and source."""


def problems(text: str) -> list[Problem]:
    with pytest.raises(PolicyFileInvalid) as raised:
        parse_policy(text)
    assert raised.value.code == "policy-file-invalid"
    return raised.value.problems


@pytest.mark.parametrize("name", PRESETS)
def test_the_presets_have_every_clock_of_the_field_with_its_source(name: str) -> None:
    policy = preset(name)
    assert policy.name == name
    found = {rule.name: (rule.limit, rule.calendar is not None, rule.source) for rule in policy.clocks}
    assert found == TABLE
    sources = [one.source for some in (policy.escalations, policy.workload, policy.withdrawn) for one in some]
    assert len(sources) == 7 and all(sources)
    assert clock("first_response", policy).instead == ((Condition.ONLY_EDUCATIONAL_NEGLECT, Limit(72, HOURS)),)
    assert clock("decision", policy).instead == ((Condition.SEXUAL_ABUSE, Limit(120, DAYS)),)
    assert len(text_of(name).encode()) < MOST_BYTES


def test_a_clock_says_all_that_it_needs() -> None:
    rule = clock("medical_evaluation")
    assert (rule.start, rule.service, rule.acute) == ((Happening.REFERRAL_MADE,), Service.MEDICAL_EVALUATION, True)
    assert (rule.owed_by, rule.has_subject, clock("decision").has_subject) == (Owes.PARTNER, True, False)
    assert rule.escalation.steps[-1] == Step(Level.OVERSIGHT, Limit(24, HOURS))
    assert clock("acknowledgement").void == (Happening.REASSIGNED, Happening.RELEASED, Happening.HOLDER_LEFT)
    assert [rule.name for rule in preset().clocks if rule.pausable] == [
        "victim_contact", "forensic_interview", "supervisor_review", "progress",
    ]  # fmt: skip


def test_the_contact_with_a_victim_is_put_off_once_at_most() -> None:
    for name in ("generic", "missouri"):
        assert [rule.name for rule in preset(name).clocks if rule.pauses_once] == ["victim_contact"]


def test_what_the_law_limits_is_never_paused() -> None:
    assert not any(rule.pausable for rule in preset().clocks if "RSMo" in rule.source)


def test_limits_to_work_and_withdrawn_codes_are_read() -> None:
    policy = preset("missouri")
    assert {one.measure: one.most for one in policy.workload}[Measure.OPEN_CASES] == 30
    since = datetime(2022, 1, 1, 6, tzinfo=UTC)  # a date begins at midnight in Chicago
    assert policy.withdrawn[0][:3] == Withdrawn("SuspensionReason", "lack_of_personnel", since, "")[:3]


def test_settings_of_detectors_are_left_to_the_detectors() -> None:
    policy = parse_policy(text_of() + "\n[detectors.untouched]\ndays = 14\nkinds = ['a', 'b']\n")
    assert policy.detectors == {"untouched": {"days": 14, "kinds": ["a", "b"]}}


@pytest.mark.parametrize(
    ("start", "due"),
    [
        pytest.param(
            START, datetime(2026, 3, 9, 17, tzinfo=UTC), id="Friday noon to Monday noon, clocks having changed"
        ),
        pytest.param(datetime(2026, 5, 8, 13, tzinfo=UTC), datetime(2026, 5, 11, 22, tzinfo=UTC), id="Truman Day"),
        pytest.param(
            datetime(2022, 12, 23, 15, tzinfo=UTC), datetime(2022, 12, 27, 15, tzinfo=UTC), id="Monday for Sunday"
        ),
        pytest.param(datetime(2026, 11, 25, 15, tzinfo=UTC), datetime(2026, 11, 27, 15, tzinfo=UTC), id="Thanksgiving"),
    ],
)
def test_missouris_business_days_have_its_public_holidays(start: datetime, due: datetime) -> None:
    rule = clock("assignment", preset("missouri"))
    assert due_after(start, rule.limit.length(rule.calendar), rule.calendar) == due


def test_single_dates_and_yearly_rules_may_stand_side_by_side() -> None:
    calendar = parse_policy(changed(("holidays = []", 'holidays = [2026-11-27, "july 4"]'))).calendars[0]
    assert calendar.holidays == {date(2026, 11, 27)} and [str(rule) for rule in calendar.yearly] == ["july 4"]


def test_a_limit_in_days_is_a_business_day_of_the_offices_length() -> None:
    policy = preset("missouri")
    assert Limit(2, DAYS).length(policy.calendars[0]) == timedelta(hours=18)
    assert Limit(2, DAYS).length(None) == timedelta(hours=48)
    assert (str(Limit(1, DAYS)), str(Limit(90, Unit.MINUTES))) == ("1 day", "90 minutes")


ASSIGNMENT = "clocks.assignment"
WRONG: list[Any] = [
    pytest.param(changed(('name = "generic"', "")), "name", "is missing", "write name =", id="no name"),
    pytest.param(changed(('"UTC"', '"Mars/Olympus"')), "time_zone", "no time zone", "America/Chicago", id="zone"),
    pytest.param(changed(('"UTC"', '"America"')), "time_zone", "no time zone", "America/Chicago", id="half a zone"),
    pytest.param(changed(('"UTC"', "5")), "time_zone", "is 5", "IANA", id="a number for a text"),
    pytest.param(within(ASSIGNMENT, '"1 day"', '"1 busy day"'), f"{ASSIGNMENT}.limit", "is '1 busy day'", "24 hours", id="limit"),
    pytest.param(within(ASSIGNMENT, '"1 day"', "1"), f"{ASSIGNMENT}.limit", "is 1", "24 hours", id="limit without unit"),
    pytest.param(within(ASSIGNMENT, '"1 day"', '"0 days"'), f"{ASSIGNMENT}.limit", "is '0 days'", "longer", id="no limit"),
    pytest.param(within(ASSIGNMENT, '"1 day"', '"9999 days"'), f"{ASSIGNMENT}.limit", "9999", "3650 days", id="ever"),
    pytest.param(within(ASSIGNMENT, 'limit = "1 day"', ""), f"{ASSIGNMENT}.limit", "is missing", "write limit", id="unlimited"),
    pytest.param(within(ASSIGNMENT, '"screened_in"', '"screend_in"'), f"{ASSIGNMENT}.start[0]", "screend_in", "write screened_in", id="start"),
    pytest.param(within(ASSIGNMENT, '["assigned", "reassigned"]', "[]"), f"{ASSIGNMENT}.stop", "is an empty list", "list one", id="never stops"),
    pytest.param(within(ASSIGNMENT, '["assigned", "reassigned"]', '"assigned"'), f"{ASSIGNMENT}.stop", "is 'assigned'", "a list", id="no list"),
    pytest.param(within(ASSIGNMENT, '"business_days"', '"office"'), f"{ASSIGNMENT}.calendar", "'office'", "business_days", id="calendar"),
    pytest.param(within(ASSIGNMENT, '"intake"', '"intaker"'), f"{ASSIGNMENT}.owed_by", "intaker", "write intake", id="who owes"),
    pytest.param(within(ASSIGNMENT, '"usual"', '"unusual"'), f"{ASSIGNMENT}.escalation", "unusual", "write usual", id="ladder"),
    pytest.param(within(ASSIGNMENT, '"practice"', '" "'), f"{ASSIGNMENT}.source", "is empty", "practice", id="no source"),
    pytest.param(within(ASSIGNMENT, "limit", "limt"), f"{ASSIGNMENT}.limt", "is not a key", "write limit", id="unknown key"),
    pytest.param(within(ASSIGNMENT, "calendar =", "pausable = 1\ncalendar ="), f"{ASSIGNMENT}.pausable", "is 1", "true or false", id="flag"),
    pytest.param(within(ASSIGNMENT, "calendar =", "pauses_once = true\ncalendar ="), f"{ASSIGNMENT}.pauses_once", "fits only", "pausable = true", id="pause of what never pauses"),
    pytest.param(within("clocks.decision", "120 days", "x"), "clocks.decision.instead[0].limit", "'x'", "24 hours", id="instead"),
    pytest.param(within("clocks.acknowledgement", '"acknowledged"', '"released"'), "clocks.acknowledgement.void", "released", "remove", id="stop and void"),
    pytest.param(within("clocks.referral_answer", '"referral_made"', '"referral_made", "assigned"'), "clocks.referral_answer.start", "mixes", "two clocks", id="mixed"),
    pytest.param(within("clocks.screening", '"intake"', '"partner"'), "clocks.screening.owed_by", "no referral", "holder", id="no partner"),
    pytest.param(within("clocks.screening", "limit", "acute = true\nlimit"), "clocks.screening.acute", "referral", "remove", id="no referral"),
    pytest.param(within("clocks.screening", "limit", "stated_date = true\nlimit"), "clocks.screening.stated_date", "states no date", "extended or suspended", id="no date"),
    pytest.param(within("clocks.screening", "limit", 'calendar = "wall"\nservice = "none"\nlimit'), "clocks.screening.service", "'none'", "one of", id="service"),
    pytest.param(within("calendars.business_days", '"24:00"', '"24:30"'), "calendars.business_days.closes", "no time of day", "24:00", id="hours"),
    pytest.param(within("calendars.business_days", '"00:00"', '"24:00"'), "calendars.business_days.closes", "not after", "later", id="closed"),
    pytest.param(within("calendars.business_days", "[]", '["easter"]'), "calendars.business_days.holidays[0]", "no holiday", "january 1", id="holiday"),
    pytest.param(within("calendars.business_days", "[]", "[2026-01-01T00:00:00Z]"), "calendars.business_days.holidays[0]", "no holiday", "date", id="no date"),
    pytest.param(within("calendars.business_days", '"monday"', '"mon"'), "calendars.business_days.weekdays[0]", "'mon'", "monday", id="weekday"),
    pytest.param(within("escalations.usual", '"3 days"', '"1 hour"'), "escalations.usual.commander", "before the level below", "24 hours", id="ladder order"),
    pytest.param(within("workload.open_cases", "30", "-1"), "workload.open_cases.most", "below nothing", "0 or more", id="negative"),
    pytest.param(within("workload.open_cases", "30", "true"), "workload.open_cases.most", "is true", "whole number", id="no number"),
    pytest.param(changed(("workload.open_cases", "workload.open_case")), "workload.open_case", "open_case", "open_cases", id="measure"),
    pytest.param(changed(('"lack_of_personnel"', '"lack_of_time"')), "withdrawn[0].code", "lack_of_time", "lack_of_personnel", id="code"),
    pytest.param(changed(('"SuspensionReason"', '"Suspension"')), "withdrawn[0].vocabulary", "Suspension", "SuspensionReason", id="vocabulary"),
    pytest.param(changed(("2022-01-01", "2022-01-01T00:00:00")), "withdrawn[0].from", "without its offset", "offset", id="no zone"),
    pytest.param(changed(("2022-01-01", "0001-01-01T00:00:00+14:00")), "withdrawn[0].from", "0001", "offset", id="before time"),
    pytest.param(changed(("[clocks.decision]", "[clocks.Decision]")), "clocks.Decision", "is no name", "small letters", id="name"),
    pytest.param("clocks = 3\n" + 'name = "x"\ntime_zone = "UTC"\n[escalations]', "clocks", "is 3", "tables", id="no tables"),
    pytest.param(changed(("[escalations.usual]", "[escalations]\nusual = 3\n[escalations.unusual]")), "escalations.usual", "is 3", "table", id="no table"),
    pytest.param(changed(('name = "generic"', "name = ")), "", "not TOML", "mend", id="no TOML"),
    pytest.param("a = " + "[" * 20_000, "", "nested too deeply", "at most 50", id="lists in lists"),
    pytest.param("a = " + "{a=" * 6_000, "", "nested too deeply", "at most 50", id="tables in tables"),
    pytest.param("name" + ".a" * 10_000 + " = 1", "", "nested too deeply", "at most 200 dots", id="key of many parts"),
    pytest.param("name" + ".a" * 199 + " = 1", "name", "is a table", "short name", id="table for a text"),
    pytest.param("a = " + "9" * 5_000, "", "not TOML", "mend", id="number of many digits"),
    pytest.param("name = 0x" + "f" * 9_000, "name", "a number of 36000 bits", "short name", id="hexadecimal digits"),
    pytest.param(within("workload.open_cases", "30", "0x" + "f" * 9_000), "workload.open_cases.most", "36000 bits",
                 "1000000 or less", id="huge workload"),
    pytest.param("#" * (MOST_BYTES + 1), "", f"{MOST_BYTES + 1} bytes", "shorten", id="too long"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "path", "problem", "advice"), WRONG)
def test_what_is_wrong_is_named_with_its_place_and_what_to_do(text: str, path: str, problem: str, advice: str) -> None:
    found = [one for one in problems(text) if one.path == path]
    assert any(problem in one.problem and advice in one.advice for one in found), problems(text)


def test_all_that_is_wrong_is_named_at_once() -> None:
    text = changed(('"UTC"', '"Mars"'), ('"72 hours"', '"72"'), ('"intake"', '"nobody"'), ("most = 30", "most = 'x'"))
    assert [one.path for one in problems(text)] == [
        "time_zone", "clocks.first_response.instead[0].limit", "clocks.screening.owed_by", "workload.open_cases.most",
    ]  # fmt: skip


def test_a_calendar_that_is_never_open_is_refused() -> None:
    mondays = ", ".join(
        f'"{count} monday of {month}"'
        for count in ("first", "second", "third", "fourth", "fifth")
        for month in ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
                      "november", "december")
    )  # fmt: skip
    text = changed(
        ('["monday", "tuesday", "wednesday", "thursday", "friday"]', '["monday"]'), ("holidays = []", f"holidays = [{mondays}]")
    )  # fmt: skip
    assert [one.path for one in problems(text)] == ["calendars.business_days.holidays"]


def test_an_escalation_that_tells_nobody_is_refused() -> None:
    head, _, rest = text_of().partition("[escalations.usual]")
    _, _, rest = rest.partition("source")
    assert [one.path for one in problems(f"{head}[escalations.usual]\nsource{rest}")] == ["escalations.usual"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.dates() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@given(st.data())
def test_no_value_in_any_place_makes_reading_fail_in_another_way(data: st.DataObject) -> None:
    import tomllib

    from casetrail.domain.policy_file import _policy
    from casetrail.domain.tables import Table

    whole = tomllib.loads(text_of())
    place: Any = whole
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not (isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans())):
            break
        place = place[key]
    place[key] = data.draw(VALUES)
    found: list[Problem] = []
    _policy(Table(whole, "", found))
    assert all(one.problem and one.advice for one in found)


# --- in force ---


def test_a_clock_is_judged_by_the_policy_that_was_in_force() -> None:
    one, other = preset("generic"), preset("missouri")
    later = START + timedelta(days=3)
    policies = InForce([(later, other), (START, one)])
    assert policies.at(START - timedelta(days=1)) is one
    assert policies.at(later - timedelta(microseconds=1)) is one
    assert policies.at(later) is other


def test_of_two_policies_from_one_moment_the_later_one_counts() -> None:
    assert InForce([(START, preset("generic")), (START, preset("missouri"))]).at(START).name == "missouri"


def test_without_a_policy_nothing_can_be_judged() -> None:
    with pytest.raises(ValueError, match="no policy"):
        InForce([])


def test_every_key_and_word_of_a_policy_is_documented() -> None:
    from pathlib import Path

    from casetrail.domain import policy_file

    page = (Path(__file__).parents[2] / "docs" / "policy.md").read_text("utf-8")
    keys = {*policy_file.CALENDAR_KEYS, *policy_file.CLOCK_KEYS, "most", "vocabulary", "code", "from"}
    words = {*keys, *Happening, *Condition, *Owes, *Level, *Measure, *Unit, "name", "time_zone"}
    assert [word for word in sorted(words) if f"`{word}`" not in page] == []
    assert [key for key in policy_file.KEYS if f"[{key}" not in page and f"`{key}`" not in page] == []
