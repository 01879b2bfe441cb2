"""A staff list as changes to the registry: who joined, moved and left, compared with what the registry knows already.

Only what the registry lacks becomes an action, so the same list, or next month's, doubles nothing. A row says where somebody
worked, in which role, from when and until when. Rows of one person stand in the order in which they began; a row that begins
when the one before it ended, or on the next day, is a move.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from casetrail.domain.actions import Action, Actor, Body, kind_of, plain_fields
from casetrail.domain.case import Case
from casetrail.domain.codes import AgencyKind, Role
from casetrail.domain.registry import (
    REGISTRY,
    AgencyRegistered,
    PersonJoined,
    PersonLeft,
    PersonMoved,
    registry_of,
    working,
)
from casetrail.domain.tables import shown
from casetrail.domain.values import is_id, iso
from casetrail.importing.errors import ImportFailed, RowRefused
from casetrail.importing.reading import BATCH, CsvFile, NumberedRow, batches
from casetrail.importing.rows import in_utc

NEEDED: Final = ("person", "agency", "role", "joined")
OPTIONAL: Final = ("unit", "left", "agency_kind")
NO_GAP: Final = timedelta(days=1)

Change = tuple[int, Action]
"""An action, and the line that it follows from."""
C = TypeVar("C", bound=StrEnum)


class Spell(NamedTuple):
    """A row: somebody worked in a place, from when until when (UTC; None: still, or longer than until now)."""

    line: int
    person: str
    agency: str
    role: Role
    unit: str | None
    joined: datetime
    left: datetime | None
    agency_kind: AgencyKind | None


class Staff:
    """Compares rows with a registry, and brings that on by what they change."""

    def __init__(self, registry: Case, actor: Actor, now: datetime, zone: ZoneInfo | None) -> None:
        """``registry``: its history, folded. ``zone``: of dates and of times without one; None where all have one."""
        self._registry, self._actor, self._now, self._zone = registry, actor, now, zone
        self._last: dict[str, Spell] = {}  # of each person the row before; whether its end was a move shows only later
        self.known = 0

    def take(self, row: NumberedRow) -> list[Change]:
        """What a row changes. Raises ``RowRefused``; then it changes nothing."""
        if row.problem:
            raise RowRefused("", row.problem)
        spell = self._spell(row)
        before = self._last.get(spell.person)
        if before is not None:
            _check_order(before, spell)
        known = spell.agency in registry_of(self._registry).agencies
        if not known and spell.agency_kind is None:
            raise RowRefused("agency", "is not registered, and there is no agency_kind to register it by")
        made = [] if known or spell.agency_kind is None else [
            self._made(spell.line, spell.joined, AgencyRegistered(spell.agency, spell.agency_kind))
        ]  # fmt: skip
        if before is not None and not _is_move(before, spell):
            made += self._end(before)
        made += self._join(spell)
        self._last[spell.person] = spell
        self.known += not made
        return made

    def finish(self) -> list[Change]:
        """Who has left: of each person, the end of the last row."""
        return [change for spell in self._last.values() for change in self._end(spell)]

    # --- what a row changes ---

    def _join(self, spell: Spell) -> list[Change]:
        person = registry_of(self._registry).people.get(spell.person)
        joined = PersonJoined(spell.person, spell.agency, spell.role, spell.unit)
        if person is not None and spell.joined < (person.left_at or person.joined_at):
            return []  # the registry knows of later times
        if person is None or person.left_at is not None:
            return [self._made(spell.line, spell.joined, joined)]
        if person.agency != spell.agency:
            return [
                self._made(spell.line, spell.joined, PersonLeft(spell.person)),
                self._made(spell.line, spell.joined, joined),
            ]
        if (person.unit, person.role) == (spell.unit, spell.role):
            return []
        return [self._made(spell.line, spell.joined, PersonMoved(spell.person, spell.role, spell.unit))]

    def _end(self, spell: Spell) -> list[Change]:
        person = working(self._registry, spell.person)
        if spell.left is None or person is None or spell.left < person.joined_at or person.agency != spell.agency:
            return []
        return [self._made(spell.line, spell.left, PersonLeft(spell.person))]

    def _made(self, line: int, at: datetime, body: Body) -> Change:
        """An action whose id follows from what it says, so that nothing is recorded twice; the registry as it is after it."""
        said = "\x1f".join(f"{name}\x1e{value}" for name, value in sorted(plain_fields(body).items()))
        action_id = sha256(f"casetrail/staff/1\x1f{kind_of(body)}\x1f{iso(at)}\x1f{said}".encode()).digest()[:16]
        action = Action(action_id, REGISTRY, at, self._actor, body)
        body.apply(self._registry, action)
        return line, action

    # --- reading a row ---

    def _spell(self, row: NumberedRow) -> Spell:
        cells = {name: (row.row.get(name) or "").strip() for name in (*NEEDED, *OPTIONAL)}
        joined, left = self._moment(cells["joined"], "joined"), None
        if cells["left"]:
            left = self._moment(cells["left"], "left")
            if left <= joined:
                raise RowRefused("left", "does not lie after 'joined'")
        if joined > self._now:
            raise RowRefused("joined", "has not come yet: import the list again when it has")
        return Spell(
            row.line,
            _id(cells["person"], "person"),
            _id(cells["agency"], "agency"),
            _code(Role, cells["role"], "role"),
            _id(cells["unit"], "unit") if cells["unit"] else None,
            joined,
            left if left is not None and left <= self._now else None,
            _code(AgencyKind, cells["agency_kind"], "agency_kind") if cells["agency_kind"] else None,
        )

    def _moment(self, text: str, column: str) -> datetime:
        try:
            found = datetime.fromisoformat(text)
        except ValueError as error:
            raise RowRefused(column, "is no date or time in ISO 8601, such as 2026-03-01") from error
        return in_utc(found, self._zone, column)


def _check_order(before: Spell, after: Spell) -> None:
    """Raise ``RowRefused`` where a row cannot follow on another of the same person."""
    if after.joined < before.joined or (after.joined == before.joined and not _is_same(before, after)):
        raise RowRefused("joined", f"does not lie after that in line {before.line}: rows of one person go by 'joined'")
    if before.agency != after.agency and before.left is not None and after.joined < before.left:
        raise RowRefused("joined", f"lies before 'left' in line {before.line}: one person is in one agency at a time")


def _is_same(one: Spell, other: Spell) -> bool:
    """Whether two rows that begin at the same moment speak of the same place."""
    return (one.agency, one.unit, one.role) == (other.agency, other.unit, other.role)


def _is_move(before: Spell, after: Spell) -> bool:
    """Whether somebody went from one place of an agency to another without having been away."""
    return before.agency == after.agency and (before.left is None or after.joined <= before.left + NO_GAP)


def _id(text: str, column: str) -> str:
    if not is_id(text):
        raise RowRefused(column, "is no id: 1 to 64 letters, digits and . _ : @ + -, the first a letter or digit")
    return text


def _code(codes: type[C], text: str, column: str) -> C:
    if text not in codes._value2member_map_:
        raise RowRefused(column, f"is none of {', '.join(codes)}")
    return codes(text)


def changes(
    staff: Staff, file: Path, refuse: Callable[[int, RowRefused], None], told: Callable[[int], None] | None = None
) -> Iterator[list[Change]]:
    """What a file changes, in batches, in order. ``refuse`` hears of rows that cannot be taken, ``told`` of rows read.

    Raises ``ImportFailed`` where the file cannot be read, or has not the columns that it needs.
    """
    opened = CsvFile(file)
    check_columns(file, opened.columns)
    for batch in batches(opened.rows(), BATCH):
        made: list[Change] = []
        for row in batch:
            try:
                made += staff.take(row)
            except RowRefused as refused:
                refuse(row.line, refused)
        yield made
        if told is not None:
            told(len(batch))
    last = staff.finish()
    yield from (last[start : start + BATCH] for start in range(0, len(last), BATCH))


def check_columns(file: Path, columns: tuple[str, ...]) -> None:
    """Raise ``ImportFailed`` where a staff list lacks a column, or has an unknown one."""
    for name in NEEDED:
        if name not in columns:
            raise ImportFailed(f"{file} has no column '{name}'; a staff list has {', '.join((*NEEDED, *OPTIONAL))}")
    unknown = sorted(set(columns) - {*NEEDED, *OPTIONAL})
    if unknown:
        known = ", ".join((*NEEDED, *OPTIONAL))
        raise ImportFailed(
            f"{file} has the column {shown(unknown[0])}, which a staff list does not have; it has {known}"
        )
