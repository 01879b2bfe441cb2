"""Invented persons and agencies of the demonstration: who works in the unit when, and who its partners are."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Final

from casetrail.domain.actions import Actor
from casetrail.domain.codes import AgencyKind, Role

POLICE: Final = "metro-pd"
UNIT: Final = "child-crimes"
CLINIC: Final = "childrens-clinic"
CENTER: Final = "advocacy-center"
HOTLINE: Final = "state-hotline"
CHILDREN: Final = "childrens-division"
PROSECUTOR: Final = "county-prosecutor"
ADVOCATES: Final = "victim-advocates"
SHERIFF: Final = "county-sheriff"
OVERSIGHT: Final = "police-board"

AGENCIES: Final = {
    POLICE: AgencyKind.LAW_ENFORCEMENT,
    HOTLINE: AgencyKind.HOTLINE,
    CHILDREN: AgencyKind.CHILD_PROTECTIVE_SERVICES,
    CLINIC: AgencyKind.MEDICAL,
    CENTER: AgencyKind.CHILD_ADVOCACY_CENTER,
    PROSECUTOR: AgencyKind.PROSECUTION,
    ADVOCATES: AgencyKind.VICTIM_ADVOCACY,
    SHERIFF: AgencyKind.LAW_ENFORCEMENT,
    OVERSIGHT: AgencyKind.OVERSIGHT,
}

REGISTRAR: Final = Actor("reg.okoye", POLICE, Role.REGISTRAR)
INTAKE: Final = Actor("intake.desk", POLICE, Role.INTAKE)
LIAISON: Final = Actor("liaison.desk", POLICE, Role.PARTNER)
"""The desk of the police that answers when another agency asks for help."""
HOTLINE_WORKER: Final = Actor("hotline.12", HOTLINE, Role.REPORTER)
CASEWORKER: Final = Actor("cd.moreno", CHILDREN, Role.PARTNER)
CLINICIAN: Final = Actor("clinic.ruiz", CLINIC, Role.PARTNER)
INTERVIEWER: Final = Actor("center.okafor", CENTER, Role.PARTNER)
ATTORNEY: Final = Actor("da.lindqvist", PROSECUTOR, Role.PARTNER)
ADVOCATE: Final = Actor("adv.haddad", ADVOCATES, Role.PARTNER)
DEPUTY: Final = Actor("sheriff.desk", SHERIFF, Role.PARTNER)
OUTSIDERS: Final = (HOTLINE_WORKER, CASEWORKER, CLINICIAN, INTERVIEWER, ATTORNEY, ADVOCATE, DEPUTY)

PERIOD: Final = timedelta(days=4 * 365)
"""How long the story lasts, but for a leap day."""


@dataclass(frozen=True)
class Member:
    """Somebody of the unit, from when to when (days of the story; None: from before, or to its end).

    ``moves_to``: the unit to which they go; where it is None, they leave the agency. ``plans``: whether the leave is known
    beforehand, so that cases are handed over before it.
    """

    actor: Actor
    joins: float | None = None
    leaves: float | None = None
    moves_to: str | None = None
    plans: bool = True


def _detective(
    number: int,
    joins: float | None = None,
    leaves: float | None = None,
    *,
    moves_to: str | None = None,
    plans: bool = True,
) -> Member:
    return Member(Actor(f"det.{number:02}", POLICE, Role.INVESTIGATOR), joins, leaves, moves_to, plans)


COMMANDERS: Final = (
    Member(Actor("cmd.diaz", POLICE, Role.COMMANDER), None, 905),
    Member(Actor("cmd.ellis", POLICE, Role.COMMANDER), 905),
)
SERGEANTS: Final = (
    Member(Actor("sgt.archer", POLICE, Role.SUPERVISOR)),
    Member(Actor("sgt.brandt", POLICE, Role.SUPERVISOR), None, 1096),
    Member(Actor("sgt.castro", POLICE, Role.SUPERVISOR), 1090),
)
DETECTIVES: Final = (
    _detective(1, None, 402, plans=False),
    _detective(2),
    _detective(3, None, 214),
    _detective(4, None, 1210, moves_to="homicide", plans=False),
    _detective(5),
    _detective(6, None, 655, moves_to="patrol"),
    _detective(7),
    _detective(8, None, 1004),
    _detective(9, 200),
    _detective(10, 420, 862, moves_to="robbery", plans=False),
    _detective(11, 640),
    _detective(12, 884),
    _detective(13, 990),
    _detective(14, 1231),
)
"""Eight at a time. Those who leave without a plan are replaced some weeks later."""
LEFT_UNPLANNED: Final = tuple(one for one in DETECTIVES if not one.plans)

FIRST_NAMES: Final = (
    "Ada Ben Cleo Dov Elif Finn Gia Hana Ivo Juno Kai Lena Milo Nia Omar Pia Quinn Rosa Sami Tess Uma "
    "Vito Wren Xenia Yara Zeno Abel Bria Cato Dina Emil Faye Gus Hedy Ines Jory Kiki Lars Mara Nils Orla "
    "Paco Remy Suri Theo Ulla Vera Wim"
)
FIRST: Final = tuple(FIRST_NAMES.split())
LAST_NAMES: Final = (
    "Abelard Brandis Castell Dorn Ekholm Farrow Grimaldi Hollis Ibsen Jarvis Kessel Lindahl Marchetti "
    "Novak Oduya Pereira Quist Ravel Sandoval Tamm Ueland Vance Winther Yilmaz Zander Amadi Bellini "
    "Corrigan Duarte Eriksen Falk Gauthier Haugen Iwata Jansen Kowal Lemaire Mbeki Nyberg Osei Petrov "
    "Rourke Sorensen Toth Umarov Vogel Wolski"
)
LAST: Final = tuple(LAST_NAMES.split())
STREET_NAMES: Final = (
    "Elm Harbor Juniper Mill Orchard Prospect Quarry Willow Alder Birch Cedar Dogwood Foundry Granite Hickory Ivy "
    "Larch Maple Nettle Poplar Reservoir Sycamore Tannery Walnut"
)
STREETS: Final = tuple(STREET_NAMES.split())
SIDES: Final = ("North", "East", "South", "West")


@dataclass(frozen=True)
class Family:
    """Whom a report names: a child and a suspect, each with a date of birth, and where the child lives."""

    child: str
    child_born: date
    suspect: str
    suspect_born: date
    home: str


def family(chance: Random, at: datetime) -> Family:
    """An invented family, as it is at a moment."""
    day = at.date()
    return Family(
        _name(chance),
        day - timedelta(days=chance.randrange(400, 17 * 365)),
        _name(chance),
        day - timedelta(days=chance.randrange(17 * 365, 60 * 365)),
        f"{chance.randrange(100, 9900)} {chance.choice(SIDES)} {chance.choice(STREETS)} Street",
    )


def _name(chance: Random) -> str:
    return f"{chance.choice(FIRST)} {chance.choice(LAST)}"
