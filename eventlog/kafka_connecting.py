"""How the Python client finds a broker that answers: one that is away, or hangs, holds nobody up while there are others.

kafka-python 3.0.12 gives the first broker that it happens to try all the time that there is: where that one takes connections
and answers nothing (a machine that hangs, a network that drops), the others are never asked. And a question about topics goes
once, to any broker that the cluster lists: one that was killed is listed for some seconds more.
"""

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

Answer = TypeVar("Answer")

ANSWER_TIMEOUT: Final = 5.0
"""Seconds that a broker may take to let a client in, where there is no other."""
NEXT_AFTER: Final = 3.0
"""Seconds after which the next broker is tried, where there are several. A broker that was tried before is given longer."""
PAUSE: Final = 0.02


def finding_timeout(bootstrap: str) -> float:
    """Seconds within which one of these brokers must have answered: enough to try each of them."""
    return ANSWER_TIMEOUT + NEXT_AFTER * bootstrap.count(",")


class _Connections(KafkaConnectionManager):  # type: ignore[misc]
    """The client's connections. Of several brokers each is tried before any is tried again, and none for too long."""

    def __init__(self, net: Any, **configs: Any) -> None:
        super().__init__(net, **configs)
        self._servers = self.cluster.bootstrap_brokers
        self._several = len(self._servers()) > 1
        if self._several:
            self.config["socket_connection_setup_timeout_ms"] = NEXT_AFTER * 1000
            self.cluster.bootstrap_brokers = self._least_failed

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


class SteadyClient(KafkaNetClient):  # type: ignore[misc]
    """What consumers, producers and administrators are made with (their setting ``kafka_client``)."""

    def __init__(self, **configs: Any) -> None:
        net = NetworkSelector(**configs)
        super().__init__(net, _Connections(net, **configs))


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
