"""The least that any work on a whole log costs: reading it into memory, through casetrail's port, and doing nothing with it."""

import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from casetrail.eventlog.opening import open_log
from casetrail.eventlog.port import Topic
from casetrail.eventlog.stream import batches

PROCESSES = 2


def reading_alone(url: str, client: str, topics: Sequence[Topic], partitions: int, count: int) -> float:
    """Events a second: ``count`` of them, with their actions where that topic is read, too. In two processes.

    The processes are there before time is taken.
    """
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        parts = [range(number, partitions, PROCESSES) for number in range(PROCESSES)]
        for _ in pool.map(_read, [url] * PROCESSES, [client] * PROCESSES, [()] * PROCESSES, parts):
            pass  # each has imported what it needs
        started = time.perf_counter()
        read = sum(pool.map(_read, [url] * PROCESSES, [client] * PROCESSES, [topics] * PROCESSES, parts))
        taken = time.perf_counter() - started
    if read != count * len(topics):
        raise RuntimeError(f"{read} records were read of {count} events in {len(topics)} topics")
    return count / taken


def _read(url: str, client: str, topics: Sequence[Topic], partitions: Sequence[int]) -> int:
    read = 0
    with open_log(url, {"client": client}) as log:
        for topic in topics:
            ends = log.end_offsets(topic)
            for partition in partitions:
                with log.reader(topic, {partition: 0}) as reader:
                    read += sum(map(len, batches(reader, {partition: ends[partition]})))
    return read
