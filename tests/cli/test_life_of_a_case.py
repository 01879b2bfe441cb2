"""The whole life of a case, told through the command line alone."""

from datetime import UTC, datetime, timedelta

from casetrail.cli import exits
from tests.cli.shell import CLINIC, DETECTIVE, INTAKE, OTHER_SERGEANT, REPORT, SERGEANT, Shell


def test_a_case_can_be_led_from_report_to_reopening_with_every_action(shell: Shell) -> None:
    soon = (datetime.now(UTC) + timedelta(days=20)).isoformat()
    shell.report("C-1", "--danger", "--child-name", "Ada Lovelace")
    shell.report("C-2")
    shell.report("C-3")
    register, det = (*SERGEANT, "act"), ("registry", "--person", "det.02")
    refer = ("act", "referral-made", "C-1", "--to-agency", "clinic", "--service", "medical_evaluation", "--referral")
    story: list[tuple[tuple[str, ...], int]] = [
        ((*INTAKE, "act", "screened-in", "C-1", "--reason", "alleges_crime"), 0),
        ((*SERGEANT, "act", "assigned", "C-1", "--holder", "det.01"), 0),
        ((*DETECTIVE, "act", "acknowledged", "C-1"), 0),
        ((*DETECTIVE, "act", "victim-contact-attempted", "C-1", "--method", "phone", "--failure", "no_answer"), 0),
        ((*DETECTIVE, "act", "victim-contact-made", "C-1", "--method", "in_person"), 0),
        ((*SERGEANT, *refer, "r1", "--acute"), 0),
        ((*CLINIC, "act", "referral-accepted", "C-1", "--referral", "r1", "--scheduled-for", soon), 0),
        ((*CLINIC, "act", "referral-completed", "C-1", "--referral", "r1", "--no-holder-attended"), 0),
        ((*SERGEANT, *refer, "r2"), 0),
        ((*CLINIC, "act", "referral-declined", "C-1", "--referral", "r2", "--reason", "no_capacity"), 0),
        ((*SERGEANT, *refer, "r3"), 0),
        ((*SERGEANT, "act", "referral-withdrawn", "C-1", "--referral", "r3", "--reason", "not_needed"), 0),
        ((*DETECTIVE, "act", "investigative-step-taken", "C-1", "--step", "scene_visited"), 0),
        ((*DETECTIVE, "act", "note-added", "C-1", "--seal", "narrative=A note."), 0),
        ((*SERGEANT, "act", "supervisor-reviewed", "C-1", "--result", "continue"), 0),
        ((*CLINIC, "act", "concern-raised", "C-1", "--concern", "c1", "--about", "no_response"), 0),
        ((*SERGEANT, "act", "concern-answered", "C-1", "--concern", "c1", "--answer", "contact_made"), 0),
        ((*CLINIC, "act", "concern-closed", "C-1", "--concern", "c1", "--outcome", "settled"), 0),
        (
            (*DETECTIVE, "act", "escalation-answered", "C-1", "--clock", "decision", "--due-at", soon, "--answer",
             "nothing_owed"), exits.REJECTED,
        ),
        (
            (*SERGEANT, "act", "finding-answered", "C-1", "--finding", "0123456789abcdef", "--detector", "untouched",
             "--answer", "disputed"), 0,
        ),
        ((*SERGEANT, "act", "suspended", "C-1", "--reason", "awaiting_lab", "--review-at", soon), 0),
        ((*SERGEANT, "act", "resumed", "C-1", "--reason", "awaited_arrived"), 0),
        ((*SERGEANT, "act", "decision-extended", "C-1", "--until", soon, "--reason", "awaiting_lab"), 0),
        ((*DETECTIVE, "act", "released", "C-1", "--reason", "left_agency"), 0),
        ((*SERGEANT, "act", "assigned", "C-1", "--holder", "det.01"), 0),
        ((*SERGEANT, "act", "reassigned", "C-1", "--holder", "det.02", "--reason", "workload"), 0),
        ((*SERGEANT, "act", "fact-corrected", "C-1", "--corrects", "1", "--reason", "entered_wrong", "--offence", "11D"), 0),
        ((*SERGEANT, "act", "linked", "C-1", "--other", "C-2", "--relation", "same_child"), 0),
        (
            (*SERGEANT, "act", "closure-requested", "C-1", "--disposition", "cleared_exceptionally", "--clearance", "B",
             "--all-four-conditions", "--seal", "rationale=Declined."),
            0,
        ),
        ((*SERGEANT, "act", "closure-approved", "C-1"), exits.REJECTED),
        ((*OTHER_SERGEANT, "act", "closure-refused", "C-1", "--reason", "work_remains"), 0),
        (
            (*SERGEANT, "act", "closure-requested", "C-1", "--disposition", "referred_to_prosecutor", "--seal",
             "rationale=Complete."),
            0,
        ),
        ((*OTHER_SERGEANT, "act", "closure-approved", "C-1"), 0),
        ((*SERGEANT, "act", "reopened", "C-1", "--reason", "new_information"), 0),
        ((*INTAKE, "act", "screened-out", "C-2", "--reason", "outside_jurisdiction", "--referred-to", "state-pd"), 0),
        ((*SERGEANT, "act", "merged", "C-3", "--into", "C-1", "--reason", "same_incident"), 0),
        ((*register, "agency-registered", "registry", "--agency", "metro-pd", "--agency-kind", "law_enforcement"), 0),
        ((*register, "person-joined", *det, "--agency", "metro-pd", "--role", "investigator", "--unit", "fraud"), 0),
        ((*register, "person-moved", *det, "--role", "investigator", "--unit", "child-crimes"), 0),
        ((*register, "person-left", *det), 0),
    ]  # fmt: skip
    played = set()
    for words, code in story:
        shell.run(*words, code=code)
        played.add(words[words.index("act") + 1])
    told = shell.rows("history", "C-1")
    assert [row["number"] for row in told] == list(range(1, len(told) + 1))
    refused = [row for row in told if row["result"] == "rejected"]
    assert [(row["kind"], row["detail"]["code"], row["actor"]) for row in refused] == [
        ("EscalationAnswered", "no-such-deadline", "det.01"),
        ("ClosureApproved", "closing-takes-two", "sgt.archer"),
    ]
    status = {row["case_id"]: row["status"] for row in shell.rows("cases")}
    assert status == {row["case_id"]: row["status"] for row in shell.rows("replay")}
    assert status["C-2"] == "screened_out"
    assert status["C-3"] == "merged"
    (shown,) = shell.rows("show", "C-1")
    assert shown["reopenings"] == 1
    assert shown["refused"] == 2
    assert shown["offences"] == ["11D"]
    assert shown["dues"], "an open case always has a next thing due"
    (count,) = shell.rows("count")
    assert (count["accepted"], count["rejected"], count["pending"], count["faults"]) == (len(story) + 1, 2, 0, 0)
    from tests.cli.test_help import EVERY

    assert played == {path[1] for path in EVERY if path[0] == "act" and len(path) == 2}, "every action was played"


