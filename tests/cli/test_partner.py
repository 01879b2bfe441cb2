"""A partner agency sees the cases that it is part of, what has become of what it sent, and what it waits for."""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from casetrail.domain.actions import Actor
from casetrail.domain.assignment import Acknowledged, Assigned
from casetrail.domain.codes import (
    ConcernAnswer,
    ConcernKind,
    ContactMethod,
    ReferralReason,
    Role,
    ScreeningReason,
    SealedName,
    Service,
    Step,
)
from casetrail.domain.concern import ConcernAnswered, ConcernRaised
from casetrail.domain.contact import VictimContactMade
from casetrail.domain.intake import ScreenedIn
from casetrail.domain.investigation import InvestigativeStepTaken
from casetrail.domain.referral import ReferralAccepted, ReferralCompleted, ReferralDeclined, ReferralMade
from casetrail.domain.sealed import SealedField
from casetrail.domain.values import iso
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.schemas import register_in_log
from casetrail.publishing import Connection
from tests.actions import CLINIC, DETECTIVE, HAPPENED, INTAKE, SERGEANT, action, report
from tests.cli.shell import Shell

DAY: Final = timedelta(days=1)
CENTER: Final = Actor("cac.lee", "cac", Role.PARTNER)
HOTLINE: Final = Actor("hotline.3", "hotline", Role.REPORTER)
SEALED: Final = (SealedField(SealedName.NARRATIVE, bytes(32), bytes(12), b"sealed words"),)

STORY: Final[list[tuple[float, str, Actor, Any]]] = [
    # worked: the clinic examines, the centre is asked too, the detective comes
    (0, "C-1", HOTLINE, report()),
    (0.2, "C-1", INTAKE, ScreenedIn(ScreeningReason.ALLEGES_CRIME)),
    (0.5, "C-1", SERGEANT, Assigned(DETECTIVE.id)),
    (0.6, "C-1", DETECTIVE, Acknowledged()),
    (1, "C-1", DETECTIVE, ReferralMade("r1", Service.MEDICAL_EVALUATION, "clinic", acute=True)),
    (1, "C-1", DETECTIVE, ReferralMade("r2", Service.FORENSIC_INTERVIEW, "cac")),
    (1.5, "C-1", CLINIC, ReferralAccepted("r1")),
    (2, "C-1", CLINIC, ReferralCompleted("r1", holder_attended=False, sealed=SEALED)),
    (2, "C-1", CENTER, ReferralDeclined("r2", ReferralReason.NO_CAPACITY)),
    (3, "C-1", DETECTIVE, VictimContactMade(ContactMethod.IN_PERSON)),
    (4, "C-1", DETECTIVE, InvestigativeStepTaken(Step.SCENE_VISITED)),
    # dropped: the clinic reported it, nobody looked, the clinic asks for help and complains
    (0, "C-2", CLINIC, report(unit="night")),
    (2, "C-2", CLINIC, ReferralMade("help", Service.VICTIM_ADVOCACY, "metro-pd")),
    (3, "C-2", CLINIC, ConcernRaised("c1", ConcernKind.NO_RESPONSE, SEALED)),
    # the centre's own concern in a case of the unit's own
    (5, "C-3", INTAKE, report()),
    (6, "C-3", CENTER, ConcernRaised("c1", ConcernKind.CHILD_NOT_SAFE)),
    (7, "C-3", SERGEANT, ConcernAnswered("c1", ConcernAnswer.EXPLAINED)),
]


def day(number: float) -> str:
    """So many days after ``HAPPENED``, a Monday at 9:00 UTC."""
    return iso(HAPPENED + number * DAY)


@contextmanager
def told(shell: Shell, story: list[tuple[float, str, Actor, Any]]) -> Iterator[None]:
    """A log in which a story has been recorded, each part of it on its day."""
    now = [HAPPENED]
    log = EmbeddedLog.create(shell.log, "unit", clock=lambda: int(now[0].timestamp() * 1000))
    register_in_log(log)
    with Connection(log) as connection:
        for number, case_id, actor, body in sorted(story, key=lambda one: one[0]):
            now[0] = HAPPENED + number * DAY
            connection.wait(connection.submit(action(body, actor, case_id, now[0])))
    yield


