"""Who acts in a case: groups of roles that the rules name again and again."""

from typing import Final

from casetrail.domain.codes import Role

LEADERS: Final = frozenset({Role.SUPERVISOR, Role.COMMANDER})
"""Those who assign, review and approve."""

POLICE: Final = LEADERS | {Role.INVESTIGATOR}
"""Those who work a case in the unit."""

UNIT: Final = POLICE | {Role.INTAKE}
"""Everybody in the unit, its intake desk included."""

ANYBODY: Final = frozenset(Role)


def intake_desk(unit: str) -> str:
    """The id of a unit's intake desk: it owes what nobody else has been named for."""
    return f"{unit}/intake"


def supervisor_desk(unit: str) -> str:
    """The id of a unit's supervisor desk: it owes reviews and decisions on closures."""
    return f"{unit}/supervisor"


def commander_desk(unit: str) -> str:
    """The id of a unit's commander desk: it is told of what the supervisor has not seen to."""
    return f"{unit}/commander"
