"""A witness on the network: the codes of the specification, and callers who mean no good."""

import http.client
import json
import os
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

import pytest

from casetrail.audit.witnessing.server import Limits, WitnessServer
from casetrail.audit.witnessing.state import WitnessState
from casetrail.audit.witnessing.witness import Cosigner
from casetrail.proofs.addcheckpoint import AddCheckpoint
from casetrail.proofs.keys import Algorithm, create_key, save_key
from casetrail.proofs.note import parse_note, verify_note
from tests.audit.small_log import LOG_KEY, ORIGIN, WITNESS_KEY, SmallLog, cosigner
from tests.cli.shell import PROGRAM, environment

LOG = SmallLog()
FORK = SmallLog("other ", 7)
CHECKPOINT = f"/{sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
FAST = Limits(body=20_000, connections=4, idle=0.4, request=1.2)


@contextmanager
def serving(witness: Cosigner, limits: Limits | None = None) -> Iterator[WitnessServer]:
    server = WitnessServer(witness, "127.0.0.1", 0, limits or Limits())
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WitnessServer]:
    with serving(cosigner(tmp_path / "w.db")) as running:
        yield running


class Caller:
    """One connection, kept alive."""

    def __init__(self, server: WitnessServer) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str, bytes]:
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read()

    def add(self, request: AddCheckpoint) -> tuple[int, str, bytes]:
        return self.ask("POST", "/add-checkpoint", request.format())


def test_each_answer_has_the_code_and_the_type_of_the_specification(server: WitnessServer) -> None:
    caller = Caller(server)
    stranger = SmallLog(key=create_key("stranger.example", Algorithm.ED25519))
    unsigned = SmallLog(key=create_key(ORIGIN, Algorithm.ED25519))
    text = "text/plain; charset=utf-8"
    assert caller.add(LOG.request(0, 9))[:2] == (200, text)
    assert caller.add(LOG.request(4, 20)) == (409, "text/x.tlog.size", b"9\n")
    assert caller.add(LOG.request(9, 9))[0] == 200
    assert caller.add(AddCheckpoint(9, (), FORK.note(9)))[:2] == (422, text)
    assert caller.add(FORK.request(9, 20))[0] == 422
    assert caller.add(AddCheckpoint(30, (), LOG.note(20)))[0] == 400
    assert caller.add(stranger.request(0, 9))[:2] == (404, text)
    assert caller.add(unsigned.request(9, 20))[:2] == (403, text)
    assert caller.ask("POST", "/add-checkpoint", b"nonsense\n\n")[:2] == (400, text)
    assert caller.add(LOG.request(9, 20))[0] == 200


def test_many_requests_use_one_connection(server: WitnessServer) -> None:
    caller = Caller(server)
    caller.add(LOG.request(0, 1))
    first = caller.connection.sock
    for size in range(1, 20):
        assert caller.add(LOG.request(size, size + 1))[0] == 200
        assert caller.add(LOG.request(0, size))[0] == 409
    assert caller.connection.sock is first
    assert first is not None


def test_the_newest_cosigned_checkpoint_is_there_for_everybody(server: WitnessServer) -> None:
    caller = Caller(server)
    assert caller.ask("GET", CHECKPOINT)[0] == 404
    caller.add(LOG.request(0, 9))
    caller.add(LOG.request(9, 20))
    caller.add(FORK.request(20, 30))
    status, kind, body = caller.ask("GET", CHECKPOINT)
    assert (status, kind) == (200, "text/plain; charset=utf-8")
    note = parse_note(body)
    assert note.text == LOG.checkpoint(20).text()
    verify_note(note, [LOG_KEY.verifier_key])
    verify_note(note, [WITNESS_KEY.verifier_key])


def test_health_says_what_was_seen(server: WitnessServer) -> None:
    caller = Caller(server)
    caller.add(LOG.request(0, 9))
    caller.add(AddCheckpoint(9, (), FORK.note(9)))
    status, _, body = caller.ask("GET", "/health")
    said = json.loads(body)
    assert (status, said["witness"], said["contradictions"]) == (200, "court.example/witness", 2)
    assert [(log["origin"], log["size"], log["seen_at"]) for log in said["logs"]] == [
        (ORIGIN, 9, "2026-11-01T09:00:00Z")
    ]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404), ("GET", "/add-checkpoint", 405), ("GET", f"{CHECKPOINT}?x", 404), ("GET", CHECKPOINT + "/", 404),
        ("GET", "/../../etc/passwd", 404), ("POST", "/", 404), ("PUT", "/add-checkpoint", 501),
        ("POST", "/" + "x" * 70_000, 414), ("GET", "/%00", 404),
    ],
)  # fmt: skip
def test_other_requests_are_answered_with_a_plain_sentence(
    server: WitnessServer, method: str, path: str, status: int
) -> None:
    found, kind, body = Caller(server).ask(method, path)
    assert (found, kind) == (status, "text/plain; charset=utf-8")
    assert b"Traceback" not in body
    assert b"passwd" not in body


