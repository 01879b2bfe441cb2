"""What the rows of a board lead to, read from the views: a case, a finding, what somebody holds."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from casetrail.cli.board.rows import Asked, Page, Section, Target

if TYPE_CHECKING:
    from casetrail.projections.database import Database

CASE_FACTS: Final = ("status", "holder", "unit", "agency", "offences", "received_at", "last_act_at", "suspended_until",
                     "closed_at", "disposition", "merged_into")  # fmt: skip
MANY: Final = 1000


def page(database: "Database", target: Target, asked: Asked, at: datetime) -> Page:
    """What a row leads to, as of a moment."""
    if target.kind == "case":
        return _case(database, target.id, at)
    if target.kind == "finding":
        return _finding(database, target.id, at)
    if target.kind == "event":
        return _event(database, target.id)
    return _holder(database, target.id, asked)


def _case(database: "Database", case_id: str, at: datetime) -> Page:
    from casetrail.cli.history import history_rows
    from casetrail.projections import queries
    from casetrail.projections.board import clocks_of
    from casetrail.projections.judgement_queries import WantedFindings, findings

    row = queries.case(database, case_id)
    if row is None:
        return Page(f"Case {case_id}", (("status", "the views know no such case"),), ())
    wanted = WantedFindings(case=case_id, limit=MANY)
    found = [{**one, "age": at - one["since"]} for one in findings(database, at, wanted)]
    facts: list[tuple[str, Any]] = [(name, row[name]) for name in CASE_FACTS if row[name] not in (None, [], "")]
    if row["holder"] is None:
        facts.insert(1, ("holder", "NOBODY"))
    clocks = clocks_of(database, case_id, at)
    history = history_rows(queries.timeline(database, case_id))
    return Page(
        f"Case {case_id}",
        tuple(facts),
        (
            Section("clocks", clocks, len(clocks)),
            Section("history", history, len(history)),
            Section("seen", found, len(found)),
        ),
    )


def _finding(database: "Database", finding_id: str, at: datetime) -> Page:
    from casetrail.projections.judgement_queries import finding

    row = finding(database, at, finding_id)
    if row is None:
        return Page(f"Finding {finding_id}", (("state", "there is no such finding any more"),), ())
    names = ("detector", "about", "subject", "month", "unit", "holder", "since", "state", "settled_at", "levels_told", "untold", "says",
             "answer", "answered_at")  # fmt: skip
    facts = tuple((name, row[name]) for name in names if row[name] not in (None, [], ""))
    evidence = []
    for one in row["evidence"]:
        event, _, leaf = one.rpartition(":")
        case_id, _, number = event.rpartition("#")
        evidence.append({"case_id": case_id, "number": int(number), "hash": leaf})
    return Page(f"Finding {finding_id}", facts, (Section("evidence", evidence, len(evidence)),))


def _event(database: "Database", name: str) -> Page:
    from casetrail.cli.history import history_rows
    from casetrail.projections.queries import timeline

    case_id, _, number = name.rpartition("#")
    (row, *_) = [row for row in history_rows(timeline(database, case_id)) if str(row["number"]) == number] or [{}]
    said = {**row, **row.get("detail", {}), "detail": None}
    return Page(f"Event {name}", tuple((key, value) for key, value in said.items() if value not in (None, [], "")), ())


def _holder(database: "Database", holder: str, asked: Asked) -> Page:
    from casetrail.projections.queries import CaseFilter, cases

    which = CaseFilter(
        holder=holder or None, nobody=not holder, unit=asked.unit, agency=asked.agency, open_only=True, sort="due",
        limit=MANY,
    )  # fmt: skip
    found = cases(database, which)
    who = f"Open cases that {holder} holds" if holder else "Open cases that NOBODY holds"
    return Page(who, (), (Section("cases", found, len(found)),))
