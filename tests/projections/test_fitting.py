"""Whether views are of the log beside which they stand."""

from contextlib import closing
from pathlib import Path

import pytest

from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.port import Record, Topic
from casetrail.projections.database import open_database
from casetrail.projections.errors import ViewContradicted
from casetrail.projections.fitting import check_fit
from casetrail.projections.rebuild import rebuild
from tests.judged_histories import JudgedLog


def test_behind_the_last_event_there_may_be_a_mark_of_the_broker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is compared then is the event before the mark; in an embedded log there is none, so it is put there."""
    told, url = JudgedLog(tmp_path / "log", 3, partitions=1), f"sqlite:{tmp_path / 'views'}"
    told.go_on(20)
    rebuild(told.log, told.url, url)
    (end,) = told.log.end_offsets(Topic.EVENTS).values()
    read_one = EmbeddedLog.read_one

    def altered(log: EmbeddedLog, topic: Topic, partition: int, offset: int) -> Record | None:
        found = read_one(log, topic, partition, offset)
        return found and found._replace(value=b"another event")

    monkeypatch.setattr(EmbeddedLog, "end_offsets", lambda *_: {0: end + 1})
    with closing(open_database(url)) as database:
        check_fit(database, told.log, {0: end + 1})
        monkeypatch.setattr(EmbeddedLog, "read_one", altered)
        with pytest.raises(ViewContradicted, match=f"offset {end - 1}"):
            check_fit(database, told.log, {0: end + 1})
    told.log.close()


def test_judgements_that_have_seen_more_than_the_log_has_contradict_it(tmp_path: Path) -> None:
    told, url = JudgedLog(tmp_path / "log", 3, partitions=1), f"sqlite:{tmp_path / 'views'}"
    told.go_on(20)
    rebuild(told.log, told.url, url)
    (end,) = told.log.end_offsets(Topic.EVENTS).values()
    with closing(open_database(url)) as database:
        check_fit(database, told.log, {0: end - 1}, {0: end})
        with pytest.raises(ViewContradicted, match=f"offset {end}"):
            check_fit(database, told.log, {0: end - 1}, {0: end + 1})
    told.log.close()
