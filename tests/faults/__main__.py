"""``python -m tests.faults [--kills N] [--seed N] [--write]``: injure a site, count, and say what was seen."""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from tests.faults.counting import PATIENCE, Count, counts, settle
from tests.faults.injuries import INJURIES, TAKES_OVER, Injury, schedule
from tests.faults.site import ROOT, Site

PAGE = ROOT / "docs" / "faults.md"
BEGIN, END = "<!-- what was seen: written by python -m tests.faults --write -->\n", "<!-- end -->\n"
AT_WORK: Final = {"recorder-1": TAKES_OVER, "recorder-2": TAKES_OVER, "notary-1": "leaves published"}
"""What they say when they work."""
PAUSE: Final = (0.2, 1.6)
"""Seconds from one injury to the next, at least and at most."""


def begin(site: Site) -> None:
    """Start everything, and wait until all is at work: injuries before that would show little."""
    for service in site.services.values():
        service.start()
    until = time.monotonic() + PATIENCE
    for name, words in AT_WORK.items():
        assert site.services[name].says(words, 0, until - time.monotonic()), f"{name} does not begin"
    while not all(site.has_acknowledged(one.name) for one in site.named("load")):
        assert time.monotonic() < until, "nothing is acknowledged"
        time.sleep(0.2)


class Inflicted(NamedTuple):
    """How often an injury was seen to have been inflicted, and how often it was tried in vain."""

    injury: Injury
    seen: int = 0
    in_vain: int = 0


def injure(site: Site, kills: int, injuries: Iterable[Injury], chance: random.Random) -> list[Inflicted]:
    """Injure a site that is loaded until so many processes were killed; what was inflicted, the most frequent first."""
    seen: Counter[Injury] = Counter()
    in_vain: Counter[Injury] = Counter()
    killed = 0
    for injury in injuries:
        if injury.inflict(site, chance):
            seen[injury] += 1
            killed += injury.kills
        else:
            in_vain[injury] += 1
        for service in site.services.values():
            service.look_after()
        print(f"\r{killed} of {kills} processes killed", end="", file=sys.stderr, flush=True)
        if killed >= kills:
            break
        time.sleep(chance.uniform(*PAUSE))
    print(file=sys.stderr)
    return [Inflicted(one, seen[one], in_vain[one]) for one, _ in (seen + in_vain).most_common()]


def run(
    folder: Path, kills: int, seed: int, brokers: int = 3
) -> tuple[list[Inflicted], list[Count], dict[str, list[str]]]:
    """Set up a site, injure it, let it settle, count; and why which services ended by themselves."""
    site = Site(folder, brokers)
    try:
        begin(site)
        inflicted = injure(site, kills, schedule(seed, site.has_small_disks), random.Random(seed))
        settle(site)
        return inflicted, counts(site), {one.name: one.own_ends for one in site.services.values()}
    finally:
        site.close()


def page(
    inflicted: list[Inflicted], found: list[Count], own_ends: dict[str, list[str]], minutes: float, seed: int
) -> str:
    """What was seen, as a part of docs/faults.md."""
    lines = [f"Run of {datetime.now(UTC):%Y-%m-%d}, seed {seed}, {minutes:.0f} minutes on 2 cores.\n",
             "| injected | times | seen by | tried in vain, and not counted |", "| --- | ---: | --- | ---: |",
             *(f"| {one.injury.name} | {one.seen} | {one.injury.shown_by} | {one.in_vain or ''} |" for one in inflicted), "",
             "| counted afterwards | found | must be |", "| --- | ---: | --- |",
             *(f"| {one.what} | {one.found:,} | {'' if one.allowed is None else one.allowed} |" for one in found), ""]  # fmt: skip
    never = ", ".join(one.name for one in INJURIES if one not in {each.injury for each in inflicted if each.seen})
    ended = "; ".join(f"{name} ({why})" for name, all_of_it in own_ends.items() for why in all_of_it)
    return "\n".join([
        *lines, f"Of what is injected, not seen in this run: {never or 'nothing'}.\n",
        f"Processes that ended by themselves and were started again: {ended or 'none'}.\n",
    ])  # fmt: skip


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
