"""``python -m bench [PART …] [--scale N] [--runs N]``: measure, print a table, keep the results."""

import argparse
import json
import os
import platform
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench import audit_replay, intake, judge, notary, queries, rebuild, sunlight, verify
from bench.servers import servers

RESULTS = Path(__file__).parent / "results"
Rows = list[tuple[str, float, str]]
PARTS: dict[str, Callable[[str, str, Path, float, int], Rows]] = {
    "intake": lambda broker, postgres, folder, scale, _: intake.run(broker, postgres, folder, scale),
    "rebuild": lambda broker, postgres, folder, scale, _: rebuild.run(broker, postgres, folder, scale),
    "queries": lambda _broker, _postgres, folder, scale, _: queries.run(folder, scale),
    "audit-replay": lambda broker, _postgres, folder, scale, _: audit_replay.run(broker, folder, scale),
    "verify": lambda broker, _postgres, folder, scale, runs: verify.run(broker, folder, scale, runs),
    "notary": lambda broker, _postgres, folder, scale, runs: notary.run(broker, folder, scale, runs),
    "judge": lambda _broker, _postgres, folder, scale, _: judge.run(folder, scale),
    "sunlight": lambda _broker, _postgres, folder, scale, runs: sunlight.run(folder, scale, runs),
}
"""Each part: from broker, PostgreSQL, a folder, the scale and the number of runs to its rows."""


def main() -> None:
    """Run the parts that were asked for, or all."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=list(PARTS))
    parser.add_argument("--scale", type=float, default=1.0, help="more or fewer events")
    parser.add_argument("--runs", type=int, default=5, help="of verify and notary: the median of so many is shown")
    parser.add_argument("--keep", action="store_true", help="write the results into bench/results")
    chosen = parser.parse_args()
    rows: Rows = []
    with servers() as (broker, postgres, folder):
        for name in chosen.parts:
            rows += PARTS[name](broker.bootstrap, postgres.url(), folder, chosen.scale, chosen.runs)
    width = max(len(name) for name, _, _ in rows)
    for name, value, remark in rows:
        print(f"{name:<{width}}  {value:>12,.2f}  {remark}")
    print(f"\n{machine()}")
    if chosen.keep:
        keep(rows)


def machine() -> str:
    """What it was measured on."""
    names = ("kafka-python", "confluent-kafka", "fastavro", "eventsourcing", "psycopg", "crc32c")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {versions}, Apache Kafka 4.1.0, PostgreSQL 18"


def keep(rows: Rows) -> None:
    """Write the results with date and commit."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    now = datetime.now(UTC)
    made = {
        "at": now.isoformat(timespec="seconds"),
        "commit": commit.stdout.strip(),
        "machine": machine(),
        "results": {name: round(value, 3) for name, value, _ in rows},
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{now:%Y-%m-%d}-{commit.stdout.strip()}.json").write_text(json.dumps(made, indent=2) + "\n")


if __name__ == "__main__":
    main()
