"""A police unit that plays by all the rules of the log, and wants a report to be forgotten; months go by in a second.

Everything is sealed, submitted and recorded for real, on an embedded log, under the Missouri preset, with the agencies and
people of the demonstration in the registry. Whoever looks asks the commands that an outsider has.
"""

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from click.testing import CliRunner

from casetrail.cli.main import cli
from casetrail.demo.people import (
    AGENCIES,
    COMMANDERS,
    DETECTIVES,
    INTAKE,
    INTERVIEWER,
    POLICE,
    REGISTRAR,
    SERGEANTS,
    UNIT,
)
from casetrail.demo.playing import play
from casetrail.demo.telling import Scene as Told
from casetrail.domain.actions import Actor, Body
from casetrail.domain.assignment import Acknowledged, Assigned
from casetrail.domain.closure import ClosureApproved, ClosureRequested
from casetrail.domain.codes import (
    AgencyKind,
    Channel,
    ContactMethod,
    Disposition,
    ExtensionReason,
    Offence,
    ReporterKind,
    ReviewResult,
    Role,
    ScreeningReason,
    SealedName,
    Service,
    Step,
)
from casetrail.domain.contact import VictimContactMade
from casetrail.domain.extension import DecisionExtended
from casetrail.domain.intake import OffenceAlleged, ReportReceived, ScreenedIn
from casetrail.domain.investigation import InvestigativeStepTaken, SupervisorReviewed
from casetrail.domain.referral import ReferralAccepted, ReferralCompleted, ReferralMade
from casetrail.domain.registry import REGISTRY, AgencyRegistered, PersonJoined, PolicyAdopted
from casetrail.domain.sealed import Token
from casetrail.privacy.opening import open_keyring
from tests.domain.policies import text_of

DAY: Final = timedelta(days=1)
BEGINNING: Final = datetime(2024, 1, 8, 15, tzinfo=UTC)  # a Monday, nine o'clock in Missouri
CASE: Final = "KC-2024-0149"
DETECTIVE, OTHER_DETECTIVE = DETECTIVES[0].actor, DETECTIVES[1].actor
SERGEANT, OTHER_SERGEANT = SERGEANTS[0].actor, SERGEANTS[1].actor
COUNSELLOR: Final = Actor("school.counsellor", "day-school", Role.PARTNER)
RAPE: Final = (OffenceAlleged(Offence.RAPE),)


def day(number: float) -> datetime:
    """So many days after the report."""
    return BEGINNING + number * DAY


def reported(offences: tuple[OffenceAlleged, ...] = RAPE, tokens: tuple[Token, ...] = ()) -> ReportReceived:
    """What a family tells by telephone."""
    return ReportReceived("R-149", Channel.PHONE, ReporterKind.FAMILY, POLICE, UNIT, offences, tokens=tokens)


