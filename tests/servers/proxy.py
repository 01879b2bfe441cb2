"""A network in front of a broker that goes wrong: it loses answers, cuts connections, lets nobody through."""

import socket
import threading
from contextlib import suppress
from typing import Self


class Proxy:
    """Passes on what clients and a broker tell each other, on a port of this machine, until told otherwise."""

    def __init__(self, target: int = 0) -> None:
        """``target``: the broker's port; may be given later."""
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._connections: list[tuple[socket.socket, socket.socket]] = []
        self._silent: set[socket.socket] = set()
        self._refuses = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                broker = None if self._refuses else self._connected()
                if broker is None:
                    client.close()
                    continue
                self._connections.append((client, broker))
            threading.Thread(target=self._pass, args=(client, broker), daemon=True).start()
            threading.Thread(target=self._pass, args=(broker, client), daemon=True).start()

    def _connected(self) -> socket.socket | None:
        try:
            return socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            return None

    def _pass(self, source: socket.socket, to: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if source not in self._silent:
                    to.sendall(data)
        for one in (source, to):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def swallow(self) -> int:
        """Lose from now on what the broker answers on the connections that there are; new ones work. How many there are."""
        with self._lock:
            self._silent.update(broker for _, broker in self._connections)
            return len(self._silent)

    def cut(self) -> None:
        """Cut all connections, and let nobody through until ``mend``."""
        with self._lock:
            self._refuses = True
            for pair in self._connections:
                for one in pair:
                    with suppress(OSError):
                        one.shutdown(socket.SHUT_RDWR)
            self._connections.clear()

    def mend(self) -> None:
        """Let everybody through."""
        with self._lock:
            self._refuses = False

    def close(self) -> None:
        """Cut everything, for good."""
        self.cut()
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
