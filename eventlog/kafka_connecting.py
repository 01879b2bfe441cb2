"""How the Python client finds a broker that answers: one that is away, or hangs, holds nobody up while there are others.

kafka-python 3.0.12 gives the first broker that it happens to try all the time that there is: where that one takes connections
and answers nothing (a machine that hangs, a network that drops), the others are never asked. And a question about topics goes
once, to any broker that the cluster lists: one that was killed is listed for some seconds more.

Once connected it waits half a minute for an answer of a broker that hangs, although another has taken over long since; for the
end of a TLS handshake it waits for ever; and the step of a transaction whose coordinator cannot be reached it forgets, so that
the commit is never answered.

And it reads what comes in parts of 4 kB, each with a turn of the interpreter's lock: larger ones save a twentieth of the time
that a whole verification takes.
"""

import secrets
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from kafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError
from kafka.future import Future
from kafka.net.compat import KafkaNetClient
from kafka.net.connection import KafkaConnection
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

Answer = TypeVar("Answer")

ANSWER_TIMEOUT: Final = 5.0
"""Seconds that a broker may take to let a client in, where there is no other."""
NEXT_AFTER: Final = 3.0
"""Seconds after which the next broker is tried, where there are several. A broker that was tried before is given longer."""
LONGEST: Final = 10.0
"""Seconds that a broker may take to let a client in, among several, however often it was tried before."""
LOOK_EVERY: Final = 1.0
PAUSE: Final = 0.02
PART: Final = 64 * 1024
"""Bytes that are read at once, where so many are there."""


def finding_timeout(bootstrap: str) -> float:
    """Seconds within which one of these brokers must have answered: enough to try each of them."""
    return ANSWER_TIMEOUT + NEXT_AFTER * bootstrap.count(",")


