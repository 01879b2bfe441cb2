"""The views of an embedded log, brought up to date by whoever asks them."""

from casetrail.cli.config import Config
from casetrail.eventlog.opening import open_log
from casetrail.eventlog.port import Log, Topic
from casetrail.projections.database import Database, open_database
from casetrail.projections.errors import ViewMissing, ViewMoved
from casetrail.projections.judgement_queries import stale
from casetrail.projections.judgement_tables import JUDGEMENT_FORM
from casetrail.projections.tables import VIEW_FORM, application_name


def bring_up_to_date(config: Config, *, judged: bool = False) -> None:
    """Take in the events that the views have not seen; make the views where there are none. ``judged``: judge, too."""
    with open_log(config.log_url()) as log:
        if not _at_end(config.views_url(), log.name, log.end_offsets(Topic.EVENTS), judged):
            _take_in(log, config, judged)


def _at_end(views_url: str, log: str, ends: dict[int, int], judged: bool) -> bool:
    """Whether the views have seen everything. Asked before each query, so it imports no more than it needs."""
    try:
        database = open_database(views_url)
    except ViewMissing:
        return False
    try:
        wanted = [("form", "tracking", VIEW_FORM)]
        if judged:
            wanted.append(("judged_form", "judged", JUDGEMENT_FORM))
        seen = all(database.has(form) and _has_seen(database, log, ends, form, *more) for form, *more in wanted)
        return seen and not (judged and stale(database))
    finally:
        database.close()


def _has_seen(database: Database, log: str, ends: dict[int, int], form: str, positions: str, version: str) -> bool:
    """Whether what has its form and its positions in these tables is of this log and version, and at its end."""
    made: dict[str, str] = dict(database.rows(f"SELECT name, value FROM {form}"))  # noqa: S608  (fixed names)
    seen: dict[str, int] = dict(
        database.rows(f"SELECT application_name, notification_id FROM {positions}")  # noqa: S608  (fixed names)
    )
    same = (made.get("log"), made.get("form")) == (log, version)
    return same and all(seen.get(application_name(log, partition), 0) >= end for partition, end in ends.items())


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
