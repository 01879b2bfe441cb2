"""Words of witnesses that somebody drowns in junk, and witnesses whose own clocks are wrong."""

import base64
import json
import os
from dataclasses import replace
from typing import Final

from casetrail.cli import exits
from casetrail.consumers.notary import Notary
from casetrail.domain.notarized import CheckpointCosigned, CheckpointPublished
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.notarized import decode_notarized, encode_notarized
from casetrail.eventlog.port import Entry, Topic
from casetrail.proofs.drafting import Draft
from casetrail.proofs.keys import VerifierKey
from casetrail.proofs.note import MOST_SIGNATURES, Signature, parse_note
from tests.attacks.scene import CLINIC, VICTIM, Scene, lives
from tests.consumers.notarial import KEY, SELDOM, publish

ED25519_BYTES: Final = 64


def junk(number: int) -> bytes:
    """Sixty well-formed lines of keys that nobody knows."""
    lines = [f"— junk{number}x{at}.example {base64.b64encode(os.urandom(76)).decode()}\n" for at in range(60)]
    return "".join(lines).encode()


def forged(key: VerifierKey) -> bytes:
    """A line under the name and id of a key that did not sign."""
    return Signature(key.name, key.key_id, bytes(ED25519_BYTES)).line().encode()


class FullNotary(Notary):
    """Publishes its checkpoints with as many lines of nobody's as a note may have."""

    def _signed(self, draft: Draft) -> CheckpointPublished:
        made, lines = super()._signed(draft), (junk(0) + junk(1)).splitlines(keepends=True)
        return replace(made, note=made.note + b"".join(lines[: MOST_SIGNATURES - 1]))


def put_under_each_checkpoint(scene: Scene, *lines: bytes) -> None:
    """Records of cosignatures, as anybody who may write to the topic can put them there."""
    for record in scene.records(Topic.CHECKPOINTS):
        if isinstance(decode_notarized(record.value), CheckpointPublished):
            found = [CheckpointCosigned(leaf_hash(record.value or b""), one) for one in lines]
            scene.log.append(Topic.CHECKPOINTS, [Entry(None, encode_notarized(one)) for one in found])


def everything_is_proven(scene: Scene) -> None:
    """Receipts, exports and publications, each with few lines under its checkpoint."""
    scene.receipt("prove", scene.of()[0], code=exits.OK)
    exported = scene.folder / "victim.json"
    scene.run("audit", "export", VICTIM, "--output", str(exported))
    scene.run("audit", "check", str(exported), "--case", VICTIM)
    scene.run("audit", "publish", str(scene.folder / "www"))
    assert len(parse_note((scene.folder / "www" / "checkpoint").read_bytes()).signatures) == 3


def test_junk_among_the_cosignatures_keeps_nobody_from_proving(scene: Scene) -> None:
    put_under_each_checkpoint(scene, junk(0), junk(1))
    assert scene.faults() == {}
    everything_is_proven(scene)


def test_junk_does_not_keep_an_auditor_who_comes_again_from_knowing_since_when_all_is_witnessed(
    embedded: Scene,
) -> None:
    put_under_each_checkpoint(embedded, junk(0), junk(1))
    words = "audit", "verify", "--state", str(embedded.folder / "state"), "--format", "json"
    first, again = (json.loads(embedded.run(*words).stdout)["witnessed_up_to"] for _ in range(2))
    assert first["witnessed_at"] is not None
    assert again == first


def test_forged_lines_and_lines_without_an_end_condemn_no_checkpoint(embedded: Scene) -> None:
    put_under_each_checkpoint(embedded, forged(KEY.verifier_key), forged(CLINIC.verifier_key), b"\xe2\x80")
    assert set(embedded.faults()) == {"cosignature-invalid"}
    everything_is_proven(embedded)


def test_a_checkpoint_that_is_full_of_junk_itself_is_proven_by_those_who_count(embedded: Scene) -> None:
    embedded.submit(*lives("C-09"))
    embedded.record()
    notary = FullNotary(embedded.log, embedded.folder / "full", KEY, SELDOM, embedded.witnesses())
    publish(notary)
    notary.close()
    assert embedded.faults() == {}
    embedded.receipt("prove", embedded.receipts[-1], code=exits.OK)
    embedded.run("audit", "publish", str(embedded.folder / "www"))
