"""Peers on the same work: the raw Kafka client, and the `eventsourcing` library's own application and runner."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking, TrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.sqlite import SQLiteDatastore, SQLiteTrackingRecorder
from kafka import KafkaConsumer, KafkaProducer, TopicPartition


def raw_produce(bootstrap: str, topic: str, values: Sequence[bytes]) -> float:
    """Records a second that the client alone appends (idempotent, all replicas)."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, batch_size=131_072, linger_ms=1)
    started = time.perf_counter()
    for value in values:
        producer.send(topic, value)
    producer.flush()
    producer.close()
    return len(values) / (time.perf_counter() - started)


def raw_consume(bootstrap: str, topic: str, partitions: int, count: int) -> float:
    """Records a second that the client alone reads (committed only)."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    consumer.assign([TopicPartition(topic, number) for number in range(partitions)])
    started, read = time.perf_counter(), 0
    while read < count:
        read += sum(len(records) for records in consumer.poll(timeout_ms=1000, max_records=5000).values())
    consumer.close()
    return read / (time.perf_counter() - started)


class Dossier(Aggregate):
    """A case as small as it can be."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.steps = 0

    @event("Stepped")
    def step(self) -> None:
        """Something happens."""
        self.steps += 1


class Dossiers(Application[Any]):
    """Saves dossiers, one event at a time."""


class Steps(SQLiteTrackingRecorder):
    """A view that counts."""

    def count(self, tracking: Tracking) -> None:
        """Count one event."""
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)


class StepsProjection(Projection[TrackingRecorder]):
    """Counts steps through the library's runner."""

    name = "steps"

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.count(tracking)  # type: ignore[attr-defined]


def settings(kind: str, folder: Path, url: str) -> dict[str, str]:
    """How the library is configured for SQLite (``kind``) or PostgreSQL."""
    if kind == "sqlite":
        name = str(folder / f"peer-{os.getpid()}-{time.monotonic_ns()}.db")
        return {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": name}
    host, _, port = url.rpartition("@")[2].partition("/")[0].partition(":")
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": "postgres",
        "POSTGRES_HOST": host,
        "POSTGRES_PORT": port,
        "POSTGRES_USER": "casetrail",
        "POSTGRES_PASSWORD": "none",
    }


def application_saves(kind: str, folder: Path, url: str, count: int) -> float:
    """Events a second that the library's own application saves, one a time."""
    application = Dossiers(env=settings(kind, folder, url))
    started = time.perf_counter()
    for _ in range(count // 10):
        dossier = Dossier("unit")
        application.save(dossier)
        for _ in range(9):
            dossier.step()
            application.save(dossier)
    rate = count / (time.perf_counter() - started)
    application.close()
    return rate


def runner_projects(folder: Path, url: str, count: int) -> float:
    """Events a second that the library's own runner takes into an SQLite view that only counts, one a time, from PostgreSQL.

    Its application on SQLite has no subscriptions, so the events come from PostgreSQL. Each run tells it of those since the
    last one.
    """
    env = settings("postgres", folder, url)
    application = Dossiers(env=env)
    before = application.recorder.max_notification_id() or 0
    for _ in range(count // 10):
        dossier = Dossier("unit")
        for _ in range(9):
            dossier.step()
        application.save(dossier)
    end = application.recorder.max_notification_id() or 0
    application.close()
    view = folder / f"view-{time.monotonic_ns()}.db"
    started_at = Steps(SQLiteDatastore(str(view)))
    started_at.create_table()
    if before:
        started_at.count(Tracking(Dossiers.name, before))
    started_at.datastore.close()
    env |= {"STEPS_PERSISTENCE_MODULE": "eventsourcing.sqlite", "STEPS_SQLITE_DBNAME": str(view)}
    started = time.perf_counter()
    with ProjectionRunner(
        application_class=Dossiers, projection_class=StepsProjection, view_class=Steps, env=env
    ) as runner:
        runner.wait(end, timeout=300)
        return (end - before) / (time.perf_counter() - started)


__all__ = ["application_saves", "raw_consume", "raw_produce", "runner_projects"]
