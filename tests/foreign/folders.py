"""A published log of less than one tile, taken apart and put together again by somebody who has every key."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from casetrail.audit.publication.published import PublishedLog
from casetrail.eventlog.hashing import leaf_hash
from casetrail.proofs.checkpoint import Checkpoint
from casetrail.proofs.note import Note, format_note
from casetrail.proofs.tree import Frontier
from tests.audit.witnessing import KEYS
from tests.consumers.notarial import KEY, ORIGIN


def entries_of(folder: Path) -> list[bytes]:
    """What is published in the folder, leaf by leaf."""
    return list(PublishedLog(folder).entries())


def signed(leaves: Sequence[bytes]) -> Note:
    """A checkpoint over these entries, signed by the log and cosigned by every witness: nothing is wrong with it."""
    tree = Frontier()
    tree.extend([leaf_hash(entry) for entry in leaves])
    text = Checkpoint(ORIGIN, len(leaves), tree.root()).text()
    now = datetime.now(UTC)
    return Note(text, (KEY.sign_note(text), *(key.cosign(text, now) for key in KEYS.values())))


def publish_again(folder: Path, entries: Sequence[bytes]) -> None:
    """Put these entries in the place of those that are there: tiles and checkpoint fit them."""
    assert 0 < len(entries) < 256
    (folder / "checkpoint").write_bytes(format_note(signed(entries)))
    bundle = b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
    hashes = b"".join(leaf_hash(entry) for entry in entries)
    for tile, content in (("entries", bundle), ("0", hashes)):
        path = folder / "tile" / tile / "000.p" / str(len(entries))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
