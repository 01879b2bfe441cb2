"""The keyring: one data key for each case, one token key for the log. Destroying a case's key expunges its persons."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from casetrail.privacy.errors import PrivacyError
from casetrail.privacy.wrapping import KeyWrapper, local_wrapper


class Keyring(Protocol):
    """Where keys are kept. Several processes may use the same keyring at once."""

    def case_key(self, case_id: str) -> bytes:
        """The key of a case. Raises ``KeyMissing``, ``KeyDestroyed``."""

    def create_case_keys(self, case_ids: Iterable[str]) -> dict[str, bytes]:
        """The keys of these cases, made where there are none yet. Raises ``KeyDestroyed``: none is made a second time."""

    def destroy_case_key(self, case_id: str) -> None:
        """Destroy the key of a case for good: what was sealed under it can never be opened again."""

    def token_key(self) -> bytes:
        """The key of all blinded tokens of the log, made at first use."""

    def close(self) -> None: ...


def new_key() -> bytes:
    """A new random key of 32 bytes."""
    return os.urandom(32)


def open_keyring(url: str, wrapper: KeyWrapper | None = None, master_key: Path | None = None) -> Keyring:
    """Open or make the keyring at ``sqlite:PATH`` or ``postgresql://…``.

    Without a ``wrapper`` keys are wrapped by a local master key, in ``master_key`` or else beside the SQLite file.
    Raises ``KeyringUnreachable``, ``MasterKeyBad``.
    """
    if url.startswith("sqlite:"):
        from casetrail.privacy.keyring_file import FileKeyring

        path = Path(url.removeprefix("sqlite:"))
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileKeyring(path, wrapper or local_wrapper(master_key or path.with_name(f"{path.name}.master")))
    if url.startswith(("postgresql://", "postgres://")):
        from casetrail.privacy.keyring_postgres import PostgresKeyring

        return PostgresKeyring(url, wrapper or local_wrapper(master_key or Path("casetrail.master")))
    raise PrivacyError(f"'{url.partition(':')[0]}:…' is no address of a keyring: write sqlite:PATH or postgresql://…")
