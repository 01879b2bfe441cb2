"""Wherever this machine writes, little room is said before it is none: by doctor, and by each service in its health."""

from pathlib import Path

import pytest

from casetrail.cli import disks, exits
from casetrail.cli.config import Config
from casetrail.cli.disks import places, places_of, room_at
from casetrail.consumers.health import LITTLE_ROOM, Health
from tests.cli.shell import Shell

KAFKA = Config(log="kafka://broker:9092/kcpd", views="postgresql://db/casetrail", keyring="postgresql://db/casetrail")


def little_at(monkeypatch: pytest.MonkeyPatch, where: Path) -> None:
    """Let one place have little room."""
    monkeypatch.setattr(disks, "room_at", lambda path: 5 << 20 if path == where else LITTLE_ROOM)


@pytest.mark.parametrize(
    ("what", "file"),
    [
        ("log", "log.db"), ("views", "log.db.views"), ("keyring", "log.db.keys"), ("recorder", "log.db.state"),
        ("notary", "log.db.notary"), ("watchdog", "log.db.watchdog"), ("outbox", "log.db.outbox"), ("tree", "elsewhere/tree"),
        ("spool", "away/spool"),
    ],
)  # fmt: skip
def test_doctor_looks_wherever_something_is_written(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, what: str, file: str
) -> None:
    little_at(monkeypatch, shell.folder / file)
    words = ("--tree", str(shell.folder / "elsewhere" / "tree"), "--spool", str(shell.folder / "away" / "spool"))
    rows = {row["check"]: row for row in shell.rows(*words, "doctor", code=exits.FAULTS)}
    assert f"{what}: 5 MB free" in rows["disk"]["detail"]
    assert [name for name, row in rows.items() if row["result"] == "wrong"] == ["disk"]


def test_a_rebuild_of_views_in_a_database_needs_the_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("casetrail.cli.disks.tempfile.gettempdir", lambda: "/var/spacious")
    assert places(KAFKA)["rebuild"] == Path("/var/spacious")
    assert "views" not in places(KAFKA) and "log" not in places(KAFKA)
    assert places_of(KAFKA, ["projector"], None) == {"rebuild": Path("/var/spacious")}


def test_a_service_looks_at_what_it_writes_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert places_of(KAFKA, ["recorder"], None) == {"recorder": tmp_path / "kcpd.state"}
    assert places_of(KAFKA, ["watchdog"], tmp_path / "mine") == {"watchdog": tmp_path / "mine"}
    assert places_of(KAFKA, ["notary"], tmp_path / "not asked for") == {"notary": tmp_path / "kcpd.notary"}
    assert places_of(KAFKA, ["recorder", "watchdog"], tmp_path / "mine") == {
        "recorder": tmp_path / "mine",
        "watchdog": tmp_path / "kcpd.watchdog",
    }


def test_room_is_told_of_what_is_not_there_yet(tmp_path: Path) -> None:
    assert room_at(tmp_path / "a" / "folder" / "to come") > 0


def test_the_health_says_where_little_room_is_and_goes_on() -> None:
    rooms = {"recorder": 700 << 20, "log": LITTLE_ROOM}
    health = Health(rooms=lambda: dict(rooms))
    health.stepped("recorder", 1)
    healthy, report = health.report()
    assert healthy and report["notes"] == {"disk": "recorder: 700 MB free"}
    assert f'casetrail_free_bytes{{for="recorder"}} {700 << 20}\n' in health.metrics()
    rooms["recorder"] = LITTLE_ROOM
    assert "notes" not in health.report()[1]
