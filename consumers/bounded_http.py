"""HTTP to somebody else's server: nothing is redirected, and an answer takes neither more time nor more memory than it may.

What the standard library bounds is each single wait for bytes, and each line. So a server that sends a byte a second, or one line
after the other, is waited for without end, and one that says that a chunk has -1 bytes is read to its end. Here the bytes are
counted, and the time is taken, below all that: where they come out of the socket.
"""

import urllib.request
from functools import partial
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from io import BufferedReader, RawIOBase
from socket import socket
from time import monotonic
from typing import IO, TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MOST_BYTES: Final = 1_048_576
"""Bytes of an answer, its headers and whatever stands between its parts included."""


class _Bounded(RawIOBase):
    """What comes out of a socket, until the time is over or there was too much of it."""

    def __init__(self, raw: RawIOBase, connection: socket, until: float) -> None:
        self._raw, self._connection, self._until, self._room = raw, connection, until, MOST_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        left = self._until - monotonic()
        if left <= 0:
            raise TimeoutError("its answer takes too long")
        self._connection.settimeout(left)
        count: int | None = self._raw.readinto(buffer)
        self._room -= count or 0
        if self._room < 0:
            raise OSError(f"its answer is longer than {MOST_BYTES} bytes")
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: socket, *args: Any, until: float, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        self.fp = BufferedReader(_Bounded(self.fp.detach(), sock, until))


def _connected(kind: type[HTTPConnection], host: str, /, *, timeout: float, **more: Any) -> HTTPConnection:
    made = kind(host, timeout=timeout, **more)
    made.response_class = partial(_Response, until=monotonic() + timeout)  # type: ignore[assignment]
    return made


class _ToPlain(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(partial(_connected, HTTPConnection), req)


class _ToSecured(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(partial(_connected, HTTPSConnection), req)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirection is an answer like any other: it is not followed, to no other host and no other scheme."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: object, newurl: str
    ) -> None:
        return None


def opened(request: urllib.request.Request, patience: float) -> HTTPResponse:
    """The answer to a request, its body still to be read, all within so many seconds from now.

    Raises, also while it is read, ``OSError`` (``urllib.error.HTTPError`` for an answer that is none of 2xx), ``ValueError`` and
    ``http.client.HTTPException``.
    """
    opener = urllib.request.build_opener(_NoRedirect, _ToPlain, _ToSecured)
    answer: HTTPResponse = opener.open(request, timeout=patience)
    return answer
