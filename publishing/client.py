"""The client for backend services. A ``Connection`` is safe for use by several threads."""

import importlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, Self

from casetrail.domain.actions import Action, ActionRejected, SubmissionUnreadable
from casetrail.eventlog.codec import Event, Unreadable, decode_event, encode_action
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.errors import LogError
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.limits import ACTION_BYTES
from casetrail.eventlog.opening import open_log
from casetrail.eventlog.port import Entry, Log, Topic
from casetrail.publishing.outcomes import OutcomeWatch

IN_PROCESS: Final = "casetrail.consumers.inprocess"
"""The recorder that an embedded log is served by, in the submitter's own process. Looked up by name, and only then:
the client of a log on Kafka comes without any of it."""


class SubmissionRefused(LogError):
    """The action was not sent: its fields have no shape that can be encoded, or it is too large."""

    code = "submission-refused"


class OutcomePending(TimeoutError):
    """No outcome yet. The action is in the log and will be answered; wait longer, with the same receipt."""

    code = "pending"


@dataclass(frozen=True)
class Receipt:
    """Proof of a submission: which log, partition and offset, when (milliseconds since 1970 UTC), and the leaf hash."""

    log: str
    case_id: str
    action_id: bytes
    partition: int
    offset: int
    appended_at: int
    action_hash: bytes

    def to_dict(self) -> dict[str, Any]:
        """Plain values: hashes and ids in hex."""
        return {
            "log": self.log,
            "case_id": self.case_id,
            "action_id": self.action_id.hex(),
            "partition": self.partition,
            "offset": self.offset,
            "appended_at": self.appended_at,
            "action_hash": self.action_hash.hex(),
        }


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
    """An open log, for submitting. Use it as a context manager, or ``close`` it."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self._watch = OutcomeWatch(log)
        self._lock = threading.Lock()
        self._recorder: Any = None
        if isinstance(log, EmbeddedLog):
            self._recorder = importlib.import_module(IN_PROCESS).InProcessRecorder(log)

    def submit(self, action: Action, *, timeout: float = 30.0) -> Receipt:
        """Append an action to the log and return once it is durable.

        Submitting the same action again (same ``action_id``) after an error doubles nothing: the repetition is refused
        as ``duplicate-action``. Raises ``SubmissionRefused``, ``LogUnreachable``.
        """
        return self.submit_many([action], timeout=timeout)[0]

    def submit_many(self, actions: Sequence[Action], *, timeout: float = 30.0) -> list[Receipt]:
        """The same for many actions at once; those of one case keep their order."""
        values = [_encoded(action) for action in actions]
        entries = [Entry(action.case_id.encode(), value) for action, value in zip(actions, values, strict=True)]
        appended = self.log.append(Topic.ACTIONS, entries, timeout)
        return [
            Receipt(self.log.name, action.case_id, action.action_id, *where, leaf_hash(value))
            for action, value, where in zip(actions, values, appended, strict=True)
        ]

    def wait(self, receipt: Receipt, *, timeout: float = 30.0) -> Outcome:
        """The outcome of a submission, once there is one. Raises ``OutcomePending`` after ``timeout`` seconds."""
        return self.wait_many([receipt], timeout=timeout)[0]

    def wait_many(self, receipts: Sequence[Receipt], *, timeout: float = 30.0) -> list[Outcome]:
        """The outcomes of many submissions, in their order."""
        until = monotonic() + timeout
        if self._recorder is not None:
            self._recorder.record_up_to(receipts, timeout)
        found = []
        for receipt in receipts:
            record = self._watch.find(receipt.partition, receipt.offset, until - monotonic())
            if record is None:
                raise OutcomePending(
                    f"the action at partition {receipt.partition}, offset {receipt.offset} has no outcome after "
                    f"{timeout:g} s; it is in the log and will be answered: is a recorder running?"
                )
            found.append(_outcome(decode_event(record.value), record.offset))
        return found

    def close(self) -> None:
        """Close the connection."""
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


def _encoded(action: Action) -> bytes:
    try:
        value = encode_action(action)
    except (ValueError, TypeError, AttributeError, KeyError, Unreadable) as error:
        raise SubmissionRefused(f"this action cannot be encoded: {type(error).__name__}") from error
    if len(value) > ACTION_BYTES:
        raise SubmissionRefused(f"an action has at most {ACTION_BYTES} bytes; refer to files by their hash")
    return value


def _outcome(event: Event, offset: int) -> Outcome:
    result = {ActionRejected: "rejected", SubmissionUnreadable: "unreadable"}.get(type(event.body), "accepted")
    return Outcome(result, event, offset)
