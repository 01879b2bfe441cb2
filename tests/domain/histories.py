"""Values, actions and whole histories for property tests, made from the types of the fields themselves."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, is_dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from operator import add
from typing import Annotated, Any, TypeVar, cast, get_args, get_origin

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from casetrail.domain.actions import Action, Actor, Body, Imported
from casetrail.domain.case import Case
from casetrail.domain.codes import Role
from casetrail.domain.deciding import decide
from casetrail.domain.kinds import ACTION_KINDS
from casetrail.domain.shapes import field_types, item_of, marks, optional
from casetrail.domain.values import EPOCH, ID_PATTERN, Fixed, IdMark
from tests.actions import HAPPENED

CASE_ID = "C-1"
LAST_RECORDED = HAPPENED + timedelta(days=200)


Makes = TypeVar("Makes", bound=Callable[..., Any])


def once(makes: Makes) -> Makes:
    """The same function, which makes the same strategy once only: that takes longer than to draw from it."""
    return cast(Makes, cache(makes))


@dataclass(frozen=True)
class Values:
    """Where the plain values come from that bodies are filled with."""

    ids: SearchStrategy[str]
    numbers: SearchStrategy[int]
    moments: SearchStrategy[datetime]

    def of(self, hint: Any) -> SearchStrategy[Any]:
        """Values of a field's type."""
        if inner := optional(hint):
            return st.none() | self.of(inner)
        if inner := item_of(hint):
            return st.lists(self.of(inner), max_size=2).map(tuple)
        for mark in marks(hint):
            if isinstance(mark, IdMark):
                return self.ids
            if isinstance(mark, Fixed):
                return st.binary(min_size=mark.size, max_size=mark.size)
        hint = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        if isinstance(hint, type) and issubclass(hint, StrEnum):
            return st.sampled_from(list(hint))
        if is_dataclass(hint):
            return self.made(hint)
        plain = {bool: st.booleans(), int: self.numbers, bytes: st.binary(max_size=64), datetime: self.moments}
        return plain[hint]

    @once
    def made(self, kind: Any) -> SearchStrategy[Any]:
        """Instances of a dataclass."""
        return st.builds(kind, **{name: self.of(hint) for name, hint in field_types(kind)})


def moments(first: datetime, last: datetime) -> SearchStrategy[datetime]:
    """Moments with microseconds, UTC."""
    span = (last - first) // timedelta(microseconds=1)
    return st.integers(0, span).map(lambda micros: first + timedelta(microseconds=micros))


ASCII = "".join(map(chr, range(128)))
BEGINNINGS = "".join(sign for sign in ASCII if ID_PATTERN.fullmatch(sign))
OTHERS = "".join(sign for sign in ASCII if ID_PATTERN.fullmatch(f"a{sign}"))

WIDE = Values(
    ids=st.builds(add, st.sampled_from(BEGINNINGS), st.text(OTHERS, max_size=63)),
    numbers=st.integers(-(2**63), 2**63 - 1),
    moments=moments(EPOCH.replace(year=1), EPOCH.replace(year=9999)),
)
"""Everything that the fields' types allow."""

NARROW = Values(
    ids=st.sampled_from(("one", "two", "three")),
    numbers=st.integers(0, 6),
    moments=moments(HAPPENED, HAPPENED + timedelta(days=40)),
)
"""Few values, so that actions refer to each other's people, referrals and events."""


@once
def actions(values: Values, kind: type[Body]) -> SearchStrategy[Action]:
    """Any action of one kind."""
    return st.builds(
        Action,
        action_id=st.binary(min_size=16, max_size=16),
        case_id=values.ids,
        occurred_at=values.moments,
        actor=values.made(Actor),
        body=values.made(kind),
        imported=st.none() | st.builds(Imported, st.binary(min_size=32, max_size=32), st.just(2), values.ids),
    )


@once
@st.composite
def likely_action(draw: st.DrawFn, kind: type[Body], imported: bool) -> Action:
    """An action in a role that may have it recorded."""
    role = Role.REGISTRAR if imported else draw(st.sampled_from(sorted(kind.roles)))
    source = Imported(bytes(32), draw(st.integers(2, 9)), "old-system") if imported else None
    action_id = draw(st.integers(0, 40)).to_bytes(16)
    actor = Actor(draw(NARROW.ids), draw(NARROW.ids), role)
    return Action(action_id, CASE_ID, draw(NARROW.moments), actor, draw(NARROW.made(kind)), source)


@st.composite
def submissions(draw: st.DrawFn) -> list[Action]:
    """What may be submitted of one case: mostly begun by a report that is screened in, some of it imported."""
    imported = draw(st.integers(0, 3)) == 0
    begun = draw(st.sampled_from((("ReportReceived", "ScreenedIn"), ("ReportReceived",), ())))
    kinds = [kind for kind in ACTION_KINDS if kind.__name__ in begun]
    kinds += draw(st.lists(st.sampled_from(ACTION_KINDS), max_size=25))
    live_from = draw(st.integers(0, len(kinds))) if imported else 0
    return [draw(likely_action(kind, number < live_from)) for number, kind in enumerate(kinds)]


def played(submitted: list[Action]) -> Iterator[Case]:
    """The one case as it stands after each of the submissions."""
    case = Case.unreported(CASE_ID)
    for number, action in enumerate(submitted):
        recorded_at = LAST_RECORDED + timedelta(milliseconds=number)
        case.record(action, decide(case, action, recorded_at), recorded_at)
        case.collect_events()
        yield case
