"""A keyring in one SQLite file that only its owner may read."""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from casetrail.privacy.errors import KeyDestroyed, KeyMissing, KeyringUnreachable
from casetrail.privacy.keyring import new_key
from casetrail.privacy.wrapping import KeyWrapper

TOKENS: Final = "~tokens"  # no case can have this id

TABLE: Final = "CREATE TABLE IF NOT EXISTS key (case_id TEXT PRIMARY KEY, wrapped BLOB)"


class FileKeyring:
    """See ``keyring.Keyring``. A destroyed key leaves its case id with no key: it is never made again."""

    def __init__(self, path: Path, wrapper: KeyWrapper) -> None:
        self._wrapper = wrapper
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
            path.chmod(0o600)
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            self._database.execute("PRAGMA secure_delete=ON")
            self._database.execute(TABLE)
        except (OSError, sqlite3.Error) as error:
            raise KeyringUnreachable(f"the keyring {path} cannot be opened ({error})") from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise KeyringUnreachable(f"the keyring cannot be written ({error})") from error

    def case_key(self, case_id: str) -> bytes:
        row = self._database.execute("SELECT wrapped FROM key WHERE case_id = ?", (case_id,)).fetchone()
        if row is None:
            raise KeyMissing(f"the keyring has no key for case {case_id}")
        return self._opened(case_id, row[0])

    def _opened(self, case_id: str, wrapped: bytes | None) -> bytes:
        if wrapped is None:
            raise KeyDestroyed(f"the key of case {case_id} has been destroyed: its sealed fields cannot be opened")
        return self._wrapper.unwrap(wrapped)

    def create_case_keys(self, case_ids: Iterable[str]) -> dict[str, bytes]:
        wanted = list(dict.fromkeys(case_ids))
        with self._transaction() as database:
            found = {case_id: self._find(database, case_id) for case_id in wanted}
            fresh = {case_id: new_key() for case_id, key in found.items() if key is None}
            database.executemany(
                "INSERT INTO key VALUES (?, ?)", [(case_id, self._wrapper.wrap(key)) for case_id, key in fresh.items()]
            )
        return {case_id: key or fresh[case_id] for case_id, key in found.items()}

    def _find(self, database: sqlite3.Connection, case_id: str) -> bytes | None:
        row = database.execute("SELECT wrapped FROM key WHERE case_id = ?", (case_id,)).fetchone()
        return None if row is None else self._opened(case_id, row[0])

    def destroy_case_key(self, case_id: str) -> None:
        with self._transaction() as database:
            database.execute(
                "INSERT INTO key VALUES (?, NULL) ON CONFLICT (case_id) DO UPDATE SET wrapped = NULL", (case_id,)
            )
        self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the old page must not stay in the WAL

    def token_key(self) -> bytes:
        return self.create_case_keys((TOKENS,))[TOKENS]

    def close(self) -> None:
        self._database.close()
