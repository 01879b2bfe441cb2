"""Watchdog, outbox and heartbeats at the command line; and that what machines record makes no case."""

import json
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from casetrail.cli import exits
from casetrail.domain.heartbeat import Heartbeat
from casetrail.eventlog.opening import open_log
from casetrail.eventlog.port import Topic
from tests.cli.shell import COMMANDER, DETECTIVE, SERGEANT, Shell
from tests.cli.test_processes import line
from tests.consumers.test_telling import close
from tests.consumers.watching import World, events_of
from tests.domain.clock_histories import day

OLD = "2025-03-03T09:00:00Z"
LATER = "2025-06-01T00:00:00Z"
WATCH = ("--agency", "metro-pd", "serve", "watchdog", "--now")


def escalated(shell: Shell, *case_ids: str) -> None:
    """Old reports that nobody touched, and a watchdog that went through the years since."""
    for case_id in case_ids or ("C-1",):
        shell.report(case_id, "--at", OLD)
    shell.process(*WATCH, LATER)


def test_years_are_played_in_one_go_and_again_without_doubling(shell: Shell) -> None:
    escalated(shell)
    told = shell.rows("history", "C-1")
    kinds = [row["kind"] for row in told]
    assert kinds[:4] == ["ReportReceived", "DeadlineMissed", "Escalated", "Escalated"] and len(told) == 13
    assert "0 missed deadlines and tellings submitted" in shell.process(*WATCH, LATER).stderr
    assert len(shell.rows("history", "C-1")) == 13
    shell.process(*WATCH, "2025-08-01T00:00:00Z")
    assert len(shell.rows("history", "C-1")) > 13, "the decision is missed by then"


def test_what_lies_ahead_cannot_be_recorded(shell: Shell) -> None:
    said = shell.run(*WATCH, "2999-01-01T00:00:00Z", code=exits.USAGE).stderr
    assert "lies ahead" in said
    for what in ("watchdog", "all"):
        said = shell.run("serve", what, "--since", "2999-01-01T00:00:00Z", code=exits.USAGE).stderr
        assert "nobody told" in said
    assert "watchdog alone" in shell.run("serve", "all", "--now", LATER, code=exits.USAGE).stderr
    assert "--recipients" in shell.run("serve", "outbox", code=exits.USAGE).stderr


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("recorder --key notary.key --every 1", "--key"),
        ("recorder --every 1", "--every"),
        ("projector --state x", "--state"),
        ("projector --since 2020-01-01T00:00:00Z", "--since"),
        ("notary --key notary.key --state x", "--state"),
        ("notary --key notary.key --recipients who.toml", "--recipients"),
        ("watchdog --recipients who.toml", "--recipients"),
        ("watchdog --past 3", "--past"),
        ("outbox --recipients who.toml --most 5", "--most"),
        ("all --every 60", "--every"),
        ("all --passphrase-file x", "--passphrase-file"),
    ],
)
def test_an_option_that_would_be_passed_over_is_refused(shell: Shell, words: str, option: str) -> None:
    said = shell.run("serve", *words.split(), code=exits.USAGE).stderr
    assert f"Error: {option} is for " in said


def test_open_escalations_are_listed_until_they_are_answered(shell: Shell) -> None:
    escalated(shell, "C-1", "C-2")
    found = shell.rows("escalations", "--now", LATER, code=exits.FAULTS)
    assert [(row["case_id"], row["clock"], row["level"]) for row in found] == [
        ("C-1", "first_response", "commander"),
        ("C-2", "first_response", "commander"),
        ("C-1", "screening", "commander"),
        ("C-2", "screening", "commander"),
        ("C-1", "victim_contact", "commander"),
        ("C-2", "victim_contact", "commander"),
    ]
    assert found[0]["told"] == ["child-crimes/intake", "child-crimes/supervisor", "child-crimes/commander"]
    answer = ("act", "escalation-answered", "C-1", "--clock", "first_response", "--due-at", found[0]["due_at"])
    shell.run(*SERGEANT, *answer, "--answer", "being_worked_now")
    assert len(shell.rows("escalations", "C-1", "--now", LATER, code=exits.FAULTS)) == 2
    (answered, *_) = shell.rows("escalations", "C-1", "--all", "--now", LATER, code=exits.FAULTS)
    assert (answered["state"], answered["answer"], answered["answered_by"]) == (
        "answered",
        "being_worked_now",
        "sgt.archer",
    )
    shell.run(*DETECTIVE, *answer, "--answer", "nothing_owed", code=exits.REJECTED)
    shell.report("C-9", "--unit", "elsewhere")
    assert shell.rows("escalations", "--unit", "elsewhere") == []


