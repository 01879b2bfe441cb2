"""The keyring in PostgreSQL keeps every promise, and comes back after its connection was lost."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from casetrail.privacy.errors import KeyringUnreachable, MasterKeyBad
from casetrail.privacy.keyring import Keyring
from casetrail.privacy.opening import open_keyring
from tests.conformance.keyring_kit import AT, KeyringKit

pytestmark = pytest.mark.postgres


class TestPostgresKeyring(KeyringKit):
    @pytest.fixture
    def url(self, postgres_database: str) -> str:
        return postgres_database

    @pytest.fixture
    def stored(self, url: str) -> Callable[[str], bytes | None]:
        def wrapped(case_id: str) -> bytes | None:
            with psycopg.connect(url) as connection:
                query = "SELECT wrapped FROM keyring.case_key WHERE case_id = %s"
                ((found,),) = connection.execute(query, (case_id,)).fetchall()
            return None if found is None else bytes(found)

        return wrapped

    @pytest.fixture
    def raw(self, url: str) -> Callable[[], bytes]:
        def table_files() -> bytes:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("CHECKPOINT")
                query = """SELECT pg_read_binary_file(pg_relation_filepath(oid)) FROM pg_class
                           WHERE relnamespace = 'keyring'::regnamespace AND relkind IN ('r', 'i')"""
                return b"".join(bytes(content) for (content,) in connection.execute(query).fetchall())

        return table_files

    def test_its_master_key_must_be_named(self, url: str) -> None:
        with pytest.raises(MasterKeyBad, match="CASETRAIL_MASTER_KEY"):
            open_keyring(url)

    def test_it_comes_back_after_its_connection_was_lost(self, keyring: Keyring, url: str) -> None:
        key = keyring.create_case_key("KC-1")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                               "current_database() AND pid <> pg_backend_pid()")  # fmt: skip
        with pytest.raises(KeyringUnreachable):
            keyring.case_key("KC-1")
        assert keyring.case_key("KC-1") == key

    def test_a_server_that_does_not_answer_is_named_without_a_password(self, master: Path) -> None:
        with pytest.raises(KeyringUnreachable) as caught:
            open_keyring("postgresql://casetrail:geheim@127.0.0.1:1/none", master)
        assert "geheim" not in str(caught.value) and not master.exists()

    def test_a_tombstone_stays_whoever_connects(self, keyring: Keyring, url: str) -> None:
        keyring.create_case_key("KC-1")
        keyring.destroy_case_key("KC-1", "court-order", AT)
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in ("UPDATE keyring.case_key SET wrapped = 'x', reason_code = NULL, destroyed_at = NULL",
                              "DELETE FROM keyring.case_key"):  # fmt: skip
                with pytest.raises(psycopg.errors.RaiseException):
                    connection.execute(statement)
