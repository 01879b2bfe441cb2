"""What the rules of the registry and of extensions refuse, and the like that they let pass: rows of ``test_rules.Example``.

All examples of the registry have people and agencies of their own: in the golden histories they stand in one history.
"""

from datetime import timedelta
from typing import Final

from casetrail.domain.actions import Action, Actor, Body
from casetrail.domain.codes import AgencyKind, ExtensionReason, Role
from casetrail.domain.extension import LONGEST_EXTENSION, DecisionExtended
from casetrail.domain.registry import (
    REGISTRY,
    AgencyRegistered,
    PersonJoined,
    PersonLeft,
    PersonMoved,
    PolicyAdopted,
)
from tests.actions import HAPPENED, INTAKE, REGISTRAR, SERGEANT, action, report

COMMANDER: Final = Actor("cmd.diaz", "metro-pd", Role.COMMANDER)
MOMENT: Final = timedelta(microseconds=1)

Row = tuple[str, tuple[Action, ...], Action, Action, tuple[Action, ...] | None]


def registered(body: Body, actor: Actor = REGISTRAR) -> Action:
    """An action of the registry."""
    return action(body, actor, REGISTRY)


def agency(name: str) -> Action:
    return registered(AgencyRegistered(name, AgencyKind.LAW_ENFORCEMENT))


def joined(person: str, at: str) -> Action:
    return registered(PersonJoined(person, at, Role.INVESTIGATOR, "child-crimes"))


def policy(text: bytes = b'name = "ours"', after: timedelta = timedelta()) -> Action:
    return registered(PolicyAdopted(HAPPENED + after, text), COMMANDER)


def extended(after: timedelta) -> Action:
    return action(DecisionExtended(HAPPENED + after, ExtensionReason.AWAITING_LAB), SERGEANT)


RECEIVED: Final = (action(report(), INTAKE),)

REGISTRY_EXAMPLES: Final[tuple[Row, ...]] = (
    ("registry-only", (), action(agency("agency-1").body, REGISTRAR), agency("agency-1"), None),
    ("agency-registered", (agency("agency-2"),), agency("agency-2"), agency("agency-3"), None),
    ("no-such-agency", (), joined("person-1", "nowhere"), joined("person-1", "agency-4"), (agency("agency-4"),)),
    (
        "person-works-already",
        (agency("agency-5"), joined("person-2", "agency-5")),
        joined("person-2", "agency-5"),
        joined("person-3", "agency-5"),
        None,
    ),
    (
        "no-such-person",
        (),
        registered(PersonLeft("person-4")),
        registered(PersonLeft("person-5")),
        (agency("agency-6"), joined("person-5", "agency-6")),
    ),
    (
        "nothing-moved",
        (agency("agency-7"), joined("person-6", "agency-7")),
        registered(PersonMoved("person-6", Role.INVESTIGATOR, "child-crimes")),
        registered(PersonMoved("person-6", Role.SUPERVISOR, "child-crimes")),
        None,
    ),
    ("policy-empty", (), policy(b" \n"), policy(), None),
    ("policy-for-the-past", (), policy(after=-MOMENT), policy(), None),
    ("extension-past", RECEIVED, extended(timedelta()), extended(MOMENT), None),
    ("extension-too-far", RECEIVED, extended(LONGEST_EXTENSION + MOMENT), extended(LONGEST_EXTENSION), None),
)
