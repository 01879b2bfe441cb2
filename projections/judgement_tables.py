"""The tables of the judgements: every run of a clock, every finding, and what the findings over many cases are counted from.

They stand beside the status views and follow the events at positions of their own. Nothing in them depends on the present
moment: states are derived from it when they are asked for.
"""

from collections.abc import Sequence
from typing import Final

from casetrail.projections.tables import Table, columns

CLOCK: Final = Table(
    "clock",
    (
        *columns("case_id"),
        *columns("number", type="BIGINT"),
        *columns("clock", "subject", "agency", "unit", "owed_by"),
        *columns("started_at", "started_by", "due_at", "ended_at", "ended_by", "met", "paused_from", "paused_until",
                 type="BIGINT"),
        *columns("steps"),
    ),
    ("case_id", "number"),
    (
        ("clock_owed", "due_at, case_id, clock, owed_by, unit, agency", "ended_at IS NULL"),
        ("clock_owed_by", "owed_by, due_at, case_id, clock, number", "ended_at IS NULL"),
    ),
)  # fmt: skip
OWING: Final = Table(
    "owing",
    (
        *columns("case_id", "status", "held", "due", "owed_by"),
        *columns("due_at", type="BIGINT"),
    ),
    ("case_id",),
    (
        ("owing_held", "held, due_at", "held IS NOT NULL"),
        ("owing_by_due", "due_at, case_id", ""),
        ("owing_by_status", "status, due_at, case_id", ""),
    ),
)
"""The cases that are open or owe something, and what is due first in each: by it they are listed and counted.

``held``: of an open case who holds it, of which unit and agency, and whether it is suspended, as one text (see ``held``).
"""
FINDING: Final = Table(
    "finding",
    (
        *columns("finding", "detector", "about", "subject", "month", "agency", "unit", "holder"),
        *columns("since", "settled_at", type="BIGINT"),
        *columns("settled_by", "says", "evidence", "told", "partners"),
    ),
    ("finding", "subject", "agency"),
    (
        ("finding_by_time", "since, subject, detector, finding, holder, unit, settled_at", ""),
        ("finding_of_holder", "holder, since, subject, detector, finding, settled_at", "holder IS NOT NULL"),
        ("finding_of_subject", "subject, detector", ""),
        ("finding_of_month", "agency, month, detector", "about <> 'case'"),
    ),
)  # fmt: skip
COUNTED: Final = Table(
    "counted",
    (
        *columns("case_id"),
        *columns("number", type="BIGINT"),
        *columns("what", "agency", "unit", "person"),
        *columns("day", "known_at", type="BIGINT"),
        *columns("key"),
        *columns("marked", type="BIGINT"),
    ),
    ("case_id", "number", "what", "person"),
    (
        ("counted_by_person", "person, unit, agency, what, day", "what IN ('given', 'gone')"),
        (
            "counted_by_day",
            "agency, day, what, unit, person, key, marked",
            "what IN ('approved', 'ended', 'entered', 'answered')",
        ),
    ),
)
"""One row for each thing that a case adds to the counts: see ``domain.detectors.counting``. ``day``: days since 1970."""
TOKEN: Final = Table(
    "token",
    (*columns("token", type="BLOB"), *columns("known_at", type="BIGINT"), *columns("case_id")),
    ("token", "known_at", "case_id"),
    (("token_of_case", "case_id, token, known_at", ""),),
)
"""The blinded tokens of each report, and of its corrections; ``known_at``: when the report was recorded."""
TRACE: Final = Table(
    "trace", (*columns("case_id"), *columns("known_at", type="BIGINT"), *columns("trace")), ("case_id",)
)
"""What is needed of each report to recognise the next one about the same people."""
MERGER: Final = Table(
    "merger",
    columns("case_id", "merged_into"),
    ("case_id", "merged_into"),
    (("merger_into", "merged_into, case_id", ""),),
)
"""Which case was ever said to go on in which: merged into it, or screened out as known already and linked with it."""
ANSWERED: Final = Table(
    "answered",
    (
        *columns("case_id"),
        *columns("number", type="BIGINT"),
        *columns("finding", "answer", "level"),
        *columns("answered_at", type="BIGINT"),
    ),
    ("case_id", "number"),
    (("answered_by_finding", "finding", ""),),
)
"""What somebody has answered to a finding, and at which level; ``answered_at``: when that was recorded."""
TOLD: Final = Table(
    "finding_told",
    (
        *columns("case_id"),
        *columns("number", type="BIGINT"),
        *columns("finding", "level"),
        *columns("told_at", type="BIGINT"),
    ),
    ("case_id", "number"),
    (("told_by_finding", "finding, level, told_at", ""),),
)
"""Which level was told of a finding, by the record; ``told_at``: when that was recorded."""
BEATING: Final = Table(
    "beating",
    (*columns("kind", "agency"), *columns("since", "until", type="BIGINT"), *columns("first", "last")),
    ("kind", "since"),
)
"""From when until when machines of a kind gave their heartbeats as promised; and the first and the last of these."""
UNREAD: Final = Table("unread", columns("number", "problems", type="BIGINT"), ("number",))
"""Policies that were adopted and cannot be read, by the number of the event in the registry: they are in force nowhere."""
STALE: Final = Table(
    "stale",
    (*columns("kind", "agency", "unit", "subject"), *columns("mark", type="BIGINT")),
    ("kind", "agency", "unit", "subject"),
)
"""What must be judged anew and has not been yet; ``mark``: of the latest noting, no two have the same."""
JUDGED: Final = Table(
    "judged",
    (*columns("application_name"), *columns("notification_id", "latest", type="BIGINT")),
    ("application_name",),
)
"""The position in each partition, and the latest moment that its events speak of."""
JUDGED_FORM: Final = Table("judged_form", columns("name", "value"), ("name",))

JUDGEMENT_FORM: Final = "12"
"""Raise it when a table or an index here, or what detectors find, changes: judgements of an older form are made anew."""

JUDGEMENT_TABLES: Final[Sequence[Table]] = (
    CLOCK,
    OWING,
    FINDING,
    COUNTED,
    TOKEN,
    TRACE,
    MERGER,
    ANSWERED,
    TOLD,
    BEATING,
    UNREAD,
    STALE,
    JUDGED,
    JUDGED_FORM,
)
JUDGEMENT_BULK: Final[Sequence[Table]] = (CLOCK, FINDING, COUNTED, TOKEN, TRACE, MERGER, ANSWERED, TOLD, OWING)
OF_CASES: Final[Sequence[Table]] = (CLOCK, OWING, COUNTED, TOKEN, TRACE, MERGER, ANSWERED, TOLD)
"""Those whose rows belong to one case each, by ``case_id``; its findings belong to it by their subject."""