class InLargeParts:
    """A socket that is read in parts of up to ``PART`` bytes, whatever its reader asks for."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock

    def recv(self, _: int) -> bytes:
        """What is there of the next part; empty at the end."""
        return bytes(self._sock.recv(PART))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _Connections(KafkaConnectionManager):  # type: ignore[misc]
    """The client's connections. Of several brokers each is tried before any is tried again, and none for too long.

    Where a broker owes an answer for some seconds, it is seen whether it lets anybody in; one that does not hangs, and is left.
    A broker may have good reasons to be slow with an answer, and while it is, it does not look at what else comes on that
    connection: only another connection tells.
    """

    def __init__(self, net: Any, **configs: Any) -> None:
        super().__init__(net, **configs)
        self._servers = self.cluster.bootstrap_brokers
        self._several = len(self._servers()) > 1
        self._asked: set[Any] = set()
        self._let_in: dict[Any, float] = {}
        if self._several:
            self.config["socket_connection_setup_timeout_ms"] = NEXT_AFTER * 1000
            self.config["socket_connection_setup_timeout_max_ms"] = LONGEST * 1000
            self.cluster.bootstrap_brokers = self._least_failed
            net.call_later(LOOK_EVERY, self._look_after)

    def _least_failed(self) -> list[Any]:
        failures = {one.node_id: self._failures(one.node_id) for one in self._servers()}
        fewest = min(failures.values())
        return [one for one in self._servers() if failures[one.node_id] == fewest]

    def _failures(self, node_id: Any) -> int:
        return int(self._backoff.get(node_id, (0,))[0])

    def least_loaded_node(self) -> Any:
        """The broker for what any broker can answer: none that could not be reached last time, while there is another."""
        found = super().least_loaded_node()
        if found not in self._backoff:
            return found
        others = [one.node_id for one in self.cluster.brokers() if one.node_id not in self._backoff]
        free = [one for one in others if one not in self._conns or not self._conns[one].paused]
        return free[0] if free else found

    def get_connection(self, node_id: Any, timeout_ms: float | None = None, **more: Any) -> Any:
        if self._several and timeout_ms is not None:
            timeout_ms = min(timeout_ms, self.socket_connection_setup_timeout_ms(node_id))
        return super().get_connection(node_id, timeout_ms, **more)

    async def _connect(
        self, node: Any, conn: Any, reset_backoff_on_connect: bool = True, timeout_at: float | None = None
    ) -> None:
        """Connect; a broker that takes the connection and then answers nothing has failed, too (the client forgets that)."""
        before = self._failures(node.node_id)
        await super()._connect(node, conn, reset_backoff_on_connect=False, timeout_at=timeout_at)
        if conn.connected:
            if reset_backoff_on_connect:
                self.reset_backoff(node.node_id)
        elif self._failures(node.node_id) == before:
            self.update_backoff(node.node_id)

    async def _build_transport(self, node: Any, timeout_at: float | None = None) -> Any:
        """The connection to a broker, with TLS where that is used."""
        transport = await self._shaken_hands(node, timeout_at)
        transport._sock = InLargeParts(transport._sock)
        return transport

    async def _shaken_hands(self, node: Any, timeout_at: float | None) -> Any:
        if timeout_at is None or not self.ssl_enabled:
            return await super()._build_transport(node, timeout_at)
        made = self._net.call_soon_with_future(super()._build_transport, node, timeout_at)
        try:
            return await self.wait_for(made, max(0.0, timeout_at - time.monotonic()) * 1000)
        except KafkaTimeoutError as error:
            made.add_callback(lambda late: late.close())
            raise KafkaConnectionError("the broker has not finished the TLS handshake in time") from error

    def _look_after(self) -> None:
        """See whether brokers that owe an answer are there."""
        if self.closed:
            return
        conns = list(self._conns.values())
        if self.bootstrapped and any(conn.initializing for conn in conns):
            self.cluster.request_update()  # whoever leads in its place may be known before it lets anybody in
        for conn in conns:
            if conn.connected and conn.in_flight_requests and conn not in self._asked and self._is_slow(conn):
                self._asked.add(conn)
                self._net.call_soon(self._leave_where_hanging(conn))
        self._net.call_later(LOOK_EVERY, self._look_after)

    def _is_slow(self, conn: Any) -> bool:
        _, _, asked_at, _, _ = conn.in_flight_requests[0]
        since = max(asked_at, conn.transport.last_read, self._let_in.get(conn.node_id, 0.0))
        return bool(time.monotonic() - since > NEXT_AFTER)

    async def _leave_where_hanging(self, conn: Any) -> None:
        try:
            if await self._lets_in(conn.node_id):
                self._let_in[conn.node_id] = time.monotonic()
            elif conn.connected:
                self.update_backoff(conn.node_id)
                conn.close(KafkaConnectionError(f"broker {conn.node_id} answers nothing, and lets nobody in"))
        finally:
            self._asked.discard(conn)

    async def _lets_in(self, node_id: Any) -> bool:
        """Whether a broker, by its listed address, lets one more client in. One that is listed no longer does not."""
        node = self.cluster.broker_metadata(node_id)
        if node is None:
            return False
        conn = KafkaConnection(self._net, node_id=node_id, **{**self.config, "metrics": None})
        until = time.monotonic() + NEXT_AFTER
        try:
            conn.connection_made(await self._build_transport(node, until))
            await conn.initialize(timeout_at=until)
            return bool(conn.connected)
        except KafkaError:
            return False
        finally:
            conn.close()


class SteadyClient(KafkaNetClient):  # type: ignore[misc]
    """What consumers, producers and administrators are made with (their setting ``kafka_client``)."""

    def __init__(self, **configs: Any) -> None:
        net = NetworkSelector(**configs)
        super().__init__(net, _Connections(net, **configs))
        self._turn = secrets.randbelow(1000)

    def least_loaded_node(self, bootstrap_fallback: bool = False) -> Any:
        """The broker for what any broker can answer (an id for a producer, who coordinates): each time another one.

        One may have no answer for half a minute, where it waits for a controller that hangs, while the others have one.
        """
        tried = self._manager._backoff
        nodes = sorted(one.node_id for one in self.cluster.brokers() if one.node_id not in tried)
        if not nodes:
            return super().least_loaded_node(bootstrap_fallback)
        self._turn += 1
        return nodes[self._turn % len(nodes)]

    def await_ready(self, node_id: Any, timeout_ms: float = 30_000) -> bool:
        """Whether a broker can be asked, after a second at most: then another may be the one to be asked.

        The client's own raises where it cannot, and its caller then forgets the question.
        """
        try:
            return bool(super().await_ready(node_id, min(timeout_ms, LOOK_EVERY * 1000)))
        except KafkaConnectionError:
            self._net.poll(timeout_ms=PAUSE * 1000, future=Future())
            return False


def answered(ask: Callable[[], Answer], bootstrap: str) -> Answer:
    """What some broker answers: where the one that was asked is away, ask again, which goes to another.

    Raises the client's error where none has answered within ``finding_timeout``, and at once what does not pass by itself.
    """
    until = time.monotonic() + finding_timeout(bootstrap)
    while True:
        try:
            return ask()
        except KafkaError as error:
            if not error.retriable or time.monotonic() >= until:
                raise
            time.sleep(PAUSE)