class Unit:
    """A unit, and all that its people have recorded of one report, which came by telephone: no partner knows of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._told: list[Told] = []
        agencies = {**AGENCIES, COUNSELLOR.agency: AgencyKind.SCHOOL}
        people = [one.actor for one in (*COMMANDERS, *SERGEANTS, *DETECTIVES)]
        for agency, kind in agencies.items():
            self._enter(day(-60), REGISTRAR, AgencyRegistered(agency, kind), REGISTRY)
        for actor in people:
            self._enter(day(-59), REGISTRAR, PersonJoined(actor.id, POLICE, actor.role, UNIT), REGISTRY)
        adopted = PolicyAdopted(day(-50), text_of("missouri").encode())
        self._enter(day(-51), COMMANDERS[0].actor, adopted, REGISTRY)

    def _enter(self, at: datetime, actor: Actor, body: Body, case_id: str, **texts: str) -> None:
        self._told.append(Told(at, at, case_id, actor, body, {SealedName(name): text for name, text in texts.items()}))

    def say(self, at: float, actor: Actor, *bodies: Body, case: str = CASE) -> "Unit":
        """Somebody has this recorded, when it happens."""
        for number, body in enumerate(bodies):
            text = {"rationale": "Invented."} if isinstance(body, ClosureRequested) else {}
            self._enter(day(at) + timedelta(minutes=number), actor, body, case, **text)
        return self

    def takes_in(self, offences: tuple[OffenceAlleged, ...] = RAPE) -> "Unit":
        """A family calls; the report is screened in and assigned within the hour."""
        self.say(0, INTAKE, reported(offences), ScreenedIn(ScreeningReason.ALLEGES_CRIME))
        return self.say(0.02, SERGEANT, Assigned(DETECTIVE.id)).say(0.03, DETECTIVE, Acknowledged())

    def begins_well(self) -> "Unit":
        """The child is seen and interviewed within the week: whoever wants a report forgotten begins so."""
        self.takes_in().say(0.2, DETECTIVE, VictimContactMade(ContactMethod.IN_PERSON))
        self.say(0.3, DETECTIVE, ReferralMade("f1", Service.FORENSIC_INTERVIEW, INTERVIEWER.agency))
        self.say(0.4, INTERVIEWER, ReferralAccepted("f1")).say(4, INTERVIEWER, ReferralCompleted("f1", True))
        return self.say(4.1, DETECTIVE, InvestigativeStepTaken(Step.FORENSIC_INTERVIEW_ATTENDED))

    def goes_through_the_motions(self, until: int) -> "Unit":
        """A sergeant reviews the case each month, and gives the decision more time before the law's 120 days are over."""
        for at in range(25, until, 25):
            self.say(at, SERGEANT, SupervisorReviewed(ReviewResult.CONTINUE))
        for at in range(115, until, 40):
            self.say(at, SERGEANT, DecisionExtended(day(at + 44), ExtensionReason.AWAITING_LAB))
        return self

    def closes(self, at: float, request: ClosureRequested | Disposition = Disposition.INACTIVATED) -> "Unit":
        """The holder asks for the closure, and another sergeant approves it the same day."""
        asked = request if isinstance(request, ClosureRequested) else ClosureRequested(request)
        return self.say(at, DETECTIVE, asked).say(at + 0.1, OTHER_SERGEANT, ClosureApproved())

    def play(self) -> "Outsider":
        """All of it, in the order in which it was recorded."""
        told = sorted(self._told, key=lambda one: one.entered)
        keyring = open_keyring(f"sqlite:{self._folder / 'keys.db'}")
        play(self._folder / "unit.db", "unit", keyring, told, None)
        keyring.close()
        return Outsider(f"sqlite:{self._folder / 'unit.db'}")


class Outsider:
    """Somebody outside the unit who has the log."""

    def __init__(self, url: str) -> None:
        self._url = url

    def sees(self, at: float) -> dict[str, float]:
        """By detector, since which day something is found of the report that is open on a day."""
        return {row["detector"]: round(_days(row["since"]), 1) for row in self._rows("findings", "--from-log", at=at)}

    def to_be_told(self, at: float, detector: str) -> set[str]:
        """The levels that by a day are to have been told of what a detector has found."""
        rows = self._rows("findings", "--from-log", "--detector", detector, at=at)
        return {level for row in rows for level in row["untold"]}

    def overdue(self, at: float) -> set[str]:
        """The clocks of the report that are overdue on a day."""
        return {row["clock"] for row in self._rows("overdue", "--from-log", at=at)}

    def published(self, folder: Path, at: float) -> dict[str, str]:
        """How many reports were received, by offence, as the report for the public says on a day."""
        asked = ["--log", self._url, "sunlight", str(folder), "--from-log", "--now", day(at).isoformat()]
        done = CliRunner().invoke(cli, asked)
        assert done.exit_code == 0, (done.output, done.exception)
        with (folder / "data" / "by-offence.csv").open(encoding="utf-8", newline="") as file:
            return {row["Offence"]: row["reports received"] for row in csv.DictReader(file)}

    def _rows(self, *words: str, at: float) -> list[dict[str, Any]]:
        asked = ["--log", self._url, *words, "--now", day(at).isoformat(), "--format", "json"]
        done = CliRunner().invoke(cli, asked)
        assert done.exit_code in (0, 8), (asked, done.output, done.exception)
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return [row for row in found if CASE in (row.get("subject"), row.get("case_id"))]


def _days(moment: str) -> float:
    return (datetime.fromisoformat(moment) - BEGINNING) / DAY
