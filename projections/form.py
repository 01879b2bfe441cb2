"""In what form views and judgements stand, and who may make them anew.

By themselves only those are made anew that are of an older form, or without statistics where there are some now. Else two
installations that differ, or that follow different logs, would make them anew against each other for ever.
"""

from collections.abc import Mapping
from typing import Final

from casetrail.projections.database import Database
from casetrail.projections.errors import ViewForeign, ViewMissing, ViewNewer
from casetrail.projections.tables import Table

BY: Final = "version"
"""Which version made them: for people, and compared by nobody."""


def write_form(database: Database, table: Table, form: Mapping[str, str]) -> None:
    """Name log and form, and the version that wrote them, in the tables themselves."""
    for name, value in {**form, BY: _version()}.items():
        database.run(table.upsert(), (name, value))


def check_form(database: Database, table: Table, what: str, wanted: Mapping[str, str]) -> None:
    """Raises ``ViewMissing`` for what is to be made anew; ``ViewNewer``, ``ViewForeign`` for what is to be left as it is."""
    found: dict[str, str] = dict(database.rows(f"SELECT name, value FROM {table.name}"))  # noqa: S608  (a fixed name)
    by = found.pop(BY, "an earlier version")
    if found == wanted:
        return
    if found.get("log", wanted["log"]) != wanted["log"]:
        raise ViewForeign(
            f"the {what} there are those of log '{found['log']}', not of log '{wanted['log']}', and are left as they are: name "
            "other ones, or put these in their place with 'casetrail views rebuild'"
        )
    if more := _more(found, wanted):
        raise ViewNewer(f"the {what} were made by casetrail {by} {more}, or stop it; they are left as they are")
    raise ViewMissing(
        f"the {what} are in form {found.get('form')}, not in form {wanted['form']}; 'casetrail views rebuild' makes them anew"
    )


def _more(found: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    """What they have that this installation has not, and what to do about that; '' where there is nothing."""
    if found.get("statistics", "0") > wanted.get("statistics", "0"):
        return "with statistics, for which SciPy is missing here: install casetrail[statistics] for this process"
    theirs, ours = (
        int(found.get("form", 0)),
        int(wanted["form"]),
    )  # without a form they are something else's, and made anew by nobody
    if theirs > ours:
        return f"in form {theirs}, and this is casetrail {_version()} for form {ours}: update this process"
    if theirs == ours and found.get("memory") != wanted.get("memory"):  # which of the two is newer is not known
        return f"of another build in the same form {theirs}: update this process"
    return ""


def _version() -> str:
    from importlib.metadata import version  # late: it is large, and seldom needed

    return version("casetrail")
