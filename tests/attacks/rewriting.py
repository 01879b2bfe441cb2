"""A history that is written anew, cleaned of one case."""

from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.port import Entry, Record, Topic
from tests.attacks.scene import LOG, VICTIM, Scene


def kept_actions(scene: Scene) -> list[Record]:
    """All submissions but those of one case."""
    return [one for one in scene.records(Topic.ACTIONS) if one.key != VICTIM.encode()]


def made_anew_as_file(scene: Scene) -> None:
    """Another file takes the place of the log's: the same submissions at the same times, but for one case."""
    kept, times = kept_actions(scene), list[int]()
    scene.close()
    for name in ("log.db", "log.db-wal", "log.db-shm"):
        (scene.folder / name).unlink(missing_ok=True)
    with EmbeddedLog.create(scene.folder / "log.db", LOG, scene.log.partitions, lambda: times[-1]) as log:
        for one in kept:
            times.append(one.appended_at)
            log.append(Topic.ACTIONS, [Entry(one.key, one.value, one.partition)])
