"""The command line among other processes: pipes, Ctrl-C, somebody else's events, and what a start costs."""

import json
import select
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import IO, Final

import pytest

from casetrail.cli import exits
from tests.cli.shell import INTAKE, PROGRAM, REPORT, Shell, environment

HEAVY: Final = ("fastavro", "eventsourcing", "kafka", "psycopg", "rich", "cryptography")


def line(stream: IO[str] | None) -> str:
    """The next line, or a failure where none comes in half a minute."""
    assert stream is not None
    assert select.select([stream], [], [], 30)[0], "nothing came"
    return stream.readline()


def wait_healthy(address: str) -> None:
    """Until all consumers work, or a failure where they don't within a minute."""
    end = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(address, timeout=10).close()
            return
        except urllib.error.HTTPError as error:
            said = error.read()
            error.close()
        assert time.monotonic() < end, said
        time.sleep(0.1)


@pytest.mark.parametrize("form", ["table", "json", "csv", "ndjson"])
def test_a_closed_pipe_ends_a_command_quietly(shell: Shell, form: str) -> None:
    from casetrail.publishing import connect
    from tests.actions import action, report

    with connect(f"sqlite:{shell.log}") as connection:
        connection.wait_many(connection.submit_many([action(report(), case_id=f"C-{n}") for n in range(1500)]))
    shell.run("cases")
    command = [PROGRAM, "--log", f"sqlite:{shell.log}", "cases", "--limit", "1500", "--format", form]
    first = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert first.stdout is not None
    assert first.stderr is not None
    assert first.stdout.readline()
    first.stdout.close()
    said = first.stderr.read()
    assert said == ""
    assert first.wait(30) == exits.OK


def test_a_pipe_that_is_closed_at_once_ends_quietly(shell: Shell) -> None:
    shell.report()
    done = subprocess.run(
        f"'{PROGRAM}' --log sqlite:log.db history C-1 | true; echo ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", cwd=shell.folder, env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_watch_shows_what_another_process_records_and_ctrl_c_ends_it_with_130(shell: Shell) -> None:
    shell.report("C-1")
    watching = shell.start("watch", "--from-start", "--format", "ndjson")
    try:
        assert json.loads(line(watching.stdout))["case_id"] == "C-1"
        shell.process(*INTAKE, "report", "C-2", *REPORT)
        assert json.loads(line(watching.stdout))["case_id"] == "C-2"
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30) == exits.INTERRUPTED
        assert "Traceback" not in watching.communicate()[1]
    finally:
        watching.kill()


def test_watch_of_one_case_shows_only_that_case_row_by_row(shell: Shell) -> None:
    watching = shell.start("watch", "--from-start", "--case", "C-2", "--format", "csv")
    try:
        assert line(watching.stdout).startswith("recorded_at")
        shell.report("C-1")
        shell.report("C-2")
        assert ",C-2," in line(watching.stdout)
    finally:
        watching.kill()
        watching.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_records_and_projects_and_stops_in_good_order(shell: Shell, number: signal.Signals) -> None:
    serving = shell.start("serve", "all", "--health-port", "0", "--heartbeat", "0")
    try:
        said = line(serving.stderr)
        address = said.split("health at ")[1].strip()
        receipt = shell.process(*INTAKE, "report", "C-1", *REPORT, "--timeout", "20", "--format", "json")
        assert json.loads(receipt.stdout)[0]["result"] == "accepted"
        wait_healthy(address)  # the projector builds the views first
        with urllib.request.urlopen(address.replace("/health", "/metrics"), timeout=10) as answer:
            said = answer.read().decode()
        assert "casetrail_lag" in said and 'casetrail_pending{partition="0"} 0\n' in said
        assert 'casetrail_owned_partitions{consumer="recorder"} 1\n' in said
        assert {f'casetrail_free_bytes{{for="{name}"}}' for name in ("log", "recorder", "views", "watchdog")} <= {
            one.partition(" ")[0] for one in said.splitlines()
        }
        serving.send_signal(number)
        assert serving.wait(30) == exits.OK
        assert "Traceback" not in serving.communicate()[1]
    finally:
        serving.kill()
    assert shell.rows("count")[0]["accepted"] == 1


