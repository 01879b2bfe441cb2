"""For backend services: connect to a log, submit actions, get receipts, wait for outcomes.

    from casetrail.publishing import connect

    with connect("kafka://broker:9092/kcpd") as log:
        receipt = log.submit(action)
        outcome = log.wait(receipt)

Needs neither the views nor the audit room.
"""

from casetrail.publishing.client import (
    Connection,
    Outcome,
    OutcomePending,
    ReceiptContradicted,
    SubmissionRefused,
    connect,
)
from casetrail.publishing.receipt import Receipt, ReceiptInvalid

__all__ = [
    "Connection",
    "Outcome",
    "OutcomePending",
    "Receipt",
    "ReceiptContradicted",
    "ReceiptInvalid",
    "SubmissionRefused",
    "connect",
]
