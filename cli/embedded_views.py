"""The views of an embedded log, brought up to date by whoever asks them."""

from casetrail.cli.config import Config
from casetrail.eventlog.opening import open_log
from casetrail.eventlog.port import Log, Topic
from casetrail.projections.database import Database, open_database
from casetrail.projections.errors import ViewMissing, ViewMoved
from casetrail.projections.fitting import check_fit
from casetrail.projections.judgement_queries import stale
from casetrail.projections.judgement_tables import JUDGEMENT_FORM
from casetrail.projections.tables import VIEW_FORM, application_name


def bring_up_to_date(config: Config, *, judged: bool = False) -> None:
    """Take in the events that the views have not seen; make the views where there are none. ``judged``: judge, too.

    Raises ``ViewContradicted`` where they have seen others than the log has.
    """
    with open_log(config.log_url()) as log:
        if not _at_end(config.views_url(), log, judged):
            _take_in(log, config, judged)


def _at_end(views_url: str, log: Log, judged: bool) -> bool:
    """Whether the views have seen everything. Asked before each query, so it imports no more than it needs."""
    try:
        database = open_database(views_url)
    except ViewMissing:
        return False
    ends = log.end_offsets(Topic.EVENTS)
    try:
        wanted = [("form", "tracking", VIEW_FORM)]
        if judged:
            wanted.append(("judged_form", "judged", JUDGEMENT_FORM))
        found = [_positions(database, log, *one) for one in wanted]
        check_fit(database, log, *found)
        seen = all(positions and all(positions[one] >= end for one, end in ends.items()) for positions in found)
        return seen and not (judged and stale(database))
    finally:
        database.close()


def _positions(database: Database, log: Log, form: str, positions: str, version: str) -> dict[int, int]:
    """By partition what has its form and its positions in these tables has to see next; nothing where it is of another log or version."""
    made: dict[str, str] = dict(database.rows(f"SELECT name, value FROM {form}")) if database.has(form) else {}  # noqa: S608  (fixed names)
    if (made.get("log"), made.get("form")) != (log.name, version):
        return {}
    seen: dict[str, int] = dict(
        database.rows(f"SELECT application_name, notification_id FROM {positions}")  # noqa: S608  (fixed names)
    )
    return {one: seen.get(application_name(log.name, one), 0) for one in range(log.partitions)}


def _take_in(log: Log, config: Config, judged: bool) -> None:
    # late: most queries find the views up to date
    from casetrail.projections.judgements import Judgements
    from casetrail.projections.rebuild import catch_up, judge_to_end, rebuild
    from casetrail.projections.views import Views

    for _ in range(10):
        database = None
        try:
            database = open_database(config.views_url())
            catch_up(log, Views(database, log.name))
            if judged:
                judge_to_end(log, Judgements(database, log.name, partly=True))
            return
        except ViewMissing:
            rebuild(log, config.log_url(), config.views_url(), asked=False)
        except ViewMoved:
            continue  # somebody else is bringing them up to date: look again
        finally:
            if database is not None:
                database.close()
