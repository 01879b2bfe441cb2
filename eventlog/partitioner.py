"""Which partition a key belongs to: murmur2, as the default partitioner of every Kafka client computes it."""

from functools import lru_cache
from typing import Final

MASK: Final = 0xFFFFFFFF
M: Final = 0x5BD1E995


def murmur2(data: bytes) -> int:
    """The 32-bit murmur2 hash that Kafka's Java client uses (unsigned here)."""
    length = len(data)
    h = (0x9747B28C ^ length) & MASK
    whole = length & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * M & MASK
        k = (k ^ (k >> 24)) * M & MASK
        h = (h * M & MASK) ^ k
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * M & MASK
    h = (h ^ (h >> 13)) * M & MASK
    return h ^ (h >> 15)


@lru_cache(65_536)
def partition_for(key: bytes, partitions: int) -> int:
    """The partition, 0 to ``partitions`` - 1, that records with this key go to."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
