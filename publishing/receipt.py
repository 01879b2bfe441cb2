"""The receipt of a submission, as plain values and as a text that fits a QR code."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Self

from casetrail.domain.values import EPOCH, MILLISECOND, at_millis, iso
from casetrail.eventlog.errors import LogError

VERSION: Final = "casetrail-receipt@v1"
PROMISED_WITHIN: Final = 86_400
"""Seconds: what logs of web certificates promise too (their maximum merge delay is 24 h)."""
ID_BYTES: Final = 16
HASH_BYTES: Final = 32
LINES: Final = ("log", "case", "action", "partition", "offset", "appended", "hash", "within")


class ReceiptInvalid(LogError):
    """A text is no receipt: cut off, mistyped, or of another version."""

    code = "receipt-invalid"


@dataclass(frozen=True)
class Receipt:
    """Proof of a submission: which log, partition and offset, when (milliseconds since 1970 UTC), and the leaf hash.

    ``promised_within``: seconds from then on, within which witnesses are to have seen a checkpoint over the answer.
    """

    log: str
    case_id: str
    action_id: bytes
    partition: int
    offset: int
    appended_at: int
    action_hash: bytes
    promised_within: int = PROMISED_WITHIN

    @property
    def submitted_at(self) -> datetime:
        """When the log took the action in (UTC)."""
        return at_millis(self.appended_at)

    @property
    def promised_by(self) -> datetime:
        """By when witnesses are to have seen a checkpoint over the answer (UTC)."""
        return self.submitted_at + timedelta(seconds=self.promised_within)

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
            "promised_within": self.promised_within,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The receipt that ``to_dict`` gave, to wait with it later or elsewhere. Raises ``KeyError``, ``ValueError``."""
        return cls(
            log=str(values["log"]),
            case_id=str(values["case_id"]),
            action_id=bytes.fromhex(values["action_id"]),
            partition=int(values["partition"]),
            offset=int(values["offset"]),
            appended_at=int(values["appended_at"]),
            action_hash=bytes.fromhex(values["action_hash"]),
            promised_within=int(values.get("promised_within", PROMISED_WITHIN)),
        )

    def to_text(self) -> str:
        """A text of nine lines and under 1 KB, to be kept as a file or printed as a QR code (docs/proofs.md).

        Raises ``ReceiptInvalid`` for a case id or a time that is none: it could not be read back.
        """
        try:
            appended = (
                EPOCH + self.appended_at * MILLISECOND
            )  # as the log gave it, also where it is reckoned with otherwise
        except OverflowError as error:
            raise ReceiptInvalid("this receipt has a time behind the year 9999") from error
        values = (
            self.log,
            self.case_id,
            self.action_id.hex(),
            self.partition,
            self.offset,
            iso(appended),
            self.action_hash.hex(),
            self.promised_within,
        )
        text = "\n".join([VERSION, *(f"{name} {value}" for name, value in zip(LINES, values, strict=True)), ""])
        if _parsed(text) != self:
            raise ReceiptInvalid("this receipt cannot be written as a text that reads back as the same")
        return text

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The receipt that ``to_text`` gave, with either kind of line ends. Raises ``ReceiptInvalid``."""
        found = _parsed(text.replace("\r\n", "\n"))
        if found.to_text().rstrip("\n") != text.replace("\r\n", "\n").rstrip("\n"):
            raise ReceiptInvalid("this is no receipt: it is not written as casetrail writes them")
        return cls(**vars(found))


def _parsed(text: str) -> Receipt:
    version, *lines = text.rstrip("\n").split("\n")
    if version != VERSION:
        raise ReceiptInvalid(f"this is no receipt: its first line is not {VERSION}")
    named = [line.partition(" ")[::2] for line in lines]
    if tuple(name for name, _ in named) != LINES:
        raise ReceiptInvalid(f"this is no receipt: after the first line it has the lines {', '.join(LINES)}")
    log, case_id, action, partition, offset, appended, action_hash, within = (value for _, value in named)
    try:
        made = Receipt(
            log=log,
            case_id=case_id,
            action_id=bytes.fromhex(action),
            partition=int(partition),
            offset=int(offset),
            appended_at=(datetime.fromisoformat(appended) - EPOCH) // MILLISECOND,
            action_hash=bytes.fromhex(action_hash),
            promised_within=int(within),
        )
        if min(made.partition, made.offset, made.promised_within, made.appended_at) < 0 or made.promised_by < EPOCH:
            raise ValueError("a number in it is below 0")
    except (ValueError, TypeError, OverflowError) as error:
        raise ReceiptInvalid(f"this is no receipt: {error}") from None
    if len(made.action_id) != ID_BYTES or len(made.action_hash) != HASH_BYTES:
        raise ReceiptInvalid(f"this is no receipt: an action id has {ID_BYTES} bytes, a hash {HASH_BYTES}")
    return made
