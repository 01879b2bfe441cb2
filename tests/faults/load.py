"""``python -m tests.faults.load URL FOLDER NAME SPOOL``: a service that submits, well-behaved and hostile in turn.

What it means to submit it writes down first, and submits again after a crash, as docs/publishing.md tells services to: so
every line of ``NAME.meant`` (leaf hash, action id) must be in the log afterwards, whatever a log or a spool said. What the log
has acknowledged goes into ``NAME.acknowledged``, a line each: partition, offset and leaf hash; what was told to wait into
``NAME.spooled``: leaf hash. When a file ``stop`` appears in the folder, it delivers what its spool holds, and ends.
"""

import random
import secrets
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, TextIO

from casetrail.domain.actions import Action
from casetrail.eventlog.codec import decode_action, encode_action
from casetrail.eventlog.errors import EntryTooLarge, LogError
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.limits import ACTION_BYTES
from casetrail.eventlog.port import Entry, Topic
from casetrail.privacy.wrapping import LocalWrapper
from casetrail.publishing import Receipt
from casetrail.publishing.client import connect
from casetrail.publishing.spool import Spool
from casetrail.publishing.spooled import Spooled, SpoolUnusable
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


class Desk:
    """Where a service writes down what it means to submit, and what it was told of that."""

    def __init__(self, folder: Path, name: str) -> None:
        self._in_hand = folder / f"{name}.in-hand"
        self._meant, self._spooled, self._acknowledged = (
            (folder / f"{name}.{kind}").open("a") for kind in ("meant", "spooled", "acknowledged")
        )

    def in_hand(self) -> list[Action]:
        """What was being submitted when the last process ended."""
        lines = self._in_hand.read_text().splitlines() if self._in_hand.exists() else []
        return [decode_action(bytes.fromhex(line)) for line in lines]

    def mean(self, actions: Sequence[Action]) -> None:
        """Write down what is about to be submitted."""
        values = [encode_action(one) for one in actions]
        written = self._in_hand.with_suffix(".new")
        written.write_text("".join(f"{value.hex()}\n" for value in values))
        written.replace(self._in_hand)
        lines = [f"{leaf_hash(value).hex()} {one.action_id.hex()}" for value, one in zip(values, actions, strict=True)]
        _write(self._meant, *lines)

    def told(self, given: Sequence[Receipt | Spooled]) -> None:
        """Write down what came back."""
        for one in given:
            if isinstance(one, Receipt):
                self.acknowledged(one.partition, one.offset, one.action_hash)
        _write(self._spooled, *(one.action_hash.hex() for one in given if isinstance(one, Spooled)))

    def acknowledged(self, partition: int, offset: int, action_hash: bytes) -> None:
        """Write down what the log has taken."""
        _write(self._acknowledged, f"{partition} {offset} {action_hash.hex()}")

    def close(self) -> None:
        """Close the files."""
        for one in (self._meant, self._spooled, self._acknowledged):
            one.close()


def _write(out: TextIO, *lines: str) -> None:
    """A killed process loses no line that it has written."""
    out.write("".join(f"{line}\n" for line in lines))
    out.flush()


def main(url: str, folder: Path, name: str, spool: Path) -> None:
    """Submit until told to stop."""
    chance = random.Random()
    with closing(Desk(folder, name)) as desk, Submitter(url, Spool(spool, url, WRAPPER), OPTIONS) as submitter:
        submit(submitter, desk, desk.in_hand())
        while not (folder / "stop").exists():
            submit(submitter, desk, [one for _ in range(CASES) for one in life(f"{name}-{secrets.token_hex(6)}")])
            if chance.random() < 0.3:
                attack(url, hostile(chance), desk)
            time.sleep(PAUSE)
        drain(submitter, desk)


def submit(submitter: Submitter, desk: Desk, actions: Sequence[Action], timeout: float = 8) -> None:
    """Submit a batch, however often that takes: where the spool takes nothing, it is kept nowhere else."""
    desk.mean(actions)
    while True:
        try:
            desk.told(submitter.submit_many(actions, timeout=timeout))
            return
        except SpoolUnusable as error:
            print(error.code, error, flush=True)
            time.sleep(PAUSE)


def attack(url: str, entry: Entry, desk: Desk) -> None:
    """Append something hostile past the client library, as a hostile service would."""
    try:
        with connect(url, OPTIONS) as connection:
            (appended,) = connection.log.append(Topic.ACTIONS, [entry], 8)
    except EntryTooLarge:
        return
    except LogError:
        return  # not acknowledged: it may be in the log or not
    desk.acknowledged(appended.partition, appended.offset, leaf_hash(entry.value or b""))


def drain(submitter: Submitter, desk: Desk) -> None:
    """Deliver what waits, however long that takes."""
    while submitter.spool.count():
        try:
            desk.told([one.receipt for one in submitter.deliver(30)])
        except LogError:
            time.sleep(0.5)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
