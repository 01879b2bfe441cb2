"""A key that the keyring has lost is never made anew in silence: whoever seals, and whoever looks, learns what cannot be read any more."""

import pytest

from casetrail.cli import exits
from tests.cli.shell import CLINIC, INTAKE, MAPPING, REPORT, SERGEANT, Shell

NOTE = ("act", "note-added", "C-1", "--seal", "narrative=Überaus geheim.")
KEYRING = "log.db.keys"


@pytest.fixture
def sealed(shell: Shell) -> Shell:
    """A case in which the unit has sealed a name."""
    shell.report("C-1", "--child-name", "Adelheid Zwetschkenbaum")
    return shell


def lose(shell: Shell, *kinds: str) -> None:
    """What lies beside the log is gone, such as the keyring."""
    for kind in kinds:
        (shell.folder / kind).unlink()


def doctor(shell: Shell, code: int) -> tuple[str, str]:
    """What the doctor says of the keyring."""
    rows = shell.rows("--agency", "metro-pd", "doctor", code=code)
    (row,) = [one for one in rows if one["check"] == "keyring"]
    return row["result"], row["detail"]


def test_sealing_in_a_case_whose_key_is_lost_is_refused_until_somebody_has_said_that_it_is_lost(sealed: Shell) -> None:
    assert doctor(sealed, exits.OK) == ("ok", "opens with the master key")
    lose(sealed, KEYRING, f"{KEYRING}.master")
    said = sealed.run(*SERGEANT, *NOTE, code=exits.FAULTS)
    assert "this keyring has no key for it" in said.stderr and "keys renew C-1" in said.stderr
    assert "geheim" not in said.output
    assert sealed.rows("count")[0]["submitted"] == 1
    result, detail = doctor(sealed, exits.FAULTS)
    assert result == "wrong" and "1 have no key here (such as C-1)" in detail
    assert "a new key" in sealed.run("keys", "renew", "C-1").output
    assert "keeps it" in sealed.run("keys", "renew", "C-1").output
    sealed.run(*SERGEANT, *NOTE)
    result, detail = doctor(sealed, exits.FAULTS)
    assert result == "wrong" and "1 have texts that their key does not open (such as C-1)" in detail


def test_a_new_case_is_sealed_as_ever_with_a_new_keyring(sealed: Shell) -> None:
    lose(sealed, KEYRING, f"{KEYRING}.master")
    sealed.report("C-2", "--child-name", "Adelheid Zwetschkenbaum")
    sealed.run(*SERGEANT, "act", "note-added", "C-2", "--seal", "narrative=Überaus geheim.")
    sealed.report("C-3")
    sealed.run(*SERGEANT, "act", "note-added", "C-3", "--seal", "narrative=Überaus geheim.")
    assert "1 have no key here (such as C-1)" in doctor(sealed, exits.FAULTS)[1]


def test_nor_is_one_made_by_a_second_report_under_the_id_of_a_case(sealed: Shell) -> None:
    sealed.run("cases")
    lose(sealed, KEYRING, f"{KEYRING}.master")
    again = (*INTAKE, "report", "C-1", *REPORT, "--child-name", "Adelheid Zwetschkenbaum")
    assert "keys renew C-1" in sealed.run(*again, code=exits.FAULTS).stderr


def test_a_keyring_that_is_gone_while_its_master_key_is_there_is_not_made_anew(sealed: Shell) -> None:
    lose(sealed, KEYRING)
    for words in (NOTE, ("act", "note-added", "C-2", "--seal", "narrative=x")):
        said = sealed.run(*SERGEANT, *words, code=exits.FAULTS).stderr
        assert "is gone, and its master key" in said
    assert "is gone, and its master key" in doctor(sealed, exits.FAULTS)[1]
    assert not (sealed.folder / KEYRING).exists()