def test_a_report_needs_no_case_id_and_gets_one(shell: Shell) -> None:
    from tests.cli.shell import REPORT

    shell.run(*INTAKE, "report", *REPORT)
    (row,) = shell.rows("cases")
    assert row["case_id"].startswith(str(datetime.now(UTC).year))


def test_a_late_entry_is_shown_as_late(shell: Shell) -> None:
    shell.report("C-1", "--at", (datetime.now(UTC) - timedelta(days=40)).isoformat())
    (row,) = shell.rows("history", "C-1")
    assert row["late"] == "40 d"
    assert row["occurred_at"] < row["recorded_at"]


def test_a_partner_says_whose_case_a_report_begins(shell: Shell) -> None:
    said = shell.run(*CLINIC, "report", "C-1", *REPORT, code=exits.USAGE)
    assert "--for-agency" in said.stderr and "clinic" in said.stderr
    assert shell.rows("cases", "--sort", "case") == []
    for case_id, agency in (("C-1", "metro-pd"), ("C-2", "clinic")):
        shell.run(*CLINIC, "report", case_id, "--for-agency", agency, *REPORT)
    assert [row["agency"] for row in shell.rows("cases", "--sort", "case")] == ["metro-pd", "clinic"]


def test_a_reporter_is_told_where_a_report_is_for_the_own_agency(shell: Shell) -> None:
    school = ("--person", "nurse.1", "--agency", "school", "--role", "reporter")
    assert "your own agency school: give --for-agency" in shell.run(*school, "report", "C-1", *REPORT).stderr
    assert "own agency" not in shell.run(*school, "report", "C-2", "--for-agency", "metro-pd", *REPORT).stderr
    assert "own agency" not in shell.run(*INTAKE, "report", "C-3", *REPORT).stderr
