"""The servers that other tests rest on are the real ones."""

import psycopg
import pytest
from kafka import KafkaAdminClient

from tests.servers.kafka import Broker


@pytest.mark.broker
def test_the_broker_answers(kafka: Broker) -> None:
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    assert admin.list_topics() is not None
    admin.close()


@pytest.mark.postgres
def test_postgresql_answers(postgres_database: str) -> None:
    with psycopg.connect(postgres_database) as connection:
        row = connection.execute("SELECT version()").fetchone()
    assert row is not None
    assert row[0].startswith("PostgreSQL 18")
