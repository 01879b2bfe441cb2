"""Where views stand, and that they stand there for as long as somebody looks."""

from collections.abc import Iterator
from contextlib import contextmanager

from casetrail.eventlog.port import Log
from casetrail.projections.database import Database, PostgresDatabase
from casetrail.projections.tables import application_name


@contextmanager
def snapshot(database: Database) -> Iterator[None]:
    """The database stays as it is for whoever looks, however it changes."""
    is_shared = isinstance(database, PostgresDatabase)
    database.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" if is_shared else "BEGIN")
    try:
        yield
    finally:
        database.run("COMMIT")


def positions(database: Database, log: Log) -> dict[int, int]:
    """By partition, the offset of the first event that the views have not seen; those of which they have seen none lack."""
    seen: dict[str, int] = dict(database.rows("SELECT application_name, notification_id FROM tracking"))
    names = {partition: application_name(log.name, partition) for partition in range(log.partitions)}
    return {partition: seen[name] for partition, name in names.items() if seen.get(name)}