def test_a_fault_of_another_does_not_end_the_recorder(shell: Shell) -> None:
    shell.report("C-1")
    for kind in ("views", "watchdog"):
        (shell.folder / f"log.db.{kind}").write_bytes(b"no database, whatever somebody has done to it" * 100)
    (shell.folder / "who.toml").write_text("no TOML")
    own = ("--key", "gone.key", "--recipients", "who.toml")
    serving = shell.start("serve", "all", *own, "--health-port", "0", "--heartbeat", "0")
    try:
        address = line(serving.stderr).split("health at ")[1].strip()
        expected = {"recorder": None, "projector": "views-damaged", "watchdog": "view-error"}
        expected |= {"notary": "key-unusable", "outbox": "recipients-invalid"}
        until = time.monotonic() + 60
        while (found := troubles(address)) != expected:
            assert time.monotonic() < until and serving.poll() is None, found
            time.sleep(0.1)
        receipt = shell.process(*INTAKE, "report", "C-2", *REPORT, "--timeout", "20", "--format", "json")
        assert json.loads(receipt.stdout)[0]["result"] == "accepted"
        serving.send_signal(signal.SIGTERM)
        said = serving.communicate(timeout=30)[1]
        assert serving.returncode == exits.FAILED
        assert said.count("projector: ") == said.count("watchdog: ") == 1 and "the others go on" in said
        assert "Error: " in said and "Traceback" not in said
    finally:
        serving.kill()


def troubles(address: str) -> dict[str, str | None]:
    """What /health says of each consumer."""
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            said = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            said = json.load(error)
    return {name: one["trouble"] for name, one in said["consumers"].items()}


HANGING = """
import sys, threading
from casetrail.cli import serve, serving
from casetrail.cli.main import cli

class Hanging:
    def step(self, timeout):
        print("it hangs", flush=True)
        threading.Event().wait()

serving.Consumers._record = lambda self: Hanging()
serve.LONGEST = 0.5
cli(sys.argv[1:])
"""


def test_a_service_that_hangs_ends_all_the_same(shell: Shell) -> None:
    words = ("--log", f"sqlite:{shell.log}", "serve", "recorder", "--health-port", "0", "--heartbeat", "0")
    pipe = subprocess.PIPE
    serving = subprocess.Popen(
        [sys.executable, "-c", HANGING, *words],
        cwd=shell.folder,
        env=environment(),
        stdout=pipe,
        stderr=pipe,
        text=True,
    )
    try:
        assert line(serving.stdout) == "it hangs\n"
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(60) == exits.UNREACHABLE
        assert "loses nothing" in serving.communicate()[1]
    finally:
        serving.kill()


@pytest.mark.parametrize("port", ["-1", "65536", "80000"])
def test_a_port_that_is_none_is_a_message(shell: Shell, port: str) -> None:
    assert "--health-port" in shell.run("serve", "recorder", "--health-port", port, code=exits.USAGE).output


def test_a_port_that_is_taken_is_a_message(shell: Shell) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = shell.process("serve", "recorder", "--health-port", str(taken.getsockname()[1]), check=False)
    assert done.returncode == exits.FAILED
    assert "cannot listen" in done.stderr


@pytest.mark.parametrize("query", ["cases --format csv", "cases", "holds", "referrals", "intake", "views info"])
def test_a_query_of_views_that_are_up_to_date_imports_nothing_heavy(shell: Shell, query: str) -> None:
    """Start-up is most of its time. (``show`` folds the case, and pays for that.)"""
    shell.report()
    shell.run("cases")
    script = (
        "import sys\n"
        "from casetrail.cli.main import cli\n"
        "cli.main(sys.argv[1:], standalone_mode=False)\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "--log", f"sqlite:{shell.log}", *query.split()],
        env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    imported = done.stderr.splitlines()[-1].split()
    assert "click" in imported
    assert not set(HEAVY) & set(imported)


def test_a_terminal_that_cannot_write_a_letter_still_gets_the_rest(shell: Shell) -> None:
    shell.run(*INTAKE, "report", "C-1", *REPORT, "--child-name", "Łucja Żółć")
    command = [PROGRAM, "--log", f"sqlite:{shell.log}", "history", "C-1", "--unseal"]
    done = subprocess.run(command, env=environment() | {"PYTHONIOENCODING": "ascii"}, capture_output=True, check=True)
    assert b"ReportReceived" in done.stdout
