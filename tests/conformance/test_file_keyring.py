"""The keyring in a SQLite file keeps every promise, and a few that only a file can break."""

import contextlib
import errno
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.privacy import wrapping
from casetrail.privacy.errors import KeyringAddressBad, KeyringExposed, KeyringLocked, KeyringUnreachable, MasterKeyBad
from casetrail.privacy.keyring import Keyring
from casetrail.privacy.opening import open_keyring
from tests.conformance.keyring_kit import AT, KeyringKit
from tests.small_disk import SmallDisk


class TestFileKeyring(KeyringKit):
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "keys" / "keyring.db"

    @pytest.fixture
    def url(self, path: Path) -> str:
        return f"sqlite:{path}"

    @pytest.fixture
    def stored(self, path: Path) -> Callable[[str], bytes | None]:
        def wrapped(case_id: str) -> bytes | None:
            with contextlib.closing(sqlite3.connect(path)) as database:
                row = database.execute("SELECT wrapped FROM case_key WHERE case_id = ?", (case_id,)).fetchone()
            return row[0]  # type: ignore[no-any-return]

        return wrapped

    @pytest.fixture
    def raw(self, path: Path) -> Callable[[], bytes]:
        return lambda: b"".join(file.read_bytes() for file in sorted(path.parent.iterdir()))

    @pytest.fixture
    def any_umask(self) -> Iterator[None]:
        before = os.umask(0)
        yield
        os.umask(before)

    def test_nobody_else_may_read_its_files(self, any_umask: None, url: str, path: Path, keyring: Keyring) -> None:
        keyring.create_case_key("KC-1")
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        assert {"keyring.db", "keyring.db-wal", "keyring.db-shm"} <= modes.keys()
        assert set(modes.values()) == {0o600}

    def test_a_file_that_others_may_read_is_refused(self, keyring: Keyring, url: str, path: Path, master: Path) -> None:
        path.chmod(0o640)
        with pytest.raises(KeyringExposed, match="chmod 600"):
            open_keyring(url, master)

    def test_a_keyring_on_a_full_disk_says_what_to_look_at_and_goes_on_when_there_is_room(
        self, master: Path, tmp_path: Path
    ) -> None:
        disk = SmallDisk(tmp_path / "small disk")
        try:
            keyring = open_keyring(f"sqlite:{disk.folder / 'keys'}", master)
            with disk.full(), pytest.raises(KeyringUnreachable, match=r"small disk/keys .*is it full\?"):
                keyring.create_case_keys(f"C-{number}" for number in range(200))
            keyring.create_case_key("C-0")
            assert keyring.count() == 1
            keyring.close()
        finally:
            disk.close()

    def test_no_key_is_made_in_a_file_that_was_replaced(
        self, keyring: Keyring, url: str, path: Path, master: Path
    ) -> None:
        """A text that is sealed with such a key could never be opened again."""
        keyring.create_case_key("KC-1")
        copy = path.with_name("copy.db")
        with contextlib.closing(sqlite3.connect(path)) as database, contextlib.closing(sqlite3.connect(copy)) as made:
            database.backup(made)
        copy.chmod(0o600)
        copy.replace(path)
        for use in (
            keyring.create_case_key,
            keyring.case_key,
            lambda case: keyring.destroy_case_key(case, "expunged", AT),
        ):
            with pytest.raises(KeyringUnreachable, match="replaced or taken away"):
                use("KC-1")
        path.unlink()
        with pytest.raises(KeyringUnreachable, match="replaced or taken away"):
            keyring.create_case_key("KC-2")

    def test_a_key_that_was_made_while_the_file_was_replaced_is_not_given_out(
        self, keyring: Keyring, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def meanwhile() -> bytes:
            path.rename(path.with_name("away.db"))
            return bytes(32)

        monkeypatch.setattr("casetrail.privacy.keyring_file.new_key", meanwhile)
        with pytest.raises(KeyringUnreachable, match="replaced or taken away"):
            keyring.create_case_key("KC-1")

    def test_a_file_that_is_no_keyring_is_refused(self, url: str, path: Path, master: Path) -> None:
        path.parent.mkdir()
        master.write_text("A" * 43 + "=")
        master.chmod(0o600)
        path.write_bytes(b"this is a text and no database. " * 40)
        path.chmod(0o600)
        with pytest.raises(KeyringUnreachable, match=r"keyring\.db"):
            open_keyring(url, master)

    def test_a_file_in_which_something_else_is_kept_is_left_as_it_is(self, url: str, path: Path, master: Path) -> None:
        """A mistyped address: keys in a log would go wherever the log goes."""
        EmbeddedLog.create(path, "log").close()
        master.write_text("A" * 43 + "=")
        master.chmod(0o600)
        path.chmod(0o600)
        before = path.read_bytes()
        with pytest.raises(KeyringAddressBad, match=r"keyring\.db holds something else"):
            open_keyring(url, master)
        assert path.read_bytes() == before

    def test_a_reader_that_holds_the_old_pages_is_not_passed_over(
        self, keyring: Keyring, path: Path, stored: Callable[[str], bytes | None], raw: Callable[[], bytes],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        keyring.create_case_key("KC-1")
        wrapped = stored("KC-1")
        assert wrapped is not None
        keyring._database.execute("PRAGMA busy_timeout=50")  # type: ignore[attr-defined]
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM case_key").fetchone()
            with pytest.raises(KeyringLocked, match="once more"):
                keyring.destroy_case_key("KC-1", "court-order", AT)
        keyring.destroy_case_key("KC-1", "court-order", AT)
        assert wrapped not in raw()

    def test_a_tombstone_stays_whoever_opens_the_file(self, keyring: Keyring, path: Path) -> None:
        keyring.create_case_key("KC-1")
        keyring.destroy_case_key("KC-1", "court-order", AT)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
            for statement in ("UPDATE case_key SET wrapped = x'00', reason_code = NULL, destroyed_at = NULL",
                              "DELETE FROM case_key"):  # fmt: skip
                with pytest.raises(sqlite3.IntegrityError):
                    database.execute(statement)

    def test_its_master_key_lies_beside_it_unless_another_is_named(self, url: str, path: Path) -> None:
        with contextlib.closing(open_keyring(url)):
            assert stat.S_IMODE(path.with_name("keyring.db.master").stat().st_mode) == 0o600

    def test_one_that_could_not_be_made_to_its_end_is_made_by_the_next(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Once it is said that a keyring is gone which never was, nobody finds a backup of it."""

        really = os.open
        for times in range(6):
            folder = tmp_path / str(times)
            left = iter(range(times))

            def opened(*given: Any, left: Iterator[int] = left, **more: Any) -> int:
                if next(left, None) is None:
                    raise OSError(errno.ENOSPC, "No space left on device")
                return really(*given, **more)

            with monkeypatch.context() as patched, contextlib.suppress(KeyringUnreachable, MasterKeyBad):
                patched.setattr(os, "open", opened)
                open_keyring(f"sqlite:{folder / 'keyring.db'}").close()
            with contextlib.closing(open_keyring(f"sqlite:{folder / 'keyring.db'}")) as made:
                made.create_case_key("KC-1")

    def test_those_who_make_it_at_once_get_the_same(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        found = list[bytes]()
        make = wrapping.local_wrapper

        def made(*given: Any, **more: Any) -> wrapping.LocalWrapper:
            wrapper = make(*given, **more)
            if not found:  # another process comes between the two files
                found.append(b"")
                with contextlib.closing(open_keyring(url)) as other:
                    found.append(other.token_key())
            return wrapper

        monkeypatch.setattr(wrapping, "local_wrapper", made)
        with contextlib.closing(open_keyring(url)) as keyring:
            assert found[1:] == [keyring.token_key()]

    def test_a_folder_that_cannot_be_made_is_named(self, tmp_path: Path, master: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(KeyringUnreachable, match="file"):
            open_keyring(f"sqlite:{tmp_path}/file/keyring.db", master)
