"""A reader of proofs that is not ours (Go) checks the proof of a receipt, with cosignatures of both kinds, and refuses an altered one."""

import subprocess
from pathlib import Path

import pytest

from casetrail.audit.receipts import prove
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.port import Topic
from casetrail.proofs.keys import Algorithm, SignerKey, create_key
from casetrail.proofs.logtree import LogTree
from casetrail.proofs.policy import parse_policy
from casetrail.publishing import connect
from tests.actions import INTAKE, action, report
from tests.audit.witnessing import KEYS, POLICY_TEXT, witnesses
from tests.consumers.notarial import KEY, ORIGIN, fill, notary_of, publish
from tests.foreign.tools import go_program

pytestmark = pytest.mark.broker  # it needs no broker, but like the others here a tool of another language


@pytest.fixture(scope="module")
def program() -> Path:
    """The reader."""
    return go_program("proof")


@pytest.fixture(params=[KEY, create_key(ORIGIN, Algorithm.ML_DSA_44)], ids=["Ed25519", "ML-DSA-44"])
def key(request: pytest.FixtureRequest) -> SignerKey:
    """The log's key."""
    found: SignerKey = request.param
    return found


@pytest.fixture
def proof(tmp_path: Path, key: SignerKey) -> tuple[Path, str]:
    """The proof of a receipt, and the leaf hash of what it proves."""
    url, path = f"sqlite:{tmp_path / 'kcpd.db'}", tmp_path / "report.receipt.tlog-proof"
    policy = parse_policy(POLICY_TEXT.replace(str(KEY.verifier_key), str(key.verifier_key)).encode())
    with init_log(url, partitions=1) as log:
        fill(log, ["C-1", "C-2", "C-3"])
        with connect(url) as connection:
            receipt = connection.submit(action(report(), INTAKE, "C-4"))
            offset = connection.wait(receipt).offset
        fill(log, ["C-5"], 0)
        with notary_of(log, tmp_path / "n", key, witnesses=witnesses()) as notary:
            publish(notary)
        event = log.read_one(Topic.EVENTS, 0, offset)
        assert event is not None
        with LogTree(log, tmp_path / "tree") as tree:
            tree.follow()
            path.write_bytes(prove(tree, policy, receipt, event).format())
    return path, leaf_hash(event.value or b"").hex()


def read(program: Path, path: Path, leaf: str, key: SignerKey) -> subprocess.CompletedProcess[str]:
    """What the reader says."""
    keys = [str(one.verifier_key) for one in (key, *KEYS.values())]
    return subprocess.run(
        [str(program), str(path), leaf, *keys], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_proof_of_ours_holds_with_other_programs(program: Path, proof: tuple[Path, str], key: SignerKey) -> None:
    done = read(program, *proof, key)
    assert done.returncode == 0, done.stderr
    proven, *signed = [line.split("\t") for line in done.stdout.splitlines()]
    assert proven[:2] == ["proven", ORIGIN]
    assert {name for _, name in signed} == {ORIGIN, *(one.name for one in KEYS.values())}


def test_an_altered_proof_of_ours_holds_nowhere(program: Path, proof: tuple[Path, str], key: SignerKey) -> None:
    path, leaf = proof
    text = path.read_text("utf-8")
    assert read(program, path, "0" * 64, key).returncode != 0
    for before, after in (("\nindex ", "\nindex 1"), (f"\n{ORIGIN}\n", f"\n{ORIGIN}x\n")):
        path.write_text(text.replace(before, after, 1), "utf-8")
        assert read(program, path, leaf, key).returncode != 0
