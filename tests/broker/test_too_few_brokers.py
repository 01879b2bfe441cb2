"""Whoever wants more copies of a log than there can be is told so, in words and without the request, and no log is made."""

import pytest
from click.testing import CliRunner

from casetrail.cli import exits
from casetrail.cli.main import cli


@pytest.mark.broker
def test_a_cluster_of_one_broker_holds_no_three_copies_and_what_to_do_is_said(kafka_url: str) -> None:
    refused = CliRunner().invoke(cli, ["--log", kafka_url, "log", "init"])
    said = " ".join(refused.output.split())
    assert refused.exit_code == exits.FAILED, said
    assert "only 1 broker(s), and 3 copies were asked for" in said
    assert "--replication and --min-isr" in said
    assert "Request" not in said
    made = CliRunner().invoke(cli, ["--log", kafka_url, "log", "init", "--replication", "1", "--min-isr", "1"])
    assert made.exit_code == exits.OK, made.output


@pytest.mark.broker
def test_a_log_that_nobody_could_append_to_is_not_made_and_what_to_do_is_said(kafka_url: str) -> None:
    for words, less in (
        (["--replication", "1"], "--min-isr 1"),
        (["--replication", "2", "--min-isr", "3"], "--min-isr 2"),
    ):
        refused = CliRunner().invoke(cli, ["--log", kafka_url, "log", "init", *words])
        said = " ".join(refused.output.split())
        assert refused.exit_code == exits.FAILED, said
        assert "nobody could append to such a log" in said
        assert less in said
    missing = CliRunner().invoke(cli, ["--log", kafka_url, "log", "info"])
    assert missing.exit_code == exits.NOT_FOUND, missing.output
