"""docs/fields.md says what each field of the commands' rows means: every command with ``--format`` is asked for its fields."""

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click
import pytest

from casetrail.cli import render
from casetrail.cli.access import COLUMNS as OF_ACCESS
from casetrail.cli.demo_telling import ROW as OF_DEMO
from casetrail.cli.schemas import COLUMNS as OF_SCHEMAS
from tests.audit.small_log import SmallLog, cosigner
from tests.cli.notarial_shell import Office
from tests.cli.shell import MAPPING, SERGEANT, Shell
from tests.cli.test_help import EVERY

PAGE: Final = Path(__file__).parents[2] / "docs" / "fields.md"

COMMANDS: Final = """
report C-9 --channel phone --reporter family --unit child-crimes --offence 11A
cases
show C-1
history C-1
due
overdue
clock C-1
findings
findings explain FINDING
--role investigator findings answer FINDING --answer being_worked_now
escalations
holds
holds --left
holds --by unit
referrals
intake
partner list clinic
--agency clinic --person clinic.ruiz --role partner partner raise C-1 --about no_response
partner export clinic --output c.csv --key log.key
partner check c.csv --log-key KEY
sunlight public
watch --no-follow
replay
count
--policy POLICY audit verify --state seen
--policy POLICY audit publish www
--policy POLICY audit export C-1 --output case.json
--policy POLICY audit check case.json
audit replay
audit reconcile ledger.csv --mapping ledger.toml
--policy POLICY audit compare case.json case.json
export csv --output tables
--policy POLICY receipt prove r
--policy POLICY receipt check r --online
witness list --state court.db
log check
log info
--spool spool spool show
--spool spool spool list
--spool spool spool deliver
--spool spool spool deliver --receipts folder
views info
import old.csv --mapping old.toml
registry --by person
registry --by unit
registry --by agency
--role registrar registry import staff.csv
--role commander policy adopt missouri
policy check wrong.toml
policy diff generic missouri
policy history
policy show
policy show generic --part detectors
policy show generic --part escalations
policy show generic --part calendars
policy show generic --part workload
policy show generic --part withdrawn
doctor
"""
"""Every command that has ``--format``."""
ELSEWHERE: Final = {"demo": OF_DEMO, "log access": OF_ACCESS, "schemas register": OF_SCHEMAS}
"""Commands that take long, or need brokers."""


FIELD: Final = re.compile(r"`([a-z0-9_]+)`")
FILES: Final = {
    "old.csv": "number,received,story\nX-1,2026-01-01T00:00:00Z,invented\n",
    "old.toml": MAPPING,
    "ledger.csv": "No,Seen\n7,2026-01-01T00:00:00Z\n",
    "ledger.toml": 'reported_at = "{Seen}"\nreport_number = "{No}"\n',
    "staff.csv": "person,agency,role,unit,joined,left\ndet.01,metro-pd,investigator,child-crimes,2026-01-01,\n",
    "wrong.toml": "x = 1\n",
}


def on_the_page() -> set[str]:
    """Every field that the page explains."""
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    return {name for row in rows for name in FIELD.findall(row.split(" | ")[0])}


def names_in(value: Any) -> Iterator[str]:
    """The names within what a field holds, where that is made of objects."""
    if isinstance(value, dict):
        yield from value
    elif isinstance(value, list):
        for one in value:
            yield from names_in(one)


@pytest.fixture
def office(shell: Shell) -> Office:
    """A log, and files, with which every command has something to say."""
    shell.report("C-1", "--receipt", "r")
    office = Office(shell)
    office.notarise(times=2)
    office.run(*SERGEANT, "act", "screened-in", "C-1", "--reason", "alleges_crime", "--at", "2026-01-01T00:00:00Z")
    office.run(*SERGEANT, "act", "assigned", "C-1", "--holder", "det.01")
    words = ("--referral", "r1", "--service", "medical_evaluation", "--to-agency", "clinic")
    office.run(*SERGEANT, "act", "referral-made", "C-1", *words)
    office.run("keys", "create", "kcpd.example/x", "--file", "log.key", "--for", "log")
    for name, text in FILES.items():
        Path(name).write_text(text, "utf-8")
    Path("folder").mkdir()
    cosigner(Path("court.db")).cosign(SmallLog().request(0, 80))
    return office


def test_every_command_with_rows_is_asked() -> None:
    listed = {" ".join(path) for path, command in EVERY.items() if path[0] != "act" and has_formats(command)}
    asked = {name for name in listed for line in COMMANDS.splitlines() if f" {name} " in f" {line} "}
    assert listed == asked | set(ELSEWHERE)


def has_formats(command: click.Command) -> bool:
    return any(isinstance(one, click.Option) and "--format" in one.opts for one in command.params)


def test_every_field_of_every_command_is_explained_and_none_besides(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: dict[str, set[str]] = {command: set(names) for command, names in ELSEWHERE.items()}
    write = render._ndjson

    def written(rows: Iterable[dict[str, Any]], columns: Sequence[str], title: str) -> None:
        rows = list(rows)
        within = {name for row in rows for field in set(columns) - {"detail"} for name in names_in(row.get(field))}
        found[line] = {*columns, *within}
        write(rows, columns, title)

    monkeypatch.setattr(render, "_ndjson", written)
    for line in COMMANDS.strip().splitlines():
        given = line.replace("POLICY", office.policy[1]).replace("KEY", Path("log.key.pub").read_text("utf-8").strip())
        if "FINDING" in line:
            given = given.replace("FINDING", office.rows("findings", code=None)[0]["finding"])
        done = office.run(*SERGEANT, *shlex.split(given), "--format", "ndjson", code=None)
        assert line in found, (given, done.output, done.exception)
    explained = on_the_page()
    missing = {command: names - explained for command, names in found.items() if names - explained}
    assert not missing, f"explain them in {PAGE.name}"
    assert explained == set().union(*found.values()), "no command writes the rest"
