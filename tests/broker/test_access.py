"""On a broker with TLS, passwords and access lists each role can do its work, and nothing else is allowed to anybody."""

import json
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ConfigResource,
    ConfigResourceType,
    NewTopic,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from kafka.errors import (
    CoordinatorNotAvailableError,
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
)

from casetrail.cli.main import cli
from casetrail.eventlog.codec import encode_action
from casetrail.eventlog.errors import LogUnreachable
from casetrail.eventlog.kafka_access import ROLES
from casetrail.eventlog.kafka_client import client_options
from casetrail.eventlog.kafka_topics import topic_name
from casetrail.eventlog.opening import init_log, open_log
from casetrail.eventlog.port import Entry, Topic
from casetrail.publishing import connect
from tests.actions import life
from tests.servers.maven import CannotStart
from tests.servers.secured import ADMIN, SecuredBroker, start_secured

pytestmark = pytest.mark.broker

LOG = "kcpd"
USERS = {name: f"{name}-password" for name in (ADMIN, *ROLES, "service", "nobody")}
"""One user for each role; a service that submits and waits for outcomes has two roles."""
CASETRAIL = (sys.executable, "-c", "from casetrail.cli.main import main; main()")
GROUP = f"{LOG}.recorder"
TRANSACTIONAL = {"recorder": f"{LOG}.recorder.0", "notary": f"{LOG}.notary.0"}

MAY_APPEND = {
    (role, topic)
    for role, topics in {
        "submitter": {Topic.ACTIONS},
        "service": {Topic.ACTIONS},
        "recorder": {Topic.EVENTS},
        "notary": {Topic.CHECKPOINTS, Topic.SCHEMAS},
    }.items()
    for topic in topics
}
MAY_READ = {
    (role, topic)
    for role, topics in {
        "service": set(Topic),
        "reader": set(Topic),
        "recorder": {Topic.ACTIONS, Topic.EVENTS},
        "notary": {Topic.EVENTS, Topic.CHECKPOINTS, Topic.SCHEMAS},
    }.items()
    for topic in topics
}
REFUSED = r"(?i)authoriz|not known|needs ALTER permission"
"""What the client says; of a topic that a user may not see it says that it is not known, of passwords what a broker says."""
EVERYBODY = [user for user in USERS if user != ADMIN]


def granted(url: str, role: str, user: str) -> list[ACL]:
    """What the printed commands give to a user."""
    printed = CliRunner().invoke(cli, ["--log", url, "log", "access", "--role", role, "--principal", f"User:{user}"])
    assert printed.exit_code == 0, printed.output
    return [acl for line in printed.stdout.splitlines() for acl in acls_of(shlex.split(line))]


def acls_of(words: list[str]) -> Iterator[ACL]:
    """The access lists that a command of Kafka's tools makes, as its documentation describes the options."""
    assert words[0] == "kafka-acls.sh"
    given = [(name, value) for name, value in zip(words, [*words[1:], ""], strict=True) if name.startswith("--")]
    options = dict(given)
    ((kind, name),) = [(one, value) for one, value in given if one in ("--topic", "--group", "--transactional-id")]
    resource = ResourceType[kind.removeprefix("--").replace("-", "_").upper()]
    pattern = ACLResourcePatternType[options.get("--resource-pattern-type", "literal").upper()]
    for operation in (value for one, value in given if one == "--operation"):
        named = "".join(f"_{letter}" if letter.isupper() else letter.upper() for letter in operation).lstrip("_")
        yield ACL(
            options["--allow-principal"], "*", ACLOperation[named], ACLPermissionType.ALLOW,
            ResourcePattern(resource, name, pattern),
        )  # fmt: skip


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    """A secured broker with a log whose rights are given as 'casetrail log access' prints them."""
    try:
        broker = start_secured(tmp_path_factory.mktemp("secured"), USERS)
    except CannotStart as error:
        pytest.fail(str(error), pytrace=False)
    url = url_of(broker)
    init_log(url, partitions=2, replication=1, min_isr=1, options=broker.options(ADMIN)).close()
    give_rights(broker, url)
    assert not recorders(broker)
    yield broker
    broker.kill()


