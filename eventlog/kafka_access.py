"""Who may do what on the brokers: each role has the rights that its work needs, and no other. Nobody may delete or alter.

The rights are Kafka's access control lists (authorizer ``StandardAuthorizer``); a broker without an authorizer lets
everybody do everything, and only the auditors' proofs then show what an insider did.
"""

from collections.abc import Iterator
from shlex import quote
from typing import Final, NamedTuple

from casetrail.eventlog.kafka_topics import topic_name
from casetrail.eventlog.port import Topic

ROLES: Final = {
    "submitter": "appends actions: services, the import, the watchdog",
    "recorder": "answers actions with events",
    "notary": "publishes checkpoints",
    "reader": "reads everything: projectors, auditors, and services that wait for an outcome",
}
"""What each role is for. Whoever does two things has two roles."""


class Right(NamedTuple):
    """What a role may do with a resource of the cluster: a topic, a group or a transactional id.

    ``prefixed``: with all whose names begin with ``name``.
    """

    role: str
    resource: str
    name: str
    prefixed: bool
    operations: tuple[str, ...]

    def command(self, principal: str, bootstrap: str) -> str:
        """The command of Kafka's own tools that gives this right to a principal (``User:recorder``)."""
        allowed = " ".join(f"--operation {one}" for one in self.operations)
        pattern = " --resource-pattern-type prefixed" if self.prefixed else ""
        return (
            f"kafka-acls.sh --bootstrap-server {quote(bootstrap)} --command-config admin.properties --add "
            f"--allow-principal {quote(principal)} {allowed} --{self.resource} {quote(self.name)}{pattern}"
        )


def rights(log: str) -> list[Right]:
    """The rights of every role on a log, by its name."""
    return [
        *_on(log, "submitter", {Topic.ACTIONS: ("Describe", "Write"), Topic.EVENTS: ("Describe",)}),
        *_on(log, "recorder", {Topic.ACTIONS: ("Describe", "Read"), Topic.EVENTS: ("Describe", "Read", "Write")}),
        Right("recorder", "group", f"{log}.recorder", False, ("Describe", "Read")),
        Right("recorder", "transactional-id", f"{log}.recorder.", True, ("Describe", "Write")),
        *_on(log, "notary", {
            Topic.ACTIONS: ("Describe",),  # how many partitions the log was made with
            Topic.EVENTS: ("Describe", "Read"),
            Topic.CHECKPOINTS: ("Describe", "Read", "Write"),
            Topic.SCHEMAS: ("Describe", "Read", "Write"),
        }),
        Right("notary", "transactional-id", f"{log}.notary.", True, ("Describe", "Write")),
        *_on(log, "reader", dict.fromkeys(Topic, ("Describe", "DescribeConfigs", "Read"))),
    ]  # fmt: skip


def _on(log: str, role: str, topics: dict[Topic, tuple[str, ...]]) -> Iterator[Right]:
    for topic, operations in topics.items():
        yield Right(role, "topic", topic_name(log, topic), False, operations)
