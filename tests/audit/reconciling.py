"""A log that is filled at given times, and ledgers that are compared with it, for the tests of reconciliation."""

import json
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from casetrail.cli import exits
from casetrail.domain.actions import Actor, Body
from casetrail.domain.codes import Offence
from casetrail.domain.intake import OffenceAlleged
from casetrail.domain.sealed import Token
from casetrail.domain.values import EPOCH
from casetrail.eventlog.codec import encode_action
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.port import Entry, Topic
from casetrail.privacy.opening import open_keyring
from casetrail.privacy.tokens import address_token, child_token, suspect_token
from tests.actions import INTAKE, SERGEANT, action, report
from tests.cli.shell import Shell
from tests.consumers.test_recorder import record_all

MONDAY: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)

HOTLINE: Final = """
report_number = "{number}"
reported_at = "{called}"
category = "{category|nibrs}"

[codes.nibrs]
RAPE = "rape"
ABUSE = "abuse"
SEX = ["11A", "11D"]
"""
CLINIC: Final = """
reported_at = "{seen}"
time_zone = "America/Chicago"
time_formats = ["%m/%d/%Y %H:%M", "%m/%d/%Y"]
date_formats = ["%m/%d/%Y"]

[tokens]
child = "{child}"
child_born = "{born}"
suspect = "{suspect}"
address = "{address}"
"""


class Book(Shell):
    """The command line in a folder, on a log in which things are recorded when the test says."""

    def __init__(self, folder: Path, partitions: int = 2) -> None:
        super().__init__(folder)
        init_log(f"sqlite:{self.log}", partitions=partitions).close()
        with closing(open_keyring(f"sqlite:{self.log}.keys")) as keyring:
            self.key = keyring.token_key()

    def submit(self, *bodies: Body, case_id: str, at: datetime, recorded: datetime, actor: Actor) -> None:
        """Have some bodies recorded."""
        with EmbeddedLog.open(self.log, clock=lambda: (recorded - EPOCH) // timedelta(milliseconds=1)) as log:
            entries = [Entry(case_id.encode(), encode_action(action(body, actor, case_id, at))) for body in bodies]
            log.append(Topic.ACTIONS, entries)
            record_all(log)

    def received(
        self, case_id: str, at: datetime = MONDAY, after: timedelta = HOUR, *, number: str | None = None,
        offence: Offence = Offence.RAPE, actor: Actor = INTAKE, tokens: Sequence[Token] = (), **changes: Any,
    ) -> None:  # fmt: skip
        """A report, recorded so long after it was made."""
        made = report(
            report_number=number or case_id, offences=(OffenceAlleged(offence),), tokens=tuple(tokens), **changes
        )
        self.submit(made, case_id=case_id, at=at, recorded=at + after, actor=actor)

    def act(self, case_id: str, body: Body, at: datetime = MONDAY + DAY, actor: Actor = SERGEANT) -> None:
        """Something else that is recorded of a case."""
        self.submit(body, case_id=case_id, at=at, recorded=at + HOUR, actor=actor)

    def child(self, name: str, born: str | None = None) -> Token:
        """The token of a child."""
        return child_token(self.key, name, datetime.fromisoformat(born).date() if born else None)

    def suspect(self, name: str) -> Token:
        """The token of a suspect."""
        return suspect_token(self.key, name)

    def address(self, text: str) -> Token:
        """The token of an address."""
        return address_token(self.key, text)

    def files(self, ledger: str | bytes, mapping: str) -> tuple[str, str]:
        """A ledger and its mapping as files."""
        where, how = self.folder / "ledger.csv", self.folder / "mapping.toml"
        where.write_bytes(ledger.encode() if isinstance(ledger, str) else ledger)
        how.write_text(mapping, "utf-8")
        return str(where), str(how)

    def reconcile(
        self, ledger: str | bytes, mapping: str = HOTLINE, code: int | None = exits.FAULTS, more: str = ""
    ) -> list[dict[str, Any]]:
        """The rows of a comparison. ``more`` comes before the mapping's tables."""
        where, how = self.files(ledger, more + mapping)
        done = self.run("audit", "reconcile", where, "--mapping", how, "--format", "json", code=code)
        rows: list[dict[str, Any]] = json.loads(done.stdout)
        return rows


def verdicts(rows: Sequence[dict[str, Any]]) -> list[tuple[str, int | None, str | None]]:
    """Of each row what it says, of which line, of which case."""
    return [(row["verdict"], row["line"], row["case_id"]) for row in rows]


def codes(row: dict[str, Any]) -> dict[str, tuple[str | None, str | None]]:
    """The differences of a row: what the ledger has and what the log has, by code."""
    return {one["code"]: (one["ledger"], one["log"]) for one in row["differences"]}
