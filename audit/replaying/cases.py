"""The cases under replay: as many as fit a bounded memory, the others in a temporary file of SQLite's own.

A case has one history for as long as what is recorded is what the rules make of the actions. From its first difference
on it has two: the one that was recorded, and the one that would have been right.
"""

import sqlite3
from collections import OrderedDict
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Final

from casetrail.domain.case import Case
from casetrail.domain.memory import dump_case, load_case
from casetrail.eventlog.codec import Event
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.outcome import FORGED, History

CACHED_CASES: Final = 20_000
NOT_LISTED: Final = -1

TABLE: Final = """
CREATE TABLE trial (
    case_id TEXT PRIMARY KEY, recorded TEXT NOT NULL, recorded_hash BLOB NOT NULL, rightful TEXT, rightful_hash BLOB,
    explained INTEGER NOT NULL, first INTEGER, unknown_past INTEGER NOT NULL
) WITHOUT ROWID
"""


@dataclass
class Trial:
    """What is known of a case under replay. ``explained``: which of its ``histories`` its last event followed from."""

    recorded: History
    rightful: History | None = None
    explained: int = 0
    first: int | None = None  # the place of its first finding among the partition's, or NOT_LISTED
    unknown_past: bool = False  # events of it have been deleted

    @property
    def histories(self) -> list[History]:
        """What an event of the case may follow from: the recorded history, and the rightful one where that differs."""
        return [self.recorded] if self.rightful is None else [self.recorded, self.rightful]


class Trials:
    """All cases of a partition. Not for use by several threads."""

    def __init__(self, cached: int = CACHED_CASES) -> None:
        self._cached = cached
        self._near: OrderedDict[str, Trial] = OrderedDict()
        self._far = sqlite3.connect("", isolation_level=None)  # a temporary file: it is gone with the connection
        self._far.execute(TABLE)

    def trial(self, case_id: str) -> Trial:
        """The case, to be changed in place."""
        found = self._near.get(case_id)
        if found is None:
            found = self._near[case_id] = self._load(case_id) or Trial(History.empty(case_id))
            if len(self._near) > self._cached:
                self._spill()
        else:
            self._near.move_to_end(case_id)
        return found

    def _load(self, case_id: str) -> Trial | None:
        row = self._far.execute("SELECT * FROM trial WHERE case_id = ?", (case_id,)).fetchone()
        if row is None:
            return None
        _, recorded, recorded_hash, rightful, rightful_hash, explained, first, unknown_past = row
        other = None if rightful is None else History(load_case(case_id, rightful), rightful_hash)
        return Trial(History(load_case(case_id, recorded), recorded_hash), other, explained, first, bool(unknown_past))

    def _spill(self) -> None:
        """Write down the quarter that was used least."""
        rows = []
        for _ in range(max(1, self._cached // 4)):
            case_id, trial = self._near.popitem(last=False)
            right = trial.rightful
            rows.append((
                case_id, dump_case(trial.recorded.case), trial.recorded.last_hash,
                None if right is None else dump_case(right.case), None if right is None else right.last_hash,
                trial.explained, trial.first, trial.unknown_past,
            ))  # fmt: skip
        self._far.execute("BEGIN")
        self._far.executemany("INSERT OR REPLACE INTO trial VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self._far.execute("COMMIT")

    def close(self) -> None:
        """Throw the temporary file away."""
        self._far.close()


def copy_of(history: History) -> History:
    """The same history again, to be brought on apart."""
    case, made = history.case, Case.unreported(history.case.id)
    made.facts, made.numbers, made.kinds = deepcopy(case.facts), {**case.numbers}, [*case.kinds]
    made.version, made.modified_on, made.last_occurred_at = case.version, case.modified_on, case.last_occurred_at
    return History(made, history.last_hash)


def take_in(history: History, event: Event, value: bytes) -> None:
    """Bring ``history`` on by an event that is recorded, whether or not it follows from the one before."""
    case, number = history.case, history.case.version + 1
    recorded = replace(event.recorded(), originator_id=case.id, originator_version=number)
    try:
        recorded.mutate(case)
    except FORGED:  # an answer to a referral, concern or deadline that there is none of: it counts, and changes no fact
        case.version, case.modified_on = number, event.recorded_at
    history.last_hash = leaf_hash(value)
