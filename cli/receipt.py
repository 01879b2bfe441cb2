"""``casetrail receipt``: what the reporter holds against the log. Proven with the log, checked without it."""

from itertools import count
from operator import attrgetter
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import click

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import Failure, format_option, guarded, now, opened_log, pass_config
from casetrail.cli.local_tree import convicting, opened_tree, required_policy
from casetrail.cli.progress import progress_bar
from casetrail.cli.render import fields
from casetrail.domain.values import iso

if TYPE_CHECKING:
    from casetrail.audit.receipts import Answered, Proven
    from casetrail.eventlog.port import Log, Record
    from casetrail.proofs.policy import Policy
    from casetrail.proofs.prooffile import TlogProof
    from casetrail.publishing import Receipt

MOST_BYTES: Final = 1_000_000
SEARCH: Final = 30.0
"""Seconds for the quick search; after that the partition is read from its beginning."""

UNANSWERED: Final = "the log holds the action, and no recorder has answered it yet"
ANSWER_GONE: Final = (
    "the log does not give the answer any more that the proof shows: keep receipt and proof, they are evidence"
)

FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.group()
def receipt() -> None:
    """Prove and check what a reporter was promised.

    A receipt (report … --receipt FILE) names one submission and where the log took it in. Keep it: with it anybody can show
    that the submission was answered, late, or passed over, without asking the unit.
    """


@receipt.command()
@FILE
@format_option
@pass_config
@guarded
def prove(config: Config, file: Path, form: str) -> None:
    """Complete the receipt in FILE with a proof, FILE.tlog-proof, as soon as witnesses have seen the answer.

    Exit code 5 while there is none yet; 8 where the log denies the submission, has passed it over, was late, or shows another
    history than an earlier proof. What stands at that name and does not prove this receipt is put aside.
    """
    from casetrail.audit.receipts import NotProvenYet, answered_by, check_proof, check_submitted
    from casetrail.audit.receipts import prove as proven

    policy, held = required_policy(config), _receipt(file)
    with convicting(), opened_log(config) as log:
        _check_name(log, held)
        check_submitted(log, held)
        event, earlier = _answer(log, held), _earlier(file, held, policy)
        with opened_tree(config, log, policy) as tree:  # also without an answer: it may have been there, and be cut off
            if earlier is not None:
                _check_agrees(tree, earlier)
            if event is None:
                fields(_submitted(held), form)
                raise Failure(ANSWER_GONE, exits.FAULTS) if earlier is not None else _waiting(held, UNANSWERED)
            try:
                proof = earlier or proven(tree, policy, held, event)
            except NotProvenYet as error:
                fields({**_submitted(held), **_result(answered_by(held, event.value or b""))}, form)
                raise _waiting(held, str(error)) from error
        found = check_proof(held, proof, policy)
    if earlier is None:
        _keep_what_is_there(_proof_file(file))
        _write(_proof_file(file), proof.format())
    fields({**_submitted(held), **_proven(held, found)}, form)
    _convict_late(held, found)


@receipt.command()
@FILE
@click.option("--online", is_flag=True, help="Ask the log too: outcome, stage of the case, and what is due in it.")
@format_option
@pass_config
@guarded
def check(config: Config, file: Path, online: bool, form: str) -> None:
    """Check the receipt in FILE and its proof, FILE.tlog-proof: without the log, with the trust policy only.

    Names nobody: with --online it tells the stage of the case and what is due in it by the policies that were adopted, not who
    owes it; of a case that was merged into another one, where it goes on, too. Exit code 5 while there is no proof; 8 where it
    does not hold, the answer came late, or the log denies the submission.
    """
    from casetrail.audit.receipts import check_proof

    held, proof = _receipt(file), _proof(file)
    row: dict[str, Any] = _submitted(held)
    found = None
    with convicting():
        if proof is not None:
            found = check_proof(held, proof, required_policy(config))
            row |= _proven(held, found)
        elif not online:
            raise _unproven(held, file)
        if online:
            row |= _online(config, held, found)
    fields(row, form)
    if found is not None:
        _convict_late(held, found)
    elif row["result"] is None:
        raise _waiting(held, UNANSWERED)


def _online(config: Config, held: "Receipt", found: "Proven | None") -> dict[str, Any]:
    """What the log says now of the submission and its case; a proof must still be true of it."""
    from casetrail.audit.receipts import answered_by, check_submitted

    with opened_log(config) as log:
        _check_name(log, held)
        check_submitted(log, held)
        event = _answer(log, held)
        answered = None if event is None else answered_by(held, event.value or b"")
        if found is not None and answered != found.answered:
            raise Failure(ANSWER_GONE, exits.FAULTS)
        with progress_bar("folding the case", None) as progress:
            return {**_result(answered), **_stage(log, held.case_id, progress)}


def _stage(log: "Log", case_id: str, progress: Any) -> dict[str, Any]:
    """Where the case stands, and what is due in it, as the log's own events say; merged away, where it goes on, too."""
    from casetrail.audit.receipts import events_now
    from casetrail.domain.registry import REGISTRY
    from casetrail.projections.as_of import owed
    from casetrail.projections.registry import registry_of

    registry = registry_of(events_now(log, REGISTRY, progress)[1])
    stages: dict[str, str] = {}
    dues, following, at = [], case_id, now()
    while following and following not in stages:
        case, events = events_now(log, following, progress)
        stages[following] = case.status.value
        for clock in sorted(
            owed(following, [event for event, _ in events], registry), key=attrgetter("due_at", "name")
        ):
            dues.append(
                {"case_id": following, "clock": clock.name, "due_at": clock.due_at, "overdue": clock.due_at < at}
            )
        following = case.facts.merged_into or ""
    last = [*stages][-1] if len(stages) > 1 else None
    return {"stage": stages[case_id], "goes_on_in": last, "goes_on_stage": last and stages[last], "dues": dues}


