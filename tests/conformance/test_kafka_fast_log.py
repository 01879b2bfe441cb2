"""The log on Kafka through librdkafka passes the kit against a real broker; and what may differ between two clients."""

import pytest

from casetrail.eventlog.kafka_fast import FastKafkaLog
from casetrail.eventlog.port import Log
from tests.conformance.log_kit import LogKit, options_for


@pytest.mark.broker
class TestFastKafkaLog(LogKit):
    @pytest.fixture
    def url(self, kafka_url: str) -> str:
        return kafka_url

    @pytest.fixture
    def options(self, url: str) -> dict[str, object]:
        return {**options_for(url), "client": "confluent"}

    def test_the_client_is_the_one_that_was_asked_for(self, log: Log) -> None:
        assert type(log) is FastKafkaLog
