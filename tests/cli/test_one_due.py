"""What is due next, and who owes it, is the same in every answer: by the policy that an agency has adopted, once it has."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from casetrail.domain.values import iso
from tests.cli.shell import COMMANDER, DETECTIVE, INTAKE, SERGEANT, Shell
from tests.domain.policies import within

QUICK: Final = within("clocks.screening", "72 hours", "2 hours")
"""A screening within hours, where the generic policy and the usual limits have days."""
DUE: Final = ("clock", "owed_by", "due_at")
SAID: Final = "due by the usual limits"


def in_hours(hours: float) -> str:
    return iso(datetime.now(UTC) + timedelta(hours=hours))


def chosen(row: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


@pytest.fixture
def unit(shell: Shell) -> Shell:
    """A unit that has adopted a policy with shorter limits after its first report; the third report is worked."""
    shell.report("C-1")
    policy = shell.folder / "quick.toml"
    policy.write_text(QUICK, "utf-8")
    shell.run(*COMMANDER, "policy", "adopt", str(policy))
    for case_id in ("C-2", "C-3"):
        shell.report(case_id)
    shell.run(*INTAKE, "act", "screened-in", "C-3", "--reason", "alleges_crime")
    shell.run(*SERGEANT, "act", "assigned", "C-3", "--holder", "det.01")
    shell.run(*DETECTIVE, "act", "victim-contact-made", "C-3", "--method", "in_person")
    return shell


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def views(request: pytest.FixtureRequest, unit: Shell) -> tuple[str, ...]:
    """Which views to ask: those of the embedded log, or shared ones."""
    if request.param == "sqlite":
        return ()
    url: str = request.getfixturevalue("postgres_database")
    unit.run("--views", url, "views", "rebuild")
    return ("--views", url)


def test_what_is_due_next_is_the_same_in_every_answer(unit: Shell, views: tuple[str, ...]) -> None:
    for hours in (0.1, 2.5, 4, 30, 24 * 400):
        now = ("--now", in_hours(hours))
        late = [{**row, "state": "missed"} for row in unit.rows(*views, "overdue", *now, "--limit", "999")]
        soon = unit.rows(*views, "due", *now, "--limit", "999")
        listed = {row["case_id"]: row for row in unit.rows(*views, "cases")}
        for case_id, row in listed.items():
            owed = [one for one in (*late, *soon) if one["case_id"] == case_id]
            first = min(owed, key=lambda one: (one["due_at"], one["clock"]))
            assert chosen(row, *DUE) == chosen(first, "clock", "owed_by", "due_at")
            (shown,) = unit.rows(*views, "show", case_id, *now)
            assert chosen(shown, *DUE) == chosen(row, *DUE) == chosen(shown["dues"][0], *DUE)
            assert [chosen(one, *DUE, "subject", "state") for one in shown["dues"]] == sorted(
                (chosen(one, "clock", "owed_by", "due_at", "subject", "state") for one in owed),
                key=lambda one: (one[2], one[0]),
            )
        overdue = {one["case_id"] for one in late}
        assert {row["case_id"] for row in unit.rows(*views, "cases", "--overdue", *now)} == overdue
        by_due = unit.rows(*views, "cases", "--sort", "due")
        assert [row["due_at"] for row in by_due] == sorted(row["due_at"] for row in listed.values())
        holds = {row["holder"]: row for row in unit.rows(*views, "holds", *now)}
        for holder, held in holds.items():
            some = [row for row in listed.values() if row["holder"] == holder]
            assert held["open_cases"] == len(some)
            assert held["overdue"] == len(overdue & {row["case_id"] for row in some})
            assert "next_due_at" not in held, "that is the first one ahead, on the board"
            assert held["first_due_at"] == min(row["due_at"] for row in some)


def test_what_is_due_goes_by_the_policy_that_was_in_force_when_it_began(unit: Shell, views: tuple[str, ...]) -> None:
    assert {row["case_id"] for row in unit.rows(*views, "cases", "--overdue", "--now", in_hours(2.5))} == {"C-2"}
    listed = {row["case_id"]: row for row in unit.rows(*views, "cases")}
    assert (listed["C-1"]["clock"], listed["C-2"]["clock"]) == ("first_response", "screening")
    assert unit.rows(*views, "holds", "--now", in_hours(2.5))[0]["overdue"] == 1


def test_nothing_is_said_on_the_side_where_the_policy_is_gone_by(unit: Shell) -> None:
    for words in (("cases",), ("show", "C-2"), ("holds",), ("holds", "--left")):
        assert SAID not in unit.run(*words).stderr


def test_the_judgements_are_up_to_date_whoever_is_asked_first(unit: Shell) -> None:
    for number, words in enumerate((("cases", "--sort", "case"), ("show",), ("holds", "--by", "unit"))):
        case_id = f"N-{number}"
        unit.report(case_id, "--unit", case_id)
        rows = unit.rows(*words, *((case_id,) if words == ("show",) else ()))
        last = rows[-1] if words[0] != "holds" else next(row for row in rows if row["unit"] == case_id)
        assert last["first_due_at" if words[0] == "holds" else "due_at"] < in_hours(2.1)


def test_views_without_judgements_keep_to_the_usual_limits_and_say_so(unit: Shell) -> None:
    unit.run("views", "rebuild", "--without-judgements")
    unit.report("C-4")
    for words in (("cases",), ("cases", "--overdue"), ("show", "C-2"), ("holds",)):
        done = unit.run(*words, "--format", "csv")
        assert done.stderr.count("\n") == 1 and SAID in done.stderr, words
    listed = {row["case_id"]: row for row in unit.rows("cases")}
    assert len(listed) == 4
    assert chosen(listed["C-2"], "clock", "owed_by") == ("first_response", "child-crimes/intake")
    (shown,) = unit.rows("show", "C-2", "--now", in_hours(30))
    assert [chosen(one, "clock", "state") for one in shown["dues"]][:2] == [
        ("first_response", "missed"), ("screening", "running"),
    ]  # fmt: skip
    assert unit.rows("cases", "--overdue", "--now", in_hours(2.5)) == []


def test_the_past_is_judged_by_what_had_been_adopted_then(unit: Shell) -> None:
    listed = {row["case_id"]: row for row in unit.rows("cases")}
    replayed = {row["case_id"]: row for row in unit.rows("replay")}
    assert {key: {name: row[name] for name in listed[key]} for key, row in replayed.items()} == listed
    assert unit.rows("replay", "C-2") == [replayed["C-2"]]
    recorded = unit.rows("history", "C-2")[0]["recorded_at"]
    assert [row["clock"] for row in unit.rows("replay", "--as-of", recorded)] == ["first_response", "screening"]
