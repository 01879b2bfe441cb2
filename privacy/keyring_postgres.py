"""A keyring in PostgreSQL, in a schema of its own, for several machines."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import psycopg

from casetrail.privacy.errors import KeyMissing, KeyringAddressBad, KeyringLocked, KeyringUnreachable
from casetrail.privacy.keyring import KeyWrapper, StoredKey, check_master_key, in_order, new_key, tombstone

Connection = psycopg.Connection[tuple[Any, ...]]

PATIENCE: Final = "30s"  # to wait for other writers
MAKING: Final = 4715238  # the advisory lock of whoever makes the tables

TABLES: Final = (
    "CREATE SCHEMA IF NOT EXISTS keyring",
    """CREATE TABLE IF NOT EXISTS keyring.case_key (
        case_id TEXT COLLATE "C" PRIMARY KEY, wrapped BYTEA, reason_code TEXT, destroyed_at BIGINT,
        CHECK ((wrapped IS NULL) = (reason_code IS NOT NULL) AND (wrapped IS NULL) = (destroyed_at IS NOT NULL)))""",
    """CREATE TABLE IF NOT EXISTS keyring.token_key (
        only_one INTEGER PRIMARY KEY CHECK (only_one = 1), wrapped BYTEA NOT NULL)""",
    # a tombstone stays whoever connects
    """CREATE OR REPLACE FUNCTION keyring.destroyed_stays() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'the row of a case is never deleted, and a destroyed key stays destroyed'; END $$""",
    """CREATE OR REPLACE TRIGGER destroyed_stays BEFORE UPDATE ON keyring.case_key
        FOR EACH ROW WHEN (OLD.wrapped IS NULL) EXECUTE FUNCTION keyring.destroyed_stays()""",
    """CREATE OR REPLACE TRIGGER nothing_is_deleted BEFORE DELETE ON keyring.case_key
        FOR EACH ROW EXECUTE FUNCTION keyring.destroyed_stays()""",
)


def is_made(url: str) -> bool:
    """Whether this database has a keyring already. Raises ``KeyringUnreachable``, ``KeyringAddressBad``."""
    with _errors(), _connected(url) as connection:
        return _has_tables(connection)


class PostgresKeyring:
    """See ``keyring.Keyring``. A lost connection is made anew at the next use.

    Destroying a key rewrites the table, so that no dead row keeps it; the server's WAL and backups keep the wrapped key
    for as long as they are kept themselves.
    """

    def __init__(self, url: str, wrapper: KeyWrapper) -> None:
        self._url = url
        self._wrapper = wrapper
        self._lock = threading.RLock()
        with _errors():
            self._connection = _connected(url)
        try:
            self._token_key = self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> bytes:
        with self._transaction() as connection:
            if not _has_tables(connection):  # asked first: making them needs rights that a service may lack
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (MAKING,))  # two may be the first at once
                for statement in TABLES:
                    connection.execute(statement)
            wrapped = self._wrapper.wrap(new_key())
            connection.execute("INSERT INTO keyring.token_key VALUES (1, %s) ON CONFLICT DO NOTHING", (wrapped,))
            ((stored,),) = connection.execute("SELECT wrapped FROM keyring.token_key").fetchall()
        return check_master_key(self._wrapper, bytes(stored), f"in database {self._connection.info.dbname}")

    def case_key(self, case_id: str) -> bytes:
        """See ``Keyring``."""
        with self._use() as connection:
            found = _find(connection, [case_id])
        if case_id not in found:
            raise KeyMissing(case_id)
        return found[case_id].opened(case_id, self._wrapper)

    def create_case_key(self, case_id: str) -> bytes:
        """See ``Keyring``."""
        return self.create_case_keys((case_id,))[case_id]

    def create_case_keys(self, case_ids: Iterable[str]) -> dict[str, bytes]:
        """See ``Keyring``."""
        wanted = in_order(case_ids)
        with self._transaction() as connection:
            found = _find(connection, wanted)
            missing = [case_id for case_id in wanted if case_id not in found]
            if missing:
                connection.execute(
                    "INSERT INTO keyring.case_key (case_id, wrapped) SELECT * FROM unnest(%s::text[], %s::bytea[]) "
                    "ON CONFLICT DO NOTHING",
                    (missing, [self._wrapper.wrap(new_key()) for _ in missing]),
                )
                found |= _find(connection, missing)  # another writer's, where it was there first
            return {case_id: found[case_id].opened(case_id, self._wrapper) for case_id in wanted}

    def destroy_case_key(self, case_id: str, reason_code: str, at: datetime) -> None:
        """See ``Keyring``."""
        reason, millis = tombstone(reason_code, at)
        with self._transaction() as connection:
            if not _find(connection, [case_id]):
                raise KeyMissing(case_id)
            connection.execute(
                "UPDATE keyring.case_key SET wrapped = NULL, reason_code = %s, destroyed_at = %s "
                "WHERE case_id = %s AND wrapped IS NOT NULL",
                (reason, millis, case_id),
            )
        try:
            with self._use() as connection:  # the dead row would keep the key; a plain VACUUM may pass over its page
                connection.execute("VACUUM (FULL) keyring.case_key")
        except (KeyringLocked, KeyringUnreachable) as error:
            raise type(error)(
                f"the key of case {case_id} is destroyed, but its old row could not be cleared ({error}): "
                "destroy it once more"
            ) from error

    def token_key(self) -> bytes:
        """See ``Keyring``."""
        return self._token_key

    def count(self) -> int:
        """See ``Keyring``."""
        with self._use() as connection:
            ((count,),) = connection.execute("SELECT count(wrapped) FROM keyring.case_key").fetchall()
        return int(count)

    def close(self) -> None:
        """See ``Keyring``."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _use(self) -> Iterator[Connection]:
        with self._lock, _errors():
            if self._connection.closed:
                self._connection = _connected(self._url)
            try:
                yield self._connection
            except psycopg.OperationalError:
                self._connection.close()  # it may hang in the middle of a command without being known as broken
                raise

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._use() as connection, connection.transaction():
            yield connection


