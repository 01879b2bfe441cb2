"""The local master key: AES key wrap for keyrings that have no key management service behind them."""

import base64
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from casetrail.privacy.errors import MasterKeyBad
from casetrail.privacy.keyring import KEY_BYTES, new_key

ENVIRONMENT: Final = "CASETRAIL_MASTER_KEY"
MOST_FILE_BYTES: Final = 4096


class LocalWrapper:
    """AES key wrap (RFC 3394) under a master key of 32 bytes that this process holds."""

    def __init__(self, master_key: bytes) -> None:
        if len(master_key) != KEY_BYTES:
            raise MasterKeyBad(f"a master key has {KEY_BYTES} bytes, not {len(master_key)}")
        self._master_key = master_key

    def wrap(self, key: bytes) -> bytes:
        """Encrypt a key of 32 bytes into 40."""
        return aes_key_wrap(self._master_key, key)

    def unwrap(self, wrapped: bytes) -> bytes:
        """Decrypt it again. Raises ``MasterKeyBad``."""
        try:
            return aes_key_unwrap(self._master_key, wrapped)
        except InvalidUnwrap as error:
            raise MasterKeyBad("a stored key was wrapped by another master key, or altered") from error


def local_wrapper(file: Path | None, *, may_create: bool) -> LocalWrapper:
    """The wrapper with the master key from ``CASETRAIL_MASTER_KEY``, else from ``file``; both hold base64.

    A missing file is made, for its owner only, where ``may_create`` says that nothing was wrapped yet.
    Raises ``MasterKeyBad``, above all where others may read the file.
    """
    if text := os.environ.get(ENVIRONMENT):
        return LocalWrapper(_decoded(text, ENVIRONMENT))
    if file is None:
        raise MasterKeyBad(f"this keyring needs a master key: name its file, or set {ENVIRONMENT} (32 bytes in base64)")
    try:
        if may_create and not file.exists():
            _make(file)
        return LocalWrapper(_read(file))
    except FileNotFoundError as error:
        raise MasterKeyBad(
            f"the master key {file} is missing, and the keyring exists: restore that file from its backup"
        ) from error
    except OSError as error:
        raise MasterKeyBad(f"the master key {file} cannot be read or made ({error.strerror})") from error


def _make(file: Path) -> None:
    """Write a new key beside and link it into place: nobody sees half a file, and the first of two makers wins."""
    beside = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        with open(beside, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
            out.write(base64.b64encode(new_key()) + b"\n")
            out.flush()
            os.fsync(out.fileno())
        os.link(beside, file)
        _sync(file.parent)
    except FileExistsError:
        return
    finally:
        beside.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(file: Path) -> bytes:
    with file.open("rb") as opened:
        mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
        if mode & 0o077:
            raise MasterKeyBad(
                f"others than its owner may read or write the master key {file} (mode {mode:o}): run chmod 600 on it, "
                "and treat the keys under it as known to them"
            )
        return _decoded(opened.read(MOST_FILE_BYTES).decode("ascii", "replace"), str(file))


def _decoded(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise MasterKeyBad(f"the master key in {where} must be {KEY_BYTES} bytes in base64")
    return key
