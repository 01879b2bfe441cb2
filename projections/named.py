"""Whether any case names an id: for whoever asked, and got no rows. Each is one look, and never at the wide rows."""

from casetrail.projections.database import Database, has_judgements


def has_case(database: Database, case_id: str) -> bool:
    """Whether the views know a case."""
    return _is_there(database, "case_status WHERE case_id = ?", case_id)


def has_unit(database: Database, unit: str) -> bool:
    """Whether any case is a unit's, or was when it was received."""
    return any(_is_there(database, f"{table} WHERE unit = ?", unit) for table in ("intake", "case_status"))


def has_agency(database: Database, agency: str) -> bool:
    """Whether any case is an agency's, or has to do with it."""
    return any(_is_there(database, f"{table} WHERE agency = ?", agency) for table in ("partner_ledger", "case_status"))


def has_holder(database: Database, person: str) -> bool:
    """Whether somebody holds a case or ever did, or anything was found about them. True where nobody can know.

    Who held a case once stands among what is judged only.
    """
    if not has_judgements(database) or _is_there(database, "case_status WHERE holder = ?", person):
        return True
    return _is_there(database, "counted WHERE person = ? AND what IN ('given', 'gone')", person) or _is_there(
        database, "finding WHERE holder = ?", person
    )


def _is_there(database: Database, where: str, value: str) -> bool:
    return bool(database.rows(f"SELECT 1 FROM {where} LIMIT 1", (value,)))  # noqa: S608  (fixed names)
