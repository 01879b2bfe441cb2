"""The results of a run, written into ``bench/results`` row by row, so that a run that is cut off leaves what it had."""

import json
import os
import platform
import subprocess
import sysconfig
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.measuring import Row

RESULTS = Path(__file__).parent / "results"
WAYS_TO_BUILD = ("--enable-optimizations", "--with-lto", "--enable-shared")
"""What an interpreter is configured with that decides how fast it is: the same version was 1.4 times as fast built otherwise."""


def machine() -> str:
    """What it was measured on."""
    names = ("kafka-python", "confluent-kafka", "fastavro", "eventsourcing", "psycopg", "crc32c")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return (
        f"{os.cpu_count()} cores ({_processor()}), {_python()}, {versions}, Apache Kafka 4.1.0, "
        "Kafka Streams 4.1.0, Flowable 7.1.0, PostgreSQL 18"
    )


def _python() -> str:
    """The interpreter's version, and how it was built. A distribution may optimize in ways that this does not show."""
    asked = sysconfig.get_config_var("CONFIG_ARGS") or ""
    ways = [way.lstrip("-") for way in WAYS_TO_BUILD if way in asked]
    return f"Python {platform.python_version()} ({'; '.join([platform.python_compiler(), *ways])})"


def _processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


class Kept:
    """The rows of one run."""

    def __init__(self, scale: float, runs: int, *, is_written: bool) -> None:
        self.scale, self.runs, self._is_written = scale, runs, is_written
        self.rows: list[Row] = []
        self._began = datetime.now(UTC)
        head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
        self._commit = head.stdout.strip()

    def add(self, rows: Iterable[Row]) -> None:
        """Take rows as they come, and write the file anew after each."""
        for row in rows:
            self.rows.append(row)
            if self._is_written:
                self._write()

    def _write(self) -> None:
        made: dict[str, Any] = {
            "at": self._began.isoformat(timespec="seconds"),
            "commit": self._commit,
            "machine": machine(),
            "scale": self.scale,
            "runs": self.runs,
            "results": {name: round(value, 3) for name, value, _ in self.rows},
            "remarks": {name: remark for name, _, remark in self.rows if remark},
        }
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self._began:%Y-%m-%d-%H%M%S}-{self._commit}.json"
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(made, indent=2, ensure_ascii=False) + "\n", "utf-8")
        fresh.replace(path)
