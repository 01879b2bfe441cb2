"""How the Python client's connections are read."""

import asyncio
import socket
from types import SimpleNamespace
from typing import Any

import pytest
from kafka.net.manager import KafkaConnectionManager
from kafka.net.transport import KafkaTCPTransport

from casetrail.eventlog.kafka_connecting import PART, InLargeParts, SteadyClient


@pytest.fixture
def connected() -> Any:
    """A transport of the client as ours makes it, and the socket at its other end."""
    here, there = socket.socketpair()
    with here, there:
        here.setblocking(False)

        async def build(*_: Any) -> KafkaTCPTransport:
            return KafkaTCPTransport(None, here)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(KafkaConnectionManager, "_build_transport", build)
            client = SteadyClient(bootstrap_servers=["127.0.0.1:1"])
            node = SimpleNamespace(node_id="bootstrap-0", host="127.0.0.1", port=1)
            yield asyncio.run(client._manager._build_transport(node)), there
            client.close()


def test_what_has_come_is_read_in_large_parts(connected: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    transport, there = connected
    sent = bytes(range(256)) * 400
    asked: list[int] = []
    read = InLargeParts.recv

    def counted(self: InLargeParts, size: int) -> bytes:
        asked.append(size)
        return read(self, size)

    monkeypatch.setattr(InLargeParts, "recv", counted)
    there.sendall(sent)
    assert transport._sock_recv() == (sent, None)
    assert len(asked) <= len(sent) / PART + 2  # the client asks for 4 kB: 25 times


def test_an_end_is_an_end(connected: Any) -> None:
    transport, there = connected
    there.close()
    received, error = transport._sock_recv()
    assert (received, "disconnected" in str(error)) == (b"", True)
    assert transport._sock.fileno() >= 0  # all else goes to the socket itself
