"""Health of running consumers, over HTTP: ``/health`` for people and orchestrators, ``/metrics`` for Prometheus.

Nothing here names a case or a person.
"""

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, Generic, TypeVar

from casetrail.eventlog.errors import LogError

STALE_AFTER: Final = 30.0
SILENT_AFTER: Final = 15.0
"""Seconds without an answer after which a log is away: a client may wait for a broker that hangs for much longer."""
LITTLE_ROOM: Final = 1 << 30
"""Bytes: less than that free is said while there is still time."""
PATIENCE: Final = 2.0
"""Seconds that whoever asks for the lags waits for the log."""

Key = TypeVar("Key")

Lags = Callable[[], Mapping[tuple[str, int], int]]
"""For each consumer and partition: how many offsets lie between it and the end of what it reads. May raise ``LogError``."""

Pending = Callable[[], Mapping[int, int]]
"""For each partition of the log: how many actions wait for their event, whoever records it. May raise ``LogError``."""

Rooms = Callable[[], Mapping[str, int]]
"""Bytes that are free, by what is written there."""

Gauges = Callable[[], Mapping[tuple[str, str], float]]
"""What else is measured, by its name in Prometheus and the consumer."""


class Latest(Generic[Key]):
    """What was last measured in the log. A log that does not answer keeps nobody waiting who asks for it."""

    def __init__(self, name: str, measure: Callable[[], Mapping[Key, int]]) -> None:
        self._name, self._measure = name, measure
        self._lock = threading.Lock()
        self._measuring: threading.Thread | None = None
        self._found: tuple[Mapping[Key, int], float] | None = None
        self._unanswered_since: float | None = None

    def silence(self) -> float:
        """For how many seconds the log has owed an answer, after asking it anew."""
        self.ask()
        since = self._unanswered_since
        return 0.0 if since is None else time.monotonic() - since

    def ask(self) -> tuple[Mapping[Key, int], float] | None:
        """Measured anew where the log answers soon, and how many seconds old that is; None: nothing was measured yet."""
        with self._lock:
            measuring = self._measuring
            if measuring is None or not measuring.is_alive():
                measuring = self._measuring = threading.Thread(target=self._take, name=self._name, daemon=True)
                measuring.start()
        measuring.join(PATIENCE)
        found = self._found
        return None if found is None else (found[0], time.monotonic() - found[1])

    def _take(self) -> None:
        self._unanswered_since = self._unanswered_since or time.monotonic()
        with suppress(LogError):
            self._found = self._measure(), time.monotonic()
            self._unanswered_since = None


