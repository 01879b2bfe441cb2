"""``casetrail doctor`` says what is wrong, and what to do."""

import json
import socket
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_bytes
from typing import Final

import pytest
from click.testing import CliRunner

from casetrail.cli import exits
from casetrail.cli.main import cli
from casetrail.domain.actions import Action, Actor
from casetrail.domain.codes import MachineKind, Role
from casetrail.domain.heartbeat import Heartbeat, machine_key
from casetrail.domain.values import EPOCH
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.port import Entry, Topic
from casetrail.projections.database import open_database
from casetrail.projections.judgement_tables import BEATING
from casetrail.projections.queries import MICROSECOND
from casetrail.projections.stale import CASE, Stale, StaleTable
from casetrail.proofs.keys import Algorithm, create_key
from casetrail.publishing import connect
from tests.cli.shell import INTAKE, REPORT, SERGEANT, Shell
from tests.consumers.notarial import KEY, ORIGIN, notary_of, publish
from tests.domain.policies import text_of


def wrong(shell: Shell, *words: str) -> dict[str, str]:
    """What is wrong, by check."""
    rows = shell.rows(*words, "doctor", code=exits.FAULTS)
    return {row["check"]: row["detail"] for row in rows if row["result"] == "wrong"}


def test_a_new_log_is_healthy(shell: Shell) -> None:
    assert {row["result"] for row in shell.rows("doctor")} == {"ok"}


def test_a_log_in_use_is_healthy_also_while_its_views_are_behind(shell: Shell) -> None:
    shell.run(*INTAKE, "report", "C-1", *REPORT, "--child-name", "Ada Lovelace")
    shell.run("cases")
    shell.report("C-2")
    rows = {row["check"]: row for row in shell.rows(*SERGEANT, "doctor")}
    assert {row["result"] for row in rows.values()} == {"ok"}
    assert "next query" in rows["views"]["detail"]
    assert "master key" in rows["keyring"]["detail"]
    assert "sgt.archer/supervisor/metro-pd" in rows["configuration"]["detail"]


def test_judgements_that_are_behind_or_stale_are_told_and_so_is_where_there_are_none(shell: Shell) -> None:
    shell.report("C-1")
    shell.rows("overdue", code=None)
    with closing(open_database(f"sqlite:{shell.log}.views")) as database:
        StaleTable(database).note([Stale(CASE, "", "", "C-1")])
    shell.report("C-2")
    views = {row["check"]: row["detail"] for row in shell.rows("doctor")}["views"]
    assert "clocks and findings 1 behind, 1 to be judged anew" in views
    shell.run("views", "rebuild", "--without-judgements")
    views = {row["check"]: row["detail"] for row in shell.rows("doctor")}["views"]
    assert "clocks and findings are not kept" in views


