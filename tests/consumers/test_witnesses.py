"""Witnesses cosign what a notary publishes; one that is down, slow, wrong or hostile costs a warning, never more."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from casetrail.audit.witnessing.server import WitnessServer
from casetrail.audit.witnessing.state import WitnessState
from casetrail.audit.witnessing.witness import Cosigner
from casetrail.consumers.inbox import Inbox
from casetrail.consumers.notary import Notary
from casetrail.consumers.witnesses import Answer, Witness, Witnesses, exchange
from casetrail.domain.notarized import CheckpointCosigned
from casetrail.eventlog.notarized import decode_notarized, encode_notarized
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.port import Entry, Log, Topic
from casetrail.proofs.addcheckpoint import AddCheckpoint, parse_add_checkpoint
from casetrail.proofs.checkpoint import Checkpoint, parse_checkpoint
from casetrail.proofs.keys import Algorithm, SignerKey, create_key
from casetrail.proofs.note import Note, Signature, format_note, parse_note, verify_note
from tests.consumers.notarial import KEY, ORIGIN, SELDOM, fill, notary_of, publish, records

COURT = create_key("court.example/witness", Algorithm.ED25519_COSIGNATURE)
CLINIC = create_key("clinic.example/witness", Algorithm.ML_DSA_44)
AT = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with init_log(f"sqlite:{tmp_path / 'log.db'}") as opened:
        fill(opened, ["C-1", "C-2"])
        yield opened


@contextmanager
def serving(key: SignerKey, state: Path, port: int = 0) -> Iterator[str]:
    """A real witness of the notary's log; its URL."""
    with WitnessState(state) as opened:
        server = WitnessServer(Cosigner(key, [KEY.verifier_key], opened), "127.0.0.1", port)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.port}"
        finally:
            server.stop()
            thread.join()


@pytest.fixture
def court(tmp_path: Path) -> Iterator[str]:
    with serving(COURT, tmp_path / "court.db") as url:
        yield url


class Stub:
    """A server that gives one answer to whatever it is asked: bytes, or what a function does with the connection."""

    def __init__(self, answer: bytes | Callable[[socket.socket], None]) -> None:
        self._socket, self._answer = socket.create_server(("127.0.0.1", 0)), answer
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.asked = 0
        self.released = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.asked += 1
            with connection, suppress(OSError):  # who has heard enough hangs up
                connection.settimeout(20)
                _read_request(connection)
                if callable(self._answer):
                    self._answer(connection)
                else:
                    connection.sendall(self._answer)

    def close(self) -> None:
        self.released.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


def _read_request(connection: socket.socket) -> None:
    request = b""
    while b"\r\n\r\n" not in request:
        if not (more := connection.recv(65_536)):
            return
        request += more
    head, _, body = request.partition(b"\r\n\r\n")
    said = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    length = said[0] if said else 0  # of a GET
    while len(body) < length:
        body += connection.recv(65_536)


@contextmanager
def stub(answer: bytes | Callable[[socket.socket], None]) -> Iterator[Stub]:
    made = Stub(answer)
    try:
        yield made
    finally:
        made.close()


def answer(body: bytes, status: str = "200 OK", kind: str = "text/plain", more: bytes = b"") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    return head.encode() + more + b"\r\n" + body


def cosigned(log: Log) -> list[CheckpointCosigned]:
    stored = (decode_notarized(record.value) for record in records(log, Topic.CHECKPOINTS))
    return [one for one in stored if isinstance(one, CheckpointCosigned)]


def signers(notary: Notary, *keys: SignerKey) -> list[str]:
    """Who has cosigned the newest checkpoint, as whoever reads the log sees it."""
    newest = notary.tree.newest()
    assert newest is not None
    note = parse_note(notary.tree.cosigned_note(newest))
    verify_note(note, [KEY.verifier_key])
    known = [key.verifier_key for key in keys or (COURT, CLINIC)]
    if len(note.signatures) == 1:
        return []
    return [one.key.name for one in verify_note(note, known)]


