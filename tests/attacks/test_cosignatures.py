"""Words of witnesses that somebody drowns in junk, and witnesses whose own clocks are wrong."""

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from casetrail.audit.export import export_case
from casetrail.audit.receipts import prove
from casetrail.cli import exits
from casetrail.consumers.notary import Notary
from casetrail.domain.notarized import CheckpointCosigned, CheckpointPublished
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.notarized import decode_notarized, encode_notarized
from casetrail.eventlog.port import Entry, Topic
from casetrail.proofs.drafting import Draft
from casetrail.proofs.keys import VerifierKey
from casetrail.proofs.logtree import LogTree
from casetrail.proofs.note import MOST_SIGNATURES, Signature, parse_note
from casetrail.proofs.policy import load_policy
from tests.attacks.scene import CLINIC, COURT, EARLIER, VICTIM, Scene, lives, scene_at, serving
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


# --- a witness whose clock is ten years ahead ---

YEARS: Final = timedelta(days=3650)


@pytest.fixture
def ahead(tmp_path: Path) -> Iterator[Scene]:
    """A scene of whose two witnesses, both of them needed, one has such a clock."""
    folder = tmp_path / "scene"
    with (
        scene_at(folder, f"sqlite:{folder / 'log.db'}", begun=False) as made,
        serving(COURT, tmp_path / "ahead", lambda: datetime.now(UTC) + YEARS) as url,
    ):
        right, made.urls["court"] = made.urls["court"], url
        made.go_on(*lives(*EARLIER))
        made.publish()
        made.urls["court"] = right
        yield made


def test_a_witness_whose_clock_is_ahead_makes_no_receipt_late_and_nobody_believes_it_in_time(ahead: Scene) -> None:
    told = ahead.receipt("prove", ahead.receipts[0], code=exits.PENDING).stderr
    assert (
        f"not counted, for that is later than now by this machine's clock: court at {datetime.now(UTC) + YEARS:%Y-}"
        in told
    )
    found = ahead.unkept()
    assert set(found) == {"quorum-missing"}
    assert "the witness court states the time" in ahead.run("audit", "verify", code=exits.OK).output
    ahead.run("audit", "export", "C-01", "--output", str(ahead.folder / "x.json"), code=exits.PENDING)

    ahead.go_on(*lives("C-09"))  # its clock was put right, and all that came before is witnessed with what comes now
    ahead.publish()
    ahead.receipt("prove", ahead.receipts[0], code=exits.OK)
    assert ahead.faults() == {}


def test_a_proof_whose_quorum_states_a_time_that_has_not_come_convicts_nobody_and_proves_nothing(ahead: Scene) -> None:
    (held, *_), policy = ahead.receipts, load_policy(ahead.folder / "policy")
    with LogTree(ahead.log, ahead.folder / "tree") as tree:
        tree.follow()
        made, denial = (export_case(ahead.log, tree, policy, case_id) for case_id in ("C-01", "C-99"))
        (event, *_) = ahead.events("C-01")
        proof = prove(tree, policy, held, event[0])
    receipt = ahead.file("C-01.receipt", held.to_text())
    ahead.file("C-01.receipt.tlog-proof", proof.format())
    assert "a witness's clock is wrong" in ahead.run("receipt", "check", str(receipt), code=exits.PENDING).stderr
    for one in (made, denial):
        file = ahead.file("case.json", one.format())
        rows = ahead.rows("audit", "check", str(file), code=exits.FAULTS)
        assert "checkpoint" in {row["what"] for row in rows if not row["holds"]}
        assert {row.get("as_of_witnessed_at") for row in rows} == {None}
