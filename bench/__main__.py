"""``python -m bench [PART …] [--scale N] [--runs N] [--keep]``: measure, print a table, keep the results."""

import argparse
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from bench import (
    audit_replay,
    calibration,
    intake,
    judge,
    notary,
    partitions,
    queries,
    rebuild,
    sizes,
    sunlight,
    verify,
    visible,
)
from bench.keeping import Kept, machine
from bench.measuring import Row, say
from bench.servers import servers

PARTS: dict[str, Callable[[str, str, Path, float, int], Iterable[Row]]] = {
    "intake": intake.run,
    "rebuild": rebuild.run,
    "visible": visible.run,
    "queries": lambda _broker, _postgres, folder, scale, _: queries.run(folder, scale),
    "audit-replay": lambda broker, _postgres, folder, scale, _: audit_replay.run(broker, folder, scale),
    "verify": lambda broker, _postgres, folder, scale, runs: verify.run(broker, folder, scale, runs),
    "notary": lambda broker, _postgres, folder, scale, runs: notary.run(broker, folder, scale, runs),
    "judge": lambda _broker, _postgres, folder, scale, _: judge.run(folder, scale),
    "sunlight": lambda _broker, _postgres, folder, scale, runs: sunlight.run(folder, scale, runs),
    "sizes": lambda broker, postgres, folder, scale, _: sizes.run(broker, postgres, folder, scale),
    "partitions": lambda broker, _postgres, folder, scale, _: partitions.run(broker, folder, scale),
}
"""Each part: from broker, PostgreSQL, a folder, the scale and the number of runs to its rows."""


def main() -> None:
    """Run the parts that were asked for, or all."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=list(PARTS))
    parser.add_argument("--scale", type=float, default=1.0, help="more or fewer events")
    parser.add_argument("--runs", type=int, default=5, help="the median of so many is shown")
    parser.add_argument("--keep", action="store_true", help="write the results into bench/results")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the table is printed then, too
    kept = Kept(chosen.scale, chosen.runs, is_written=chosen.keep)
    failed: list[str] = []
    try:
        _measure(chosen.parts, kept, failed)
    finally:
        table(kept.rows)
        if failed:
            print(f"\nnot finished: {', '.join(failed)}; the errors are on stderr")
    sys.exit(1 if failed else 0)


def _measure(parts: list[str], kept: Kept, failed: list[str]) -> None:
    """Measure part by part. One that fails takes none of the others along, nor what it had measured already."""
    kept.add(calibration.run("early"))
    for name in parts:
        say(f"part {name}")
        try:
            with servers() as (broker, postgres, folder):
                kept.add(PARTS[name](broker.bootstrap, postgres.url(), folder, kept.scale, kept.runs))
        except Exception:
            traceback.print_exc()
            failed.append(name)
    kept.add(calibration.run("late"))
    say("done")


def table(rows: list[Row]) -> None:
    """Print what was measured."""
    width = max((len(name) for name, _, _ in rows), default=0)
    for name, value, remark in rows:
        print(f"{name:<{width}}  {value:>12,.2f}  {remark}")
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
