"""For backend services: connect to a log, submit actions, get receipts, wait for outcomes.

    from casetrail.publishing import connect

    with connect("kafka://broker:9092/kcpd") as log:
        receipt = log.submit(action)
        outcome = log.wait(receipt)

Needs neither the views nor the audit room.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from casetrail.eventlog.errors import (
    EntryTooLarge,
    LogError,
    LogMissing,
    LogRefused,
    LogReplaced,
    LogUnreachable,
    OffsetGone,
    OtherProcess,
)
from casetrail.publishing.client import (
    Connection,
    Outcome,
    OutcomePending,
    ReceiptContradicted,
    SubmissionRefused,
    connect,
)
from casetrail.publishing.receipt import Receipt, ReceiptInvalid

if TYPE_CHECKING:
    from casetrail.publishing.spool import Spool
    from casetrail.publishing.spooled import NotStuck, Spooled, SpoolStuck, SpoolUnusable
    from casetrail.publishing.submitter import Delivered, Submitter

__all__ = [
    "Connection",
    "Delivered",
    "EntryTooLarge",
    "LogError",
    "LogMissing",
    "LogRefused",
    "LogReplaced",
    "LogUnreachable",
    "NotStuck",
    "OffsetGone",
    "OtherProcess",
    "Outcome",
    "OutcomePending",
    "Receipt",
    "ReceiptContradicted",
    "ReceiptInvalid",
    "Spool",
    "SpoolStuck",
    "SpoolUnusable",
    "Spooled",
    "SubmissionRefused",
    "Submitter",
    "connect",
]

LATE: Final = {
    "Delivered": "submitter",
    "NotStuck": "spooled",
    "Spool": "spool",
    "SpoolStuck": "spooled",
    "SpoolUnusable": "spooled",
    "Spooled": "spooled",
    "Submitter": "submitter",
}
"""What is imported when it is asked for: the ciphers of a spool take their time, and few need one."""


def __getattr__(name: str) -> Any:
    if name not in LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{LATE[name]}"), name)
