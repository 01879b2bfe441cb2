"""A Java program that is not ours submits with stock clients: our recorder accepts it, and it reads the events back."""

from pathlib import Path

import pytest

from casetrail.domain.values import is_id
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.partitioner import murmur2, partition_for
from casetrail.eventlog.schemas import current_ids
from casetrail.publishing import connect
from tests.actions import INTAKE, action, report
from tests.foreign.tools import HERE, jars, java_with_compiler, run_java
from tests.publishing.recorders import recorder
from tests.servers.kafka import Broker
from tests.servers.maven import CannotStart

pytestmark = pytest.mark.broker
PARTITIONS = 7
KEYS = [f"KC-2026-{number:06d}" for number in range(250)] + ["x" * length for length in range(1, 65)]
FOREIGN_KEYS = ["nö case", "事件", "a b", "€uro-1"]


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    """What is missing is said in a sentence, before a broker is started."""
    try:
        java_with_compiler()
        jars()
    except CannotStart as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="module")
def spoken(kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """What the program printed."""
    url = f"kafka://{kafka.bootstrap}/foreign"
    init_log(url, partitions=PARTITIONS, replication=1, min_isr=1).close()
    directory = tmp_path_factory.mktemp("foreign")
    keys = [key.encode().hex() for key in KEYS + FOREIGN_KEYS]
    schema = f"{current_ids()['action']:08x}"
    with recorder(url, directory):
        lines = run_java(HERE / "Stranger.java", kafka.bootstrap, "foreign", schema, *keys)
        with connect(url) as log:  # and who comes after the stranger continues its cases
            outcome = log.wait(log.submit(action(report(), INTAKE, KEYS[0])), timeout=60)
            assert (outcome.event.number, outcome.result) == (2, "rejected")
    return lines


def of(spoken: list[list[str]], word: str) -> list[list[str]]:
    """The fields of the lines that begin with ``word``."""
    return [line[1:] for line in spoken if line[0] == word]


def test_the_log_carries_schemas_that_a_stock_library_takes_as_they_are(spoken: list[list[str]]) -> None:
    assert of(spoken, "refused") == []


def test_our_recorder_accepts_what_a_stock_avro_client_wrote(spoken: list[list[str]]) -> None:
    submitted = {(case, one, part, offset) for case, one, part, offset in of(spoken, "submitted")}
    accepted = {tuple(line[:4]) for line in of(spoken, "event") if line[5] == "ReportReceived"}
    assert accepted == {line for line in submitted if is_id(bytes.fromhex(line[0]).decode())}
    assert len(accepted) == len(KEYS)


def test_a_key_that_is_no_case_id_is_answered_too(spoken: list[list[str]]) -> None:
    unreadable = [line for line in of(spoken, "event") if line[5] == "SubmissionUnreadable"]
    assert [line[6] for line in unreadable] == ["bad-key"] * len(FOREIGN_KEYS)
    places = {tuple(line[2:4]) for line in unreadable}
    assert places == {
        tuple(line[2:]) for line in of(spoken, "submitted") if bytes.fromhex(line[0]).decode() in FOREIGN_KEYS
    }


def test_the_default_partitioner_of_the_java_client_agrees_with_ours(spoken: list[list[str]]) -> None:
    chosen = {bytes.fromhex(case): int(part) for case, _, part, _ in of(spoken, "submitted")}
    assert len(chosen) == len(KEYS + FOREIGN_KEYS)
    assert chosen == {key: partition_for(key, PARTITIONS) for key in chosen}
    assert set(chosen.values()) == set(range(PARTITIONS))


def test_murmur2_agrees_bit_for_bit(spoken: list[list[str]]) -> None:
    hashes = {bytes.fromhex(case): int(value) for case, value in of(spoken, "murmur2")}
    assert hashes == {key: murmur2(key) & 0x7FFFFFFF for key in hashes}


def test_the_program_is_not_ours(tmp_path: Path) -> None:
    source = (HERE / "Stranger.java").read_text()
    imported = [line for line in source.splitlines() if line.startswith("import ")]
    assert all(line.split()[1].startswith(("java.", "org.apache.avro.", "org.apache.kafka.")) for line in imported)
