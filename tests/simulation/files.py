"""The files that processes leave behind, and what may happen to them while nobody looks."""

import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.simulation.disks import Copy, Disk
from tests.simulation.invariants import views_template
from tests.simulation.plan import JUDGES, NOTARIES, PROJECTORS, RECORDERS, Setting, Tear

NAME: Final = "simulated"
"""The log's."""
KEPT: Final = 3


class Files:
    """All database files by their names, and a folder for the rest."""

    def __init__(self, setting: Setting, directory: Path, *, keeps: bool) -> None:
        """``keeps``: somebody will replace a file by an older copy."""
        self._setting, self.directory, self._keeps = setting, directory, keeps
        self.disks: dict[str, Disk] = {}
        self.views = self.disk("views")

    def disk(self, name: str) -> Disk:
        """The database file of that name, made where it is not there."""
        if name not in self.disks:
            self.disks[name] = Disk(name, views_template(NAME, self._setting.judged) if name == "views" else None)
        return self.disks[name]

    def name_of(self, process: str) -> str:
        """The name of a process's database file."""
        if process in PROJECTORS or process in JUDGES:
            return "views"
        if process not in RECORDERS:
            return f"{'tree' if process in NOTARIES else 'watch'} of {process}"
        return "state of recorders" if self._setting.shared else f"state of {process}"

    def of(self, process: str) -> Disk:
        """A process's database file."""
        return self.disk(self.name_of(process))

    def keep(self, disk: Disk) -> None:
        """Keep a copy of what a file holds now, if it will be asked for."""
        if self._keeps:
            disk.kept = [*disk.kept[-KEPT + 1 :], (disk.database.serialize(), dict(disk.torn))]

    def tear(self, process: str, tear: Tear) -> None:
        """Something happens to the files of a process that is dead."""
        disk = self.of(process)
        if tear is Tear.LOST or (tear is Tear.AHEAD and disk is self.views):
            self._renew(disk, None)
            shutil.rmtree(self.directory / process, ignore_errors=True)
        elif tear is Tear.GARBAGE:
            disk.garbage = True
        elif tear is Tear.OLDER and disk.kept:
            self._renew(disk, disk.kept[0])
        elif tear is Tear.AHEAD and process in RECORDERS:
            _claim_more(disk)
        elif tear is Tear.AHEAD and (level := self.directory / process / "hashes" / "level-0").exists():
            with level.open("ab") as opened:
                opened.write(b"half a leaf and more" * 3)

    def _renew(self, disk: Disk, copy: Copy | None) -> None:
        del self.disks[disk.name]
        made = self.disk(disk.name)
        torn: dict[int, tuple[int, bytes]] = {}
        if copy is not None:
            made.database.deserialize(copy[0])
            torn |= copy[1]
        disk.database.close()
        disk.database, disk.garbage, disk.torn, disk.kept = made.database, False, torn, []
        disk.renewed += 1
        self.disks[disk.name] = disk

    def close(self) -> None:
        """Throw them away."""
        for disk in self.disks.values():
            disk.close()


def _claim_more(disk: Disk) -> None:
    """Let a state file say that it has followed one partition further than it has."""
    with suppress(sqlite3.OperationalError):  # there is nothing in it yet
        query = "SELECT partition, offset FROM position ORDER BY partition LIMIT 1"
        for partition, offset in disk.database.execute(query).fetchall():
            claimed = (offset + 2, bytes(32))
            statement = "UPDATE position SET offset = ?, last_hash = ? WHERE partition = ?"
            disk.database.execute(statement, (*claimed, partition))
            disk.torn[partition] = claimed
