"""A witness on the network: HTTP as c2sp.org/tlog-witness has it. TLS is the business of a reverse proxy before it.

``POST /add-checkpoint`` asks for a cosignature, ``GET /<SHA-256 of the origin in hex>/checkpoint`` gives the largest
checkpoint that was cosigned, ``GET /health`` what there is. Anybody may call: what a caller may do is bounded in bytes, in
time and in number, and a caller who sends nonsense gets a sentence back.
"""

import json
import logging
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple

from casetrail.audit.witnessing.state import StateUnusable
from casetrail.audit.witnessing.witness import (
    Cosigner,
    NotConsistent,
    NotSigned,
    OldSizeTooLarge,
    OriginUnknown,
    SizeConflict,
)
from casetrail.domain.values import iso
from casetrail.eventlog.errors import LogError
from casetrail.proofs.addcheckpoint import SIZE_TYPE, parse_add_checkpoint
from casetrail.proofs.errors import NoteInvalid, ProofInvalid

LOG: Final = logging.getLogger("casetrail.witness")

TEXT: Final = "text/plain; charset=utf-8"
STATUS: Final[Mapping[type[LogError], HTTPStatus]] = {
    NoteInvalid: HTTPStatus.BAD_REQUEST,
    ProofInvalid: HTTPStatus.BAD_REQUEST,  # malformed; one that does not prove is NotConsistent
    OldSizeTooLarge: HTTPStatus.BAD_REQUEST,
    NotSigned: HTTPStatus.FORBIDDEN,
    OriginUnknown: HTTPStatus.NOT_FOUND,
    SizeConflict: HTTPStatus.CONFLICT,
    NotConsistent: HTTPStatus.UNPROCESSABLE_ENTITY,  # another root for the same size, too: v1.0.0 had 409 (C2SP #280)
    StateUnusable: HTTPStatus.SERVICE_UNAVAILABLE,
}


class Limits(NamedTuple):
    """What a caller may take: bytes of a request's body, connections at once, seconds without a byte, seconds a request."""

    body: int = 262_144
    connections: int = 64
    idle: float = 10.0
    request: float = 20.0


class WitnessServer(ThreadingHTTPServer):
    """Call ``serve_forever`` in a thread of its own, then ``stop``."""

    daemon_threads = False  # a request that is being answered is answered to its end
    request_queue_size = 128

    def __init__(self, cosigner: Cosigner, address: str, port: int, limits: Limits = Limits()) -> None:  # noqa: B008
        """Listen. Raises ``OSError`` where the port is taken. Port 0 takes a free one."""
        self.cosigner, self.limits = cosigner, limits
        self.origins = {sha256(origin.encode()).hexdigest(): origin for origin in cosigner.origins}
        self._since: dict[socket.socket, float] = {}
        self._guard = threading.Lock()
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, port), _Handler)
        self.port = int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection in a thread, or turn it away where there are too many."""
        with self._guard:
            full = len(self._since) >= self.limits.connections
            if not full:
                self._since[request] = time.monotonic()
        if full:
            with suppress(OSError):
                request.setblocking(False)
                request.send(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """A connection has ended."""
        with self._guard:
            self._since.pop(request, None)
        super().shutdown_request(request)

    def begins(self, request: Any) -> None:
        """The next request of a connection may take its time anew."""
        with self._guard:
            if request in self._since:
                self._since[request] = time.monotonic()

    def service_actions(self) -> None:
        """Twice a second: end requests that take too long, such as those that come byte by byte."""
        before = time.monotonic() - self.limits.request
        with self._guard:
            late = [request for request, since in self._since.items() if since < before]
        for request in late:
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """What nobody foresaw: it is logged, and the next request is answered."""
        LOG.exception("a request failed")

    def stop(self) -> None:
        """Take no new request, answer those that have come, and stop. ``serve_forever`` must be running."""
        self.shutdown()
        with self._guard:
            open_now = list(self._since)
        for request in open_now:
            with suppress(OSError):
                request.shutdown(socket.SHUT_RD)  # a connection that waits for its next request ends
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "casetrail-witness", ""
    wbufsize = -1  # an answer leaves in one packet
    server: WitnessServer

    def setup(self) -> None:
        self.request.settimeout(self.server.limits.idle)
        super().setup()

    def handle_one_request(self) -> None:
        self.server.begins(self.request)
        try:
            super().handle_one_request()
        except OSError:  # the caller went away, or was sent away
            self.close_connection = True

    def handle_expect_100(self) -> bool:
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def do_POST(self) -> None:
        if self.path != "/add-checkpoint":
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        body = self._body()
        if body is None:
            return
        try:
            lines = self.server.cosigner.cosign(parse_add_checkpoint(body))
        except SizeConflict as error:
            self._answer(HTTPStatus.CONFLICT, SIZE_TYPE, f"{error.known}\n")
        except LogError as error:
            self._refuse(error)
        else:
            self._answer(HTTPStatus.OK, TEXT, lines)

    def do_GET(self) -> None:
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # a body that nobody reads must not become the next request
        try:
            if self.path == "/health":
                self._answer(HTTPStatus.OK, "application/json", json.dumps(self._health()) + "\n")
            elif self.path == "/add-checkpoint":
                self.send_error(HTTPStatus.METHOD_NOT_ALLOWED)
            else:
                self._checkpoint()
        except StateUnusable as error:
            self._refuse(error)

    def _checkpoint(self) -> None:
        name, slash, rest = self.path.removeprefix("/").partition("/")
        origin = self.server.origins.get(name)
        newest = self.server.cosigner.newest(origin) if origin is not None and (slash + rest) == "/checkpoint" else None
        if newest is None:
            self.send_error(HTTPStatus.NOT_FOUND)
        else:
            self._answer(HTTPStatus.OK, TEXT, newest.cosigned_note.decode())

    def _health(self) -> dict[str, object]:
        cosigner, logs = self.server.cosigner, []
        for origin in cosigner.origins:
            newest = cosigner.newest(origin)
            at = None if newest is None else iso(newest.seen_at)
            logs.append({"origin": origin, "size": 0 if newest is None else newest.size, "seen_at": at})
        return {
            "status": "ok",
            "witness": cosigner.key.name,
            "logs": logs,
            "contradictions": cosigner.contradictions(),
        }

    def _body(self) -> bytes | None:
        """The body of a request; None where there is none to be had, which has been answered."""
        lengths = self.headers.get_all("Content-Length", [])
        if (
            "Transfer-Encoding" in self.headers
            or len(lengths) != 1
            or not lengths[0].isascii()
            or not lengths[0].isdigit()
        ):
            self.send_error(HTTPStatus.LENGTH_REQUIRED)
            return None
        if len(lengths[0]) > 9 or int(lengths[0]) > self.server.limits.body:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return None
        body = self.rfile.read(int(lengths[0]))
        if len(body) < int(lengths[0]):
            self.close_connection = True
            return None
        return body

    def _refuse(self, error: LogError) -> None:
        status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), HTTPStatus.BAD_REQUEST)
        if isinstance(error, StateUnusable):
            LOG.error("nothing is cosigned: %s", error)
            self._answer(status, TEXT, "this witness cannot write down what it cosigns, so it cosigns nothing\n")
        else:
            self._answer(status, TEXT, f"{error}\n")

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer with the status' own name: nothing that came in is sent back. The connection ends."""
        self.close_connection = True
        self._answer(code, TEXT, f"{HTTPStatus(code).phrase}\n")

    def _answer(self, status: int, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "POST")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: what matters is logged by the cosigner, and callers must not be able to fill a log."""
