"""The client for backend services. A ``Connection`` is safe for use by several threads."""

import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from time import monotonic
from typing import Any, Final, Self

from casetrail.domain.actions import Action, ActionRejected, SubmissionUnreadable, kind_of
from casetrail.domain.deciding import DUPLICATE_ACTION
from casetrail.domain.rules import Refused
from casetrail.domain.shapes import NOT_AN_ID, UNKNOWN_CODE
from casetrail.eventlog.codec import Event, decode_event, encode_action
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.errors import LogError, LogUnreachable
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.limits import ACTION_BYTES
from casetrail.eventlog.opening import open_log
from casetrail.eventlog.port import Entry, Log, Record, Topic
from casetrail.eventlog.process import OwnProcess, keep_for_good
from casetrail.publishing.earlier import first_answer
from casetrail.publishing.outcomes import OutcomeWatch, Place
from casetrail.publishing.receipt import Receipt
from casetrail.publishing.shape import check_unsealed, is_traceparent

IN_PROCESS: Final = "casetrail.consumers.inprocess"
"""The recorder that an embedded log is served by, in the submitter's own process. Looked up by name, and only then:
the client of a log on Kafka comes without any of it."""


KINDS: Final = {
    NOT_AN_ID.code: "id (1 to 64 letters, digits and . _ : @ + -, the first a letter or digit)",
    UNKNOWN_CODE.code: "code of its vocabulary (docs/codes.md)",
}


class SubmissionRefused(LogError):
    """The action was not sent: a field holds what it must not, cannot be encoded, or it is too large."""

    code = "submission-refused"


PATIENCE: Final = 30.0
"""Seconds that are waited for the log where no other time is given."""
LONGEST: Final = 1_000_000.0
"""Seconds: what every client of a log can reckon with, and longer than anybody waits."""
LOOKED_UP: Final = 20
"""So many receipts without an outcome are looked up in the log each time; each once."""
LOOK_UP_TIMEOUT: Final = 3.0
"""Seconds after which it is given up to look one up: whoever waits has waited for long enough."""
MOST_STANDING: Final = 100_000


class OutcomePending(LogError, TimeoutError):
    """No outcome yet. The log has taken the action and it will be answered; wait longer, with the same receipt."""

    code = "pending"


class ReceiptContradicted(LogError):
    """The log's answer is not to the action that the receipt is for: it is another log, or its history was replaced."""

    code = "receipt-contradicted"


@dataclass(frozen=True)
class Outcome:
    """The answer to a submission: ``accepted``, ``rejected`` or ``unreadable``, and the event that says so."""

    result: str
    event: Event
    offset: int
    """Of the event in ``LOG.events``: a view that has seen ``offset + 1`` shows it."""

    @property
    def code(self) -> str | None:
        """Why it was refused or could not be read: the stable code of the rule; None when it was accepted."""
        body = self.event.body
        return body.code if isinstance(body, ActionRejected | SubmissionUnreadable) else None


