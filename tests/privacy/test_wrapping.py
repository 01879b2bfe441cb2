"""The master key: kept from others, never half written, never silently replaced."""

import base64
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from casetrail.privacy.errors import KeyringAddressBad, MasterKeyBad
from casetrail.privacy.opening import open_keyring
from casetrail.privacy.wrapping import ENVIRONMENT, LocalWrapper, local_wrapper

KEY = bytes(range(32))


@pytest.fixture(autouse=True)
def no_master_key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "casetrail.master"


def test_a_wrapped_key_comes_back_and_another_master_key_gets_nothing() -> None:
    wrapper = LocalWrapper(bytes(32))
    assert wrapper.wrap(KEY) == aes_key_wrap(bytes(32), KEY)
    assert wrapper.unwrap(wrapper.wrap(KEY)) == KEY
    with pytest.raises(MasterKeyBad):
        LocalWrapper(b"\x01" * 32).unwrap(wrapper.wrap(KEY))
    with pytest.raises(MasterKeyBad):
        wrapper.unwrap(b"too short")


def test_the_wrapping_is_that_of_rfc_3394() -> None:
    """Section 4.6 of RFC 3394: 256 bits of key data under a 256-bit key."""
    master = bytes.fromhex("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F")
    key = bytes.fromhex("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F")
    wrapped = "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21"
    assert LocalWrapper(master).wrap(key).hex().upper() == wrapped


def test_a_missing_file_is_made_for_its_owner_only(file: Path) -> None:
    wrapped = local_wrapper(file, may_create=True).wrap(KEY)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(base64.b64decode(file.read_text())) == 32
    assert local_wrapper(file, may_create=False).unwrap(wrapped) == KEY
    assert list(file.parent.iterdir()) == [file]


def test_those_who_make_it_at_once_get_the_same(file: Path) -> None:
    wrapped: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: wrapped.append(local_wrapper(file, may_create=True).wrap(KEY)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wrapped) == 8 and len(set(wrapped)) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o620])
def test_a_file_that_others_may_use_is_refused(file: Path, mode: int) -> None:
    local_wrapper(file, may_create=True)
    file.chmod(mode)
    with pytest.raises(MasterKeyBad, match="chmod 600") as caught:
        local_wrapper(file, may_create=True)
    assert str(file) in str(caught.value)


def test_a_missing_file_of_an_existing_keyring_is_not_made(file: Path) -> None:
    with pytest.raises(MasterKeyBad, match="backup"):
        local_wrapper(file, may_create=False)
    assert not file.exists()


@pytest.mark.parametrize("content", ["", "AAAA", "not base64 at all!", "A" * 43 + "=" + "A" * 44, "\u00e9"])
def test_a_file_that_holds_no_key_is_refused_and_not_quoted(file: Path, content: str) -> None:
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(MasterKeyBad, match="32 bytes in base64") as caught:
        local_wrapper(file, may_create=True)
    assert not content or content not in str(caught.value)


def test_a_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(MasterKeyBad, match="no-folder"):
        local_wrapper(tmp_path / "no-folder" / "key", may_create=True)


def test_the_environment_goes_before_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, base64.b64encode(KEY).decode())
    assert local_wrapper(file, may_create=True).wrap(KEY) == LocalWrapper(KEY).wrap(KEY)
    assert local_wrapper(None, may_create=False).wrap(KEY) == LocalWrapper(KEY).wrap(KEY)
    assert not file.exists()
    monkeypatch.setenv(ENVIRONMENT, "c2hvcnQ=")
    with pytest.raises(MasterKeyBad, match=ENVIRONMENT):
        local_wrapper(file, may_create=True)


@pytest.mark.parametrize("url", ["", "sqlite:", "mysql://u:geheim@host/db", "keyring.db", "kafka://host:9092/log"])
def test_an_address_of_no_keyring_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(KeyringAddressBad, match="sqlite:PATH") as caught:
        open_keyring(url)
    assert "geheim" not in str(caught.value)


def test_the_port_is_cheap_to_import() -> None:
    heavy = "import sys, casetrail.privacy.keyring, casetrail.privacy.opening, casetrail.privacy.errors\n"
    heavy += "print([name for name in ('psycopg', 'cryptography', 'sqlite3', 'fastavro') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
