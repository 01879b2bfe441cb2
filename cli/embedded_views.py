"""The views of an embedded log, brought up to date by whoever asks them."""

from casetrail.cli.config import Config
from casetrail.eventlog.opening import open_log
from casetrail.eventlog.port import Topic
from casetrail.projections.database import Database, open_database
from casetrail.projections.errors import ViewMissing, ViewMoved
from casetrail.projections.rebuild import catch_up, rebuild
from casetrail.projections.views import Views, application_name


def bring_up_to_date(config: Config) -> None:
    """Take in the events that the views have not seen; make the views where there are none."""
    with open_log(config.log_url()) as log:
        ends = log.end_offsets(Topic.EVENTS)
        for _ in range(10):
            try:
                database = open_database(config.views_url())
            except ViewMissing:
                rebuild(log, config.log_url(), config.views_url())
                continue
            try:
                if _at_end(database, log.name, ends):
                    return
                catch_up(log, Views(database, log.name))
            except ViewMissing:
                rebuild(log, config.log_url(), config.views_url())
            except ViewMoved:
                continue  # somebody else is bringing them up to date: look again
            finally:
                database.close()


def _at_end(database: Database, log: str, ends: dict[int, int]) -> bool:
    if not database.exists():
        return False
    seen: dict[str, int] = dict(database.rows("SELECT application_name, notification_id FROM tracking"))
    return all(seen.get(application_name(log, partition), 0) >= end for partition, end in ends.items())