def _answer(log: "Log", held: "Receipt") -> "Record | None":
    """The event that answers the action; None while there is none. Nobody is accused before all has been read."""
    from casetrail.audit.receipts import find_answer
    from casetrail.eventlog.port import Topic
    from casetrail.publishing.earlier import answers_between

    end = log.end_offsets(Topic.EVENTS)[held.partition]
    for _, record in answers_between(log, held.partition, [held.offset], end, monotonic() + SEARCH):
        return record
    with progress_bar("searching", end) as progress:
        return find_answer(log, held, progress)


def _check_name(log: "Log", held: "Receipt") -> None:
    if log.name != held.log:
        raise Failure(f"this receipt is of the log '{held.log}', and '{log.name}' is configured", exits.USAGE)


def _check_agrees(tree: Any, earlier: "TlogProof") -> None:
    from casetrail.audit.receipts import check_agrees

    check_agrees(tree, earlier)


def _earlier(file: Path, held: "Receipt", policy: "Policy") -> "TlogProof | None":
    """A proof that was made before and holds: it is kept, for it is evidence."""
    from casetrail.audit.receipts import check_proof
    from casetrail.proofs.errors import NoteInvalid, ProofInvalid

    try:
        proof = _proof(file)
        if proof is not None:
            check_proof(held, proof, policy)
    except (ProofInvalid, NoteInvalid):
        return None
    return proof


def _waiting(held: "Receipt", what: str) -> Failure:
    """Nothing proven yet: early, or late already."""
    if now() > held.promised_by:
        return Failure(
            f"{what}; it was promised by {iso(held.promised_by)}: that is late, and this receipt shows it", exits.FAULTS
        )
    return Failure(f"{what}; it is promised by {iso(held.promised_by)}: try again", exits.PENDING)


def _unproven(held: "Receipt", file: Path) -> Failure:
    """No proof beside the receipt, and no log: nothing is known, so the log is not convicted, also when the time is over."""
    missing = f"there is no {_proof_file(file)}, which 'casetrail receipt prove {file}' makes, with the log"
    if now() > held.promised_by:
        return Failure(
            f"{missing}; the answer was promised by {iso(held.promised_by)}, and that time is over: ask for the proof now, and it "
            "shows whether the promise was kept",
            exits.PENDING,
        )
    return Failure(f"{missing}; it is promised by {iso(held.promised_by)}: try again", exits.PENDING)


def _convict_late(held: "Receipt", found: "Proven") -> None:
    if found.is_late(held.promised_by):
        latest = max(at for at in (found.included_at, found.witnessed_at) if at is not None)
        raise Failure(
            f"late: promised by {iso(held.promised_by)}, and seen by witnesses at {iso(latest)}", exits.FAULTS
        )


def _submitted(held: "Receipt") -> dict[str, Any]:
    return {
        "log": held.log,
        "case_id": held.case_id,
        "action_hash": held.action_hash,
        "submitted_at": held.submitted_at,
        "promised_by": held.promised_by,
        **_result(None),
    }


def _result(answered: "Answered | None") -> dict[str, Any]:
    if answered is None:
        return {"result": None, "code": None, "number": None}
    return {"result": answered.result, "code": answered.code, "number": answered.event.number}


def _proven(held: "Receipt", found: "Proven") -> dict[str, Any]:
    return {
        **_result(found.answered),
        "recorded_at": found.recorded_at,
        "included_at": found.included_at,
        "witnessed_at": found.witnessed_at,
        "late": found.is_late(held.promised_by) if found.included_at or found.witnessed_at else None,
        "leaf": found.leaf,
        "tree_size": found.standing.checkpoint.size,
        "origin": found.standing.checkpoint.origin,
        "witnesses": sorted(found.standing.witnesses),
    }


def _receipt(file: Path) -> "Receipt":
    from casetrail.publishing import Receipt, ReceiptInvalid

    try:
        return Receipt.from_text(_read(file).decode())
    except (ReceiptInvalid, UnicodeDecodeError) as error:
        raise Failure(f"{file}: {error}") from error


def _proof(file: Path) -> "TlogProof | None":
    from casetrail.proofs.errors import ProofInvalid
    from casetrail.proofs.prooffile import parse_proof

    path = _proof_file(file)
    try:
        return parse_proof(_read(path)) if path.exists() else None
    except ProofInvalid as error:
        raise ProofInvalid(f"{path}: {error}") from error


def _proof_file(file: Path) -> Path:
    from casetrail.proofs.prooffile import SUFFIX

    return file.with_name(f"{file.name}{SUFFIX}")


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(MOST_BYTES)
    except OSError as error:
        raise Failure(f"{file} cannot be read ({error.strerror})", exits.NOT_FOUND) from error


def _keep_what_is_there(file: Path) -> None:
    """Put aside what stands where a proof is to be written: it proves nothing here, and may be another receipt's."""
    if not file.exists():
        return
    aside = next(one for number in count(1) if not (one := file.with_name(f"{file.name}.{number}")).exists())
    try:
        file.rename(aside)
    except OSError as error:
        raise Failure(f"{file} cannot be put aside ({error.strerror})") from error
    click.echo(f"what was {file} does not prove this receipt, and is {aside} now", err=True)


def _write(file: Path, content: bytes) -> None:
    from casetrail.proofs.files import put

    try:
        put(file, content)
    except OSError as error:
        raise Failure(f"{file} cannot be written ({error.strerror})") from error