def test_who_owes_it_now_is_said_as_overdue_says_it(shell: Shell) -> None:
    escalated(shell)
    shell.run(*SERGEANT, "act", "screened-in", "C-1", "--reason", "alleges_crime", "--at", "2025-05-02T09:00:00Z")
    shell.run(*SERGEANT, "act", "assigned", "C-1", "--holder", "det.01", "--at", "2025-05-02T10:00:00Z")
    now = ("--now", "2999-01-01T00:00:00Z")
    overdue = {(row["clock"], row["due_at"]): row["owed_by"] for row in shell.rows("overdue", *now)}
    found = shell.rows("escalations", *now, code=exits.FAULTS)
    owed = {(row["clock"], row["due_at"]): row["owed_by"] for row in found}
    assert owed.items() <= overdue.items() and "det.01" in owed.values()
    anew = shell.rows("escalations", "--all", "--as-of", now[1], code=exits.FAULTS)
    assert anew == shell.rows("escalations", "--all", *now, code=exits.FAULTS), "of views, and of all events"
    assert "no longer owed" in {row["state"] for row in anew}


def test_overdue_names_only_levels_that_are_told(shell: Shell) -> None:
    shell.report("C-1", "--at", OLD)

    def told(case_id: str = "C-1", *words: str) -> list[str]:
        views, log = (shell.rows("overdue", "--clock", "screening", *words, *more) for more in ((), ("--from-log",)))
        (by_views,), (by_log,) = (
            [row["to_tell"] for row in rows if row["case_id"] == case_id] for rows in (views, log)
        )
        assert by_views == by_log
        return [str(one) for one in by_views]

    ahead = ("--now", "2999-01-01T00:00:00Z")
    in_unit = ["holder", "supervisor", "commander"]
    assert told() == in_unit, "there are no partners, and nobody has oversight"
    registered = ("--agency", "inspectorate", "--agency-kind", "oversight")
    shell.run(*SERGEANT, "act", "agency-registered", "registry", *registered)
    assert told() == [*in_unit, "oversight"], "though nobody had it when that was to be told"
    assert told("C-1", "--now", "2025-06-01T00:00:00Z") == in_unit
    shell.report("C-2")
    assert told("C-2", *ahead) == [*in_unit, "oversight"]
    clinic = ("--service", "victim_advocacy", "--to-agency", "advocates")
    shell.run(*DETECTIVE, "act", "referral-made", "C-1", "--referral", "r-1", *clinic)
    assert told() == [*in_unit, "partners", "oversight"]


def test_the_answer_of_those_who_owe_it_is_shown_and_leaves_it_open(shell: Shell) -> None:
    escalated(shell)
    (first, *_) = shell.rows("escalations", "--now", LATER, code=exits.FAULTS)
    answer = ("act", "escalation-answered", "C-1", "--clock", first["clock"], "--due-at", first["due_at"], "--answer")
    shell.run(*DETECTIVE, *answer, "nothing_owed")
    (said, *_) = shell.rows("escalations", "--now", LATER, code=exits.FAULTS)
    assert (said["clock"], said["state"], said["answer"]) == (first["clock"], "open", "nothing_owed")
    shell.run(*SERGEANT, *answer, "resources_asked_for")
    answered = [row for row in shell.rows("escalations", "--all", code=exits.FAULTS) if row["state"] == "answered"]
    assert [(row["clock"], row["answer"]) for row in answered] == [(first["clock"], "resources_asked_for")]


def test_a_missed_deadline_is_answered_by_the_due_time_that_the_table_shows(shell: Shell) -> None:
    shell.report("C-1", "--at", "2025-03-03T09:00:00.123456Z")
    shell.process(*WATCH, LATER)
    shown = next(line for line in shell.run("escalations", "--now", LATER, code=exits.FAULTS).stdout.splitlines() if " screening " in line)  # fmt: skip
    due = shown[:19]
    assert due == "2025-03-06 09:00:00"
    answer = ("act", "escalation-answered", "C-1", "--clock", "screening", "--answer", "being_worked_now", "--due-at")
    shell.run(*SERGEANT, *answer, "2025-03-06 09:00:01Z", code=exits.REJECTED)
    shell.run(*SERGEANT, *answer, due)
    in_a_zone = ("--time-zone", "America/Chicago")
    shell.run(*in_a_zone, *COMMANDER, *answer, due)
    refusal = shell.run(*in_a_zone, *DETECTIVE, *answer, "2025-03-06 03:00:00", code=exits.REJECTED).stderr
    assert "has answered for this missed deadline already" in refusal, "and no other deadline was meant"
    (said,) = (one for one in shell.rows("escalations", "--all", "--now", LATER, code=exits.FAULTS) if one["clock"] == "screening")  # fmt: skip
    assert (said["state"], said["answered_by"]) == ("answered", "cmd.diaz")