class Connection:
    """An open log, for submitting. Use it as a context manager, or ``close`` it.

    A ``timeout`` is in seconds; None is half a minute. Each process makes its own: in a fork all raises ``OtherProcess``.
    """

    def __init__(self, log: Log) -> None:
        self.log = log
        self._process = OwnProcess()
        self._watch = OutcomeWatch(log)
        self._standing: set[Receipt] = set()
        self._recorder: Any = None
        if isinstance(log, EmbeddedLog):
            self._recorder = importlib.import_module(IN_PROCESS).InProcessRecorder(log)

    def submit(self, action: Action, *, timeout: float | None = None, traceparent: str | None = None) -> Receipt:
        """Append an action to the log and return once it is durable.

        Submitting the same action again (same ``action_id``) after an error doubles nothing: the repetition is refused
        as ``duplicate-action``, whatever the first answer was (``first_answer``). ``traceparent`` (W3C Trace Context) goes on to the event.
        Raises ``SubmissionRefused`` before anything is sent, ``LogUnreachable``.
        """
        return self.submit_many([action], timeout=timeout, traceparent=traceparent)[0]

    def submit_many(
        self, actions: Iterable[Action], *, timeout: float | None = None, traceparent: str | None = None
    ) -> list[Receipt]:
        """The same for many actions at once; those of one case keep their order. One that is refused holds back all."""
        self._process.check()
        actions = list(actions)
        entries = entries_of(actions, traceparent)
        if not entries:
            return []
        if self._recorder is None:
            self._watch.begin()  # now, so that the answers need not be searched for
        else:
            self._watch.check_open()
        return receipts_for(
            self.log, entries, [(action.case_id, action.action_id) for action in actions], seconds(timeout)
        )

    def wait(self, receipt: Receipt, *, timeout: float | None = None) -> Outcome:
        """The outcome of a submission, once there is one; ask as often as you like, today or in a year.

        Raises ``OutcomePending`` after ``timeout`` seconds, ``LogUnreachable``, and ``ReceiptContradicted`` where the
        log holds another action than the receipt says, or nothing, or has no such place.
        """
        return self.wait_many([receipt], timeout=timeout)[0]

    def wait_many(self, receipts: Iterable[Receipt], *, timeout: float | None = None) -> list[Outcome]:
        """The outcomes of many submissions, in the order of their receipts."""
        self._process.check()
        receipts, timeout = list(receipts), seconds(timeout)
        for receipt in receipts:
            if receipt.log != self.log.name:
                raise ReceiptContradicted(f"this receipt is of the log '{receipt.log}', not of '{self.log.name}'")
            if not 0 <= receipt.partition < self.log.partitions or receipt.offset < 0:
                raise _contradicted(receipt, "has no such place as")
        self._watch.check_open()
        until = monotonic() + timeout
        if self._recorder is not None:
            self._recorder.record_up_to(receipts, timeout)
        found = self._watch.find({_place(receipt) for receipt in receipts}, until - monotonic()) if receipts else {}
        pending = [receipt for receipt in receipts if _place(receipt) not in found]
        if pending:
            raise OutcomePending(
                f"the action at partition {pending[0].partition}, offset {pending[0].offset} has no outcome after "
                f"{timeout:g} s{_and_others(pending)}; {self._standing_of(pending)}"
            )
        return [_outcome(receipt, found[_place(receipt)]) for receipt in receipts]

    def _standing_of(self, pending: Iterable[Receipt]) -> str:
        """What is known of actions without an outcome, in words. Raises ``ReceiptContradicted``."""
        try:
            self._check_standing(pending)
        except LogUnreachable as error:
            return f"the log has taken it, and could not be asked whether it holds it still ({error}); wait again"
        return "it is in the log and will be answered: is a recorder running?"

    def _check_standing(self, pending: Iterable[Receipt]) -> None:
        """Raise ``ReceiptContradicted`` where the log does not hold what one of the first receipts is for."""
        for receipt in islice((one for one in pending if one not in self._standing), LOOKED_UP):
            record = self.log.read_one(Topic.ACTIONS, receipt.partition, receipt.offset, LOOK_UP_TIMEOUT)
            if record is None:
                raise _contradicted(receipt, "holds nothing at")
            if leaf_hash(record.value or b"") != receipt.action_hash:
                raise _contradicted(receipt, "holds another action at")
            if len(self._standing) == MOST_STANDING:
                self._standing.clear()
            self._standing.add(receipt)

    def first_answer(self, outcome: Outcome, *, timeout: float | None = None) -> Outcome:
        """How an action was answered the first time, where ``outcome.code`` is ``duplicate-action``; else ``outcome`` itself.

        It may have been refused then: a repetition is answered as a duplicate all the same. The log is read back until
        it is found. Raises ``LogUnreachable``, also where that takes longer than ``timeout`` seconds, ``OffsetGone``,
        and ``ReceiptContradicted`` where the log holds no first answer.
        """
        self._process.check()
        if outcome.code != DUPLICATE_ACTION.code:
            return outcome
        record = first_answer(self.log, outcome.event, outcome.offset, monotonic() + seconds(timeout))
        if record is None:
            raise ReceiptContradicted(
                f"the log '{self.log.name}' refused an action as a duplicate and holds no earlier answer to it: its history "
                "was replaced; keep the receipt and tell an auditor"
            )
        return _outcome_of(decode_event(record.value), record.offset)

    def close(self) -> None:
        """Close the connection. In a fork this closes nothing: it is the other process's."""
        if not self._process.is_here():
            keep_for_good(self)
            if self._recorder is None:
                self.log.close()
            return
        self._watch.close()
        if self._recorder is not None:
            self._recorder.close()
        self.log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connect(url: str, options: Mapping[str, object] | None = None) -> Connection:
    """Open the log at ``sqlite:PATH`` or ``kafka://HOST:PORT/NAME`` for submitting.

    ``options`` are security settings of the Kafka client (docs/operations.md). Raises ``LogMissing``,
    ``LogUnreachable``.
    """
    return Connection(open_log(url, options))