def test_a_clock_that_is_behind_the_log_is_found(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.report("C-1")
    monkeypatch.setattr("casetrail.cli.doctor.now", lambda: datetime.now(UTC) - timedelta(days=3))
    assert "clock is 2 days, 23:59" in wrong(shell)["clock"]


def test_no_configuration(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["doctor"])
    assert result.exit_code == exits.FAULTS
    assert "casetrail log init" in result.stdout
    assert result.stdout.count("not checked") == 11, "one fault is told once"


def test_a_missing_log(tmp_path: Path) -> None:
    found = wrong(Shell(tmp_path))
    assert set(found) == {"log"}
    assert "casetrail log init" in found["log"]


def test_a_file_that_is_no_log(tmp_path: Path) -> None:
    (tmp_path / "log.db").write_bytes(b"something else" * 1000)
    assert "not a log of casetrail" in wrong(Shell(tmp_path))["log"]


def test_no_broker() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        result = CliRunner().invoke(cli, ["--log", f"kafka://127.0.0.1:{taken.getsockname()[1]}/kcpd", "doctor"])
    assert result.exit_code == exits.FAULTS
    assert "are they running" in result.stdout


@pytest.mark.parametrize("away", ["views", "keyring"])
def test_views_or_a_keyring_that_are_away_are_told_apart_also_while_the_log_is_away(tmp_path: Path, away: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{taken.getsockname()[1]}"
        places = {"views": f"sqlite:{tmp_path}/views", "keyring": f"sqlite:{tmp_path}/keys"}
        places[away] = f"postgresql://casetrail@{nobody}/casetrail"
        key = tmp_path / "master.key"
        key.write_text("QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=", "utf-8")
        key.chmod(0o600)
        words = [one for name, place in places.items() for one in (f"--{name}", place)]
        log = f"kafka://{nobody}/kcpd"
        result = CliRunner().invoke(
            cli, ["--log", log, *words, "--master-key-file", str(key), "doctor", "--format", "json"]
        )
    rows = {row["check"]: row for row in json.loads(result.stdout)}
    assert {name for name, row in rows.items() if row["result"] == "wrong"} == {"log", away}
    assert rows["views"]["result"] == ("wrong" if away == "views" else "not checked")


def test_a_master_key_that_others_can_read(shell: Shell) -> None:
    shell.run(*INTAKE, "report", "C-1", *REPORT, "--child-name", "Ada Lovelace")
    (shell.folder / "log.db.keys.master").chmod(0o640)
    found = wrong(shell)
    assert set(found) == {"keyring"}
    assert "chmod 600" in found["keyring"]


def test_a_keyring_that_others_can_read(shell: Shell) -> None:
    shell.run(*INTAKE, "report", "C-1", *REPORT, "--child-name", "Ada Lovelace")
    (shell.folder / "log.db.keys").chmod(0o644)
    assert "chmod 600" in wrong(shell)["keyring"]


def test_a_lost_master_key(shell: Shell) -> None:
    shell.run(*INTAKE, "report", "C-1", *REPORT, "--child-name", "Ada Lovelace")
    (shell.folder / "log.db.keys.master").unlink()
    assert "master key" in wrong(shell)["keyring"]
    assert not (shell.folder / "log.db.keys.master").exists(), "a doctor makes no new one"


def test_a_policy_that_is_not_there_or_names_another_key_than_signs_the_log(shell: Shell) -> None:
    assert "none.policy" in wrong(shell, "--policy", "none.policy")["policy"]
    shell.report()
    with EmbeddedLog.open(shell.log) as log, notary_of(log, shell.folder / "notary") as notary:
        publish(notary)
    ours, other = (f"log {key.verifier_key}\nquorum none\n" for key in (KEY, create_key(ORIGIN, Algorithm.ED25519)))
    (shell.folder / "ours").write_text(ours, "utf-8")
    (shell.folder / "other").write_text(other, "utf-8")
    found = wrong(shell, "--policy", "other")
    assert set(found) == {"policy"}
    assert "signed by no key that other names" in found["policy"]
    rows = {row["check"]: row for row in shell.rows("--policy", "ours", "doctor")}
    assert rows["policy"]["result"] == "ok"
    assert ORIGIN in rows["policy"]["detail"]


def test_weakened_triggers(shell: Shell) -> None:
    with sqlite3.connect(shell.log) as database:
        database.execute("DROP TRIGGER no_update")
    found = wrong(shell)
    assert set(found) == {"topic settings"}
    assert "no_update" in found["topic settings"]
    assert "casetrail log check" in found["topic settings"]


def test_views_of_another_log(shell: Shell) -> None:
    other = Shell(shell.folder / "other")
    other.run("log", "init", "--name", "other")
    other.report()
    other.run("cases")
    found = wrong(shell, "--views", f"sqlite:{other.log}.views")
    assert set(found) == {"views"}
    assert "of log 'other'" in found["views"]
    assert "casetrail views rebuild" in found["views"]


def test_views_of_a_log_that_was_replaced_by_an_older_copy(shell: Shell) -> None:
    shell.report("C-1")
    copy = shell.folder / "copy.db"
    with closing(sqlite3.connect(shell.log)) as log, closing(sqlite3.connect(copy)) as there:
        log.backup(there)
    shell.report("C-2")
    shell.run("cases")
    for file in shell.folder.glob("log.db-*"):
        file.unlink()
    copy.replace(shell.log)
    found = wrong(shell)
    assert "replaced by an older copy" in found["views"]
    shell.run("views", "rebuild")
    assert "views" not in {row["check"] for row in shell.rows("doctor", code=None) if row["result"] == "wrong"}


def test_submissions_that_wait_for_an_outcome(shell: Shell) -> None:
    shell.run(*INTAKE, "report", "C-1", *REPORT, "--timeout", "0", code=exits.PENDING)
    assert "1 submission(s) wait" in wrong(shell)["recorder"]


def test_foreign_bytes_at_the_end_of_the_events(shell: Shell) -> None:
    shell.report()
    with EmbeddedLog.open(shell.log) as log:
        log.append(Topic.EVENTS, [Entry(b"C-1", b"no event", 0)])
    found = wrong(shell)
    assert found["recorder"]
    assert "count" in found["recorder"]


def test_a_views_address_that_is_none(shell: Shell) -> None:
    assert wrong(shell, "--views", "mysql://x")["views"]


def beat(shell: Shell, host: str, kind: MachineKind, within: int) -> None:
    """A machine gives a heartbeat."""
    at, actor = datetime.now(UTC), Actor(f"{host}.{kind}", "metro-pd", Role.SYSTEM)
    asked = Action(token_bytes(16), machine_key(actor.id, at), at, actor, Heartbeat(actor.id, kind, within))
    with connect(f"sqlite:{shell.log}") as connection:
        assert connection.wait(connection.submit(asked)).result == "accepted"


def test_one_of_two_machines_that_no_longer_gives_heartbeats_is_named(shell: Shell) -> None:
    beat(shell, "kcpd-1", MachineKind.RECORDER, 3600)
    beat(shell, "kcpd-2", MachineKind.RECORDER, 1)
    until = time.monotonic() + 30
    while "silent" not in (found := {row["check"]: row["detail"] for row in shell.rows("doctor")}["machines"]):
        assert time.monotonic() < until, "its silence is not seen"
    assert (
        "at work: recorder" in found
        and "others of the kind work: kcpd-2.recorder since" in found
        and "kcpd-1" not in found
    )


def test_kinds_of_machine_that_were_not_heard_are_named(shell: Shell) -> None:
    beat(shell, "host", MachineKind.OUTBOX, 3600)
    shell.run("overdue")
    with closing(open_database(f"sqlite:{shell.log}.views")) as database:
        until = (datetime(2026, 5, 1, 8, tzinfo=UTC) - EPOCH) // MICROSECOND
        database.run(BEATING.insert(), ("watchdog", "metro-pd", until - 1, until, "", ""))
    rows = {row["check"]: row["detail"] for row in shell.rows("doctor")}
    assert rows["machines"] == (
        "at work: outbox; not heard this month or the last: notary, watchdog (the last until 2026-05-01T08:00:00Z)"
    )


def test_machines_that_all_fell_silent_long_ago_are_named(shell: Shell) -> None:
    shell.run("overdue")
    with closing(open_database(f"sqlite:{shell.log}.views")) as database:
        until = (datetime(2026, 5, 1, 8, tzinfo=UTC) - EPOCH) // MICROSECOND
        database.run(BEATING.insert(), ("watchdog", "metro-pd", until - 1, until, "", ""))
    rows = {row["check"]: row["detail"] for row in shell.rows("doctor")}
    assert (
        "none that gives heartbeats; not heard this month or the last: notary, watchdog (the last until"
        in rows["machines"]
    )


def test_a_machine_that_no_longer_gives_heartbeats_is_found(shell: Shell) -> None:
    shell.report()
    rows = {row["check"]: row["detail"] for row in shell.rows("doctor")}
    assert rows["machines"] == "at work: none that gives heartbeats"
    for kind, within in ((MachineKind.RECORDER, 3600), (MachineKind.WATCHDOG, 1)):
        beat(shell, "host", kind, within)
    until = time.monotonic() + 30
    while "machines" not in (found := wrong(shell) if shell.run("doctor", code=None).exit_code else {}):
        assert time.monotonic() < until, "its silence is not seen"
    assert "no heartbeat of watchdog since" in found["machines"] and "recorder" not in found["machines"]


def registered(shell: Shell, agency: str, kind: str) -> None:
    words = ("--person", "reg.1", "--agency", "metro-pd", "--role", "registrar", "act", "agency-registered", "registry")
    shell.run(*words, "--agency", agency, "--agency-kind", kind)


def test_levels_at_which_nobody_is_told_are_found_once_the_registry_knows_agencies(shell: Shell) -> None:
    rows = {row["check"]: row for row in shell.rows(*SERGEANT, "doctor")}
    assert rows["escalation"]["result"] == "ok" and "nobody who has oversight is told" in rows["escalation"]["detail"]
    registered(shell, "metro-pd", "law_enforcement")
    found = wrong(shell, *SERGEANT)
    assert (
        "policy 'generic' has levels at which the registry knows nobody to tell: partners, oversight"
        in found["escalation"]
    )
    registered(shell, "clinic", "medical")
    assert "nobody to tell: oversight;" in wrong(shell, *SERGEANT)["escalation"]
    registered(shell, "inspectorate", "oversight")
    assert {row["result"] for row in shell.rows(*SERGEANT, "doctor")} == {"ok"}


def test_who_is_told_goes_by_the_policy_in_force(shell: Shell, tmp_path: Path) -> None:
    registered(shell, "metro-pd", "law_enforcement")
    registered(shell, "clinic", "medical")
    inside = tmp_path / "inside.toml"
    inside.write_text(
        "".join(line for line in text_of().splitlines(True) if not line.startswith("oversight = ")), "utf-8"
    )
    commander = ("--person", "cmd.diaz", "--agency", "metro-pd", "--role", "commander")
    assert wrong(shell, *commander)["escalation"]
    shell.run(*commander, "policy", "adopt", str(inside))
    assert {row["check"]: row["result"] for row in shell.rows(*commander, "doctor")}["escalation"] == "ok"


SECRET: Final = "s3cret"


@pytest.mark.parametrize(
    "line",
    [
        f'[kafka]\nsasl_plain_password = "{SECRET}"',
        f'[kafka]\nssl_password = "{SECRET}"',
        f'views = "postgresql://projector:{SECRET}@127.0.0.1:1/cases"',
        f'keyring = "postgresql://keys:{SECRET}@127.0.0.1:1/cases"',
        f'keyring = "postgresql://127.0.0.1:1/cases?user=keys&password={SECRET}"',
    ],
)
def test_a_configuration_whose_password_others_may_read_is_named(shell: Shell, line: str) -> None:
    file = shell.folder / "casetrail.toml"
    file.write_text(line + "\n", "utf-8")
    file.chmod(0o640)
    result = shell.run("--config", str(file), "doctor", "--format", "json", code=exits.FAULTS)
    (row,) = [row for row in json.loads(result.stdout) if row["check"] == "passwords"]
    assert row["result"] == "wrong" and "mode 640" in row["detail"] and "chmod 600" in row["detail"]
    assert SECRET not in result.output
    file.chmod(0o600)
    result = shell.run("--config", str(file), "doctor", "--format", "json", code=None)
    assert [row["result"] for row in json.loads(result.stdout) if row["check"] == "passwords"] == ["ok"]


def test_a_configuration_without_a_password_is_anybodys_to_read(shell: Shell) -> None:
    file = shell.folder / "casetrail.toml"
    lines = (
        'time_zone = "UTC"',
        'keyring = "postgresql://keys@127.0.0.1:1/cases"',
        "[kafka]",
        'security_protocol = "SSL"',
    )
    file.write_text("\n".join(lines), "utf-8")
    file.chmod(0o644)
    rows = {row["check"]: row for row in shell.rows("--config", str(file), "doctor", code=None)}
    assert rows["passwords"]["result"] == "ok"
