"""``casetrail escalations``: missed deadlines that are on the record, who has been told of them, and what they answered."""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import click

from casetrail.cli import exits
from casetrail.cli.clocks import Asked, asked, asking_options
from casetrail.cli.config import Config
from casetrail.cli.context import an_id, format_option, guarded, opened_views, pass_config
from casetrail.cli.judged import are_left_out, asks_views, moment_asked
from casetrail.cli.known import InViews, Wanted, check_known
from casetrail.cli.render import emit

if TYPE_CHECKING:
    from casetrail.domain.case import Case, Recorded
    from casetrail.domain.clocks import Deadline
    from casetrail.projections.database import Database
    from casetrail.projections.escalated import Owed

Row = dict[str, Any]

MISSED: Final = "DeadlineMissed"
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
    """List missed deadlines that a watchdog has recorded and that are open, and who has been told: the oldest first.

    Open is what is owed still, and what nobody above those who owe it has answered. What is missed without a record is in
    'casetrail overdue'. Exit code 8 where any is open.
    """
    of_views = asks_views({**given, "from_log": False})
    with opened_views(config, judged=of_views and not are_left_out(config)) as database:
        rows = sorted(
            (
                row
                for row in _rows(config, database, given, case_id, of_views)
                if unit in (None, row["unit"]) and (every or row["state"] == "open")
            ),
            key=lambda row: (row["due_at"], row["case_id"], row["clock"], row["subject"] or ""),
        )
        if not rows:
            check_known(InViews(database), Wanted(case=case_id, unit=unit))
    emit(rows, SHORT if form == "table" else COLUMNS, form, "escalations")
    if any(row["state"] == "open" for row in rows):
        click.get_current_context().exit(exits.FAULTS)


def _rows(
    config: Config, database: "Database", given: dict[str, Any], case_id: str | None, of_views: bool
) -> Iterator[Row]:
    """The clocks are those that the views know, where ``of_views`` are asked; else a case is watched anew."""
    from casetrail.projections.database import has_judgements
    from casetrail.projections.escalated import cases_with_missed
    from casetrail.projections.queries import cases_with

    @cache
    def question() -> Asked:
        return asked(config, given["until_text"], given["moment_text"], given["judge_by"])

    if of_views and has_judgements(database) and moment_asked(config, database, given["moment_text"])[1]:
        for one in cases_with_missed(database, case_id):
            if one.owed.keys() >= {_deadline(event) for event in one.events}:
                yield from _of_case(one.case, one.events, one.owed.__getitem__)
            else:
                yield from _watched(database, one.case.id, question())
    else:
        for name in cases_with(database, MISSED) if case_id is None else [case_id]:
            yield from _watched(database, name, question())


def _watched(database: "Database", case_id: str, question: Asked) -> Iterator[Row]:
    """The same of one case, from all of its events."""
    from casetrail.domain.alarms import Watch
    from casetrail.domain.clocks import judged
    from casetrail.eventlog.codec import decode_event
    from casetrail.projections.escalated import KINDS, Owed
    from casetrail.projections.queries import timeline

    events = [decode_event(value).recorded() for _, _, value in timeline(database, case_id)]
    events = [event for event in events if question.until is None or event.timestamp <= question.until]
    watch = Watch(case_id, question.policies, question.departures, horizon=question.at)
    for event in events:
        watch.follow(event)
    watch.until(question.at)
    owed: dict[Deadline, Owed] = {}
    for clock in judged(watch.runs, question.at):
        if not (clock.deadline in owed and owed[clock.deadline].is_owed):
            owed[clock.deadline] = Owed(clock.owed_by, clock.is_owed)

    def owed_of(deadline: "Deadline") -> Owed:
        alarm = watch.alarms.get(deadline)
        if deadline in owed:
            return owed[deadline]
        return Owed("", watch.runs.case.is_open) if alarm is None else Owed(alarm.clock.owed_by, alarm.is_owed)

    yield from _of_case(watch.runs.case, [event for event in events if type(event.body).__name__ in KINDS], owed_of)


def _of_case(case: "Case", events: "Iterable[Recorded]", owed_of: "Callable[[Deadline], Owed]") -> Iterable[Row]:
    """What is recorded of a case's missed deadlines, in the order of their due times."""
    from casetrail.domain.escalation import DeadlineMissed, Escalated

    rows: dict[Deadline, Row] = {}
    for event in events:
        body: Any = event.body
        deadline, action = _deadline(event), event.action
        assert action is not None, "what is accepted has been asked for"
        if deadline not in rows:
            rows[deadline] = _row(case, deadline, owed_of(deadline))
        row = rows[deadline]
        if isinstance(body, DeadlineMissed):
            row["recorded_at"] = event.timestamp
        elif isinstance(body, Escalated):
            row["level"], row["told_at"] = body.level.value, action.occurred_at
            row["told"] = [*row["told"], *map(str, body.told)]
        else:
            row |= {"answer": body.answer.value, "answered_by": action.actor.id, "answered_at": action.occurred_at}
    return rows.values()


def _deadline(event: "Recorded") -> "Deadline":
    from casetrail.domain.clocks import Deadline

    body: Any = event.body
    return Deadline(body.clock, body.subject, body.due_at)


def _row(case: "Case", deadline: "Deadline", owed: "Owed") -> Row:
    from casetrail.domain.escalation import deadline_key, is_answer, owing_level

    missed = case.facts.deadlines.get(deadline_key(*deadline))
    answered = missed is not None and is_answer(missed.answered, owing_level(owed.owed_by))
    return {
        **dict.fromkeys(COLUMNS),
        **deadline._asdict(),
        "case_id": case.id,
        "unit": case.facts.unit or None,
        "owed_by": owed.owed_by or None,
        "told": [],
        "state": "answered" if answered else "open" if owed.is_owed else "no longer owed",
    }
