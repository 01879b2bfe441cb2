"""Time that counts: on the wall clock, while an office is open, and never during a pause."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from casetrail.domain.business_time import FIRST, LAST, Span, due_after, elapsed
from casetrail.domain.calendars import Calendar, Yearly, parse_yearly
from casetrail.domain.due import business_days_after
from tests.domain.histories import moments

CHICAGO = ZoneInfo("America/Chicago")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WORKDAYS = Calendar("workdays", "UTC")
OFFICE = Calendar("office", "America/Chicago", opens=8 * 60, closes=17 * 60, holidays=frozenset({date(2026, 7, 3)}))
ALWAYS = Calendar("always", "America/Chicago", weekdays=frozenset(range(7)))


def chicago(month: int, day: int, hour: int = 0, minute: int = 0, fold: int = 0) -> datetime:
    """A moment of 2026, as clocks in Chicago show it."""
    return datetime(2026, month, day, hour, minute, tzinfo=CHICAGO, fold=fold).astimezone(UTC)


AROUND_CHANGES = (
    moments(chicago(3, 5), chicago(3, 12))
    | moments(chicago(10, 29), chicago(11, 4))
    | moments(datetime(2011, 12, 28, tzinfo=UTC), datetime(2012, 1, 2, tzinfo=UTC))
)
"""Moments around the two nights of 2026 in which clocks in Chicago are changed, 8 March and 1 November; and around the 30th
of December 2011, which Samoa has skipped."""
LIMITS = st.integers(1, 40 * 24 * 60).map(lambda minutes: minutes * MINUTE)


def calendars() -> SearchStrategy[Calendar | None]:
    return st.none() | st.builds(
        Calendar,
        name=st.just("any"),
        time_zone=st.sampled_from(("UTC", "America/Chicago", "Asia/Kathmandu", "America/Sao_Paulo", "Pacific/Apia")),
        weekdays=st.sets(st.integers(0, 6), min_size=1).map(frozenset),
        opens=st.integers(0, 700),
        closes=st.integers(701, 1440),
        holidays=st.sets(st.dates(date(2026, 3, 1), date(2026, 4, 1)), max_size=4).map(frozenset),
        yearly=st.sampled_from(((), (Yearly(3, 9),), (Yearly(11, 0, -1, 0),))),
        sunday_to_monday=st.booleans(),
    )


@st.composite
def pauses(draw: st.DrawFn) -> list[Span]:
    ends = sorted(draw(st.sets(AROUND_CHANGES, max_size=6)))
    return list(zip(ends[::2], ends[1::2], strict=False))


@settings(max_examples=300, deadline=None)
@given(AROUND_CHANGES, LIMITS, calendars(), pauses())
def test_by_the_due_moment_the_limit_has_passed_and_not_before(
    start: datetime, limit: timedelta, calendar: Calendar | None, paused: list[Span]
) -> None:
    due = due_after(start, limit, calendar, paused)
    assert elapsed(start, due, calendar, paused) == limit
    assert elapsed(start, due - timedelta(microseconds=1), calendar, paused) < limit


@settings(max_examples=200, deadline=None)
@given(AROUND_CHANGES, LIMITS, LIMITS, calendars(), pauses())
def test_a_limit_may_be_run_in_two_parts(
    start: datetime, one: timedelta, other: timedelta, calendar: Calendar | None, paused: list[Span]
) -> None:
    between = due_after(start, one, calendar, paused)
    assert due_after(between, other, calendar, paused) == due_after(start, one + other, calendar, paused)


@settings(max_examples=200, deadline=None)
@given(AROUND_CHANGES, AROUND_CHANGES, LIMITS, calendars(), pauses())
def test_who_starts_later_is_never_due_earlier(
    one: datetime, other: datetime, limit: timedelta, calendar: Calendar | None, paused: list[Span]
) -> None:
    first, last = sorted((one, other))
    assert due_after(first, limit, calendar, paused) <= due_after(last, limit, calendar, paused)


@settings(max_examples=60, deadline=None)
@given(AROUND_CHANGES, st.integers(1, 9 * 24 * 60), st.sampled_from((OFFICE, ALWAYS, WORKDAYS)), pauses())
def test_what_counts_is_what_the_offices_own_clock_shows(
    start: datetime, minutes: int, calendar: Calendar, paused: list[Span]
) -> None:
    """Against a count, minute by minute, that knows local times only."""
    start = start.replace(second=0, microsecond=0)
    paused = [
        (begins.replace(second=0, microsecond=0), ends.replace(second=0, microsecond=0)) for begins, ends in paused
    ]
    counted = 0
    for minute in range(minutes):
        moment = start + minute * MINUTE
        local = moment.astimezone(ZoneInfo(calendar.time_zone))
        is_open = calendar.opens <= local.hour * 60 + local.minute < calendar.closes
        is_paused = any(begins <= moment < ends for begins, ends in paused)
        counted += calendar.is_business_day(local.date()) and is_open and not is_paused
    assert elapsed(start, start + minutes * MINUTE, calendar, paused) == counted * MINUTE


@settings(max_examples=200, deadline=None)
@given(moments(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)), st.integers(1, 30))
def test_business_days_around_the_clock_are_those_that_due_counts(start: datetime, days: int) -> None:
    """They end with the last day; ``due`` says Monday where that is a Friday, and between the two nothing counts."""
    due = business_days_after(start, days)
    assert elapsed(start, due, WORKDAYS) == days * DAY
    assert due_after(start, days * DAY, WORKDAYS) == due or due.weekday() == 0


@pytest.mark.parametrize(
    ("start", "limit", "due"),
    [
        pytest.param(chicago(3, 3, 10), 9 * HOUR, chicago(3, 4, 10), id="a business day later, the same hour"),
        pytest.param(chicago(3, 6, 17), 9 * HOUR, chicago(3, 9, 17), id="from closing on Friday to closing on Monday"),
        pytest.param(chicago(3, 7, 12), 9 * HOUR, chicago(3, 9, 17), id="from a weekend: the whole of Monday"),
        pytest.param(chicago(3, 6, 16), 2 * HOUR, chicago(3, 9, 9), id="over the night in which clocks go forward"),
        pytest.param(chicago(10, 30, 16), 2 * HOUR, chicago(11, 2, 9), id="over the night in which clocks go back"),
        pytest.param(chicago(7, 2, 16), 2 * HOUR, chicago(7, 6, 9), id="over a holiday and a weekend"),
        pytest.param(chicago(3, 3, 5), 1 * MINUTE, chicago(3, 3, 8, 1), id="before the office opens"),
    ],
)
def test_an_office_counts_its_hours_only(start: datetime, limit: timedelta, due: datetime) -> None:
    assert due_after(start, limit, OFFICE) == due


def test_a_day_on_which_clocks_change_has_23_or_25_hours() -> None:
    assert elapsed(chicago(3, 8), chicago(3, 9), ALWAYS) == 23 * HOUR == elapsed(chicago(3, 8), chicago(3, 9))
    assert elapsed(chicago(11, 1), chicago(11, 2), ALWAYS) == 25 * HOUR
    assert due_after(chicago(11, 1, 1, 30), HOUR, ALWAYS) == chicago(11, 1, 1, 30, fold=1)


def test_a_day_that_a_zone_has_skipped_has_no_hours() -> None:
    office = Calendar("office", "Pacific/Apia", opens=8 * 60, closes=17 * 60)
    assert office.hours(date(2011, 12, 30).toordinal()) is None  # a Friday elsewhere
    start = datetime(2011, 12, 30, 20, tzinfo=UTC)  # a Saturday morning there
    later = datetime(2012, 2, 1, tzinfo=UTC)
    for paused in ([], [(later, later + HOUR)]):
        assert due_after(start, 5 * HOUR, office, paused) == datetime(2012, 1, 1, 23, tzinfo=UTC)


def test_an_office_that_opens_only_in_the_hour_that_clocks_skip_is_closed_that_day() -> None:
    night = Calendar("night", "America/Chicago", frozenset(range(7)), opens=2 * 60 + 30, closes=3 * 60)
    assert elapsed(chicago(3, 8), chicago(3, 9), night) == timedelta()
    assert elapsed(chicago(3, 9), chicago(3, 10), night) == 30 * MINUTE


def test_a_pause_moves_what_is_due_by_its_own_length() -> None:
    start = chicago(3, 2, 9)
    assert due_after(start, 14 * DAY, None, [(start + DAY, start + 4 * DAY)]) == start + 17 * DAY
    weekend = [(chicago(3, 6, 17), chicago(3, 9, 8))]
    assert due_after(start, 45 * HOUR, OFFICE, weekend) == due_after(start, 45 * HOUR, OFFICE)


def test_a_pause_that_begins_before_the_start_counts_from_the_start() -> None:
    start = chicago(3, 2, 9)
    assert due_after(start, DAY, None, [(start - DAY, start + HOUR)]) == start + HOUR + DAY


def test_time_that_never_comes_is_due_at_the_end_of_time() -> None:
    assert due_after(LAST - HOUR, DAY) == LAST
    assert due_after(LAST - 3 * DAY, 30 * DAY, OFFICE) == LAST


@pytest.mark.parametrize("moment", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_the_first_and_last_moments_of_the_calendar_do_no_harm(moment: datetime) -> None:
    for calendar in (None, OFFICE):
        assert FIRST <= due_after(moment, HOUR, calendar) <= LAST
        assert elapsed(moment, moment, calendar) == timedelta()


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("january 1", ["2026-01-01", "2027-01-01"]),
        ("february 29", [None, None, "2028-02-29"]),
        ("third monday of january", ["2026-01-19", "2027-01-18"]),
        ("last monday of may", ["2026-05-25", "2027-05-31"]),
        ("fourth thursday of november", ["2026-11-26", "2027-11-25"]),
        ("last friday of december", ["2026-12-25", "2027-12-31"]),
        ("fifth sunday of march", ["2026-03-29", None]),
        ("first tuesday of september", ["2026-09-01", "2027-09-07"]),
    ],
)
def test_holidays_come_every_year(text: str, days: list[str | None]) -> None:
    rule = parse_yearly(text)
    assert rule is not None and str(rule) == text
    assert [rule.on(2026 + number) for number in range(len(days))] == [day and date.fromisoformat(day) for day in days]


@pytest.mark.parametrize(
    "text", ["january", "january 32", "february 30", "sixth monday of may", "Monday", "2026-01-01"]
)
def test_what_is_no_rule_for_a_holiday_is_not_taken_for_one(text: str) -> None:
    assert parse_yearly(text) is None


def test_a_holiday_on_a_weekend_moves_where_the_calendar_says_so() -> None:
    rules = (Yearly(1, 1), Yearly(12, 25))
    still = Calendar("still", "UTC", yearly=rules)
    moved = Calendar("moved", "UTC", yearly=rules, saturday_to_friday=True, sunday_to_monday=True)
    assert date(2022, 12, 25).weekday() == 6 and date(2022, 1, 1).weekday() == 5
    assert still.is_business_day(date(2022, 12, 26)) and not moved.is_business_day(date(2022, 12, 26))
    assert still.is_business_day(date(2021, 12, 31)) and not moved.is_business_day(date(2021, 12, 31))
