"""A real recorder in a process of its own, for tests that submit."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CASETRAIL = (sys.executable, "-c", "from casetrail.cli.main import main; main()")


@contextmanager
def recorder(url: str, directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """``casetrail serve recorder`` for the log at ``url``."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "casetrail.toml").write_text(
        f'log = "{url}"\n[kafka]\nsession_timeout_ms = 1500\nheartbeat_interval_ms = 300\n'
    )
    serve = ("serve", "recorder", "--health-port", "0", "--heartbeat", "0")
    command = [*CASETRAIL, *serve, "--state", str(directory / "state")]
    with (directory / "recorder.log").open("ab") as out:
        process = subprocess.Popen(command, cwd=directory, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    try:
        time.sleep(0.2)
        assert process.poll() is None, (directory / "recorder.log").read_text()
        yield process
    finally:
        process.kill()
        process.wait()