def seconds(timeout: float | None, otherwise: float = PATIENCE) -> float:
    """A timeout as all that is below reckons with it: None is ``otherwise``, and nothing is longer than ``LONGEST``."""
    if timeout is None:
        return otherwise
    return timeout if timeout < LONGEST else LONGEST


def entries_of(actions: Sequence[Action], traceparent: str | None = None) -> list[Entry]:
    """The entries that submit actions. Raises ``SubmissionRefused``."""
    if traceparent is not None and not is_traceparent(traceparent):
        raise SubmissionRefused(
            "this is no traceparent as W3C Trace Context defines it: 55 characters, version-trace-parent-flags in hex digits; "
            "nothing was sent"
        )
    values = [_encoded(action, number) for number, action in enumerate(actions, 1)]
    headers = () if traceparent is None else (("traceparent", traceparent.encode()),)
    return [
        Entry(action.case_id.encode(), value, headers=headers) for action, value in zip(actions, values, strict=True)
    ]


def receipts_for(
    log: Log, entries: Sequence[Entry], named: Sequence[tuple[str, bytes]], timeout: float
) -> list[Receipt]:
    """Append entries to ``LOG.actions``; the receipts. ``named``: case id and action id of each. Raises ``LogUnreachable``."""
    appended = log.append(Topic.ACTIONS, entries, timeout)
    return [
        Receipt(log.name, case_id, action_id, *where, leaf_hash(entry.value or b""))
        for entry, (case_id, action_id), where in zip(entries, named, appended, strict=True)
    ]


def _encoded(action: Action, number: int) -> bytes:
    try:
        value = encode_action(action)
    except Exception as error:  # whatever its fields hold in the place of what they should: nothing is sent
        raise SubmissionRefused(
            f"action {number} ({_kind(action)}) cannot be encoded: {type(error).__name__}; nothing was sent. "
            "Check its fields against the types in casetrail.domain; times need a zone, an action id has 16 bytes"
        ) from error
    if len(value) > ACTION_BYTES:
        raise SubmissionRefused(
            f"action {number} ({_kind(action)}) has {len(value)} bytes, {ACTION_BYTES} are allowed; nothing was sent. "
            "Keep files elsewhere and refer to them by their SHA-256"
        )
    try:
        check_unsealed(action)
    except Refused as refused:
        raise SubmissionRefused(
            f"action {number} ({_kind(action)}): the field '{refused.field}' holds no {KINDS[refused.rule.code]}; nothing was "
            "sent. A name, or any other text, goes into a sealed field: an action is never changed again"
        ) from None
    return value


def _kind(action: Action) -> str:
    return kind_of(action.body) if isinstance(action, Action) else type(action).__name__


def _place(receipt: Receipt) -> Place:
    return Place(receipt.partition, receipt.offset)


def _and_others(pending: Sequence[Receipt]) -> str:
    return f" (and {len(pending) - 1} others)" if len(pending) > 1 else ""


def _contradicted(receipt: Receipt, what: str) -> ReceiptContradicted:
    return ReceiptContradicted(
        f"the log '{receipt.log}' {what} partition {receipt.partition}, offset {receipt.offset}, where this receipt says its "
        "action stands: it is not the log that gave the receipt, or its history was cut off or replaced (an older copy was "
        "restored); keep the receipt and tell an auditor"
    )


def _outcome(receipt: Receipt, record: Record) -> Outcome:
    event = decode_event(record.value)
    if event.action_hash != receipt.action_hash:
        raise ReceiptContradicted(
            f"the log '{receipt.log}' answers another action at partition {receipt.partition}, offset "
            f"{receipt.offset} than this receipt is for: it is not the log that gave the receipt, or its history "
            "was replaced; keep the receipt and tell an auditor"
        )
    return _outcome_of(event, record.offset)


def _outcome_of(event: Event, offset: int) -> Outcome:
    result = {ActionRejected: "rejected", SubmissionUnreadable: "unreadable"}.get(type(event.body), "accepted")
    return Outcome(result, event, offset)
