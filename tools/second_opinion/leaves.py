"""Leaves: 0x00, the id of a schema, Avro; docs/proofs.md."""

from typing import NamedTuple

from .hashes import need
from .notes import Checkpoint, checkpoint_of

CHECKPOINT = bytes.fromhex("52143d41")  # the id of the schema of a checkpoint's record


class Reader:
    """Avro's binary encoding, as far as the head of an event and the record of a checkpoint need it."""

    def __init__(self, entry: bytes) -> None:
        need(entry[:1] == b"\x00", "a leaf does not begin with 0x00")
        self.entry, self.at = entry, 5

    def fixed(self, length: int) -> bytes:
        need(0 <= length <= len(self.entry) - self.at, "a leaf ends too early")
        self.at += length
        return self.entry[self.at - length : self.at]

    def long(self) -> int:
        value = shift = 0
        while (byte := self.fixed(1)[0]) >= 0x80:
            value, shift = value | (byte & 0x7F) << shift, shift + 7
        value |= byte << shift
        return value >> 1 ^ -(value & 1)

    def bytes(self) -> bytes:
        return self.fixed(self.long())


class Event(NamedTuple):
    """The first nine fields of an event, which are the same in every version of its schema."""

    action_hash: bytes
    previous_hash: bytes
    action_id: bytes
    number: int
    partition: int
    action_offset: int
    recorded_at: int
    case_id: str
    log: str


def event_of(entry: bytes) -> Event:
    need(entry[1:5] != CHECKPOINT, "the record of a checkpoint stands where an event must")
    read = Reader(entry)
    hashes = read.fixed(32), read.fixed(32), read.fixed(16)
    numbers = read.long(), read.long(), read.long(), read.long()
    return Event(*hashes, *numbers, read.bytes().decode(), read.bytes().decode())


class Record(NamedTuple):
    checkpoint: Checkpoint
    ranges: list[tuple[int, int, int]]  # partition, start, end
    map_root: bytes


def record_of(entry: bytes) -> Record:
    need(entry[1:5] == CHECKPOINT, "something else stands where the record of a checkpoint must")
    read = Reader(entry)
    checkpoint, ranges = checkpoint_of(read.bytes()), []
    while count := read.long():
        if count < 0:  # the size of the block follows
            read.long()
        ranges += [(read.long(), read.long(), read.long()) for _ in range(abs(count))]
    map_root = read.fixed(32)
    need(read.at == len(entry), "the record of a checkpoint goes on behind its end")
    return Record(checkpoint, ranges, map_root)
