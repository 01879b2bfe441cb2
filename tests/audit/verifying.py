"""A log with a random history under checkpoints, for tests that tamper with it and verify it."""

import copy
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from casetrail.audit.faults import Fault, Kind
from casetrail.audit.verification.verify import Asked, Report, verify
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.embedded_file import GUARDS
from casetrail.eventlog.port import Entry, Log, Topic
from casetrail.proofs.keys import SignerKey
from casetrail.proofs.policy import Policy, parse_policy
from tests.consumers.notarial import KEY, notary_of, publish
from tests.histories import Recording

POLICY: Final = parse_policy(f"log {KEY.verifier_key}\nquorum none\n".encode())
ROUNDS: Final = 3


LONG: Final = timedelta(days=3650)
"""Promised by default: stories are told of a past year, with pauses of days."""


class Story:
    """A history that grows, with a notary over it."""

    def __init__(self, folder: Path, recording: Recording, key: SignerKey = KEY) -> None:
        self.folder, self.recording, self.key = folder, recording, key

    @property
    def path(self) -> Path:
        """The log's file."""
        return self.recording.path

    @property
    def log(self) -> Log:
        """The log, opened with the clock of the story."""
        return self.recording.log

    @property
    def now(self) -> datetime:
        """A minute after the last submission."""
        return self.recording.clock.now + timedelta(minutes=1)

    def go_on(self, actions: int = 80, *, publishes: bool = True) -> "Story":
        """More submissions, recorded, and a checkpoint over them."""
        self.recording.go_on(actions)
        if publishes:
            self.publish()
        return self

    def publish(self) -> None:
        """A checkpoint over what is recorded."""
        with notary_of(self.log, self.folder / "notary", self.key) as notary:
            publish(notary)

    def copy(self, folder: Path) -> "Story":
        """The same story in another folder. It cannot go on."""
        folder.mkdir(exist_ok=True)
        shutil.copy(self.path, folder / "log.db")
        made = copy.copy(self.recording)
        made.path = folder / "log.db"
        made.log = EmbeddedLog.open(made.path, made.clock)
        return Story(folder, made, self.key)

    def report(self, policy: Policy | None = POLICY, **asked: Any) -> Report:
        """Verify it, a minute after the last submission."""
        known: dict[str, Any] = {"now": self.now, "promised": LONG, "policy": policy}
        return verify(self.recording.url, None, Asked(**(known | asked)))

    def kinds(self, **asked: Any) -> set[Kind]:
        """The kinds of fault that there are."""
        return {kind for kind, count in self.report(**asked).faults.counts.items() if count}

    def faults(self, kind: Kind, **asked: Any) -> list[Fault]:
        """The faults of a kind, in order."""
        return [one for one in self.report(**asked).faults.in_order() if one.kind is kind]

    @contextmanager
    def tampering(self, mends: bool = True) -> Iterator[sqlite3.Connection]:
        """The file, opened by somebody who owns it; the triggers are put back, so that they tell nothing."""
        database = sqlite3.connect(self.path)
        for name in GUARDS:
            database.execute(f"DROP TRIGGER {name}")
        yield database
        if mends:
            for statement in GUARDS.values():
                database.execute(statement)
        database.commit()
        database.close()

    def change(self, what: str, topic: str, offset: int, *values: object) -> None:
        """Change columns of one record: ``what`` is SQL behind SET."""
        with self.tampering() as database:
            done = database.execute(
                f"UPDATE record SET {what} WHERE topic = ? AND partition = 0 AND offset = ?", (*values, topic, offset)
            )
            assert done.rowcount == 1

    def delete(self, topic: str, start: int, end: int) -> None:
        """Delete records of partition 0."""
        with self.tampering() as database:
            query = "DELETE FROM record WHERE topic = ? AND partition = 0 AND offset >= ? AND offset < ?"
            assert database.execute(query, (topic, start, end)).rowcount > 0

    def insert(self, topic: Topic, entry: Entry) -> int:
        """Append a record to partition 0, past recorder and notary; its offset."""
        (appended,) = self.log.append(topic, [entry._replace(partition=0)])
        return appended.offset


def told(folder: Path, seed: int = 7, partitions: int = 1) -> Story:
    """Some rounds of a history, each under a checkpoint."""
    story = Story(folder, Recording(folder / "log.db", seed, partitions=partitions))
    for _ in range(ROUNDS):
        story.go_on()
    return story