def test_cosignatures_of_all_witnesses_stand_in_the_log(log: Log, tmp_path: Path, court: str) -> None:
    with serving(CLINIC, tmp_path / "clinic.db") as clinic:
        asked: list[str] = []

        def send(url: str, body: bytes) -> Answer:
            asked.append(url)
            return exchange(url, body)

        witnesses = Witnesses([Witness(COURT.verifier_key, court), Witness(CLINIC.verifier_key, clinic + "/")], send)
        with notary_of(log, tmp_path / "n", KEY, witnesses) as notary:
            publish(notary)
            assert sorted(signers(notary)) == ["clinic.example/witness", "court.example/witness"]
            publish(notary)  # covers the first checkpoint
            publish(notary)  # says nothing new, and asks nobody again
            fill(log, ["C-3"])
            publish(notary)
            assert sorted(signers(notary)) == ["clinic.example/witness", "court.example/witness"]
    assert len(cosigned(log)) == 3
    assert sorted(asked) == sorted([f"{url}/add-checkpoint" for url in (court, clinic)] * 3)


def test_a_witness_that_knows_another_size_is_shown_the_way_from_there(log: Log, tmp_path: Path, court: str) -> None:
    witnesses = [Witness(COURT.verifier_key, court)]
    with notary_of(log, tmp_path / "n", KEY, Witnesses(witnesses)) as notary:
        publish(notary)
    fill(log, ["C-3"])
    with notary_of(log, tmp_path / "without memory", KEY, Witnesses(witnesses)) as notary:
        publish(notary)
        assert signers(notary) == ["court.example/witness"]


