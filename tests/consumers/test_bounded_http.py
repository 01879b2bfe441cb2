"""A server that answers without end, in time or in bytes, takes neither more of the one nor of the other than it may."""

import socket
import ssl
import threading
import tracemalloc
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Final

import pytest
from click.testing import CliRunner

from casetrail.cli import exits
from casetrail.cli.main import cli
from casetrail.consumers import outbox_webhook, witnesses
from casetrail.consumers.bounded_http import MOST_BYTES, opened
from casetrail.consumers.notification import Notification
from casetrail.consumers.outbox_webhook import WebhookTransport
from casetrail.consumers.transport import NotSent
from casetrail.consumers.witnesses import WitnessRefused, exchange
from casetrail.proofs.keys import Algorithm, create_key
from tests.consumers.test_witnesses import Stub, stub
from tests.servers.secured import Authority

PATIENCE: Final = 0.4
CHUNKED: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for room in (witnesses, outbox_webhook):
        monkeypatch.setattr(room, "PATIENCE", PATIENCE)


def drip(start: bytes, again: bytes) -> Callable[[socket.socket], None]:
    """Answers with a beginning, then with the same again and again, slowly enough that no single wait is long."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(start)
        until = monotonic() + 5
        while monotonic() < until:
            connection.sendall(again)
            threading.Event().wait(0.02)

    return answer


DRIPPING: Final = {
    "the status line": drip(b"", b"H"),
    "a header": drip(b"HTTP/1.1 200 OK\r\nX: ", b"y"),
    "what is to be continued": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "the body": drip(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n", b"x"),
    "the body of an error": drip(b"HTTP/1.1 500 Oh\r\nContent-Length: 60000\r\n\r\n", b"x"),
    "chunks": drip(CHUNKED, b"1\r\nx\r\n"),
    "what follows the chunks": drip(CHUNKED + b"0\r\n", b"x: y\r\n"),
}


@pytest.mark.parametrize("answer", DRIPPING.values(), ids=DRIPPING)
def test_an_answer_that_drips_is_given_up_when_its_time_is_over(answer: Callable[[socket.socket], None]) -> None:
    with stub(answer) as slow:
        begun = monotonic()
        with suppress(WitnessRefused):
            assert exchange(slow.url).status == 500
        assert PATIENCE / 2 < monotonic() - begun < 3


def test_a_comparison_with_an_address_that_drips_ends() -> None:
    key = create_key("kcpd.example/casetrail", Algorithm.ED25519)
    with stub(DRIPPING["the body"]) as slow:
        begun = monotonic()
        words = ("audit", "compare", f"{slow.url}/x/checkpoint", "-", "--log-key", str(key.verifier_key))
        done = CliRunner().invoke(cli, words)
        assert (done.exit_code, "does not answer" in done.output) == (exits.UNREACHABLE, True)
        assert monotonic() - begun < 4


@pytest.mark.parametrize("size", [b"-1", b"-8000000", b"fffffffffff", b"+1", b"1_0"])
@pytest.mark.parametrize("status", [b"200 OK", b"404 Oh"])
def test_a_chunk_that_has_no_size_is_not_read_to_its_end(size: bytes, status: bytes) -> None:
    sent = 0

    def endless(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(CHUNKED.replace(b"200 OK", status) + size + b"\r\n")
        for _ in range(100):
            connection.sendall(b"x" * 1_000_000)
            sent += 1

    with stub(endless) as server:
        tracemalloc.start()
        try:
            with suppress(WitnessRefused):
                assert len(exchange(server.url, b"x").body) <= witnesses.MOST_BYTES
            assert tracemalloc.get_traced_memory()[1] < 6 * MOST_BYTES
        finally:
            tracemalloc.stop()
    assert sent < 50


def test_an_honest_answer_in_chunks_is_read() -> None:
    """As servers give it that do not know its length beforehand, web servers before a witness among them."""
    with stub(lambda connection: connection.sendall(CHUNKED + b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")) as server:
        assert exchange(server.url, b"x").body == b"abcdef"


def test_a_webhook_that_drips_is_given_up_when_its_time_is_over() -> None:
    def told(server: Stub) -> None:
        WebhookTransport(server.url, bytes(24)).send(Notification("id", "sgt.01", False, "subject", "{}"))

    for name in ("the status line", "a header", "what is to be continued"):
        with stub(DRIPPING[name]) as slow, pytest.raises(NotSent, match="does not answer"):
            begun = monotonic()
            told(slow)
        assert monotonic() - begun < 3
    with stub(b"HTTP/1.1 204 No Content\r\n\r\n") as well:
        told(well)


def test_what_a_server_answers_is_bounded_whoever_reads_it() -> None:
    def much(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 3 * MOST_BYTES)

    with (
        stub(much) as server,
        opened(urllib.request.Request(server.url, b""), 5) as answer,
        pytest.raises(OSError, match="longer than"),
    ):
        answer.read()


def take_request(connection: socket.socket) -> None:
    """Read a whole request: who closes a connection with something left to read breaks off what it has answered."""
    with connection.makefile("rb") as request:
        lines = list(iter(request.readline, b"\r\n"))
        sizes = [int(line.partition(b":")[2]) for line in lines if line.lower().startswith(b"content-length:")]
        request.read(sum(sizes))


@contextmanager
def over_tls(authority: Authority, answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that answers one connection over TLS; its URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.broker_file)
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError), context.wrap_socket(listening.accept()[0], server_side=True) as connection:
            take_request(connection)
            answer(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"https://127.0.0.1:{listening.getsockname()[1]}"
    thread.join()
    listening.close()


def test_it_is_the_same_over_tls_whose_certificates_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    with over_tls(authority, DRIPPING["the body"]) as url, pytest.raises(WitnessRefused, match="CERTIFICATE_VERIFY"):
        exchange(url)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    with over_tls(authority, lambda connection: connection.sendall(CHUNKED + b"3\r\nabc\r\n0\r\n\r\n")) as url:
        assert exchange(url, b"x").body == b"abc"
    begun = monotonic()
    with over_tls(authority, DRIPPING["the body"]) as url, pytest.raises(WitnessRefused, match="does not answer"):
        exchange(url)
    assert monotonic() - begun < 3