@pytest.fixture(scope="module")
def filled(broker: SecuredBroker) -> str:
    """A log with the same rights, and with a record in the first partition of each of its topics; its name."""
    url = url_of(broker, "filled")
    with init_log(url, partitions=1, replication=1, min_isr=1, options=broker.options(ADMIN)) as log:
        for topic in Topic:
            log.append(topic, [Entry(b"C-9", b"anything", 0)])
    give_rights(broker, url)
    return "filled"


def give_rights(broker: SecuredBroker, url: str) -> None:
    with admin(broker, ADMIN) as client:
        client.create_acls([acl for role in ROLES for acl in granted(url, role, role)])
        client.create_acls([acl for role in ("submitter", "reader") for acl in granted(url, role, "service")])


def recorders(broker: SecuredBroker) -> object:
    """The members of the recorders' group."""
    until = time.monotonic() + 60
    with admin(broker, ADMIN) as client:
        while True:
            try:
                return client.describe_groups([GROUP])[GROUP]["members"]
            except CoordinatorNotAvailableError:  # what keeps groups is made when somebody first asks for one
                assert time.monotonic() < until
                time.sleep(0.2)


def url_of(broker: SecuredBroker, log: str = LOG) -> str:
    return f"kafka://{broker.bootstrap}/{log}"


@contextmanager
def admin(broker: SecuredBroker, user: str) -> Iterator[KafkaAdminClient]:
    """A client with which a user tries to administer the brokers."""
    client = KafkaAdminClient(**client_options(broker.bootstrap, broker.options(user)))
    try:
        yield client
    finally:
        client.close()


def configured(broker: SecuredBroker, user: str, folder: Path, client: str) -> Path:
    """A folder with the configuration of a user."""
    folder.mkdir(exist_ok=True)
    table = "".join(f'{name} = "{value}"\n' for name, value in {**broker.options(user), "client": client}.items())
    (folder / "casetrail.toml").write_text(f'log = "{url_of(broker)}"\n[kafka]\n{table}')
    return folder