def test_the_outbox_tells_what_stands_in_the_log(shell: Shell) -> None:
    (shell.folder / "who.toml").write_text('[addresses]\n"*" = { file = "told.ndjson" }\n')
    escalated(shell)
    outbox = ("serve", "outbox", "--recipients", "who.toml", "--since", "2020-01-01T00:00:00Z", "--health-port", "0")
    told = shell.folder / "told.ndjson"
    for _ in range(3):  # killed, and started again
        serving = shell.start(*outbox, "--heartbeat", "0")
        try:
            assert "health at" in line(serving.stderr)
            wait_for(lambda: lines(told), 9)
        finally:
            serving.send_signal(signal.SIGKILL)
            serving.communicate()
    said = lines(told)
    assert len({one["id"] for one in said}) == 9
    recorded = [row["detail"] for row in shell.rows("history", "C-1") if row["kind"] == "Escalated"]
    assert {(one["data"]["clock"], one["data"]["level"]) for one in said} == {
        (one["clock"], one["level"]) for one in recorded
    }


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(one) for one in path.read_text().splitlines()] if path.exists() else []


def wait_for(found: Any, count: int) -> None:
    until = time.monotonic() + 30
    while len(found()) < count:
        assert time.monotonic() < until, f"{len(found())} of {count} have come"
        time.sleep(0.02)


def test_from_when_on_a_watchdog_records_is_said_by_its_health(shell: Shell) -> None:
    serving = shell.start("serve", "watchdog", "--health-port", "0", "--heartbeat", "0", "--since", OLD)
    try:
        while "health at" not in (said := line(serving.stderr)):
            pass
        try:
            answer = urlopen(said.split("health at ")[1].strip(), timeout=30)
        except HTTPError as error:  # it has made no step yet
            answer = error
        with answer:
            notes = json.loads(answer.read())["notes"]
        assert notes == {"since": f"what was missed, or recorded, before {OLD} is left alone"}
    finally:
        serving.kill()
        serving.communicate()


def test_served_machines_give_heartbeats_that_make_no_case(shell: Shell) -> None:
    shell.report("C-1")
    serving = shell.start(
        "--agency", "metro-pd", "serve", "all", "--health-port", "0", "--machine", "vault", "--heartbeat", "1"
    )
    try:
        assert "health at" in line(serving.stderr)
        wait_for(lambda: range(events(shell)), 8)
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(30) == exits.OK
    finally:
        serving.kill()
        serving.communicate()
    assert [row["case_id"] for row in shell.rows("cases")] == ["C-1"]
    assert shell.rows("cases", "--status", "unreported") == []
    assert [row["case_id"] for row in shell.rows("replay")] == ["C-1"]
    assert sum(row["received"] for row in shell.rows("intake")) == 1
    assert shell.rows("due") and {row["case_id"] for row in shell.rows("due")} == {"C-1"}
    (count,) = shell.rows("count")
    assert (count["pending"], count["faults"], count["rejected"]) == (0, 0, 0) and count["accepted"] >= 8
    machines = {row["machine_kind"] for row in beats(shell)}
    assert machines == {"recorder", "projector", "watchdog"}


def events(shell: Shell) -> int:
    with open_log(f"sqlite:{shell.log}") as log:
        return log.end_offsets(Topic.EVENTS)[0]


def beats(shell: Shell) -> list[dict[str, Any]]:
    """What the heartbeats say."""
    with open_log(f"sqlite:{shell.log}") as log:
        return [vars(one.body) for one in events_of(log) if isinstance(one.body, Heartbeat)]


def test_who_was_told_of_a_finding_is_shown_beside_who_is_to_be(tmp_path: Path) -> None:
    world, shell = World(tmp_path), Shell(tmp_path)
    close(world)
    until = day(5).isoformat()
    explained = ("findings", "--detector", "closed_without_work")

    def told(*words: str) -> tuple[list[str], list[str]]:
        (row,) = shell.rows(*explained, "--now", until, *words, code=exits.FAULTS)
        return row["levels_told"], row["untold"]

    in_unit = ["holder", "supervisor", "commander"]
    assert told() == told("--from-log") == ([], in_unit), "nobody watches"
    assert "3 missed deadlines and tellings" in shell.process(*WATCH, until).stderr
    until = datetime.now(UTC).isoformat()  # what is played is recorded only now
    assert told() == told("--from-log") == (in_unit, ["partners"])
    (finding,) = (row["finding"] for row in shell.rows(*explained, code=exits.FAULTS))
    (row,) = shell.rows("findings", "explain", finding, "--now", until)
    assert (row["levels_told"], row["untold"]) == told(), "the same as in the list"
    assert [(one["level"], one["told_at"] is not None) for one in row["plan"]] == [
        *((level, True) for level in in_unit),
        ("partners", False),
    ]
    assert "0 missed deadlines and tellings" in shell.process(*WATCH, day(5).isoformat()).stderr


def test_a_watchdog_that_was_killed_is_a_finding(shell: Shell) -> None:
    serving = shell.start("serve", "watchdog", "--health-port", "0", "--machine", "vault", "--heartbeat", "600")
    try:
        wait_for(lambda: range(events(shell)), 1)
    finally:
        serving.kill()
        serving.communicate()
    (found,) = shell.rows("findings", "--now", "2999-01-01T00:00:00Z", code=exits.FAULTS)
    assert (found["detector"], found["about"], found["subject"]) == ("silent_machine", "machine", "watchdog")
