"""A published folder from somebody else's hand: whatever it says, verifying it comes to an end, and to a finding."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from casetrail.audit.publication.published import MOST_MISSING
from casetrail.cli import exits
from casetrail.proofs.checkpoint import Checkpoint
from casetrail.proofs.keys import Algorithm, SignerKey, create_key
from casetrail.proofs.note import Note, format_note
from tests.attacks.scene import Scene
from tests.consumers.notarial import KEY, ORIGIN

THIEF: Final = create_key(ORIGIN, Algorithm.ED25519)


def verified(scene: Scene, folder: Path, *words: str, code: int = exits.FAULTS) -> tuple[set[str], dict[str, Any]]:
    """The kinds of faults in a published folder, and the report."""
    done = scene.run("audit", "verify", *words, "--from", str(folder), "--format", "json", code=code)
    report: dict[str, Any] = json.loads(done.stdout)
    return {fault["kind"] for fault in report["faults"]}, report


def put(folder: Path, size: int, key: SignerKey) -> None:
    text = Checkpoint(ORIGIN, size, bytes(32)).text()
    folder.mkdir(exist_ok=True)
    (folder / "checkpoint").write_bytes(format_note(Note(text, (key.sign_note(text),))))


@pytest.mark.parametrize("words", [(), ("--hashes-only",), ("--no-policy",)])
@pytest.mark.parametrize("key", [KEY, THIEF], ids=["log", "thief"])
def test_a_publication_that_claims_to_have_no_end_is_not_looked_for_without_end(
    embedded: Scene, key: SignerKey, words: tuple[str, ...]
) -> None:
    folder = embedded.folder / "www"
    embedded.run("audit", "publish", str(folder))
    put(folder, 2**63, key)
    found, report = verified(embedded, folder, *words)
    if key is THIEF and "--no-policy" not in words:
        assert found == {"signature-invalid"}
        assert "promises nothing" in report["remarks"][0]
    else:
        assert "file-missing" in found
        assert any(f"{MOST_MISSING + 1} are missing" in remark for remark in report["remarks"])


def test_a_publication_without_end_that_nobody_has_signed_is_not_read_although_each_of_its_files_is_there(
    embedded: Scene,
) -> None:
    folder, tiles = embedded.folder / "www", embedded.folder / "www" / "tile" / "0"
    put(folder, 2**63, THIEF)
    tiles.mkdir(parents=True)
    for number in range(1000):
        (tiles / f"{number:03}").write_bytes(bytes(8192))
        (tiles / f"x{number:03}").symlink_to(".")
    assert verified(embedded, folder, "--hashes-only")[0] == {"signature-invalid"}
