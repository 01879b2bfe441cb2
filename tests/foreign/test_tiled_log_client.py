"""A stock client of tiled logs (Go, not ours) mirrors what 'audit publish' wrote, and finds what was altered."""

import hashlib
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from casetrail.audit.believed import newest_believed
from casetrail.audit.publication.publish import publish
from casetrail.audit.publication.published import PublishedLog
from casetrail.eventlog.opening import init_log
from casetrail.proofs.logtree import LogTree
from tests.audit.witnessing import POLICY, witnesses
from tests.consumers.notarial import KEY, ORIGIN, fill, notary_of
from tests.consumers.notarial import publish as checkpoint
from tests.foreign.tools import go_program

pytestmark = pytest.mark.broker  # it needs no broker, but like the others here a tool of another language


@pytest.fixture(scope="module")
def program() -> Path:
    """The mirror."""
    return go_program("mirror")


@pytest.fixture
def www(tmp_path: Path) -> Path:
    """A log of more than one tile, published."""
    with init_log(f"sqlite:{tmp_path / 'log.db'}", partitions=2) as log:
        with notary_of(log, tmp_path / "n", witnesses=witnesses()) as notary:
            for number in range(2):
                fill(log, [f"C-{number}-{case}" for case in range(50)])
                checkpoint(notary)
        with LogTree(log, tmp_path / "tree") as tree:
            tree.follow()
            publish(log, tree, newest_believed(tree, POLICY), tmp_path / "www")
    return tmp_path / "www"


@pytest.fixture
def prefix(www: Path) -> Iterator[str]:
    """The address of a web server over it."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(www))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def mirror(program: Path, prefix: str) -> subprocess.CompletedProcess[str]:
    command = [str(program), prefix, str(KEY.verifier_key)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_stock_client_mirrors_every_entry(program: Path, prefix: str, www: Path) -> None:
    done = mirror(program, prefix)
    assert done.returncode == 0, done.stderr
    head, *entries = [line.split("\t") for line in done.stdout.splitlines()]
    log = PublishedLog(www)
    assert head == ["checkpoint", ORIGIN, "601", log.checkpoint.root.hex(), "2"]
    assert entries == [
        ["entry", str(leaf), hashlib.sha256(value).hexdigest()] for leaf, value in enumerate(log.entries())
    ]


def test_a_stock_client_finds_an_altered_entry(program: Path, prefix: str, www: Path) -> None:
    bundle = www / "tile" / "entries" / "001"
    content = bytearray(bundle.read_bytes())
    content[100] ^= 1
    bundle.write_bytes(content)
    assert mirror(program, prefix).returncode != 0
