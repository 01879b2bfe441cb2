"""``python -m tests.faults.load URL FOLDER NAME``: a service that submits, well-behaved and hostile in turn.

What the log has acknowledged goes into ``NAME.acknowledged``, a line each: partition, offset and leaf hash. When a file
``stop`` appears in the folder, it delivers what its spool holds, and ends.
"""

import random
import secrets
import sys
import time
from pathlib import Path
from typing import Final, TextIO

from casetrail.eventlog.codec import encode_action
from casetrail.eventlog.errors import EntryTooLarge, LogError
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.limits import ACTION_BYTES
from casetrail.eventlog.port import Entry, Topic
from casetrail.privacy.wrapping import LocalWrapper
from casetrail.publishing import Receipt
from casetrail.publishing.client import connect
from casetrail.publishing.spool import Spool
from casetrail.publishing.submitter import Submitter
from tests.actions import life

OPTIONS: Final = {"request_timeout_ms": 5000}
PAUSE: Final = 0.15
CASES: Final = 5
WRAPPER: Final = LocalWrapper(bytes(32))


def hostile(chance: random.Random) -> Entry:
    """Something that nobody should submit."""
    good = encode_action(life(f"hostile-{secrets.token_hex(4)}")[0])
    kinds = {
        "noise": (b"C-1", chance.randbytes(chance.randrange(1, 400))),
        "cut off": (b"C-1", good[: chance.randrange(1, len(good))]),
        "a changed byte": (b"C-1", _changed(good, chance)),
        "a future schema": (b"C-1", b"\x00\xff\xff\xff\xff" + good[5:]),
        "nested deeply": (b"C-1", good[:5] + b"[" * 20_000),
        "a key that is no text": (b"\xff\xfe\x80", good),
        "no key": (None, good),
        "another case's key": (b"C-2", good),
        "too long for an action": (b"C-1", chance.randbytes(ACTION_BYTES + 1)),
        "nothing at all": (b"C-1", None),
        "ten megabytes": (b"C-1", bytes(10_000_000)),
    }
    key, value = kinds[chance.choice(sorted(kinds))]
    return Entry(key, value)


def _changed(value: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(value))
    return value[:at] + bytes([value[at] ^ (1 << chance.randrange(8))]) + value[at + 1 :]


def main(url: str, folder: Path, name: str) -> None:
    """Submit until told to stop."""
    chance = random.Random()
    spool = Spool(folder / f"{name}.spool", url, WRAPPER)
    with (folder / f"{name}.acknowledged").open("a") as out, Submitter(url, spool, OPTIONS) as submitter:
        while not (folder / "stop").exists():
            cases = [life(f"{name}-{secrets.token_hex(6)}") for _ in range(CASES)]
            for given in submitter.submit_many([one for case in cases for one in case], timeout=8):
                if isinstance(given, Receipt):
                    note(out, given.partition, given.offset, given.action_hash)
            if chance.random() < 0.3:
                attack(url, hostile(chance), out)
            time.sleep(PAUSE)
        drain(submitter, out)


def attack(url: str, entry: Entry, out: TextIO) -> None:
    """Append something hostile past the client library, as a hostile service would."""
    try:
        with connect(url, OPTIONS) as connection:
            (appended,) = connection.log.append(Topic.ACTIONS, [entry], 8)
    except EntryTooLarge:
        return
    except LogError:
        return  # not acknowledged: it may be in the log or not
    note(out, appended.partition, appended.offset, leaf_hash(entry.value or b""))


def drain(submitter: Submitter, out: TextIO) -> None:
    """Deliver what waits, however long that takes."""
    while submitter.spool.count():
        try:
            for one in submitter.deliver(30):
                note(out, one.receipt.partition, one.receipt.offset, one.receipt.action_hash)
        except LogError:
            time.sleep(0.5)


def note(out: TextIO, partition: int, offset: int, action_hash: bytes) -> None:
    """Write down what was acknowledged; a killed process loses no line that it has written."""
    out.write(f"{partition} {offset} {action_hash.hex()}\n")
    out.flush()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
