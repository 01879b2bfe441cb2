"""A staff list says what the registry lacks, and nothing else: once, twice, in part first, in any state of the registry."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casetrail.domain.actions import Actor, kind_of
from casetrail.domain.case import Case
from casetrail.domain.codes import Role
from casetrail.domain.deciding import decide
from casetrail.domain.registry import REGISTRY, registry_of
from casetrail.importing.errors import RowRefused
from casetrail.importing.reading import NumberedRow
from casetrail.importing.staff import Staff

NOW: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
REGISTRAR: Final = Actor("reg.1", "metro-pd", Role.REGISTRAR)
FIRST: Final = datetime(2020, 1, 1, tzinfo=UTC)


def row(line: int, person: str = "det.01", joined: str = "2024-01-08", left: str = "", **more: str) -> NumberedRow:
    cells = {"person": person, "agency": "metro-pd", "agency_kind": "law_enforcement", "role": "investigator",
             "unit": "child-crimes", "joined": joined, "left": left}  # fmt: skip
    return NumberedRow(line, {**cells, **more}, "")


def listed(registry: Case, rows: Iterable[NumberedRow]) -> list[tuple[int, str]]:
    """Line and kind of what rows change in a registry; every rule of the registry accepts it, and brings it on."""
    simulated = Case.unreported(REGISTRY)
    simulated.facts.registry = None if registry.facts.registry is None else _copy(registry)
    staff = Staff(simulated, REGISTRAR, NOW, ZoneInfo("UTC"))
    changes = []
    for one in rows:
        try:
            changes += staff.take(one)
        except RowRefused:
            continue
    changes += staff.finish()
    for _, action in changes:
        body = decide(registry, action, NOW)
        assert body is action.body, body
        registry.record(action, body, NOW)
        registry.collect_events()
    return [(line, kind_of(action.body)) for line, action in changes]


def _copy(registry: Case) -> Any:
    from copy import deepcopy

    return deepcopy(registry.facts.registry)


def places(registry: Case) -> dict[str, tuple[Any, ...]]:
    """Where everybody is."""
    people = registry_of(registry).people
    return {name: (it.agency, it.unit, it.role, it.joined_at, it.left_at) for name, it in people.items()}


def refusal(*rows: NumberedRow) -> str:
    """Why the last of some rows is refused."""
    staff = Staff(Case.unreported(REGISTRY), REGISTRAR, NOW, None)
    for one in rows[:-1]:
        staff.take(one)
    with pytest.raises(RowRefused) as caught:
        staff.take(rows[-1])
    return str(caught.value)


def test_somebody_who_joins_and_leaves() -> None:
    registry = Case.unreported(REGISTRY)
    assert listed(registry, [row(2, left="2025-01-01"), row(3, "det.02")]) == [
        (2, "AgencyRegistered"), (2, "PersonJoined"), (3, "PersonJoined"), (2, "PersonLeft"),
    ]  # fmt: skip


@pytest.mark.parametrize("gap", [0, 1])
def test_a_promotion_is_a_move_and_no_departure(gap: int) -> None:
    rows = [row(2, left="2025-06-30"), row(3, joined=f"2025-{'07-01' if gap else '06-30'}", role="supervisor")]
    assert [kind for _, kind in listed(Case.unreported(REGISTRY), rows)][1:] == ["PersonJoined", "PersonMoved"]


def test_who_was_away_comes_back() -> None:
    rows = [row(2, left="2025-06-30"), row(3, joined="2025-09-01")]
    registry = Case.unreported(REGISTRY)
    assert [kind for _, kind in listed(registry, rows)][1:] == ["PersonJoined", "PersonLeft", "PersonJoined"]
    assert registry_of(registry).people["det.01"].left_at is None


def test_another_agency_is_no_move() -> None:
    rows = [row(2), row(3, joined="2025-06-30", agency="county", unit="")]
    assert [kind for _, kind in listed(Case.unreported(REGISTRY), rows)][2:] == [
        "AgencyRegistered", "PersonLeft", "PersonJoined",
    ]  # fmt: skip


def test_next_months_list_records_only_what_is_new() -> None:
    registry = Case.unreported(REGISTRY)
    listed(registry, [row(2), row(3, "det.02")])
    assert listed(registry, [row(2, "det.02", left="2026-01-31"), row(3), row(4, "det.03")]) == [
        (4, "PersonJoined"), (2, "PersonLeft"),
    ]  # fmt: skip


def test_what_was_recorded_by_hand_since_is_not_undone() -> None:
    registry = Case.unreported(REGISTRY)
    listed(registry, [row(2)])
    listed(registry, [row(2, joined="2025-05-01", unit="homicide")])
    assert listed(registry, [row(2)]) == []
    assert registry_of(registry).people["det.01"].unit == "homicide"


def test_what_has_not_come_yet_is_not_recorded() -> None:
    registry = Case.unreported(REGISTRY)
    assert [kind for _, kind in listed(registry, [row(2, left="2026-12-31")])] == ["AgencyRegistered", "PersonJoined"]
    assert "has not come" in refusal(row(2, joined="2026-12-31T00:00:00Z"))


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([row(2, person="Jane Doe", joined="2024-01-08Z")], "person: is no id"),
        ([row(2)], "joined: is a time without a zone"),
        ([row(2, joined="")], "joined: is no date"),
        ([row(2, joined="soon")], "joined: is no date"),
        ([row(2, joined="2024-01-08T00:00:00Z", left="2023-01-08T00:00:00Z")], "left: does not lie after"),
        ([row(2, joined="2024-01-08T00:00:00Z", role="detective")], "role: is none of reporter"),
        ([row(2, joined="2024-01-08T00:00:00Z", agency_kind="police")], "agency_kind: is none of law_enforcement"),
        ([row(2, joined="2024-01-08T00:00:00Z", agency_kind="")], "agency: is not registered"),
        ([row(2, joined="2024-01-08T00:00:00Z"), row(3, joined="2023-01-08T00:00:00Z")], "that in line 2"),
        (
            [row(2, joined="2024-01-08T00:00:00Z", left="2025-01-08T00:00:00Z"),
             row(3, joined="2024-09-08T00:00:00Z", agency="county")],
            "one agency at a time",
        ),
        ([NumberedRow(2, {}, "has 3 cells where the header has 7")], "has 3 cells"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_taken_says_why_and_quotes_nothing(rows: list[NumberedRow], reason: str) -> None:
    rows = [
        one._replace(row={**one.row, "joined": one.row.get("joined", "").replace("08Z", "08T00:00:00Z")})
        for one in rows
    ]
    assert reason in refusal(*rows)
    assert "Jane" not in refusal(*rows)


DAYS = st.integers(0, 40).map(lambda number: (FIRST + timedelta(days=number)).isoformat())
ROWS = st.lists(
    st.builds(
        lambda person, agency, role, unit, joined, left: row(
            2, person, joined, left, agency=agency, role=role, unit=unit, agency_kind="medical"
        ),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["metro-pd", "county"]),
        st.sampled_from(["investigator", "supervisor"]),
        st.sampled_from(["north", "south", ""]),
        DAYS,
        DAYS | st.just(""),
    ),
    max_size=8,
)


@given(rows=ROWS)
def test_a_list_that_was_imported_changes_nothing_the_second_time(rows: list[NumberedRow]) -> None:
    registry = Case.unreported(REGISTRY)
    listed(registry, rows)
    before = places(registry)
    assert listed(registry, rows) == []
    assert places(registry) == before


@given(rows=ROWS, cut=st.integers(0, 8))
def test_every_rule_accepts_what_follows_on_part_of_the_list(rows: list[NumberedRow], cut: int) -> None:
    registry = Case.unreported(REGISTRY)
    listed(registry, rows[:cut])
    listed(registry, rows)
    assert listed(registry, rows) == []
