"""The views of an embedded log, brought up to date by whoever asks them."""

from casetrail.cli.config import Config
from casetrail.eventlog.opening import open_log
from casetrail.eventlog.port import Log, Topic
from casetrail.projections.database import open_database
from casetrail.projections.errors import ViewMissing, ViewMoved
from casetrail.projections.tables import VIEW_FORM, application_name


def bring_up_to_date(config: Config) -> None:
    """Take in the events that the views have not seen; make the views where there are none."""
    with open_log(config.log_url()) as log:
        if not _at_end(config.views_url(), log.name, log.end_offsets(Topic.EVENTS)):
            _take_in(log, config)


def _at_end(views_url: str, log: str, ends: dict[int, int]) -> bool:
    """Whether the views have seen everything. Asked before each query, so it imports no more than it needs."""
    try:
        database = open_database(views_url)
    except ViewMissing:
        return False
    try:
        if not database.exists():
            return False
        form: dict[str, str] = dict(database.rows("SELECT name, value FROM form"))
        seen: dict[str, int] = dict(database.rows("SELECT application_name, notification_id FROM tracking"))
    finally:
        database.close()
    same = (form.get("log"), form.get("form")) == (log, VIEW_FORM)
    return same and all(seen.get(application_name(log, partition), 0) >= end for partition, end in ends.items())


def _take_in(log: Log, config: Config) -> None:
    from casetrail.projections.rebuild import catch_up, rebuild  # late: most queries find the views up to date
    from casetrail.projections.views import Views

    for _ in range(10):
        try:
            views = Views(open_database(config.views_url()), log.name)
        except ViewMissing:
            rebuild(log, config.log_url(), config.views_url())
            continue
        try:
            catch_up(log, views)
            return
        except ViewMoved:
            continue  # somebody else is bringing them up to date: look again
        finally:
            views.close()
