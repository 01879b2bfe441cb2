"""Opens the keyring of an address. What a kind of keyring needs is imported when one of that kind is opened."""

from pathlib import Path
from urllib.parse import urlsplit

from casetrail.privacy.errors import KeyringAddressBad, KeyringLost
from casetrail.privacy.keyring import Keyring, KeyWrapper


def open_keyring(url: str, master_key_file: Path | None = None, *, wrapper: KeyWrapper | None = None) -> Keyring:
    """Open the keyring at ``sqlite:PATH`` or ``postgresql://…``, and make it where there is none yet.

    Keys are wrapped by ``wrapper`` (a key management service), else by the master key in ``CASETRAIL_MASTER_KEY``, else
    by the one in ``master_key_file``. Beside a SQLite keyring ``PATH.master`` is that file unless another is named. A keyring in
    PostgreSQL serves several machines, which need the same master key: so there it must be named.
    Raises ``KeyringAddressBad``, ``KeyringUnreachable``, ``KeyringLocked``, ``KeyringExposed``, ``MasterKeyBad``; ``KeyringLost``
    where ``PATH.master``, which was made with it, is all that is left of a SQLite keyring.
    """
    if url.startswith("sqlite:") and url != "sqlite:":
        return _open_file(Path(url.removeprefix("sqlite:")), master_key_file, wrapper)
    if url.startswith(("postgresql://", "postgres://")):
        return _open_postgres(url, master_key_file, wrapper)
    scheme = urlsplit(url).scheme  # the rest may hold a password, and so may all of it where there is none
    given = f"'{scheme}:…' is" if scheme else "what was given has no kind before a colon, so it is"
    raise KeyringAddressBad(f"{given} no address of a keyring: write sqlite:PATH or postgresql://…")


def _open_file(path: Path, master_key_file: Path | None, wrapper: KeyWrapper | None) -> Keyring:
    from casetrail.privacy.keyring_file import FileKeyring, is_begun, reserve
    from casetrail.privacy.wrapping import local_wrapper

    beside = path.with_name(f"{path.name}.master")
    master = master_key_file or beside
    if wrapper is None and master == beside and beside.exists() and not path.exists():
        raise KeyringLost(
            f"the keyring {path} is gone, and its master key {beside} is there: put the keyring back from its backup, since what was "
            "sealed under its keys opens with no other. Where there is none, move the master key away, and keep it: then a new "
            "keyring is made"
        )
    reserve(path)  # before its master key: that alone says that a keyring is gone
    return FileKeyring(path, wrapper or local_wrapper(master, may_create=not is_begun(path)))


def _open_postgres(url: str, master_key_file: Path | None, wrapper: KeyWrapper | None) -> Keyring:
    from casetrail.privacy.keyring_postgres import PostgresKeyring, is_made
    from casetrail.privacy.wrapping import local_wrapper

    return PostgresKeyring(url, wrapper or local_wrapper(master_key_file, may_create=not is_made(url)))
