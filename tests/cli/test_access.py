"""``casetrail log access`` says which rights each role needs on the brokers."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from casetrail.cli.main import cli
from tests.cli.shell import Shell

KAFKA = ("--log", "kafka://kafka-1:9093/kcpd", "log", "access")


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, [*KAFKA, *words])


def test_nobody_is_given_the_right_to_delete_or_to_alter() -> None:
    rows = json.loads(run("--format", "json").stdout)
    allowed = {one for row in rows for one in row["operations"].split(", ")}
    assert allowed == {"Describe", "DescribeConfigs", "Read", "Write"}


@pytest.mark.parametrize(
    ("role", "written"),
    [
        ("submitter", {"kcpd.actions"}),
        ("recorder", {"kcpd.events"}),
        ("notary", {"kcpd.checkpoints", "kcpd.schemas"}),
        ("reader", set()),
    ],
)
def test_a_role_writes_only_what_is_its_work(role: str, written: set[str]) -> None:
    rows = json.loads(run("--role", role, "--format", "json").stdout)
    assert {row["name"] for row in rows if row["resource"] == "topic" and "Write" in row["operations"]} == written


def test_a_principal_gets_commands_that_a_shell_takes_as_they_are() -> None:
    printed = run("--role", "recorder", "--principal", "User:CN=recorder 1;rm -rf").stdout.splitlines()
    assert len(printed) == 4
    assert all("--allow-principal 'User:CN=recorder 1;rm -rf' " in line for line in printed)
    assert all("--bootstrap-server kafka-1:9093 " in line for line in printed)
    assert "--transactional-id kcpd.recorder. --resource-pattern-type prefixed" in printed[-1]


def test_a_principal_without_a_role_and_an_unknown_role_are_refused() -> None:
    assert run("--principal", "User:one").exit_code == 2
    unknown = run("--role", "owner")
    assert unknown.exit_code == 2
    assert "submitter, recorder, notary, reader" in unknown.output


def test_an_embedded_log_has_no_rights_to_give(tmp_path: Path) -> None:
    refused = Shell(tmp_path).run("log", "access", code=None)
    assert refused.exit_code == 1
    assert "one file" in refused.output
