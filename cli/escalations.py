"""``casetrail escalations``: missed deadlines that are on the record, who has been told of them, and what they answered."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from casetrail.cli import exits
from casetrail.cli.clocks import Asked, asked, asking_options
from casetrail.cli.config import Config
from casetrail.cli.context import an_id, format_option, guarded, opened_views, pass_config
from casetrail.cli.render import emit

if TYPE_CHECKING:
    from casetrail.domain.alarms import Watch
    from casetrail.domain.case import Recorded

Row = dict[str, Any]

COLUMNS: Final = ("due_at", "case_id", "clock", "subject", "owed_by", "unit", "level", "told", "told_at", "state",
                  "answer", "answered_by", "answered_at", "recorded_at")  # fmt: skip
SHORT: Final = ("due_at", "case_id", "clock", "subject", "owed_by", "level", "told", "told_at", "state", "answer")


@click.command()
@click.argument("case_id", metavar="[CASE]", type=an_id, required=False)
@click.option("--unit", metavar="ID", help="Only cases of this unit.")
@click.option("--all", "every", is_flag=True, help="Those that were answered, or are no longer owed, too.")
@asking_options
@format_option
@pass_config
@guarded
def escalations(config: Config, case_id: str | None, unit: str | None, every: bool, form: str, **given: Any) -> None:
    """List missed deadlines that a watchdog has recorded and nobody has answered, and who has been told: the oldest first.

    What is missed without a record is in 'casetrail overdue'. Exit code 8 where any is open.
    """
    question = asked(config, given["until_text"], given["moment_text"], given["judge_by"])
    rows = sorted(
        (
            row
            for row in _rows(config, question, case_id)
            if unit in (None, row["unit"]) and (every or row["state"] == "open")
        ),
        key=lambda row: (row["due_at"], row["case_id"], row["clock"], row["subject"] or ""),
    )
    emit(rows, SHORT if form == "table" else COLUMNS, form, "escalations")
    if any(row["state"] == "open" for row in rows):
        click.get_current_context().exit(exits.FAULTS)


def _rows(config: Config, question: Asked, case_id: str | None) -> Iterator[Row]:
    from casetrail.domain.escalation import DeadlineMissed
    from casetrail.eventlog.codec import decode_event
    from casetrail.projections.queries import cases_with, timeline

    with opened_views(config) as database:
        for one in cases_with(database, DeadlineMissed.__name__) if case_id is None else [case_id]:
            events = [decode_event(value).recorded() for _, _, value in timeline(database, one)]
            yield from _of_case(one, [event for event in events if _counts(event, question)], question)


def _counts(event: "Recorded", question: Asked) -> bool:
    return question.until is None or event.timestamp <= question.until


def _of_case(case_id: str, events: "list[Recorded]", question: Asked) -> Iterator[Row]:
    """What is recorded of a case's missed deadlines, in the order of their due times."""
    from casetrail.domain.alarms import Watch
    from casetrail.domain.clocks import Deadline
    from casetrail.domain.escalation import DeadlineMissed, Escalated, EscalationAnswered

    watch = Watch(case_id, question.policies, question.departures)
    for event in events:
        watch.follow(event)
    watch.until(question.at)
    rows: dict[Deadline, Row] = {}
    for event in events:
        body = event.body
        if not isinstance(body, DeadlineMissed | Escalated | EscalationAnswered) or event.action is None:
            continue
        deadline = Deadline(body.clock, body.subject, body.due_at)
        row = rows.setdefault(deadline, _row(watch, deadline))
        if isinstance(body, DeadlineMissed):
            row["recorded_at"] = event.timestamp
        elif isinstance(body, Escalated):
            row["level"], row["told_at"] = body.level.value, event.action.occurred_at
            row["told"] = [*row["told"], *map(str, body.told)]
        else:
            row |= {
                "state": "answered",
                "answer": body.answer.value,
                "answered_by": event.action.actor.id,
                "answered_at": event.action.occurred_at,
            }
    yield from rows.values()


def _row(watch: "Watch", deadline: Any) -> Row:
    alarm = watch.alarms.get(deadline)
    owed = watch.runs.case.is_open if alarm is None else alarm.is_owed
    return {
        **dict.fromkeys(COLUMNS),
        **deadline._asdict(),
        "case_id": watch.runs.case.id,
        "unit": watch.runs.case.facts.unit or None,
        "owed_by": None if alarm is None else alarm.clock.owed_by,
        "told": [],
        "state": "open" if owed else "no longer owed",
    }
