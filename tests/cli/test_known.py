"""No rows are good news only about what there is: a mistyped unit, person, agency or case is an error."""

import pytest

from casetrail.cli import exits
from tests.cli.shell import CLINIC, COMMANDER, INTAKE, SERGEANT, Shell

LATER = "2100-01-01T00:00:00Z"
PAST = ("--as-of", LATER)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A case that det.01 held and det.02 holds, in a referral to a clinic; and a registry with others."""
    shell = Shell(tmp_path_factory.mktemp("known"))
    shell.run("log", "init")
    shell.report()
    shell.run(*INTAKE, "act", "screened-in", "C-1", "--reason", "alleges_crime")
    shell.run(*SERGEANT, "act", "assigned", "C-1", "--holder", "det.01")
    shell.run(*SERGEANT, "act", "reassigned", "C-1", "--holder", "det.02", "--reason", "workload")
    refer = ("--referral", "r1", "--service", "medical_evaluation", "--to-agency", "clinic")
    shell.run(*SERGEANT, "act", "referral-made", "C-1", *refer)
    shell.run(*CLINIC, "act", "referral-declined", "C-1", "--referral", "r1", "--reason", "no_capacity")
    kind = ("--agency-kind", "law_enforcement")
    shell.run(*COMMANDER, "act", "agency-registered", "registry", "--agency", "county", *kind)
    joined = ("--agency", "county", "--role", "investigator")
    shell.run(*COMMANDER, "act", "person-joined", "registry", "--person", "det.09", *joined, "--unit", "north")
    return shell


MISTYPED = [
    ("cases", "--unit", "chld-crimes"),
    ("cases", "--holder", "det.99"),
    ("cases", "--agency", "metro-dp"),
    ("referrals", "--agency", "clinc"),
    ("intake", "--unit", "chld-crimes"),
    ("registry", "--unit", "nrth"),
    ("registry", "--agency", "cuonty"),
    ("registry", "--by", "unit", "--unit", "nrth"),
    ("due", "--unit", "chld-crimes"),
    ("overdue", "--unit", "chld-crimes"),
    *(("overdue", "--owed-by", who) for who in ("det.99", "chld-crimes/intake", "child-crimes/intak", "clinc")),
    *(("overdue", "--owed-by", who, "--from-log") for who in ("det.99", "chld-crimes/intake", "clinc")),
    ("due", "--unit", "chld-crimes", "--from-log"),
    ("due", "--unit", "chld-crimes", *PAST),
    ("findings", "--unit", "chld-crimes"),
    ("findings", "--holder", "det.99"),
    ("findings", "--case", "C-11"),
    *(("findings", *words, "--from-log") for words in (("--unit", "chld-crimes"), ("--holder", "det.99"), ("--case", "C-11"))),
    ("findings", "--unit", "chld-crimes", *PAST),
    ("escalations", "C-11"),
    ("escalations", "--unit", "chld-crimes"),
    ("escalations", "--unit", "chld-crimes", *PAST),
    ("partner", "clinc"),
    ("partner", "clinic", "--case", "C-11"),
    ("board", "--once", "--unit", "chld-crimes"),
    ("board", "--once", "--agency", "metro-dp"),
    ("watch", "--no-follow", "--case", "C-11"),
]  # fmt: skip


@pytest.mark.parametrize("words", MISTYPED, ids=" ".join)
def test_what_nothing_names_is_an_error(told: Shell, words: tuple[str, ...]) -> None:
    said = told.run(*words, code=exits.NOT_FOUND)
    wrong = next(one for one in reversed(words) if one not in ("--from-log", *PAST))
    assert wrong in said.stderr and said.stdout == ""


KNOWN = [
    ("cases", "--unit", "north"),
    ("cases", "--holder", "det.01"),  # who held a case, and is in no registry
    ("cases", "--holder", "det.09"),  # who is in the registry, and held none
    ("cases", "--agency", "county"),
    ("cases", "--unit", "child-crimes", "--status", "closed"),
    ("referrals", "--agency", "metro-pd"),
    ("intake", "--unit", "north"),
    ("registry", "--unit", "child-crimes"),
    ("registry", "--agency", "clinic"),
    ("due", "--unit", "north"),
    *(("due", "--clock", "screening", *more) for more in ((), ("--from-log",))),
    *(
        ("due", "--owed-by", who, *more)
        for who in ("det.01", "det.09", "clinic", "county", "north/supervisor", "child-crimes/commander")
        for more in ((), ("--from-log",), PAST)
    ),
    *(("findings", "--unit", "north", *more) for more in ((), ("--from-log",))),
    *(("findings", "--holder", "det.01", *more) for more in ((), ("--from-log",))),
    ("findings", "--case", "C-1"),
    ("findings", "--case", "C-1", "--from-log"),
    ("escalations", "C-1"),
    ("escalations", "--unit", "child-crimes"),
    ("partner", "clinic", "--case", "C-1", "--overdue"),
    ("board", "--once", "--unit", "north"),
    ("board", "--once", "--agency", "county"),
    ("watch", "--no-follow", "--case", "C-1"),
]


@pytest.mark.parametrize("words", KNOWN, ids=" ".join)
def test_no_rows_about_what_there_is_are_an_answer(told: Shell, words: tuple[str, ...]) -> None:
    told.run(*words)


def test_what_nothing_names_is_an_error_of_an_export(told: Shell) -> None:
    file = told.folder / "export.csv"
    said = told.run(
        "export", "csv", "--output", str(file), "--unit", "child-crimes", "--unit", "nrth", code=exits.NOT_FOUND
    )
    assert "names a unit nrth" in said.stderr and said.stdout == ""
    assert not file.exists()


@pytest.mark.parametrize("more", [(), ("--as-of", "2001-01-01T00:00:00Z")])
@pytest.mark.parametrize("unit", ["child-crimes", "north"])
def test_a_unit_that_something_names_can_be_exported_though_it_has_no_case(
    told: Shell, unit: str, more: tuple[str, ...]
) -> None:
    told.run("export", "csv", "--output", str(told.folder / f"{unit}-{len(more)}.csv"), "--unit", unit, *more)


def test_views_without_judgements_do_not_deny_who_held_a_case(shell: Shell) -> None:
    shell.report()
    shell.run("views", "rebuild", "--without-judgements")
    said = shell.run("cases", "--holder", "det.99")
    assert "none" in said.stderr
    shell.run("cases", "--unit", "chld-crimes", code=exits.NOT_FOUND)


def test_a_name_that_nothing_names_is_found_without_reading_a_wide_row(told: Shell) -> None:
    from casetrail.projections.database import open_database

    database = open_database(f"sqlite:{told.log}.views")
    try:
        for where in (
            "case_status WHERE unit = 'x'",
            "case_status WHERE holder = 'x'",
            "case_status WHERE agency = 'x'",
        ):
            plan = str(database.rows(f"EXPLAIN QUERY PLAN SELECT 1 FROM {where} LIMIT 1", ()))
            assert "COVERING INDEX" in plan, plan
    finally:
        database.close()
