"""The keyring: one data key for each case, one token key for the log. Destroying a case's key expunges its persons.

Keys are stored wrapped only. A wrapper is a key management service, or the local master key of ``wrapping``. Nothing
here imports cryptography or a database: ``opening`` opens the keyring of an address.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from casetrail.domain.values import EPOCH, MILLISECOND, at_millis, is_id
from casetrail.privacy.errors import KeyDestroyed, MasterKeyBad, NotSealable

KEY_BYTES: Final = 32


class KeyWrapper(Protocol):
    """What a key management service does for a keyring. Called from several threads."""

    def wrap(self, key: bytes) -> bytes:
        """Encrypt a key of 32 bytes."""

    def unwrap(self, wrapped: bytes) -> bytes:
        """Decrypt it again. Raises ``MasterKeyBad`` where it was wrapped by another master key, or altered."""


class Keyring(Protocol):
    """Where keys are kept. Several processes and threads may use the same keyring at once.

    Everything may raise ``KeyringUnreachable``, ``KeyringLocked`` and ``MasterKeyBad``.
    """

    def case_key(self, case_id: str) -> bytes:
        """The key of a case. Raises ``KeyMissing``, ``KeyDestroyed``."""

    def create_case_key(self, case_id: str) -> bytes:
        """The key of a case, made if there is none yet: whoever asks at the same time gets the same one.

        Raises ``KeyDestroyed``: none is made a second time.
        """

    def create_case_keys(self, case_ids: Iterable[str]) -> dict[str, bytes]:
        """The same for many cases in one transaction: all, or none of them.

        Raises ``KeyDestroyed``, which names the first such case.
        """

    def destroy_case_key(self, case_id: str, reason_code: str, at: datetime) -> None:
        """Destroy the key of a case for good: what was sealed under it can never be opened again.

        What stays is that it was destroyed, ``at`` when (aware) and why (a code with the shape of an id; no free text).
        Doing it again changes nothing but clears up what an interrupted destruction left behind. Raises ``KeyMissing``.
        """

    def token_key(self) -> bytes:
        """The key of all blinded tokens of the log, made with the keyring."""

    def count(self) -> int:
        """How many cases have a key, destroyed ones not counted."""

    def close(self) -> None:
        """Let go of the file or connection."""


@dataclass(frozen=True)
class StoredKey:
    """A case's row in a keyring: a wrapped key, or since when (milliseconds UTC) and why there is none any more."""

    wrapped: bytes | None
    reason_code: str | None
    destroyed_at: int | None

    def opened(self, case_id: str, wrapper: KeyWrapper) -> bytes:
        """The key itself. Raises ``KeyDestroyed``, ``MasterKeyBad``."""
        if self.wrapped is None:
            raise KeyDestroyed(case_id, self.reason_code or "", at_millis(self.destroyed_at or 0))
        return wrapper.unwrap(bytes(self.wrapped))


def new_key() -> bytes:
    """A new random key of 32 bytes."""
    return os.urandom(KEY_BYTES)


def in_order(case_ids: Iterable[str]) -> list[str]:
    """Each case id once, sorted, so that two writers never wait for each other. Raises ``NotSealable``."""
    wanted = sorted(set(case_ids))
    if not all(map(is_id, wanted)):
        raise NotSealable("a case id has 1 to 64 letters, digits and . _ : @ + -, the first a letter or digit")
    return wanted


def tombstone(reason_code: str, at: datetime) -> tuple[str, int]:
    """What stays of a destroyed key: why, and when in milliseconds UTC. Raises ``NotSealable``."""
    if not is_id(reason_code):
        raise NotSealable("the reason for destroying a key is a code: 1 to 64 letters, digits and . _ : @ + -")
    if at.tzinfo is None:
        raise NotSealable("the time at which a key is destroyed needs a time zone")
    return reason_code, (at - EPOCH) // MILLISECOND


def check_master_key(wrapper: KeyWrapper, wrapped_token_key: bytes, where: str) -> bytes:
    """The token key, which every keyring has: a keyring opened with another master key is refused at once.

    Else new cases would be sealed under keys that the rightful master key cannot unwrap. Raises ``MasterKeyBad``.
    """
    try:
        return wrapper.unwrap(wrapped_token_key)
    except MasterKeyBad as error:
        raise MasterKeyBad(f"the keyring {where} was made with another master key: give that one") from error