def raw(server: WitnessServer, *parts: bytes) -> bytes:
    """What comes back until the server ends the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
        answer = b""
        with suppress(ConnectionResetError):
            while more := connection.recv(65_536):
                answer += more
    return answer


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"", b"411"),
        (b"Content-Length: x\r\n", b"411"),
        (b"Content-Length: -1\r\n", b"411"),
        (b"Content-Length: 5\r\nContent-Length: 6\r\n", b"411"),
        (b"Transfer-Encoding: chunked\r\n", b"411"),
        (b"Content-Length: 262145\r\n", b"413"),
        (b"Content-Length: 99999999999999999999\r\n", b"413"),
        (b"X: " + b"y" * 70_000 + b"\r\n", b"431"),
    ],
)
def test_a_body_must_say_its_length_and_not_be_too_large(server: WitnessServer, head: bytes, status: bytes) -> None:
    answer = raw(server, b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"Connection: close" in answer


def test_what_is_no_http_is_ended(server: WitnessServer) -> None:
    assert b"Bad Request" in raw(server, b"\x16\x03\x01\x02\x00 \x01 \x02 hello\r\n\r\n")
    assert Caller(server).ask("GET", "/health")[0] == 200


def test_a_body_that_nobody_reads_is_not_the_next_request(server: WitnessServer) -> None:
    hidden = b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
    answer = raw(server, b"GET /health HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(hidden), hidden)
    assert answer.count(b"HTTP/1.1") == 1


def test_a_caller_who_asks_before_sending_the_body_is_told_to_go_on(server: WitnessServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        body = LOG.request(0, 9).format()
        head = b"POST /add-checkpoint HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body)
        connection.sendall(head)
        assert connection.recv(1000).startswith(b"HTTP/1.1 100")
        connection.sendall(body)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")


def test_callers_who_dawdle_are_ended_and_the_others_served(tmp_path: Path) -> None:
    with serving(cosigner(tmp_path / "w.db"), FAST) as server:
        silent = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        half = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        half.sendall(b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 100\r\n\r\nold")
        drip = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        drip.sendall(b"GET /health HTTP/1.1\r\nX: ")
        assert Caller(server).add(LOG.request(0, 9))[0] == 200
        until = time.monotonic() + 20
        with pytest.raises(OSError):
            while time.monotonic() < until:
                drip.sendall(b"y")
                time.sleep(0.05)
        assert silent.recv(100) == b""
        assert half.recv(100) == b""
        for one in (silent, half, drip):
            one.close()
        assert Caller(server).add(LOG.request(9, 20))[0] == 200


def is_served(server: WitnessServer) -> bool:
    try:
        return Caller(server).ask("GET", "/health")[0] == 200
    except (OSError, http.client.HTTPException):
        return False  # the 503 may be lost where the connection is reset behind it


def test_more_connections_than_are_served_are_turned_away_and_the_places_come_back(tmp_path: Path) -> None:
    with serving(cosigner(tmp_path / "w.db"), Limits(connections=4)) as server:
        callers = [Caller(server) for _ in range(4)]
        assert [caller.ask("GET", "/health")[0] for caller in callers] == [200] * 4
        assert not is_served(server)
        callers.pop().connection.close()
        until = time.monotonic() + 20
        while not is_served(server):
            assert time.monotonic() < until


def test_a_state_that_cannot_be_written_is_a_503_and_no_cosignature(tmp_path: Path) -> None:
    with (
        WitnessState(tmp_path / "w.db") as state,
        serving(Cosigner(WITNESS_KEY, [LOG_KEY.verifier_key], state)) as server,
    ):
        state._database.execute("PRAGMA query_only = 1")
        status, _, body = Caller(server).add(LOG.request(0, 9))
        assert status == 503
        assert b"court.example" not in body
        state._database.execute("PRAGMA query_only = 0")
        assert Caller(server).add(LOG.request(0, 9))[0] == 200


def test_stopping_ends_connections_that_wait(tmp_path: Path) -> None:
    with serving(cosigner(tmp_path / "w.db"), Limits(idle=200, request=200)) as server:
        caller = Caller(server)
        caller.add(LOG.request(0, 9))
    assert caller.connection.sock is not None
    assert caller.connection.sock.recv(100) == b""


def start(folder: Path) -> tuple[subprocess.Popen[str], int]:
    command = [PROGRAM, "witness", "serve", "--key", "w.key", "--log-key", str(LOG_KEY.verifier_key), "--state", "w.db"]
    process = subprocess.Popen(
        [*command, "--port", "0"],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], 60)[0]
    process.stdout.readline()
    return process, int(process.stdout.readline().rpartition(":")[2])


class Liar(threading.Thread):
    """Shows one of two branches to a witness as fast as it can, until it is gone; remembers what was cosigned."""

    def __init__(self, port: int, log: SmallLog) -> None:
        super().__init__()
        self.cosigned: list[tuple[int, bytes]] = []
        self._port, self._log = port, log

    def run(self) -> None:
        known, step = 0, 1
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        with suppress(OSError, http.client.HTTPException):
            while True:
                connection.request("POST", "/add-checkpoint", self._log.request(known, known + step).format())
                answer = connection.getresponse()
                body = answer.read()
                if answer.status == 200:
                    known += step
                    checkpoint = self._log.checkpoint(known)
                    self.cosigned.append((checkpoint.size, checkpoint.root))
                elif answer.status == 409:
                    known = int(body)
                else:
                    assert answer.status == 422, body
                    known = max(0, known - 1)
                step = 1 + len(self.cosigned) % 3


def test_a_witness_killed_at_any_moment_never_cosigns_two_roots_for_one_size(tmp_path: Path) -> None:
    save_key(WITNESS_KEY, tmp_path / "w.key")
    cosigned: set[tuple[int, bytes]] = set()
    for number in range(6):
        process, port = start(tmp_path)
        liars = [Liar(port, SmallLog(branch, 7)) for branch in ("", "other ", "third ")]
        for liar in liars:
            liar.start()
        before, until = len(cosigned), time.monotonic() + 60
        while not any(liar.cosigned for liar in liars) and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(number * 0.037)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        for liar in liars:
            liar.join()
            cosigned.update(liar.cosigned)
        assert len(cosigned) > before
        with WitnessState(tmp_path / "w.db", read_only=True) as state:
            kept = {(one.size, one.root) for one in state.seen() if one.cosignature}
        assert cosigned <= kept, "a cosignature left before it was remembered"
        assert len({size for size, _ in kept}) == len(kept)
