"""A published folder from somebody else's hand: whatever it says, verifying it comes to an end, and to a finding."""

import json
import os
import shutil
from collections.abc import Callable
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


STRANGE: Final[dict[str, Callable[[Path, Path], object]]] = {
    "link": lambda path, moved: path.symlink_to(moved),
    "loop": lambda path, moved: path.symlink_to(path.name),
    "device": lambda path, moved: path.symlink_to("/dev/zero"),
    "pipe": lambda path, moved: os.mkfifo(path),
    "folder": lambda path, moved: path.mkdir(),
}
"""What stands in the place of a file, which is whole at another place, outside of the folder."""


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("what", STRANGE)
@pytest.mark.parametrize("place", ["tile/0", "tile/entries", "schemas"])
def test_what_is_no_plain_file_in_a_publication_is_named_and_not_read(embedded: Scene, place: str, what: str) -> None:
    folder, moved = embedded.folder / "www", embedded.folder / "moved"
    embedded.run("audit", "publish", str(folder))
    path = next(one for one in sorted((folder / place).rglob("*")) if one.is_file())
    shutil.move(path, moved)
    STRANGE[what](path, moved)
    found, report = verified(embedded, folder)
    assert found == {"schema-altered" if place == "schemas" else "file-missing"}
    (fault,) = report["faults"]
    assert path.name in fault["found"]
    assert ("no plain file" if what in ("pipe", "folder") else "a link, and none is followed") in fault["found"]


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("what", ["link", "loop", "pipe"])
@pytest.mark.parametrize("place", ["tile", "tile/entries", "tile/0", "schemas"])
def test_a_folder_in_a_publication_that_is_a_link_is_named_and_not_read(embedded: Scene, place: str, what: str) -> None:
    folder, moved = embedded.folder / "www", embedded.folder / "moved"
    embedded.run("audit", "publish", str(folder))
    shutil.move(folder / place, moved)
    STRANGE[what](folder / place, moved)
    found, report = verified(embedded, folder)
    assert found >= {"schema-altered" if place == "schemas" else "file-missing"}
    said = ("no folder", "no plain file") if what == "pipe" else ("it is a link",)
    assert any(one in fault["found"] for fault in report["faults"] for one in said)


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("what", STRANGE)
def test_a_published_checkpoint_that_is_no_plain_file_is_said_to_be_none(embedded: Scene, what: str) -> None:
    folder, moved = embedded.folder / "www", embedded.folder / "moved"
    embedded.run("audit", "publish", str(folder))
    shutil.move(folder / "checkpoint", moved)
    STRANGE[what](folder / "checkpoint", moved)
    said = "no plain file" if what in ("pipe", "folder") else "it is a link"
    assert said in embedded.run("audit", "verify", "--from", str(folder), code=exits.NOT_FOUND).output
    assert said in embedded.run("audit", "compare", str(folder), embedded.url, code=exits.FAILED).output


def test_a_publication_that_is_reached_by_a_link_is_verified(embedded: Scene) -> None:
    embedded.run("audit", "publish", str(embedded.folder / "www"))
    (embedded.folder / "link").symlink_to("www")
    assert verified(embedded, embedded.folder / "link", code=exits.OK)[0] == set()
