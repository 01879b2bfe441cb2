"""Wrapping: no key is stored as it is. A small port for a key management service, and a local key for where there is none."""

import base64
import os
import stat
from pathlib import Path
from typing import Final, Protocol

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from casetrail.privacy.errors import MasterKeyBad

ENVIRONMENT: Final = "CASETRAIL_MASTER_KEY"


class KeyWrapper(Protocol):
    """What a key management service does for a keyring."""

    def wrap(self, key: bytes) -> bytes:
        """Encrypt a key of 32 bytes."""

    def unwrap(self, wrapped: bytes) -> bytes:
        """Decrypt it again. Raises ``MasterKeyBad``."""


class LocalWrapper:
    """AES key wrap (RFC 3394) under a master key of 32 bytes that this process holds."""

    def __init__(self, master_key: bytes) -> None:
        if len(master_key) != 32:
            raise MasterKeyBad("a master key has 32 bytes")
        self._master_key = master_key

    def wrap(self, key: bytes) -> bytes:
        return aes_key_wrap(self._master_key, key)

    def unwrap(self, wrapped: bytes) -> bytes:
        try:
            return aes_key_unwrap(self._master_key, wrapped)
        except InvalidUnwrap as error:
            raise MasterKeyBad("this master key is not the one that the keyring was made with") from error


def local_wrapper(file: Path) -> LocalWrapper:
    """The wrapper with the master key from ``CASETRAIL_MASTER_KEY`` (base64), else from ``file``.

    The file is made, readable by its owner only, where it is missing. Raises ``MasterKeyBad`` where others may read it.
    """
    if text := os.environ.get(ENVIRONMENT):
        try:
            return LocalWrapper(base64.b64decode(text, validate=True))
        except ValueError as error:
            raise MasterKeyBad(f"{ENVIRONMENT} must be 32 bytes in base64") from error
    try:
        made = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    except OSError as error:
        raise MasterKeyBad(f"the master key {file} cannot be made ({error.strerror})") from error
    else:
        with os.fdopen(made, "wb") as out:
            out.write(os.urandom(32))
            out.flush()
            os.fsync(out.fileno())
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        raise MasterKeyBad(f"others may read the master key {file} (mode {mode:o}): run chmod 600 on it")
    return LocalWrapper(file.read_bytes())
