"""The one hash of the log: SHA-256 of a stored value as a leaf of an RFC 6962 tree. Links, answers and proofs use it."""

from hashlib import sha256
from typing import Final

NO_HASH: Final = bytes(32)
"""Stands where there is no previous event."""


def leaf_hash(value: bytes) -> bytes:
    """SHA-256(0x00 ‖ value): the leaf hash of RFC 6962, section 2.1. 32 bytes."""
    return sha256(b"\x00" + value).digest()
