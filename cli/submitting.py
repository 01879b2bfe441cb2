"""Submitting one action from the command line, and showing what became of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import Failure, failure_of
from casetrail.cli.render import fields as emit_fields
from casetrail.domain.actions import Action, ActionRejected
from casetrail.domain.concern import ConcernRaised
from casetrail.domain.deciding import DUPLICATE_ACTION, ROLE_MAY_NOT
from casetrail.domain.kinds import KIND_BY_NAME
from casetrail.domain.rules import RULES
from casetrail.eventlog.errors import LogError, LogRefused, LogUnreachable
from casetrail.publishing import Connection, Outcome, OutcomePending, Receipt, connect
from casetrail.publishing.receipt import PROMISED_WITHIN

if TYPE_CHECKING:
    from casetrail.publishing.spooled import Spooled

EXIT_BY_RESULT: Final = {"accepted": exits.OK, "rejected": exits.REJECTED, "unreadable": exits.UNREADABLE}

OUTCOME: Final = ("result", "code", "case_id", "number", "submitted_at", "recorded_at", "action_id", "partition",
                  "action_offset", "event_offset", "action_hash")  # fmt: skip


class Wanted(NamedTuple):
    """How a submission is to be answered: patience in seconds, form of the output, and the receipt, if one is wanted."""

    timeout: float
    form: str
    receipt: Path | None = None
    promised_within: int = PROMISED_WITHIN
    concern: str | None = None
    """The id of the concern that is raised: 'partner raise' makes it, and whoever raised it closes it by that."""


def submit(config: Config, action: Action, wanted: Wanted) -> None:
    """Submit one action, show what became of it, and exit with the code that says so."""
    if isinstance(action.body, ConcernRaised):
        wanted = wanted._replace(concern=action.body.concern)
    if wanted.receipt is not None and (wanted.receipt.exists() or not wanted.receipt.parent.is_dir()):
        raise Failure(
            f"no new file can be made at {wanted.receipt}; nothing was submitted: choose another one for the receipt"
        )
    if config.spool is None:
        with connect(config.log_url(), config.kafka) as connection, _repeatable(action):
            answered(connection, _sent(connection, action), wanted)
        return
    from casetrail.cli.spool import opened_submitter

    with opened_submitter(config) as submitter, _repeatable(action):
        given = submitter.submit(action, promised_within=wanted.promised_within)
        if not isinstance(given, Receipt):
            waits(config.spool, given, wanted)
        else:
            answered(submitter.connection(), given, wanted)


def _sent(connection: Connection, action: Action) -> Receipt:
    """Submit an action. Where that is refused nothing was appended; where the answer may not be read it stands in the log."""
    try:
        return connection.submit(action)
    except LogRefused as error:
        raise Failure(str(error), exits.UNREACHABLE) from error


@contextmanager
def _repeatable(action: Action) -> Iterator[None]:
    """Say how to repeat a submission that may stand in the log: told again under a new id, it would be there twice."""
    again = f"the submission may stand in the log: repeat it for case {action.case_id} and --action-id {action.action_id.hex()}, "
    try:
        yield
    except KeyboardInterrupt:
        raise Failure(f"interrupted; {again}which doubles nothing", exits.INTERRUPTED) from None
    except (LogUnreachable, OSError) as error:
        failure = failure_of(error)
        if failure is None:
            raise
        raise Failure(f"{failure.message}; {again}which doubles nothing", failure.exit_code) from error


def waits(spool: str, spooled: "Spooled", wanted: Wanted) -> None:
    """Show that a submission waits on this machine, and exit with the code that says so."""
    _show(wanted, {"result": "spooled", "code": spooled.code, "case_id": spooled.case_id, "action_id": spooled.action_id,
                   "action_hash": spooled.action_hash})  # fmt: skip
    none = (
        ""
        if wanted.receipt is None
        else "; there is no receipt yet: 'casetrail spool deliver --receipts FOLDER' writes it, "
        f"or 'casetrail spool receipt {spooled.action_id.hex()}', once it has been delivered"
    )
    raise Failure(
        f"the submission waits in {spool}, and is in no log yet ({spooled.code}: {spooled.why}){none}. The next submission "
        "delivers it, or 'casetrail spool deliver'",
        exits.PENDING,
    )


def answered(connection: Connection, receipt: Receipt, wanted: Wanted) -> None:
    """Wait for the outcome of a submission, show it, and exit with the code that says so."""
    receipt = replace(receipt, promised_within=wanted.promised_within)
    if wanted.receipt is not None:  # at once: it is wanted most where no outcome comes
        _hand_over(receipt, wanted.receipt)
    try:
        outcome = connection.wait(receipt, timeout=wanted.timeout)
    except OutcomePending as error:
        _show(wanted, {"result": "pending", **promised(receipt)})
        raise Failure(str(error), exits.PENDING) from error
    event = outcome.event
    found = {"result": outcome.result, "code": outcome.code, "number": event.number, "recorded_at": event.recorded_at,
             "event_offset": outcome.offset}  # fmt: skip
    _show(wanted, {**promised(receipt), **found})
    if outcome.code is not None:
        rule = RULES.get(outcome.code)
        field = getattr(outcome.event.body, "field", None)
        where = f" (field: {field})" if field else ""
        if outcome.code == ROLE_MAY_NOT.code and isinstance(event.body, ActionRejected):
            where = f" (who may: {', '.join(sorted(KIND_BY_NAME[event.body.kind].roles))})"
        click.echo(f"{outcome.result}: {rule.sentence if rule else outcome.code}{where}", err=True)
        if outcome.code == DUPLICATE_ACTION.code:
            click.echo(_first_time(connection, outcome, wanted.timeout), err=True)
        click.get_current_context().exit(EXIT_BY_RESULT[outcome.result])


def _first_time(connection: Connection, outcome: Outcome, timeout: float) -> str:
    """How a repeated action was answered the first time: a refused one is in no case's history of facts."""
    try:
        first = connection.first_answer(outcome, timeout=timeout)
    except LogError as error:
        return f"how it was answered the first time could not be read: {error}"
    number = first.event.number
    if first.code is None:
        return f"the first time it was accepted: event {number} of the case"
    rule = RULES.get(first.code)
    return (
        f"the first time it was {first.result}, by event {number} of the case ({first.code}: "
        f"{rule.sentence if rule else first.code}): mend it and submit it under another --action-id"
    )


def _hand_over(receipt: Receipt, path: Path) -> None:
    """Write the receipt; where that fails, show it: the submission is in the log, and nobody else has this."""
    try:
        with path.open("x", encoding="utf-8", newline="\n") as out:
            out.write(receipt.to_text())
    except OSError as error:
        click.echo(f"the receipt cannot be written to {path} ({error.strerror}); keep these lines:", err=True)
        click.echo(receipt.to_text(), err=True)


def promised(receipt: Receipt) -> dict[str, Any]:
    """What a receipt says of a submission, under the names that every command has for it."""
    return {
        "case_id": receipt.case_id,
        "submitted_at": receipt.submitted_at,
        "action_id": receipt.action_id,
        "partition": receipt.partition,
        "action_offset": receipt.offset,
        "action_hash": receipt.action_hash,
    }


def _show(wanted: Wanted, known: dict[str, Any]) -> None:
    """What a submission came to, as a row of the same fields whatever that is; what is not known yet is null."""
    row = {name: known.get(name) for name in OUTCOME}
    emit_fields(row if wanted.concern is None else {**row, "concern": wanted.concern}, wanted.form)
