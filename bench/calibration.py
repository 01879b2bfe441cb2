"""A fixed small piece of work: how fast this machine is just now. The same code was twice as slow on another of the same name."""

import hashlib
import time
from statistics import median

from bench.measuring import Rows

LOOPS = 300_000
HASHES = 200_000
VALUE = bytes(300)
ROUNDS = 5


def plain_loop() -> float:
    """Nanoseconds for one turn of a loop of pure Python."""
    table: dict[int, int] = {}
    started = time.process_time()
    for number in range(LOOPS):
        table[number & 1023] = table.get(number & 1023, 0) + len(str(number))
    return (time.process_time() - started) / LOOPS * 1e9


def hashing() -> float:
    """Nanoseconds for SHA-256 of 300 bytes."""
    started = time.process_time()
    for _ in range(HASHES):
        hashlib.sha256(VALUE).digest()
    return (time.process_time() - started) / HASHES * 1e9


def run(moment: str) -> Rows:
    """Both, at this moment of the run."""
    for name, work in (("a loop of pure Python", plain_loop), ("SHA-256 of 300 bytes", hashing)):
        value = median(work() for _ in range(ROUNDS))
        yield f"this machine, {moment}: {name} (ns)", value, "compare with other runs before comparing anything else"