def test_a_partner_with_a_keyring_of_its_own_seals_in_a_case_in_which_the_unit_has_sealed(sealed: Shell) -> None:
    own = ("--keyring", f"sqlite:{sealed.folder / 'clinic.keys'}")
    raised = ("partner", "raise", "C-1", "--about", "no_response", "--seal", "narrative=Überaus geheim.")
    sealed.run(*own, *CLINIC, *raised)
    assert doctor(sealed, exits.OK) == ("ok", "opens with the master key")
    rows = sealed.rows(*own, "--agency", "clinic", "doctor")
    assert [one["detail"] for one in rows if one["check"] == "keyring"] == ["opens with the master key"]


def test_an_expunged_case_stays_expunged_and_is_no_loss(sealed: Shell) -> None:
    sealed.run("keys", "destroy", "C-1", "--reason", "court_order", "--yes")
    for words in ((*SERGEANT, *NOTE), ("keys", "renew", "C-1")):
        assert "court_order" in sealed.run(*words, code=exits.FAILED).stderr
    assert doctor(sealed, exits.OK) == ("ok", "opens with the master key")


def test_an_import_that_is_run_again_with_another_keyring_is_refused(shell: Shell) -> None:
    (shell.folder / "map.toml").write_text(MAPPING)
    words = ("import", str(shell.folder / "old.csv"), "--mapping", str(shell.folder / "map.toml"))
    rows = "number,received,story\nR-1,2026-01-02T03:04:05,Überaus geheim.\n"
    (shell.folder / "old.csv").write_text(rows)
    shell.run(*words)
    (shell.folder / "old.csv").write_text(rows + "R-2,2026-01-03T03:04:05,Auch geheim.\n")
    lose(shell, KEYRING, f"{KEYRING}.master")
    assert "keys renew R-1" in shell.run(*words, code=exits.FAULTS).stderr
    assert shell.rows("count")[0]["submitted"] == 1
    shell.run("keys", "renew", "R-1")
    shell.run(*words, code=None)
    assert shell.rows("count")[0]["submitted"] == 3, "whoever says that it is lost has been told"


def test_an_agency_with_a_keyring_of_its_own_imports_from_a_system_of_the_same_name(shell: Shell) -> None:
    """Systems are named after what is sold to many."""
    (shell.folder / "old.csv").write_text("number,received,story\nR-1,2026-01-02T03:04:05,Überaus geheim.\n")
    (shell.folder / "map.toml").write_text(MAPPING)
    words = ("import", str(shell.folder / "old.csv"), "--mapping", str(shell.folder / "map.toml"))
    shell.run(*words)
    (shell.folder / "old.csv").write_text("number,received,story\nS-1,2026-01-02T03:04:05,Auch geheim.\n")
    (shell.folder / "map.toml").write_text(MAPPING.replace("metro-pd", "clinic"))
    own = ("--keyring", f"sqlite:{shell.folder / 'clinic.keys'}")
    shell.run(*own, *words)
    assert shell.rows("count")[0]["accepted"] == 2
    (shell.folder / "map.toml").write_text(MAPPING.replace('agency = "metro-pd"\ncase', 'agency = "{agency}"\ncase'))
    (shell.folder / "old.csv").write_text(
        "number,received,story,agency\nT-1,2026-01-02T03:04:05,Auch geheim.,metro-pd\n"
    )
    other = ("--keyring", f"sqlite:{shell.folder / 'other.keys'}")
    assert "keys renew" in shell.run(*other, *words, code=exits.FAULTS).stderr, "it may be of any agency"


def test_where_the_views_cannot_be_asked_sealing_goes_on(sealed: Shell) -> None:
    sealed.report("C-2")
    (sealed.folder / "log.db.views").write_bytes(b"no database" * 100)
    sealed.run(*SERGEANT, "act", "note-added", "C-2", "--seal", "narrative=x")
    sealed.run(*INTAKE, "report", "C-4", *REPORT, "--child-name", "Adelheid Zwetschkenbaum")