def _connected(url: str) -> Connection:
    _check_address(url)
    connection: Connection = psycopg.connect(url, autocommit=True, connect_timeout=5)
    connection.execute("SELECT set_config('lock_timeout', %s, false)", (PATIENCE,))
    return connection


def _check_address(url: str) -> None:
    """Refuse what cannot be parsed, or not as it was meant: PostgreSQL's own message repeats a piece of the password."""
    authority, _, path = url.partition("://")[2].partition("/")
    try:
        psycopg.conninfo.conninfo_to_dict(url)
        parsed = authority.count("@") < 2 and "@" not in path.partition("?")[0]
    except psycopg.ProgrammingError:
        parsed = False
    if not parsed:
        raise KeyringAddressBad(
            "the address of the keyring cannot be parsed: percent-encode the password ('@' is %40, '%' is %25, '/' is %2F), "
            "or leave it to PGPASSWORD or a file ~/.pgpass"
        ) from None


def _has_tables(connection: Connection) -> bool:
    ((found,),) = connection.execute("SELECT to_regclass('keyring.token_key') IS NOT NULL").fetchall()
    return bool(found)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
        raise KeyringLocked("another process kept the keyring busy: try again") from error
    except psycopg.Error as error:
        said = str(error).strip().partition("\n")[0]
        raise KeyringUnreachable(f"the keyring's PostgreSQL cannot be used: {said}") from error


def _find(connection: Connection, case_ids: list[str]) -> dict[str, StoredKey]:
    rows = connection.execute(
        "SELECT case_id, wrapped, reason_code, destroyed_at FROM keyring.case_key WHERE case_id = ANY(%s)", (case_ids,)
    )
    return {case_id: StoredKey(*rest) for case_id, *rest in rows.fetchall()}
