"""The views of a log, in SQLite or PostgreSQL: written batch by batch, position and rows in one transaction.

``Views`` is a tracking recorder in the sense of ``eventsourcing``: a partition of ``LOG.events`` is an upstream
application (``LOG.events/3``), and the notification id is the offset to be read next. So whoever knows at which offset
its event stands can ``wait`` until the views have seen it.
"""

from collections.abc import Mapping, Sequence
from threading import Event as Interrupt
from time import monotonic, sleep
from typing import Final

from eventsourcing.persistence import IntegrityError, Tracking, TrackingRecorder, WaitInterruptedError

from casetrail.domain.memory import MEMORY, load_case
from casetrail.eventlog.outcome import ChainBroken, History
from casetrail.eventlog.port import Record
from casetrail.projections.cache import HistoryCache
from casetrail.projections.database import Database, create_tables
from casetrail.projections.errors import ViewMissing, ViewMoved
from casetrail.projections.folding import Batch
from casetrail.projections.form import check_form, write_form
from casetrail.projections.partner import FORGOTTEN, ledger_rows
from casetrail.projections.rows import case_row, referral_rows
from casetrail.projections.tables import (
    CASE_STATUS,
    FORM,
    INTAKE,
    OUTCOMES,
    PARTNER_LEDGER,
    REFERRALS,
    TIMELINE,
    VIEW_FORM,
    application_name,
)

MOST_VARIABLES: Final = 500
POLL_INTERVAL: Final = 0.005


def write_views_form(database: Database, log: str) -> None:
    """Name the log and the form of the views in the views themselves."""
    write_form(database, FORM, form_of(log))


def check_views(database: Database, log: str) -> None:
    """Raises ``ViewMissing`` where the views are not there, or are to be made anew, ``ViewNewer``, and ``ViewForeign``."""
    if not database.exists():
        raise ViewMissing("the views have not been made yet; 'casetrail views rebuild' makes them")
    check_form(database, FORM, "views", form_of(log))


def form_of(log: str) -> dict[str, str]:
    """What must be the same for views to be of use."""
    return {"log": log, "form": VIEW_FORM, "memory": MEMORY}


class Views(TrackingRecorder):
    """The views of one log. Not for use by several threads."""

    def __init__(self, database: Database, log: str) -> None:
        """Use the views in ``database``. Raises as ``check_views`` does."""
        check_views(database, log)
        self.database, self.log = database, log
        self._cache = HistoryCache(self._load)

    @classmethod
    def create(cls, database: Database, log: str) -> "Views":
        """Make empty views."""
        with database.transaction():
            create_tables(database)
            write_views_form(database, log)
        return cls(database, log)

    def _load(self, case_ids: Sequence[str]) -> dict[str, History]:
        found: dict[str, History] = {}
        for start in range(0, len(case_ids), MOST_VARIABLES):
            some = case_ids[start : start + MOST_VARIABLES]
            marks = ",".join("?" * len(some))
            rows = self.database.rows(
                f"SELECT case_id, last_hash, state FROM case_status WHERE case_id IN ({marks})",  # noqa: S608
                some,
            )
            for case_id, last_hash, state in rows:
                found[case_id] = History(load_case(case_id, state), bytes(last_hash))
        return found

    # --- position ---

    def next_offset(self, partition: int) -> int:
        """The offset of the event that these views have to see next."""
        return self.max_tracking_id(application_name(self.log, partition)) or 0

    def max_tracking_id(self, application_name: str) -> int | None:
        rows = self.database.rows(
            "SELECT notification_id FROM tracking WHERE application_name = ?", (application_name,)
        )
        return rows[0][0] if rows else None

    def insert_tracking(self, tracking: Tracking) -> None:
        changed = self.database.run(
            "INSERT INTO tracking VALUES (?, ?) ON CONFLICT (application_name) DO UPDATE "
            "SET notification_id = excluded.notification_id WHERE tracking.notification_id < excluded.notification_id",
            (tracking.application_name, tracking.notification_id),
        )
        if changed != 1:
            raise IntegrityError(f"{tracking.application_name} is past {tracking.notification_id} already")

    def _move(self, partition: int, before: int, after: int) -> None:
        """Move the position, if it is still where this projector left it. Raises ``ViewMoved``."""
        name = application_name(self.log, partition)
        if before == 0:
            changed = self.database.run(
                "INSERT INTO tracking VALUES (?, ?) ON CONFLICT (application_name) DO NOTHING", (name, after)
            )
        else:
            changed = self.database.run(
                "UPDATE tracking SET notification_id = ? WHERE application_name = ? AND notification_id = ?",
                (after, name, before),
            )
        if changed != 1:
            raise _moved(partition, before)

    def wait(
        self,
        application_name: str,
        notification_id: int | None,
        timeout: float = 1.0,
        interrupt: Interrupt | None = None,
    ) -> None:
        """Block until the views have seen everything before ``notification_id``: for an event at offset n, n + 1.

        Raises ``TimeoutError`` after ``timeout`` seconds, ``WaitInterruptedError`` when ``interrupt`` is set.
        """
        until = monotonic() + timeout
        while not self.has_tracking_id(application_name, notification_id):
            if interrupt is not None and interrupt.wait(POLL_INTERVAL):
                raise WaitInterruptedError
            if interrupt is None:
                sleep(POLL_INTERVAL)
            if monotonic() > until:
                raise TimeoutError(f"the views have not seen {application_name} up to {notification_id} in {timeout} s")

    # --- following the events ---

    def apply(self, records: Sequence[Record], positions: Mapping[int, tuple[int, int]]) -> None:
        """Take these events in. ``positions``: for each partition the offset before them, and the one after.

        Raises ``ViewMoved`` where another projector was faster, ``ChainBroken`` where the events do not follow.
        """
        batch = Batch()
        try:
            self._fold(batch, records, positions)
            with self.database.transaction():
                for partition, (before, after) in positions.items():
                    self._move(partition, before, after)
                self._write(batch)
        except BaseException:
            self._cache.clear()
            raise
        self._cache.written()

    def _fold(self, batch: Batch, records: Sequence[Record], positions: Mapping[int, tuple[int, int]]) -> None:
        try:
            batch.fold(records, self._cache)
        except ChainBroken:  # also where the cases read just now were ahead of this projector: that passes by itself
            for partition, (before, _) in positions.items():
                if self.next_offset(partition) != before:
                    raise _moved(partition, before) from None
            raise

    def _write(self, batch: Batch) -> None:
        changes = sorted(self._cache.changes(), key=lambda change: change[1].case.id)
        run_many = self.database.run_many
        run_many(CASE_STATUS.upsert(), [case_row(history, partition) for partition, history in changes])
        run_many(REFERRALS.upsert(), [row for _, history in changes for row in referral_rows(history.case)])
        run_many(FORGOTTEN, [(history.case.id,) for _, history in changes])
        run_many(PARTNER_LEDGER.upsert(), [row for _, history in changes for row in ledger_rows(history.case)])
        run_many(TIMELINE.upsert(), batch.timeline)
        run_many(OUTCOMES.add("events"), [(*where, count) for where, count in sorted(batch.outcomes.items())])
        intake = batch.intake_changes(self._cache)
        run_many(INTAKE.add("cases"), [(*where, count) for where, count in sorted(intake.items())])
        run_many(INTAKE.remove("cases"), [(*where, 0) for where, count in sorted(intake.items()) if count < 0])

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def _moved(partition: int, before: int) -> ViewMoved:
    return ViewMoved(f"partition {partition}: the views are not at offset {before} any more")
