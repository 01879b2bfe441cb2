"""What is due next is the same whoever asks for it, whichever database the views live in: lists of cases, and lists of clocks."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from casetrail.domain.due import next_due as usual
from casetrail.domain.memory import load_case
from casetrail.domain.status import OPEN, Status
from casetrail.projections import next_due, queries, rebuild
from casetrail.projections.as_of import is_reported, replay
from casetrail.projections.database import Database, open_database
from casetrail.projections.dues import dues
from casetrail.projections.held import HELD_BY
from casetrail.projections.judgement_queries import Wanted, due, overdue
from casetrail.projections.queries import CASE_FIELDS, CaseFilter
from casetrail.projections.views import Views
from tests.judged_histories import JudgedLog

Fresh = Callable[[], str]
Rows = list[dict[str, Any]]
DAY = timedelta(days=1)
EVERY = 10**6
FILTERS: tuple[dict[str, Any], ...] = (
    {}, {"open_only": True}, {"unit": "north"}, {"nobody": True}, {"status": ["closed", "screened_out"]},
    {"holder": "det.01", "open_only": True}, {"agency": "county-sheriff"},
)  # fmt: skip


def owed(database: Database, now: datetime) -> dict[str, Rows]:
    """By case, what is owed in it: all that is overdue, and all that is due."""
    found: defaultdict[str, Rows] = defaultdict(list)
    wanted = Wanted(limit=EVERY)
    for row in (*overdue(database, now, wanted), *due(database, now, wanted)):
        found[row["case_id"]].append(row)
    return found


def listed(database: Database, **which: Any) -> list[str]:
    """The cases that fit, in their order."""
    return [row["case_id"] for row in queries.cases(database, CaseFilter(**{"limit": EVERY, **which}))]


class DueKit:
    """The promises."""

    @pytest.fixture
    def fresh(self) -> Fresh:
        raise NotImplementedError

    @pytest.fixture
    def told(self, tmp_path: Path) -> Iterator[JudgedLog]:
        """Two agencies adopt policies, people leave, and half a year passes."""
        told = JudgedLog(tmp_path / "log", 17, cases=50)
        told.go_on(700)
        yield told
        told.log.close()

    @pytest.fixture
    def database(self, fresh: Fresh, told: JudgedLog) -> Iterator[Database]:
        url = fresh()
        rebuild.rebuild(told.log, told.url, url)
        with closing(open_database(url)) as database:
            yield database

    @pytest.fixture
    def moments(self, told: JudgedLog) -> list[datetime]:
        """Nothing, something and everything is overdue then."""
        return [told.now - 2000 * DAY, *(told.now + days * DAY for days in (-40, 0.1, 3, 12, 400))]

    def test_a_case_is_listed_and_shown_with_what_is_due_in_it_first(self, database: Database, told: JudgedLog) -> None:
        by_case = owed(database, told.now)
        rows = queries.cases(database, CaseFilter(limit=EVERY))
        assert {row["case_id"] for row in rows} >= set(by_case)
        assert {row["clock"] is None for row in rows} == {True, False}
        for row in rows:
            first = min(by_case[row["case_id"]], key=lambda one: (one["due_at"], one["clock"]), default=None)
            said = (row["clock"], row["owed_by"], row["due_at"])
            assert said == ((first["clock"], first["owed_by"], first["due_at"]) if first else (None, None, None))
            shown = queries.case(database, row["case_id"])
            assert shown is not None
            assert (shown["clock"], shown["owed_by"], shown["due_at"]) == said

    def test_by_the_usual_limits_something_else_would_be_due(self, database: Database) -> None:
        others = 0
        for row in queries.cases(database, CaseFilter(limit=EVERY)):
            found = usual(load_case(row["case_id"], queries.folded(database, row["case_id"]) or ""))
            others += (found and found.at) != row["due_at"]
        assert others > 3

    def test_all_that_is_owed_in_a_case_is_shown_as_it_stands(
        self, database: Database, moments: list[datetime]
    ) -> None:
        states = set()
        for now in moments:
            by_case = owed(database, now)
            for case_id in listed(database):
                rows = dues(database, case_id, now)
                assert sorted(map(str, (tuple(row.values()) for row in rows))) == sorted(
                    str((one["clock"], one["subject"], one["owed_by"], one["due_at"], one["state"]))
                    for one in by_case[case_id]
                )
                assert [row["due_at"] for row in rows] == sorted(row["due_at"] for row in rows)
                states |= {row["state"] for row in rows}
        assert states >= {"running", "missed"}

    @pytest.mark.parametrize("many", [1, 10**6])
    def test_those_cases_are_overdue_in_which_something_is(
        self, database: Database, moments: list[datetime], monkeypatch: pytest.MonkeyPatch, many: int
    ) -> None:
        monkeypatch.setattr(next_due, "MANY", many)
        counts = set()
        for now in moments:
            late = {row["case_id"] for row in overdue(database, now, Wanted(limit=EVERY))}
            for which in FILTERS:
                for sort in ("received", "due", "act"):
                    found = listed(database, **which, sort=sort, overdue_at=now)
                    assert found == [one for one in listed(database, **which, sort=sort) if one in late]
                    counts.add(len(found))
        assert len(counts) > 5

    def test_a_case_that_is_overdue_is_listed_under_its_status_before_that_is_judged(
        self, database: Database, told: JudgedLog
    ) -> None:
        before = {row["case_id"]: row["status"] for row in queries.cases(database, CaseFilter(limit=EVERY))}
        told.go_on(150)
        rebuild.catch_up(told.log, Views(database, told.log.name))
        now, changed = told.now + 400 * DAY, 0
        for status in Status:
            rows = queries.cases(database, CaseFilter(status=[status], limit=EVERY))
            late = [row["case_id"] for row in rows if row["due_at"] is not None and row["due_at"] < now]
            assert listed(database, status=[status], overdue_at=now) == late
            changed += sum(before.get(case_id, status) != status for case_id in late)
        assert changed > 3

    @pytest.mark.parametrize("tried", [1, 7, 5000])
    @pytest.mark.parametrize("descending", [False, True])
    def test_cases_are_sorted_by_what_is_due_next(
        self, database: Database, monkeypatch: pytest.MonkeyPatch, tried: int, descending: bool
    ) -> None:
        monkeypatch.setattr(next_due, "FIRST_CASES", tried)
        monkeypatch.setattr(queries, "FIRST_CASES", tried)
        for which in FILTERS:
            expected = _by_due(queries.cases(database, CaseFilter(**which, limit=EVERY)), descending)
            for limit in (1, 3, 20, EVERY):
                assert listed(database, **which, sort="due", descending=descending, limit=limit) == expected[:limit]

    @pytest.mark.parametrize("by", HELD_BY)
    def test_who_holds_what_goes_by_the_same(self, database: Database, moments: list[datetime], by: str) -> None:
        rows = [row for row in queries.cases(database, CaseFilter(limit=EVERY)) if row["status"] in OPEN]
        for now in moments:
            late = {row["case_id"] for row in overdue(database, now, Wanted(limit=EVERY))}
            expected = {}
            for key in {row[by] for row in rows}:
                held = [row for row in rows if row[by] == key]
                first = min((row["due_at"] for row in held if row["due_at"]), default=None)
                suspended = sum(row["status"] == Status.SUSPENDED for row in held)
                expected[key] = (len(held), suspended, sum(row["case_id"] in late for row in held), first)
            assert expected == {
                row[by]: (row["open_cases"], row["suspended"], row["overdue"], row["first_due_at"])
                for row in queries.holds(database, by, now)
            }

    def test_the_log_alone_says_what_the_views_say(self, database: Database, told: JudgedLog) -> None:
        expected = {row["case_id"]: row for row in queries.cases(database, CaseFilter(limit=EVERY))}
        replayed = {row["case_id"]: row for row in replay(told.log) if is_reported(row)}
        assert {key: {name: row[name] for name in CASE_FIELDS} for key, row in replayed.items()} == expected
        for case_id in random.Random(1).sample(sorted(expected), 5):
            assert list(replay(told.log, case_id)) == [replayed[case_id]]

    def test_without_judgements_it_is_due_by_the_usual_limits(self, fresh: Fresh, told: JudgedLog) -> None:
        url = fresh()
        rebuild.rebuild(told.log, told.url, url, judged=False)
        with closing(open_database(url)) as database:
            rows = queries.cases(database, CaseFilter(limit=EVERY, sort="due"))
            assert [row["due_at"] for row in rows if row["due_at"]] == sorted(r["due_at"] for r in rows if r["due_at"])
            for row in rows:
                found = usual(load_case(row["case_id"], queries.folded(database, row["case_id"]) or ""))
                assert (row["clock"], row["due_at"]) == ((found.kind, found.at) if found else (None, None))
                first = next(iter(dues(database, row["case_id"], told.now)), None)
                assert (row["clock"], row["due_at"]) == ((first["clock"], first["due_at"]) if first else (None, None))
            late = sum(row["due_at"] is not None and row["due_at"] < told.now for row in rows if row["status"] in OPEN)
            assert sum(row["overdue"] for row in queries.holds(database, "unit", told.now)) == late > 0


def _by_due(rows: Rows, descending: bool) -> list[str]:
    """The ids of cases by when something is due next in them, else by id; those with nothing due come last."""
    by_moment: defaultdict[datetime | None, list[str]] = defaultdict(list)
    for row in rows:
        by_moment[row["due_at"]].append(row["case_id"])
    moments = sorted((at for at in by_moment if at is not None), reverse=descending)
    return [case_id for at in (*moments, None) for case_id in sorted(by_moment.get(at, []))]