def test_a_witness_that_was_away_catches_up(log: Log, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with serving(COURT, tmp_path / "court.db") as url:
        port = int(url.rpartition(":")[2])
        witnesses = Witnesses([Witness(COURT.verifier_key, url)])
        notary = Notary(log, tmp_path / "n", KEY, SELDOM, witnesses)
        publish(notary)
    for name in ("C-3", "C-4"):
        fill(log, [name])
        publish(notary)
        assert signers(notary) == []
    assert "court.example/witness has not cosigned" in caplog.text
    assert "does not answer" in caplog.text
    with serving(COURT, tmp_path / "court.db", port):
        notary.publish()
        assert signers(notary) == ["court.example/witness"]
    notary.close()


def silent(stub_released: Callable[[], threading.Event]) -> Callable[[socket.socket], None]:
    def wait(_: socket.socket) -> None:
        stub_released().wait(60)

    return wait


def dripping(stub_released: Callable[[], threading.Event]) -> Callable[[socket.socket], None]:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while not stub_released().wait(0.02):
            connection.sendall(b"y")

    return drip


@pytest.mark.parametrize("make", [silent, dripping])
def test_a_witness_that_keeps_us_waiting_holds_nothing_up_and_has_a_rest(
    log: Log,
    tmp_path: Path,
    court: str,
    caplog: pytest.LogCaptureFixture,
    make: Callable[[Callable[[], threading.Event]], Callable[[socket.socket], None]],
) -> None:
    with ExitStack() as stack:
        slow: Stub = stack.enter_context(stub(make(lambda: slow.released)))
        witnesses = [Witness(CLINIC.verifier_key, slow.url), Witness(COURT.verifier_key, court)]
        notary = stack.enter_context(notary_of(log, tmp_path / "n", KEY, Witnesses(witnesses, patience=0.5)))
        for name in ("C-3", "C-4", "C-5"):  # the slow one answers nothing before the test ends
            fill(log, [name])
            publish(notary)
            assert signers(notary) == ["court.example/witness"]
        assert slow.asked == 1
    assert caplog.text.count("no answer in") == 1


def test_a_witness_that_has_answered_is_asked_again_though_its_thread_has_not_ended(
    log: Log, tmp_path: Path, court: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends, ask = threading.Event(), Witnesses._one

    def lingering(*of: Any) -> None:
        ask(*of)
        ends.wait(60)

    monkeypatch.setattr(Witnesses, "_one", lingering)
    with notary_of(log, tmp_path / "n", KEY, Witnesses([Witness(COURT.verifier_key, court)])) as notary:
        for name in ("C-3", "C-4"):
            fill(log, [name])
            publish(notary)
            assert signers(notary) == ["court.example/witness"]
    ends.set()


def cosignature(key: SignerKey, size: int = 3) -> bytes:
    return key.cosign(Checkpoint(ORIGIN, size, bytes(32)).text(), AT).line().encode()


STRANGER = create_key("stranger.example", Algorithm.ED25519_COSIGNATURE)
NAMESAKE = create_key("court.example/witness", Algorithm.ED25519_COSIGNATURE)
WRONG = {
    "an empty answer": answer(b""),
    "a page": answer(b"<html>welcome</html>", kind="text/html"),
    "bytes": answer(bytes(range(256))),
    "another checkpoint's cosignature": answer(cosignature(COURT)),
    "a stranger's cosignature": answer(cosignature(STRANGER)),
    "a namesake's cosignature": answer(cosignature(NAMESAKE)),
    "a line without its end": answer(cosignature(COURT)[:-1]),
    "a great deal": answer(b"x" * 5_000_000),
    "no HTTP": b"220 mail.example ESMTP\r\n",
    "half a line": b"HT",
    "half an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc",
    "nothing": b"",
    "a header without an end": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000,
    "headers without end": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5_000,
    "a wrong chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "403": answer(b"never\n", "403 Forbidden"),
    "500": answer(b"\x1b[2J", "500 Internal Server Error"),
    "no size": answer(b"later\n", "409 Conflict", "text/x.tlog.size"),
    "a size that is none": answer(b"-1\n", "409 Conflict", "text/x.tlog.size"),
    "a size with underscores": answer(b"1_0\n", "409 Conflict", "text/x.tlog.size"),
    "a size of another type": answer(b"1\n", "409 Conflict", "text/html"),
    "a size that is too large": answer(b"9999\n", "409 Conflict", "text/x.tlog.size"),
    "the size that was sent": answer(b"0\n", "409 Conflict", "text/x.tlog.size"),
    "one size for ever": answer(b"1\n", "409 Conflict", "text/x.tlog.size"),
}


@pytest.mark.parametrize("what", WRONG)
def test_an_answer_that_is_no_cosignature_is_not_recorded(
    log: Log, tmp_path: Path, court: str, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    with stub(WRONG[what]) as wrong:
        good = create_key("good.example/witness", Algorithm.ED25519_COSIGNATURE)
        with serving(good, tmp_path / "good.db") as url:
            witnesses = Witnesses([Witness(COURT.verifier_key, wrong.url), Witness(good.verifier_key, url)])
            with notary_of(log, tmp_path / "n", KEY, witnesses) as notary:
                publish(notary)
                assert signers(notary, COURT, good) == ["good.example/witness"]
                publish(notary)
                assert signers(notary, COURT, good) == ["good.example/witness"]
        assert wrong.asked >= 2
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert all(warning.startswith("witness court.example/witness has not cosigned") for warning in warnings)
    assert "\x1b" not in "".join(warnings)
    for one in cosigned(log):
        assert b"court.example" not in one.lines


def test_a_witness_that_has_cosigned_another_root_for_the_size_is_told_of_whichever_code_it_answers(
    log: Log, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """By version 1.0.0 of the specification it says 409 with the very size that it was asked from: it is not asked for ever."""
    asked: list[bytes] = []

    def conflict(_: str, body: bytes) -> Answer:
        asked.append(body.partition(b"\n")[0])
        return Answer(409, "text/x.tlog.size", body.partition(b"\n\n")[2].split(b"\n")[1] + b"\n")

    with notary_of(
        log, tmp_path / "n", KEY, Witnesses([Witness(COURT.verifier_key, "https://court")], conflict)
    ) as one:
        size = publish(one)
        assert asked == [b"old 0", f"old {size}".encode()]
        assert signers(one) == []
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.endswith(f"it has cosigned another root for the same {size} leaves: the log was forked")


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent"]
)
@pytest.mark.parametrize("scheme", ["http", "ftp", "file"])
def test_a_redirection_is_not_followed(log: Log, tmp_path: Path, court: str, status: str, scheme: str) -> None:
    where = {"http": f"{court}/add-checkpoint", "ftp": "ftp://127.0.0.1/x", "file": "file:///etc/hostname"}[scheme]
    with stub(answer(b"", status, more=f"Location: {where}\r\n".encode())) as redirecting:
        witnesses = Witnesses([Witness(COURT.verifier_key, redirecting.url)])
        with notary_of(log, tmp_path / "n", KEY, witnesses) as notary:
            publish(notary)
            assert signers(notary) == []
    with WitnessState(tmp_path / "court.db", read_only=True) as state:
        assert list(state.seen()) == []


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://x.example", "court.example", "http://", "http://[", "http://x y/"]
)
def test_an_address_that_is_none_is_a_warning(
    log: Log, tmp_path: Path, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    with notary_of(log, tmp_path / "n", KEY, Witnesses([Witness(COURT.verifier_key, url)])) as notary:
        publish(notary)
        assert signers(notary) == []
    assert "has not cosigned" in caplog.text


def test_lines_of_unknown_keys_are_passed_over(log: Log, tmp_path: Path) -> None:
    def send(_: str, body: bytes) -> Answer:
        text = parse_note(parse_add_checkpoint(body).note).text
        lines = "".join(key.cosign(text, AT).line() for key in (STRANGER, COURT, NAMESAKE, COURT))
        return Answer(200, "text/plain", lines.encode())

    with notary_of(log, tmp_path / "n", KEY, Witnesses([Witness(COURT.verifier_key, "http://x")], send)) as notary:
        publish(notary)
        assert signers(notary) == ["court.example/witness"]
    (stored,) = cosigned(log)
    assert stored.lines.count(b"\n") == 1


def test_a_cosignature_that_states_no_time_is_not_one(log: Log, tmp_path: Path) -> None:
    def send(_: str, body: bytes) -> Answer:
        text = parse_note(parse_add_checkpoint(body).note).text
        return Answer(200, "text/plain", CLINIC.sign_note(text).line().encode())  # as a log's key signs

    with notary_of(log, tmp_path / "n", KEY, Witnesses([Witness(CLINIC.verifier_key, "http://x")], send)) as notary:
        publish(notary)
        assert signers(notary) == []


def test_a_server_with_two_keys_is_asked_once_and_each_cosignature_is_recorded(log: Log, tmp_path: Path) -> None:
    asked: list[int] = []
    keys = [COURT]

    def send(_: str, body: bytes) -> Answer:
        request = parse_add_checkpoint(body)
        asked.append(request.old)
        lines = "".join(key.cosign(parse_note(request.note).text, AT).line() for key in keys)
        return Answer(200, "text/plain", lines.encode())

    witnesses = Witnesses([Witness(COURT.verifier_key, "http://x"), Witness(CLINIC.verifier_key, "http://x")], send)
    with notary_of(log, tmp_path / "n", KEY, witnesses) as notary:
        publish(notary)
        assert signers(notary) == ["court.example/witness"]
        keys.append(CLINIC)
        fill(log, ["C-3"])
        publish(notary)
        assert len(asked) == 2
        assert sorted(signers(notary)) == ["clinic.example/witness", "court.example/witness"]
    assert [one.lines.count(b"\n") for one in cosigned(log)] == [1, 2]


def test_a_log_that_shows_a_witness_another_history_gets_no_cosignature(
    tmp_path: Path, court: str, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("one", "other"):
        with init_log(f"sqlite:{tmp_path / name}") as log:
            fill(log, ["C-1", "C-2"])
            witnesses = Witnesses([Witness(COURT.verifier_key, court)])
            with notary_of(log, tmp_path / f"{name}.n", KEY, witnesses) as notary:
                publish(notary)
                assert signers(notary) == (["court.example/witness"] if name == "one" else [])
    assert "another root" in caplog.text
    with WitnessState(tmp_path / "court.db", read_only=True) as state:
        assert state.contradictions() == 2


def by_hand(note: bytes, *keys: SignerKey) -> bytes:
    found = parse_note(note)
    return format_note(Note(found.text, found.signatures + tuple(key.cosign(found.text, AT) for key in keys)))


def test_cosignatures_that_are_brought_by_hand_are_recorded_for_their_checkpoint(log: Log, tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "inbox", [COURT.verifier_key, CLINIC.verifier_key])
    notary = Notary(log, tmp_path / "n", KEY, SELDOM, None, inbox)
    publish(notary)
    first = notary.tree.newest()
    assert first is not None
    fill(log, ["C-3"])
    publish(notary)
    path = inbox.put(by_hand(first.note, COURT, STRANGER))
    notary.publish()
    inbox.put(by_hand(first.note, COURT, CLINIC))
    notary.publish()
    note = parse_note(notary.tree.cosigned_note(first))
    verify_note(note, [COURT.verifier_key])
    verify_note(note, [CLINIC.verifier_key])
    assert {one.name for one in note.signatures} == {ORIGIN, COURT.name, CLINIC.name}
    notary.publish()
    assert not path.exists()
    assert list((tmp_path / "inbox").iterdir()) == []
    notary.close()
    assert len(cosigned(log)) == 2


def test_what_does_not_belong_in_the_inbox_stays_there_and_is_warned_of(
    log: Log, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = Inbox(tmp_path / "inbox", [COURT.verifier_key])
    notary = Notary(log, tmp_path / "n", KEY, SELDOM, None, inbox)
    publish(notary)
    newest = notary.tree.newest()
    assert newest is not None
    checkpoint = parse_checkpoint(parse_note(newest.note).text)
    text = Checkpoint(ORIGIN, checkpoint.size, bytes(32)).text()
    forged = by_hand(newest.note, COURT).replace(newest.note, format_note(Note(text, (KEY.sign_note(text),))))
    inbox.put(b"half a no")
    inbox.put(AddCheckpoint(0, (), newest.note).format())
    inbox.put(by_hand(newest.note, STRANGER))
    inbox.put(forged)
    inbox.put(by_hand(format_note(Note(text, (KEY.sign_note(text),))), COURT))
    (tmp_path / "inbox" / "folder.checkpoint").mkdir()
    (tmp_path / "inbox" / "readme.txt").write_text("not mine")
    for _ in range(2):
        caplog.clear()
        notary.publish()
        assert len([one for one in caplog.records if one.levelno == logging.WARNING]) == 6
    assert "evidence" in caplog.text
    notary.close()
    assert cosigned(log) == []
    assert len(list((tmp_path / "inbox").iterdir())) == 7


def test_hostile_lines_in_the_log_do_not_stop_the_notary(log: Log, tmp_path: Path, court: str) -> None:
    from casetrail.eventlog.notarized import encode_notarized
    from casetrail.eventlog.port import Entry

    with notary_of(log, tmp_path / "n") as notary:
        publish(notary)
        newest = notary.tree.newest()
        assert newest is not None
    writer = log.writer(0, Topic.CHECKPOINTS)
    for lines in (b"\xff\xfe", b"no lines", b"\n\n\n"):
        writer.append([Entry(None, encode_notarized(CheckpointCosigned(newest.record_hash, lines)))])
    writer.close()
    with notary_of(log, tmp_path / "n", KEY, Witnesses([Witness(COURT.verifier_key, court)])) as notary:
        notary.publish()
    assert any(b"court.example" in one.lines for one in cosigned(log))


def test_a_wrong_line_that_an_insider_put_into_the_log_hides_no_cosignature(
    log: Log, tmp_path: Path, court: str
) -> None:
    with notary_of(log, tmp_path / "n") as notary:
        publish(notary)
        publish(notary)  # now there is nothing new to say
        newest = notary.tree.newest()
        assert newest is not None
        key = COURT.verifier_key
        for lines in (Signature(key.name, key.key_id, bytes(72)).line().encode(), b"no line at all\n", b"\xff\n"):
            value = encode_notarized(CheckpointCosigned(newest.record_hash, lines))
            log.append(Topic.CHECKPOINTS, [Entry(None, value)])
    with notary_of(log, tmp_path / "m", witnesses=Witnesses([Witness(key, court)])) as notary:
        notary.publish()
        note = parse_note(notary.tree.cosigned_note(newest, [key]))
        assert [one.key for one in verify_note(note, [key])] == [key]
