"""The auditor's own copy of tree and case map, recomputed from what the log holds: a folder that ``LogTree`` can open too.

How each case stands is in the case map, so the copy is also what the next part of each chain is held against.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from casetrail.audit.faults import Fault
from casetrail.audit.verification.events import State, named, what_breaks
from casetrail.audit.verification.partition import Piece, Seen
from casetrail.eventlog.errors import LogError
from casetrail.eventlog.port import Topic
from casetrail.proofs.casemap import CaseMap
from casetrail.proofs.hashes import HashStore
from casetrail.proofs.tree import root_of
from casetrail.proofs.treefile import Sealed, Segment, TreeBusy, TreeFile

FILE: Final = "tree.db"
HASHES: Final = "hashes"
BEGUN: Final = 1
"""The file's ``user_version`` once something has been kept in it: from then on it is never without a checkpoint."""
CACHE_KB: Final = 65_536
CHANGES: Final = 20_000
"""So many changed cases are collected before the map takes them in."""

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS verified (number INTEGER NOT NULL, witnessed INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS verified_place (partition INTEGER PRIMARY KEY, turn INTEGER NOT NULL, "
    "newest_event INTEGER NOT NULL, newest_action INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS verified_last (topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL, "
    "hash BLOB NOT NULL, PRIMARY KEY (topic, partition))",
    "CREATE TABLE IF NOT EXISTS verified_asked (number INTEGER PRIMARY KEY, asked INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS verified_policy (digest BLOB NOT NULL)",
    "CREATE TEMP TABLE waiting (key BLOB PRIMARY KEY, number INTEGER NOT NULL, last_hash BLOB NOT NULL)",
)


class CopyUnusable(LogError):
    """The folder given as state is damaged, of another log, or used by another command too."""

    code = "state-unusable"


class At(NamedTuple):
    """Up to where a partition has been verified: the offset behind the last action with an outcome, the latest times."""

    turn: int
    newest_event: int
    newest_action: int


class Known(NamedTuple):
    """A checkpoint that has been read. ``appended_at``: milliseconds UTC."""

    number: int
    appended_at: int
    note: bytes


class Computed(NamedTuple):
    """What a checkpoint must say."""

    size: int
    root: bytes
    map_root: bytes


class Copy:
    """See the module. Of a copy that is kept, everything since the last ``commit`` can be taken back."""

    def __init__(self, directory: Path, log: str, kept: bool, policy: bytes = b"") -> None:
        """Open the copy in a folder, or begin one. ``kept``: the folder stays when this run has ended.

        ``policy``: the digest of the one that this run checks signatures by. Raises ``CopyUnusable``, ``TreeBusy``.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self.directory, self._log, self.kept, self._policy = directory, log, kept, policy
        with ExitStack() as undoing:
            if not (directory / FILE).exists():
                undoing.push(lambda kind, *_: None if kind is TreeBusy else _unmake(directory))
            self.file = TreeFile(directory / FILE, log)
            undoing.callback(self.file.close)
            self.hashes = HashStore(directory / HASHES)
            undoing.callback(self.hashes.close)
            self._database = self.file.database
            self._database.execute(f"PRAGMA cache_size=-{CACHE_KB}")
            if not kept:
                for setting in ("synchronous=OFF", "journal_mode=OFF"):  # nobody opens it again, nothing is taken back
                    self._database.execute(f"PRAGMA {setting}")
            self.map = CaseMap(self._database)
            for statement in TABLES:
                self._database.execute(statement)
            self._check()
            undoing.pop_all()
        self._begin()

    def _check(self) -> None:
        newest = self.file.newest()
        size = 0 if newest is None else newest.size
        if self.hashes.size > size:
            self.hashes.truncate(size)
        if newest is not None and (self.hashes.size < size or root_of(size, self.hashes.hash_at) != newest.root):
            raise CopyUnusable(
                f"the tree in {self.directory} is damaged, so it is no evidence any more of what the log has shown you: put back a copy "
                "of the folder; or move it away, and all is verified anew"
            )

    def _begin(self) -> None:
        self.newest = self.file.newest()
        self._changes: dict[bytes, State] = {}
        self._segments: list[Segment] = []
        self._asked: int | None = None
        self._remembers = False
        if not self._database.in_transaction:
            self._database.execute("BEGIN")

    # --- what an earlier run has left ---

    @property
    def witnessed(self) -> int:
        """The number of the newest checkpoint that the policy's quorum had cosigned; -1 for none."""
        row = self._database.execute("SELECT witnessed FROM verified").fetchone()
        return -1 if row is None else int(row[0])

    @property
    def is_of_policy(self) -> bool:
        """Whether the signatures of what was taken in have been checked by this run's policy."""
        row: tuple[bytes] | None = self._database.execute("SELECT digest FROM verified_policy").fetchone()
        return row == (self._policy,)

    def places(self) -> dict[int, At]:
        """Up to where each partition was verified."""
        rows = self._database.execute("SELECT partition, turn, newest_event, newest_action FROM verified_place")
        return {partition: At(*rest) for partition, *rest in rows}

    def last_seen(self) -> list[tuple[Topic, int, Seen]]:
        """The last record of each partition and topic that an earlier run has read."""
        rows = self._database.execute(
            "SELECT topic, partition, offset, hash FROM verified_last ORDER BY topic, partition"
        )
        return [(Topic(topic), partition, Seen(*rest)) for topic, partition, *rest in rows]

    def holds_record(self, offset: int, record_hash: bytes) -> bool:
        """Whether a checkpoint's record with this hash was seen at this offset."""
        query = "SELECT 1 FROM checkpoint WHERE offset = ? AND record_hash = ?"
        return self._database.execute(query, (offset, record_hash)).fetchone() is not None

    def holds_cosignature(self, checkpoint: bytes, lines: bytes) -> bool:
        """Whether these lines were seen under that checkpoint (the hash of its record)."""
        query = "SELECT 1 FROM cosignature WHERE record_hash = ? AND lines = ?"
        return self._database.execute(query, (checkpoint, lines)).fetchone() is not None

    def cosignatures(self) -> Iterator[tuple[bytes, bytes]]:
        """All cosignatures that were seen: the hash of the checkpoint's record, and the lines."""
        yield from self._database.execute("SELECT record_hash, lines FROM cosignature")

    def known(self, checkpoint: bytes) -> Known | None:
        """The checkpoint whose record has this hash."""
        query = "SELECT number, appended_at, note FROM checkpoint WHERE record_hash = ?"
        row = self._database.execute(query, (checkpoint,)).fetchone()
        return None if row is None else Known(*row)

    def lines_of(self, checkpoint: bytes) -> bytes:
        """All signature lines of witnesses that were seen for that checkpoint."""
        return self.file.cosignatures(checkpoint)

    def asked_at(self, first: int, last: int) -> int | None:
        """When the oldest submission came in whose event the checkpoints of these numbers take in, milliseconds UTC.

        None where they take in no event, or were taken in by a version that did not keep it.
        """
        query = "SELECT min(asked) FROM verified_asked WHERE number BETWEEN ? AND ?"
        (found,) = self._database.execute(query, (first, last)).fetchone()
        return None if found is None else int(found)

    def cases(self) -> int:
        """How many cases the log has, those included that no checkpoint covers yet."""
        more = "SELECT count(*) FROM waiting WHERE NOT EXISTS (SELECT 1 FROM map_case WHERE map_case.key = waiting.key)"
        (count,) = self._database.execute(f"SELECT (SELECT count(*) FROM map_case) + ({more})").fetchone()  # noqa: S608
        return int(count)

    # --- taking in ---

    def begin_checkpoint(self, remembers: bool) -> None:
        """What is taken in from now on is under the next checkpoint.

        ``remembers``: how the changed cases stood before; whoever proves cases needs that of the newest checkpoint.
        """
        if self.newest is not None:
            self.hashes.append(self.newest.record_hash)
        self._segments, self._asked, self._remembers = [], None, remembers
        if remembers:
            self._database.execute("DELETE FROM before_last")

    def take(self, partition: int, start: int, piece: Piece, cut: bool) -> Iterator[Fault]:
        """Take in a piece; the faults at the first event of each case in it.

        ``cut``: the partition's beginning has been deleted, so a case that is not known may have had earlier events.
        """
        before = []
        for case, known, key, state in self._changed(piece):
            if (fault := _seam(partition, case, piece, known, cut)) is not None:
                yield fault
            if self._remembers:
                before.append((key, *(known or (None, None))))
            self._changes[key] = state
        self._database.executemany("INSERT OR IGNORE INTO before_last VALUES (?, ?, ?)", before)
        leaves = len(piece.leaves) // 32
        if piece.end > start:
            self._segments.append(Segment(partition, start, piece.end, self.hashes.size, leaves))
        self._asked = earlier(self._asked, piece.asked)
        self.hashes.append(piece.leaves)
        if len(self._changes) >= CHANGES:
            self._apply()

    def take_waiting(self, partition: int, piece: Piece, cut: bool) -> Iterator[Fault]:
        """The same for events that no checkpoint covers: they come into no tree."""
        rows = []
        for case, known, key, state in self._changed(piece):
            waits = self._database.execute("SELECT number, last_hash FROM waiting WHERE key = ?", (key,)).fetchone()
            if (fault := _seam(partition, case, piece, waits or known, cut)) is not None:
                yield fault
            rows.append((key, *state))
        self._database.executemany("INSERT OR REPLACE INTO waiting VALUES (?, ?, ?)", rows)

    def _changed(self, piece: Piece) -> Iterator[tuple[bytes, State | None, bytes, State]]:
        """The cases of a piece: id, how each stood before, its key in the map, and how it stands now."""
        keys = {case: sha256(case).digest() for case in piece.changes}
        known = self.map.get_all(key for key in keys.values() if key not in self._changes)
        for case, state in piece.changes.items():
            key = keys[case]
            yield case, self._changes.get(key) or known.get(key), key, state

    def _apply(self) -> None:
        self.map.update(self._changes, stores=False)
        self._changes.clear()

    def seal(self, offset: int, appended_at: int, record_hash: bytes, note: bytes) -> Computed:
        """All that is under the checkpoint at this offset has been taken in; what it must say."""
        self._apply()
        size, number = self.hashes.size, 0 if self.newest is None else self.newest.number + 1
        made = Computed(size, root_of(size, self.hashes.hash_at), self.map.root)
        self.newest = Sealed(number, offset, appended_at, record_hash, *made, note)
        self.file.add(self.newest, list(_joined(self._segments)))
        if self._asked is not None:
            self._database.execute("INSERT INTO verified_asked VALUES (?, ?)", (number, self._asked))
        return made

    # --- keeping it ---

    def commit(self, places: Mapping[int, At], witnessed: int) -> None:
        """Keep what was taken in, all of it under checkpoints."""
        database = self._database
        self._keep_standing(witnessed)
        rows = [(partition, *at) for partition, at in places.items()]
        database.executemany("INSERT OR REPLACE INTO verified_place VALUES (?, ?, ?, ?)", rows)
        if self.kept:  # another copy is one transaction to its end: pages would be written again and again, for nobody
            self.map.store()
            self.hashes.sync()
            database.execute("COMMIT")
        self._begin()

    def _keep_standing(self, witnessed: int) -> None:
        self._database.execute("DELETE FROM verified")
        if self.newest is not None:
            self._database.execute("INSERT INTO verified VALUES (?, ?)", (self.newest.number, witnessed))
            self._database.execute(f"PRAGMA user_version = {BEGUN}")
        self._database.execute("DELETE FROM verified_policy")
        self._database.execute("INSERT INTO verified_policy VALUES (?)", (self._policy,))

    def commit_seen(self, seen: Mapping[tuple[Topic, int], Seen], witnessed: int) -> None:
        """Keep what the last records were, and by which policy all was checked."""
        self._keep_standing(witnessed)
        rows = [(topic.value, partition, *last) for (topic, partition), last in seen.items()]
        self._database.executemany("INSERT OR REPLACE INTO verified_last VALUES (?, ?, ?, ?)", rows)
        self._database.execute("COMMIT")
        self._begin()

    def fork(self, directory: Path) -> "Copy":
        """Leave this copy as it was at its last ``commit``, and go on from there with another, in a folder of its own."""
        self._database.execute("ROLLBACK")
        self.hashes.truncate(0 if (newest := self.file.newest()) is None else newest.size)
        self.close()
        shutil.copytree(self.directory, directory, dirs_exist_ok=True)
        return Copy(directory, self._log, kept=False, policy=self._policy)

    def close(self) -> None:
        """Close the copy; what was not committed is forgotten."""
        self.hashes.close()
        self.file.close()


def _unmake(directory: Path) -> None:
    """Leave nothing of a copy that could not be begun: half of one would be taken for what is left of evidence."""
    for ending in ("", "-wal", "-shm"):
        (directory / f"{FILE}{ending}").unlink(missing_ok=True)
    shutil.rmtree(directory / HASHES, ignore_errors=True)


def _seam(partition: int, case: bytes, piece: Piece, known: State | None, cut: bool) -> Fault | None:
    """Whether a case's first event in a piece does not follow from how the case stood before."""
    first = piece.firsts.get(case)
    if first is None or (known is None and cut):
        return None
    number, previous, offset = first
    wrong = what_breaks(known, number, previous)
    return None if wrong is None else Fault(*wrong, Topic.EVENTS, partition, offset, named(case.decode()))


def _joined(segments: list[Segment]) -> Iterator[Segment]:
    """Segments that follow each other in a partition as one."""
    whole: Segment | None = None
    for one in segments:
        if whole is not None and (whole.partition, whole.end) == (one.partition, one.start):
            whole = whole._replace(end=one.end, leaves=whole.leaves + one.leaves)
            continue
        if whole is not None:
            yield whole
        whole = one
    if whole is not None:
        yield whole


def earlier(one: int | None, other: int | None) -> int | None:
    """The earlier one of two moments, as far as there are any."""
    return other if one is None else one if other is None else min(one, other)
