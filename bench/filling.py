"""Logs on Kafka with millions of events, made by as many processes as there are cores."""

import multiprocessing
import os
from itertools import islice

from bench.data import events
from bench.measuring import say
from casetrail.eventlog.opening import CONFLUENT, init_log, open_log
from casetrail.eventlog.partitioner import partition_for
from casetrail.eventlog.port import Topic

PART = 20_000
APPEND_LIMIT = 300.0
"""Seconds: a busy machine is no reason to end."""
EVENTS_A_CASE = 10


def fill(url: str, cases: int, partitions: int, first: int = 0) -> int:
    """Make the log if ``first`` is 0, write the events of that many cases into it; how many events there were.

    Each process makes the cases of some of the partitions and appends to those, so that a partition has its events in order.
    """
    if first == 0:
        init_log(url, partitions=partitions, replication=1, min_isr=1).close()
    processes = min(os.cpu_count() or 1, partitions)
    say(f"making {cases * EVENTS_A_CASE:,} events for {url.rpartition('/')[2]}")
    jobs = [(url, cases, set(range(number, partitions, processes)), first) for number in range(processes)]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return sum(pool.starmap(_share, jobs))


def _share(url: str, cases: int, mine: set[int], first: int) -> int:
    """Write the events of the cases whose partitions these are."""
    with open_log(url, {"client": CONFLUENT}) as log:

        def belongs(case_id: str) -> bool:
            return partition_for(case_id.encode(), log.partitions) in mine

        made = events(cases, log.name, log.partitions, seed=1 + min(mine), first=first, belongs=belongs)
        count = 0
        while some := list(islice(made, PART)):
            log.append(Topic.EVENTS, some, timeout=APPEND_LIMIT)
            count += len(some)
    return count