@pytest.fixture(scope="module")
def unit(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    shell = Shell(tmp_path_factory.mktemp("unit"))
    with told(shell, STORY):
        return shell


def seen(shell: Shell, agency: str, *more: str) -> dict[tuple[str, str, str], dict[str, Any]]:
    """The rows of an agency by case, part and subject, in their order."""
    return {(row["case_id"], row["part"], row["subject"]): row for row in shell.rows("partner", agency, *more)}


def chosen(row: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def test_an_agency_sees_what_it_sent_and_what_it_was_asked(unit: Shell) -> None:
    assert list(seen(unit, "clinic", "--now", day(5))) == [
        ("C-2", "reported", "R-1"), ("C-1", "asked", "r1"), ("C-2", "asking", "help"), ("C-2", "concerned", "c1"),
    ]  # fmt: skip
    assert list(seen(unit, "cac")) == [("C-1", "asked", "r2"), ("C-3", "concerned", "c1")]
    assert list(seen(unit, "hotline")) == [("C-1", "reported", "R-1")]


def test_the_responsible_agency_is_no_partner(unit: Shell) -> None:
    assert seen(unit, "metro-pd") == {}


def test_a_mistyped_agency_is_no_good_news(unit: Shell, tmp_path: Path) -> None:
    assert "names an agency clinc" in unit.run("partner", "clinc", code=6).stderr
    unit.run("keys", "create", "clinic.example/cases", "--file", str(tmp_path / "key"), "--for", "log")
    words = ("partner", "export", "clinc", "--key", str(tmp_path / "key"), "--output", str(tmp_path / "rows.csv"))
    assert "names an agency clinc" in unit.run(*words, code=6).stderr
    assert not (tmp_path / "rows.csv").exists()


def test_an_agency_that_only_the_registry_knows_waits_for_nothing(shell: Shell) -> None:
    registrar = ("--person", "reg.1", "--agency", "metro-pd", "--role", "registrar")
    shell.run(*registrar, "act", "agency-registered", "registry", "--agency", "da", "--agency-kind", "prosecution")
    assert shell.rows("partner", "da") == []


def test_a_report_shows_when_the_unit_took_it_up_and_what_it_did_since(unit: Shell) -> None:
    taken = seen(unit, "hotline", "--now", day(5))["C-1", "reported", "R-1"]
    assert chosen(taken, "acknowledged_at", "stage", "last_act", "last_act_at", "acts_since") == (
        day(0.2), "investigating", "investigative_step", day(4), 2,
    )  # fmt: skip
    dropped = seen(unit, "clinic", "--now", day(5))["C-2", "reported", "R-1"]
    assert chosen(dropped, "acknowledged_at", "stage", "last_act", "acts_since", "state") == (
        None, "received", None, 0, "open",
    )  # fmt: skip
    assert chosen(dropped, "clock", "owed_by", "due_at", "clock_state", "days_waited") == (
        "first_response", "metro-pd", day(1), "missed", 5,
    )  # fmt: skip


def test_a_referral_shows_who_owes_its_answer(unit: Shell) -> None:
    before = seen(unit, "clinic", "--as-of", day(1.2))["C-1", "asked", "r1"]
    assert chosen(before, "state", "about", "acknowledged_at", "owed_by", "clock") == (
        "made", "medical_evaluation", None, "clinic", "referral_answer",
    )  # fmt: skip
    assert [one["clock"] for one in before["clocks"]] == ["referral_answer", "medical_evaluation"]
    after = seen(unit, "clinic", "--now", day(5))["C-1", "asked", "r1"]
    assert chosen(after, "state", "acknowledged_at", "acts_since", "clock") == ("completed", day(1.5), 2, None)
    asking = seen(unit, "clinic", "--now", day(5))["C-2", "asking", "help"]
    assert chosen(asking, "clock", "owed_by", "clock_state") == ("assistance_answer", "metro-pd", "missed")


def test_a_declined_referral_says_why(unit: Shell) -> None:
    assert chosen(seen(unit, "cac")["C-1", "asked", "r2"], "state", "answer") == ("declined", "no_capacity")


def test_nothing_of_another_partners_referral_is_shown(unit: Shell) -> None:
    told_to_clinic = unit.run("partner", "clinic", "--case", "C-1", "--as-of", day(1.2), "--format", "json").stdout
    assert "r1" in told_to_clinic
    assert "r2" not in told_to_clinic and "forensic_interview" not in told_to_clinic and "cac" not in told_to_clinic


def test_no_person_and_nothing_sealed_is_shown(unit: Shell) -> None:
    for agency in ("clinic", "cac", "hotline"):
        for form in ("table", "json", "csv", "ndjson"):
            shown = unit.run("partner", agency, "--format", form).stdout
            for secret in (DETECTIVE.id, SERGEANT.id, CLINIC.id, INTAKE.id, "narrative", "sealed words"):
                assert secret not in shown


def test_a_case_that_is_neglected_is_shown_once_the_policy_tells_the_partners(unit: Shell) -> None:
    """The clinic did its part, and owes nothing: that the detective went quiet it is told after a week."""
    for number, waits in ((17.5, []), (18.5, []), (25.5, ["progress"])):
        rows = seen(unit, "clinic", "--now", day(number), "--case", "C-1", "--overdue")
        assert [one["clock"] for row in rows.values() for one in row["clocks"]] == waits


def test_an_unanswered_concern_is_overdue_and_an_answered_one_is_not(unit: Shell) -> None:
    concern = seen(unit, "clinic", "--now", day(11), "--overdue")["C-2", "concerned", "c1"]
    assert chosen(concern, "state", "about", "clock", "due_at", "days_waited") == (
        "open", "no_response", "concern_answer", day(10), 8,
    )  # fmt: skip
    answered = seen(unit, "cac", "--now", day(30))["C-3", "concerned", "c1"]
    assert chosen(answered, "state", "answer", "acknowledged_at") == ("answered", "explained", day(7))
    assert "concern_answer" not in [one["clock"] for one in answered["clocks"]]


def test_rows_can_be_chosen(unit: Shell) -> None:
    every = seen(unit, "clinic", "--now", day(2.5))
    assert list(seen(unit, "clinic", "--now", day(2.5), "--waiting")) == [
        key for key, row in every.items() if row["clocks"]
    ]
    assert list(seen(unit, "clinic", "--now", day(2.5), "--overdue")) == [("C-2", "reported", "R-1")]
    assert list(seen(unit, "clinic", "--since", day(2))) == [("C-2", "asking", "help"), ("C-2", "concerned", "c1")]
    assert {key[0] for key in seen(unit, "clinic", "--case", "C-1")} == {"C-1"}
    result = unit.run("partner", "clinic", "--limit", "2", "--format", "ndjson")
    assert len(result.stdout.splitlines()) == 2
    assert "--limit" in result.stderr


def test_the_past_is_shown_as_it_was(unit: Shell) -> None:
    assert list(seen(unit, "clinic", "--as-of", day(2.5))) == [
        ("C-2", "reported", "R-1"), ("C-1", "asked", "r1"), ("C-2", "asking", "help"),
    ]  # fmt: skip
    assert seen(unit, "cac", "--as-of", day(6.5))["C-3", "concerned", "c1"]["state"] == "open"
    assert seen(unit, "hotline", "--as-of", day(-1)) == {}


def test_options_may_come_before_the_agency_and_every_form_can_be_had(unit: Shell) -> None:
    assert unit.rows("partner", "--waiting", "clinic") == unit.rows("partner", "list", "clinic", "--waiting")
    for form in ("table", "json", "csv", "ndjson"):
        assert "C-2" in unit.run("partner", "clinic", "--format", form).stdout
    shown = unit.run("partner", "clinic", "--format", "csv").stdout
    assert all(len(row) == 18 for row in csv.reader(io.StringIO(shown, newline="")))


def test_what_is_no_agency_is_refused_before_anything_is_read(unit: Shell) -> None:
    assert "not an id" in unit.run("partner", "Dr. Jane Doe", code=2).stderr
    unit.run("partner", "--no-such-option", "clinic", code=2)


# --- concerns, as people at their desks record them ---

RAISER: Final = ("--person", "clinic.ruiz", "--agency", "clinic", "--role", "partner")
UNIT: Final = (
    ("--person", "sgt.archer", "--agency", "metro-pd", "--role", "supervisor"),
    ("--person", "det.01", "--agency", "metro-pd", "--role", "investigator"),
    ("--person", "cmdr.stone", "--agency", "metro-pd", "--role", "commander"),
    ("--person", "liaison", "--agency", "metro-pd", "--role", "partner"),
    ("--person", "review", "--agency", "metro-pd", "--role", "auditor"),
)


@pytest.fixture
def desk(shell: Shell) -> Shell:
    """A report that nobody has looked at, and the clinic's concern about it."""
    shell.report("C-9", "--at", day(0))
    shell.run(*RAISER, "act", "concern-raised", "C-9", "--concern", "c1", "--about", "no_response", "--at", day(1))
    return shell


def concern(shell: Shell, now: str = day(30)) -> dict[str, Any]:
    return seen(shell, "clinic", "--now", now)["C-9", "concerned", "c1"]


def close(shell: Shell, who: tuple[str, ...], outcome: str = "settled", code: int = 0) -> str:
    words = ("act", "concern-closed", "C-9", "--concern", "c1", "--outcome", outcome)
    return shell.run(*who, *words, code=code).stderr


def test_an_unanswered_concern_shows_as_overdue_to_who_raised_it(desk: Shell) -> None:
    assert chosen(concern(desk, day(8)), "state", "clock_state", "owed_by") == ("open", "running", "metro-pd")
    assert chosen(concern(desk, day(9)), "state", "clock_state", "days_waited") == ("open", "missed", 8)
    assert ("C-9", "concerned", "c1") in seen(desk, "clinic", "--now", day(9), "--overdue")


@pytest.mark.parametrize("who", UNIT, ids=[words[-1] for words in UNIT])
def test_the_unit_cannot_close_a_concern_about_itself(desk: Shell, who: tuple[str, ...]) -> None:
    assert "rejected" in close(desk, who, code=3)
    assert chosen(concern(desk), "state", "clock") == ("open", "concern_answer")
    desk.run(*UNIT[0], "act", "concern-answered", "C-9", "--concern", "c1", "--answer", "explained")
    close(desk, who, code=3)
    assert concern(desk)["state"] == "answered"
    results = [row["result"] for row in desk.rows("history", "C-9")]
    assert results == ["accepted", "accepted", "rejected", "accepted", "rejected"], "every attempt stays in the history"


def test_another_partner_cannot_close_it_and_oversight_can(desk: Shell) -> None:
    close(desk, ("--person", "cac.lee", "--agency", "cac", "--role", "partner"), code=3)
    assert concern(desk)["state"] == "open"
    close(desk, ("--person", "insp.1", "--agency", "state-auditor", "--role", "auditor"))
    assert concern(desk)["state"] == "closed"


def test_the_answer_shows_up_and_closing_is_the_raisers(desk: Shell) -> None:
    desk.run(
        *UNIT[0], "act", "concern-answered", "C-9", "--concern", "c1", "--answer", "work_resumed", "--at", day(4)
    )  # fmt: skip
    answered = concern(desk)
    assert chosen(answered, "state", "answer", "acknowledged_at") == ("answered", "work_resumed", day(4))
    assert "concern_answer" not in [one["clock"] for one in answered["clocks"]]
    close(desk, RAISER)
    assert chosen(concern(desk), "state", "answer") == ("closed", "work_resumed")


def test_a_concern_can_be_raised_without_knowing_the_ids_of_others(desk: Shell) -> None:
    result = desk.run(
        *RAISER, "partner", "raise", "C-9", "--about", "child_not_safe", "--seal", "narrative=called twice", "--at", day(2)
    )  # fmt: skip
    raised = result.stderr.split()[1]
    row = seen(desk, "clinic", "--now", day(3))["C-9", "concerned", raised]
    assert chosen(row, "about", "state", "clock") == ("child_not_safe", "open", "concern_answer")
    assert "called twice" in desk.run("history", "C-9", "--unseal").stdout
    desk.run(*RAISER, "partner", "raise", "C-77", "--about", "other", code=3)
    desk.run("partner", "raise", "C-9", "--about", "other", code=2)


@pytest.mark.parametrize(("code", "more"), [(0, ()), (5, ("--timeout", "0"))])
def test_the_id_that_was_made_for_a_concern_is_in_its_row_whatever_has_become_of_it(
    desk: Shell, code: int, more: tuple[str, ...]
) -> None:
    words = (*RAISER, "partner", "raise", "C-9", "--about", "other", "--format", "json", *more)
    result = desk.run(*words, code=code)
    assert json.loads(result.stdout)[0]["concern"] == result.stderr.split()[1]
    words = (*RAISER, "act", "concern-raised", "C-9", "--concern", "c-2", "--about", "other", "--format", "json", *more)
    assert json.loads(desk.run(*words, code=code).stdout)[0]["concern"] == "c-2"
