"""A keyring in PostgreSQL, in a schema of its own, for several machines."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg

from casetrail.privacy.errors import KeyDestroyed, KeyMissing, KeyringUnreachable
from casetrail.privacy.keyring import new_key
from casetrail.privacy.wrapping import KeyWrapper

TOKENS: Final = "~tokens"  # no case can have this id


class PostgresKeyring:
    """See ``keyring.Keyring``. A destroyed key leaves its case id with no key: it is never made again."""

    def __init__(self, url: str, wrapper: KeyWrapper) -> None:
        self._wrapper = wrapper
        with self._errors():
            self._connection: psycopg.Connection[tuple[Any, ...]] = psycopg.connect(
                url, autocommit=True, connect_timeout=5
            )
            with self._connection.transaction():
                self._connection.execute("SELECT pg_advisory_xact_lock(4715238)")  # two may be the first at once
                self._connection.execute("CREATE SCHEMA IF NOT EXISTS keyring")
                self._connection.execute(
                    "CREATE TABLE IF NOT EXISTS keyring.key (case_id TEXT PRIMARY KEY, wrapped BYTEA)"
                )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except psycopg.OperationalError as error:
            raise KeyringUnreachable(
                f"the keyring's PostgreSQL does not answer: {str(error).splitlines()[0]}"
            ) from error

    def case_key(self, case_id: str) -> bytes:
        with self._errors():
            row = self._connection.execute("SELECT wrapped FROM keyring.key WHERE case_id = %s", (case_id,)).fetchone()
        if row is None:
            raise KeyMissing(f"the keyring has no key for case {case_id}")
        return self._opened(case_id, row[0])

    def _opened(self, case_id: str, wrapped: bytes | None) -> bytes:
        if wrapped is None:
            raise KeyDestroyed(f"the key of case {case_id} has been destroyed: its sealed fields cannot be opened")
        return self._wrapper.unwrap(bytes(wrapped))

    def create_case_keys(self, case_ids: Iterable[str]) -> dict[str, bytes]:
        wanted = list(dict.fromkeys(case_ids))
        fresh = [(case_id, self._wrapper.wrap(new_key())) for case_id in wanted]
        with self._errors(), self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.executemany("INSERT INTO keyring.key VALUES (%s, %s) ON CONFLICT DO NOTHING", fresh)
            cursor.execute("SELECT case_id, wrapped FROM keyring.key WHERE case_id = ANY(%s)", (wanted,))
            found = dict(cursor.fetchall())
        return {case_id: self._opened(case_id, found[case_id]) for case_id in wanted}

    def destroy_case_key(self, case_id: str) -> None:
        with self._errors():
            self._connection.execute(
                "INSERT INTO keyring.key VALUES (%s, NULL) ON CONFLICT (case_id) DO UPDATE SET wrapped = NULL",
                (case_id,),
            )

    def token_key(self) -> bytes:
        return self.create_case_keys((TOKENS,))[TOKENS]

    def close(self) -> None:
        self._connection.close()
