"""Keys that sign checkpoints, as an administrator or a witness makes them."""

import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from casetrail.cli import exits
from casetrail.cli.context import passphrase_in
from casetrail.cli.main import cli
from casetrail.proofs.errors import KeyUnusable
from casetrail.proofs.keys import Algorithm, VerifierKey, load_key


def keys(*words: str, code: int = exits.OK) -> Result:
    result = CliRunner().invoke(cli, ["keys", *words])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def create(*words: str, code: int = exits.OK) -> Result:
    return keys("create", "kcpd.example/casetrail", "--file", "key", *words, code=code)


@pytest.mark.parametrize(
    ("purpose", "algorithm", "expected"),
    [
        ("log", "ed25519", Algorithm.ED25519),
        ("witness", "ed25519", Algorithm.ED25519_COSIGNATURE),
        ("log", "ml-dsa-44", Algorithm.ML_DSA_44),
        ("witness", "ml-dsa-44", Algorithm.ML_DSA_44),
    ],
)
def test_a_key_is_made_and_its_verifier_key_shown(purpose: str, algorithm: str, expected: Algorithm) -> None:
    printed = create("--for", purpose, "--algorithm", algorithm).stdout
    key = VerifierKey.parse(printed.removesuffix("\n"))
    assert (key.name, key.algorithm) == ("kcpd.example/casetrail", expected)
    assert load_key(Path("key")).verifier_key == key
    assert Path("key.pub").read_text() == printed
    assert keys("show", "key").stdout == printed
    assert stat.S_IMODE(Path("key").stat().st_mode) == 0o600


def test_a_key_with_a_passphrase_needs_it() -> None:
    Path("passphrase").write_text("correct horse battery staple\nanother line\n")
    printed = create("--for", "log", "--algorithm", "ed25519", "--passphrase-file", "passphrase").stdout
    assert load_key(Path("key"), b"correct horse battery staple")
    assert keys("show", "key", "--passphrase-file", "passphrase").stdout == printed
    assert "needs a passphrase" in keys("show", "key", code=exits.FAILED).stderr
    Path("passphrase").write_text("wrong\n")
    assert "another passphrase" in keys("show", "key", "--passphrase-file", "passphrase", code=exits.FAILED).stderr


def test_an_empty_or_missing_passphrase_file_makes_no_key() -> None:
    Path("passphrase").write_text("\n")
    words = ("--for", "log", "--algorithm", "ed25519", "--passphrase-file")
    assert "1 to 1023 bytes" in create(*words, "passphrase", code=exits.FAILED).stderr
    assert "cannot be read" in create(*words, "missing", code=exits.NOT_FOUND).stderr
    assert not Path("key").exists()
    assert not Path("key.pub").exists()


def test_a_key_is_never_overwritten() -> None:
    before = create("--for", "log", "--algorithm", "ed25519").stdout
    assert "exists already" in create("--for", "log", "--algorithm", "ml-dsa-44", code=exits.FAILED).stderr
    assert keys("show", "key").stdout == before


def test_a_key_that_others_may_read_is_not_used() -> None:
    create("--for", "log", "--algorithm", "ed25519")
    Path("key").chmod(0o640)
    assert "chmod 600" in keys("show", "key", code=exits.FAILED).stderr


@pytest.mark.parametrize("name", ["", "kcpd example", "kcpd+example", "https://kcpd.example", "kcpd\u2028example"])
def test_a_name_that_cannot_stand_in_a_signature_line_is_refused(name: str) -> None:
    words = ("--file", "key", "--for", "log", "--algorithm", "ed25519")
    assert "name" in keys("create", name, *words, code=exits.FAILED).stderr
    assert not Path("key").exists()


def test_who_signs_must_be_said() -> None:
    create("--algorithm", "ed25519", code=exits.USAGE)
    create("--for", "log", "--algorithm", "rsa", code=exits.USAGE)


def test_a_key_that_is_not_there_is_said_to_be_missing() -> None:
    assert "key cannot be read" in keys("show", "key", code=exits.NOT_FOUND).stderr


def test_a_passphrase_file_that_cannot_be_read_is_the_trouble_of_its_key() -> None:
    """Beside a recorder it is read by the notary, and /health would call it a fault of the program."""
    with pytest.raises(KeyUnusable, match="gone cannot be read"):
        passphrase_in(Path("gone"))