class Health:
    """What the consumers of this process have done, and when."""

    def __init__(
        self, lags: Lags | None = None, gauges: Gauges | None = None, pending: Pending | None = None,
        rooms: Rooms = dict,
    ) -> None:  # fmt: skip
        self._lags = None if lags is None else Latest("lags", lags)
        self._pending = (
            None if pending is None else Latest("pending", pending)
        )  # apart: an open transaction holds it up
        self._gauges, self._rooms = gauges, rooms
        self._lock = threading.Lock()
        self._done: dict[str, int] = {}
        self._stepped: dict[str, float] = {}
        self._trouble: dict[str, str] = {}
        self._troubles: dict[tuple[str, str], int] = {}
        self._notes: dict[str, str] = {}
        self._mended_at: dict[str, float] = {}

    def stepped(self, name: str, done: int, trouble: str | None = None) -> None:
        """A consumer made a step. ``trouble``: a code where that does not help what it is there for."""
        with self._lock:
            self._done[name] = self._done.get(name, 0) + done
            self._stepped[name] = time.monotonic()
            if self._stepped[name] < self._mended_at.get(name, 0.0):
                return
            self._mended_at.pop(name, None)
            before = self._trouble.pop(name, None)
            if trouble is not None:
                self._trouble[name] = trouble
                self._troubles[name, trouble] = self._troubles.get((name, trouble), 0) + (before != trouble)

    def troubled(self, name: str, code: str) -> None:
        """A consumer met something that passes by itself."""
        with self._lock:
            self._trouble[name] = code
            self._troubles[name, code] = self._troubles.get((name, code), 0) + 1

    def rests(self, name: str, code: str, until_mended: float) -> None:
        """A consumer met something that does not pass by itself, and rests.

        It is in trouble until it makes a step ``until_mended`` seconds later or more. It is tried again before that, and may make
        some steps until it meets the same: by these it would seem well, and give a heartbeat.
        """
        self.troubled(name, code)
        with self._lock:
            self._mended_at[name] = time.monotonic() + until_mended

    def stands(self, name: str) -> bool:
        """Whether what a consumer rested for is not mended yet, as far as can be told."""
        with self._lock:
            return name in self._mended_at

    def noted(self, about: str, text: str | None) -> None:
        """Something lacks that keeps no consumer from its work; None: it lacks no more."""
        with self._lock:
            self._notes.pop(about, None)
            if text is not None:
                self._notes[about] = text

    def working(self) -> list[str]:
        """The consumers that have made a step lately, and are in no trouble."""
        with self._lock:
            now = time.monotonic()
            return [
                name
                for name, stepped in self._stepped.items()
                if now - stepped < STALE_AFTER and name not in self._trouble
            ]

    def report(self) -> tuple[bool, dict[str, object]]:
        """Whether every consumer works and the log answers, and what each says."""
        silence = 0.0 if self._lags is None else self._lags.silence()
        self.noted("log", f"no answer for {silence:.0f} s" if silence > SILENT_AFTER else None)
        self.noted("disk", little_room(self._rooms()))
        with self._lock:
            now = time.monotonic()
            consumers = {
                name: {
                    "done": self._done.get(name, 0),
                    "seconds_since_step": round(now - stepped, 3),
                    "trouble": self._trouble.get(name),
                }
                for name, stepped in self._stepped.items()
            }
            consumers |= {
                name: {"done": 0, "seconds_since_step": None, "trouble": code}
                for name, code in self._trouble.items()
                if name not in consumers
            }
            late = [name for name, stepped in self._stepped.items() if now - stepped >= STALE_AFTER]
            healthy = bool(consumers) and not late and not self._trouble and silence <= SILENT_AFTER
            said: dict[str, object] = {"notes": dict(self._notes)} if self._notes else {}
        if standing := _standing(late, bool(consumers)):
            said["steps"] = standing
        return healthy, {"status": "ok" if healthy else "not ok", "consumers": consumers, **said}

    def metrics(self) -> str:
        """The same in Prometheus' text format, with the lag of each partition."""
        healthy, _ = self.report()
        lines = ["# TYPE casetrail_up gauge", f"casetrail_up {int(healthy)}", "# TYPE casetrail_done_total counter"]
        with self._lock:
            lines += [f'casetrail_done_total{{consumer="{name}"}} {done}' for name, done in self._done.items()]
            lines.append("# TYPE casetrail_trouble_total counter")
            lines += [
                f'casetrail_trouble_total{{consumer="{name}",code="{code}"}} {count}'
                for (name, code), count in self._troubles.items()
            ]
        lines.append("# TYPE casetrail_lag gauge")
        if self._lags is not None and (measured := self._lags.ask()) is not None:
            lags, age = measured
            lines += [
                f'casetrail_lag{{consumer="{name}",partition="{partition}"}} {lag}'
                for (name, partition), lag in sorted(lags.items())
            ]
            lines += ["# TYPE casetrail_lag_age_seconds gauge", f"casetrail_lag_age_seconds {age:.3f}"]
        if self._pending is not None and (counted := self._pending.ask()) is not None:
            waiting, age = counted
            lines.append("# TYPE casetrail_pending gauge")
            lines += [f'casetrail_pending{{partition="{one}"}} {count}' for one, count in sorted(waiting.items())]
            lines += ["# TYPE casetrail_pending_age_seconds gauge", f"casetrail_pending_age_seconds {age:.3f}"]
        if rooms := self._rooms():
            lines.append("# TYPE casetrail_free_bytes gauge")
            lines += [f'casetrail_free_bytes{{for="{name}"}} {room}' for name, room in sorted(rooms.items())]
        for (gauge, name), value in sorted(self._gauges().items()) if self._gauges is not None else ():
            lines += [f"# TYPE {gauge} gauge", f'{gauge}{{consumer="{name}"}} {value:g}']
        return "\n".join(lines) + "\n"


def little_room(rooms: Mapping[str, int]) -> str | None:
    """Where little room is left, in words; None where there is enough."""
    low = [f"{name}: {room / 2**20:,.0f} MB free" for name, room in sorted(rooms.items()) if room < LITTLE_ROOM]
    return "; ".join(low) or None


def _standing(late: Sequence[str], has_begun: bool) -> str | None:
    """Why nothing goes on where no consumer names a trouble."""
    if not has_begun:
        return "none has been made yet: the first one opens what is needed"
    return f"none for {STALE_AFTER:.0f} s or longer: {', '.join(late)}" if late else None


class HealthServer:
    """Serves the health of this process in a thread of its own."""

    def __init__(self, health: Health, address: str, port: int) -> None:
        """Listen, on IPv6 where the address is one of it. Raises ``OSError`` where the port is taken. Port 0 takes a free one."""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._answer(200, "text/plain; version=0.0.4", health.metrics())
                elif self.path == "/health":
                    healthy, report = health.report()
                    self._answer(200 if healthy else 503, "application/json", json.dumps(report) + "\n")
                else:
                    self._answer(404, "text/plain", "there are /health and /metrics\n")

            def _answer(self, status: int, kind: str, text: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                """Say nothing: a health check every few seconds is no news."""

        class Server(ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in address else socket.AF_INET

        self._server = Server((address, port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
