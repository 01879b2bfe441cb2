"""Invented persons and agencies of the demonstration."""

from random import Random
from typing import Final

from casetrail.domain.actions import Actor
from casetrail.domain.codes import Role

POLICE: Final = "metro-pd"
UNIT: Final = "child-crimes"
CLINIC: Final = "childrens-clinic"
CENTER: Final = "advocacy-center"
HOTLINE: Final = "state-hotline"
PROSECUTOR: Final = "county-prosecutor"

INTAKE: Final = Actor("intake.desk", POLICE, Role.INTAKE)
HOTLINE_WORKER: Final = Actor("hotline.12", HOTLINE, Role.REPORTER)
SERGEANTS: Final = (Actor("sgt.archer", POLICE, Role.SUPERVISOR), Actor("sgt.brandt", POLICE, Role.SUPERVISOR))
DETECTIVES: Final = tuple(Actor(f"det.{number:02}", POLICE, Role.INVESTIGATOR) for number in range(1, 9))
CLINICIAN: Final = Actor("clinic.ruiz", CLINIC, Role.PARTNER)
INTERVIEWER: Final = Actor("center.okafor", CENTER, Role.PARTNER)

FIRST: Final = ("Ada", "Ben", "Cleo", "Dov", "Elif", "Finn", "Gia", "Hana", "Ivo", "Juno", "Kai", "Lena", "Milo", "Nia")
LAST: Final = ("Abel", "Brandt", "Castell", "Dorn", "Ekholm", "Farrow", "Grimaldi", "Hollis", "Ibsen", "Jarvis")
STREETS: Final = ("Elm", "Harbor", "Juniper", "Mill", "Orchard", "Prospect", "Quarry", "Willow")


def name(chance: Random) -> str:
    """An invented name."""
    return f"{chance.choice(FIRST)} {chance.choice(LAST)}"


def address(chance: Random) -> str:
    """An invented address."""
    return f"{chance.randrange(100, 9900)} {chance.choice(STREETS)} Street"