def casetrail(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*CASETRAIL, *words], cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@contextmanager
def serving(folder: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "output").open("ab") as out:
        process = subprocess.Popen(
            [*CASETRAIL, "serve", *words, "--health-port", "0"], cwd=folder, stdout=out, stderr=out
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize("client", ["python", "confluent"])
def test_each_role_does_its_work_with_its_own_rights(broker: SecuredBroker, tmp_path: Path, client: str) -> None:
    recorder, notary, auditor = (
        configured(broker, user, tmp_path / user, client) for user in ("recorder", "notary", "reader")
    )
    assert casetrail(notary, "keys", "create", "kcpd.example", "--file", "key", "--for", "log").returncode == 0
    with (
        serving(recorder, "recorder"),
        serving(notary, "notary", "--key", "key", "--every", "0.5"),
        connect(url_of(broker), {**broker.options("service"), "client": client}) as service,
    ):
        for action in life(f"C-1.{client}"):
            assert service.wait(service.submit(action), timeout=60).result == "accepted"
        until = time.monotonic() + 60
        with open_log(url_of(broker), broker.options("reader")) as log:
            while not log.end_offsets(Topic.CHECKPOINTS)[0]:
                assert time.monotonic() < until, (notary / "output").read_text()
                time.sleep(0.2)
    counted = casetrail(auditor, "count")
    assert counted.returncode == 0, counted.stdout + counted.stderr
    verified = casetrail(auditor, "audit", "verify", "--no-policy", "--format", "json")
    assert '"replication factor"' in verified.stdout or verified.returncode == 0, verified.stdout + verified.stderr


@pytest.mark.parametrize("client", ["python", "confluent"])
def test_a_recorder_that_may_give_no_heartbeats_records_on_and_says_so_once(
    broker: SecuredBroker, tmp_path: Path, client: str
) -> None:
    recorder = configured(broker, "recorder", tmp_path / "recorder", client)
    with (
        serving(recorder, "recorder", "--heartbeat", "0.2") as process,
        connect(url_of(broker), {**broker.options("service"), "client": client}) as service,
    ):
        reported, *others = life(f"C-5.{client}")
        assert service.wait(service.submit(reported), timeout=60).result == "accepted"
        until = time.monotonic() + 60
        while "'--heartbeat 0'" not in (told := health(recorder)).get("notes", {}).get("heartbeat", ""):
            assert time.monotonic() < until, (recorder / "output").read_text()
            time.sleep(0.1)
        assert told["status"] == "ok", "nobody starts a recorder again for that"
        for action in others:
            assert service.wait(service.submit(action), timeout=60).result == "accepted"
        assert process.poll() is None
    said = (recorder / "output").read_text()
    assert said.count("may not append to the actions") == 1, said
    assert "no heartbeat of" not in said
    assert "beginning anew" not in said


def health(folder: Path) -> dict[str, Any]:
    """What a served process says of itself."""
    address = re.search(r"http://\S+/health", (folder / "output").read_text())
    assert address is not None
    with urllib.request.urlopen(address[0], timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def test_who_only_submits_does_so_without_reading_what_others_submitted(broker: SecuredBroker) -> None:
    with connect(url_of(broker), broker.options("submitter")) as connection:
        assert connection.submit(life("C-2")[0]).partition in (0, 1)


@pytest.mark.parametrize(
    ("user", "topic"), [(user, topic) for user in EVERYBODY for topic in Topic if (user, topic) not in MAY_APPEND]
)
def test_a_topic_is_written_by_nobody_but_whose_work_it_is(broker: SecuredBroker, user: str, topic: Topic) -> None:
    plain = {"enable_idempotence": False, "acks": 1, "max_block_ms": 5_000}  # what asks for the fewest rights
    producer = KafkaProducer(**client_options(broker.bootstrap, broker.options(user)), **plain)
    try:
        with pytest.raises(TopicAuthorizationFailedError):
            producer.send(topic_name(LOG, topic), encode_action(life("C-3")[0]), b"C-3", partition=0).get(timeout=20)
    finally:
        producer.close(timeout=1)


def polled(consumer: KafkaConsumer, topics: Mapping[str, Topic]) -> set[Topic]:
    """The topics of which records came."""
    try:
        return {topics[where.topic] for where in consumer.poll(200)}
    except TopicAuthorizationFailedError:
        return set()


@pytest.mark.parametrize("user", EVERYBODY)
def test_a_topic_is_read_by_nobody_but_who_may(broker: SecuredBroker, filled: str, user: str) -> None:
    consumer = KafkaConsumer(**client_options(broker.bootstrap, broker.options(user)), fetch_max_wait_ms=100)
    topics = {topic_name(filled, topic): topic for topic in Topic}
    wanted = {topic for topic in Topic if (user, topic) in MAY_READ}
    seen: set[Topic] = set()
    until = time.monotonic() + 20
    try:
        consumer.assign([TopicPartition(name, 0) for name in topics])
        for name in topics:
            consumer.seek(TopicPartition(name, 0), 0)
        while not wanted <= seen and time.monotonic() < until:
            seen |= polled(consumer, topics)
        for _ in range(5):  # and nothing else, given more time than all of that took
            seen |= polled(consumer, topics)
    finally:
        consumer.close()
    assert seen == wanted


@pytest.mark.parametrize(
    ("user", "role"), [(user, role) for user in EVERYBODY for role in TRANSACTIONAL if user != role]
)
def test_nobody_takes_the_place_of_a_recorder_or_notary(broker: SecuredBroker, user: str, role: str) -> None:
    producer = KafkaProducer(
        **client_options(broker.bootstrap, broker.options(user)),
        transactional_id=TRANSACTIONAL[role],
        max_block_ms=5_000,
    )
    try:
        with pytest.raises(KafkaError, match=REFUSED):
            producer.init_transactions()
    finally:
        producer.close(timeout=1)


@pytest.mark.parametrize("user", [user for user in EVERYBODY if user != "recorder"])
def test_nobody_joins_the_recorders_and_takes_partitions_from_them(broker: SecuredBroker, user: str) -> None:
    asked = client_options(broker.bootstrap, broker.options(user), consumer=True)
    consumer = KafkaConsumer(topic_name(LOG, Topic.ACTIONS), group_id=GROUP, enable_auto_commit=False, **asked)
    until = time.monotonic() + 20
    try:
        with pytest.raises((GroupAuthorizationFailedError, TopicAuthorizationFailedError)):
            while time.monotonic() < until:
                consumer.poll(500)
    finally:
        consumer.close()
    assert not recorders(broker)


def weaken(client: KafkaAdminClient) -> object:
    """Let the events expire."""
    named = {"retention.ms": "1000"}
    events = ConfigResource(ConfigResourceType.TOPIC, topic_name(LOG, Topic.EVENTS), configs=named)
    return client.alter_configs([events], raise_on_unknown=False)  # a user who may not read the settings knows none


def delete_topic(client: KafkaAdminClient) -> object:
    return client.delete_topics([topic_name(LOG, Topic.EVENTS)])


def delete_records(client: KafkaAdminClient) -> object:
    return client.delete_records({TopicPartition(topic_name(LOG, Topic.ACTIONS), 0): 1})


def allow_oneself(client: KafkaAdminClient) -> object:
    events = ResourcePattern(ResourceType.TOPIC, topic_name(LOG, Topic.EVENTS))
    return client.create_acls([ACL("User:nobody", "*", ACLOperation.ALL, ACLPermissionType.ALLOW, events)])


def add_partitions(client: KafkaAdminClient) -> object:
    """To where no recorder reads, or can answer."""
    return client.create_partitions({topic_name(LOG, Topic.ACTIONS): 3})


def create_topic(client: KafkaAdminClient) -> object:
    return client.create_topics([NewTopic(f"{LOG}.other", 1, 1)])


def change_password(client: KafkaAdminClient) -> object:
    """So that one can come in as somebody else, who then cannot."""
    chosen = UserScramCredentialUpsertion("reader", ScramMechanism.SCRAM_SHA_512, "chosen")
    return client.alter_user_scram_credentials([chosen])


def delete_group(client: KafkaAdminClient) -> object:
    return client.delete_groups([GROUP])


@pytest.mark.parametrize(
    "attempt",
    [
        weaken, delete_topic, delete_records, allow_oneself, add_partitions, create_topic, change_password, delete_group,
    ],
)  # fmt: skip
@pytest.mark.parametrize("user", EVERYBODY)
def test_nobody_deletes_weakens_creates_or_gives_rights(
    broker: SecuredBroker, user: str, attempt: Callable[[KafkaAdminClient], object]
) -> None:
    with admin(broker, user) as client:
        try:
            answer = str(attempt(client))
        except KafkaError as error:
            answer = str(error)
    assert re.search(REFUSED, answer)
    with open_log(url_of(broker), broker.options("reader")) as log:
        assert max(log.start_offsets(Topic.ACTIONS).values()) == 0
        assert [one.setting for one in log.weaknesses() if one.setting != "replication factor"] == []


def test_without_the_password_or_without_tls_nobody_comes_in(broker: SecuredBroker) -> None:
    wrong = {**broker.options("recorder"), "sasl_plain_password": "guessed"}
    for options in (wrong, {}):
        with pytest.raises(LogUnreachable):
            open_log(url_of(broker), {**options, "request_timeout_ms": 3000})


@pytest.mark.parametrize("client", ["python", "confluent"])
def test_what_a_user_may_not_do_is_said_as_such(broker: SecuredBroker, client: str) -> None:
    with (
        open_log(url_of(broker), {**broker.options("reader"), "client": client}) as log,
        pytest.raises(LogUnreachable, match="refuse this user"),
    ):
        log.append(Topic.ACTIONS, [Entry(b"C-4", encode_action(life("C-4")[0]))])
