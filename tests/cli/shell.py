"""The command line as somebody uses it: in a folder of its own, in this process or in another."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from click.testing import CliRunner, Result

from casetrail.cli.main import cli

PROGRAM: Final = str(Path(sys.executable).with_name("casetrail"))

COMMANDER: Final = ("--person", "cmd.diaz", "--agency", "metro-pd", "--role", "commander")
SERGEANT: Final = ("--person", "sgt.archer", "--agency", "metro-pd", "--role", "supervisor")
OTHER_SERGEANT: Final = ("--person", "sgt.brandt", "--agency", "metro-pd", "--role", "supervisor")
DETECTIVE: Final = ("--person", "det.01", "--agency", "metro-pd", "--role", "investigator")
INTAKE: Final = ("--person", "intake.desk", "--agency", "metro-pd", "--role", "intake")
CLINIC: Final = ("--person", "clinic.ruiz", "--agency", "clinic", "--role", "partner")

REPORT: Final = ("--channel", "phone", "--reporter", "family", "--unit", "child-crimes", "--offence", "11A:566.030")
MAPPING: Final = """
system = "old-rms"
agency = "metro-pd"
case = "{number}"
time_zone = "UTC"

[[actions]]
action = "ReportReceived"
at = "{received}"
report_number = "{number}"
channel = "phone"
reporter_kind = "family"
agency = "metro-pd"
unit = "child-crimes"
offences = ["11A"]
seal.narrative = "{story}"
"""
"""How rows of an old system with the columns number, received and story are imported as reports."""


def environment() -> dict[str, str]:
    """This process' environment without any configuration of casetrail."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CASETRAIL_")}


class Shell:
    """Runs commands in one folder, on the log ``log.db`` in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log.db"

    def run(self, *words: str, code: int | None = 0, text: str | bytes | None = None) -> Result:
        """Run a command in this process; check its exit code unless that is None."""
        result = CliRunner().invoke(cli, ["--log", f"sqlite:{self.log}", *words], input=text)
        if code is not None:
            assert result.exit_code == code, (words, result.exit_code, result.output, result.exception)
        return result

    def rows(self, *words: str, code: int | None = 0) -> list[dict[str, Any]]:
        """The rows of a query."""
        found: list[dict[str, Any]] = json.loads(self.run(*words, "--format", "json", code=code).stdout)
        return found

    def report(self, case_id: str = "C-1", *more: str) -> None:
        """Report a case."""
        self.run(*INTAKE, "report", case_id, *REPORT, *more)

    def process(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in a process of its own."""
        command = [PROGRAM, "--log", f"sqlite:{self.log}", *words]
        return subprocess.run(
            command, cwd=self.folder, env=environment(), capture_output=True, text=True, check=check, timeout=60
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command in a process of its own."""
        command = [PROGRAM, "--log", f"sqlite:{self.log}", *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=self.folder, env=environment(), stdout=pipe, stderr=pipe, text=True)
