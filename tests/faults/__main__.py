"""``python -m tests.faults [--kills N] [--seed N] [--write]``: injure a site, count, and say what was seen."""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.counting import Count, counts, settle
from tests.faults.injuries import INJURIES
from tests.faults.site import ROOT, Site

PAGE = ROOT / "docs" / "faults.md"
BEGIN, END = "<!-- what was seen: written by python -m tests.faults --write -->\n", "<!-- end -->\n"


def injure(site: Site, kills: int, chance: random.Random) -> Counter[str]:
    """Injure a site that is loaded until so many processes were killed; how often each injury was inflicted."""
    inflicted: Counter[str] = Counter()
    killed = 0
    weights = [one.weight for one in INJURIES]
    while killed < kills:
        (injury,) = chance.choices(INJURIES, weights)
        injury.inflict(site, chance)
        inflicted[injury.name] += 1
        killed += injury.kills
        for service in site.services.values():
            service.look_after()
        print(f"\r{killed} of {kills} processes killed", end="", file=sys.stderr, flush=True)
        time.sleep(chance.uniform(0.2, 1.6))
    print(file=sys.stderr)
    return inflicted


def run(folder: Path, kills: int, seed: int, brokers: int = 3) -> tuple[Counter[str], list[Count], dict[str, int]]:
    """Set up a site, injure it, let it settle, count; and which services ended by themselves how often."""
    site = Site(folder, brokers)
    try:
        for service in site.services.values():
            service.start()
        time.sleep(5)
        inflicted = injure(site, kills, random.Random(seed))
        settle(site)
        return inflicted, counts(site), {one.name: one.own_ends for one in site.services.values()}
    finally:
        site.close()


def page(inflicted: Counter[str], found: list[Count], own_ends: dict[str, int], minutes: float, seed: int) -> str:
    """What was seen, as a part of docs/faults.md."""
    lines = [f"Run of {datetime.now(UTC):%Y-%m-%d}, seed {seed}, {minutes:.0f} minutes on 2 cores.\n", "| injected | times |",
             "| --- | ---: |", *(f"| {name} | {times} |" for name, times in inflicted.most_common()), "",
             "| counted afterwards | found | must be |", "| --- | ---: | --- |",
             *(f"| {one.what} | {one.found:,} | {'' if one.allowed is None else one.allowed} |" for one in found), ""]  # fmt: skip
    ended = ", ".join(f"{name} {times}" for name, times in own_ends.items() if times)
    return "\n".join([*lines, f"Processes that ended by themselves and were started again: {ended or 'none'}.\n"])


def main() -> int:
    """Run, print, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--brokers", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="keep everything in this new folder")
    parser.add_argument("--write", action="store_true", help="put what was seen into docs/faults.md")
    chosen = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="casetrail-faults-") as temporary:
        Path(temporary).chmod(0o755)
        folder = chosen.folder or Path(temporary) / "site"
        folder.mkdir()
        inflicted, found, own_ends = run(folder, chosen.kills, chosen.seed, chosen.brokers)
    text = page(inflicted, found, own_ends, (time.monotonic() - started) / 60, chosen.seed)
    print(text)
    if chosen.write:
        before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}{text}{END}{rest.partition(END)[2]}", "utf-8")
    return 0 if all(one.holds for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
