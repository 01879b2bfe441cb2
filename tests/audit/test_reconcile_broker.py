"""A ledger against a log on a real broker, with the events of a real recorder."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from casetrail.cli import exits
from casetrail.cli.main import cli
from casetrail.domain.codes import MergeReason
from casetrail.domain.linking import Merged
from casetrail.eventlog.opening import init_log
from casetrail.publishing import connect
from tests.actions import HAPPENED, INTAKE, action, report
from tests.publishing.recorders import recorder

pytestmark = pytest.mark.broker


def test_a_ledger_is_compared_with_a_log_on_a_broker(kafka_url: str, tmp_path: Path) -> None:
    init_log(kafka_url, partitions=4, replication=1, min_isr=1).close()
    ledger, mapping = tmp_path / "ledger.csv", tmp_path / "mapping.toml"
    at = [HAPPENED + number * timedelta(hours=1) for number in range(12)]
    lines = [f"R-{number},{at[number].isoformat()}" for number in range(12)]
    ledger.write_text("\n".join(["number,called", *lines[:10], lines[11]]))
    mapping.write_text('late_after_hours = inf\nreport_number = "{number}"\nreported_at = "{called}"\n')

    def reported(number: int, case: int) -> Any:
        return action(report(report_number=f"R-{number}"), INTAKE, f"C-{case}", at[number])

    with connect(kafka_url) as log:
        with recorder(kafka_url, tmp_path):
            actions = [reported(number, number) for number in range(8)]
            log.wait_many(log.submit_many([*actions, reported(10, 10), reported(11, 11)]), timeout=60)
            refused, merged = reported(8, 7), action(Merged("C-0", MergeReason.SAME_INCIDENT), case_id="C-1")
            log.wait_many(log.submit_many([refused, merged]), timeout=60)
        log.submit(reported(9, 9))  # nobody records it any more
    done = CliRunner().invoke(
        cli, ["--log", kafka_url, "audit", "reconcile", str(ledger), "--mapping", str(mapping), "--format", "json"]
    )
    assert done.exit_code == exits.FAULTS, done.output
    rows = json.loads(done.stdout)
    assert [(row["verdict"], row["case_id"], row["reason"]) for row in rows] == [
        *(("matched", f"C-{number}", None) for number in range(8)),
        ("missing", None, "refused: case-exists"),
        ("missing", None, "pending"),
        ("matched", "C-11", None),
        ("not_in_ledger", "C-10", None),
    ]
    assert rows[1]["merged_into"] == "C-0"
