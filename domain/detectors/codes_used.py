"""Codes that a policy has withdrawn."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from datetime import datetime
from enum import StrEnum
from functools import cache, partial
from typing import Any, Final

from casetrail.domain.actions import Body
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.happenings import Happening
from casetrail.domain.policy import Withdrawn
from casetrail.domain.shapes import field_types, item_of, optional

REOPENED: Final = (Happening.REOPENED, Happening.REOPENED_UNSCREENED)
UNDONE_BY: Final[Mapping[str, tuple[Happening, ...]]] = {
    "SuspensionReason": (Happening.RESUMED, Happening.SUSPENDED, Happening.CLOSED),
    "Disposition": (Happening.CLOSURE_REFUSED, *REOPENED),
    "Clearance": (Happening.CLOSURE_REFUSED, *REOPENED),
    "ScreeningReason": REOPENED,
}
"""What undoes that a code of a vocabulary was used."""

Values = Callable[[Any], tuple[Any, ...]]
"""The codes in the value of a field."""


@detector()
def forbidden_code(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A code that was used after a policy had withdrawn it.

    Rule: a fact was recorded with a code that the policy in force then lists as withdrawn from an earlier moment on. It is
    the recording that counts, not when the fact is said to have happened; for an imported one, when it happened.

    Evidence: the fact.

    Settled by: undoing it, where the code says how a case rests or ended: resuming the case or suspending it for another
    reason, refusing the closure, reopening the case. Suspending it again with a withdrawn code is another finding, and
    settles none. Nothing settles the use of any other code.

    May be wrong: where a withdrawn code was entered late for a time when it was still allowed.

    Found in: Houston, where the code was ordered stopped in 2021 and used until 2024.
    """
    settled: dict[frozenset[Happening], tuple[Step | None, int]] = {}
    for place, step in enumerate(history.steps):
        standard = settings(step.known_at)
        kind: Any = type(step.action.body)
        if _vocabularies(kind).isdisjoint(standard.policy.withdrawn_from):
            continue
        used = _used(step, standard.policy.withdrawn)
        if used:
            undone = frozenset(what for vocabulary, _ in used for what in UNDONE_BY.get(vocabulary, ()))
            if settled.get(undone, (None, 0))[1] <= place:
                by = history.until(place, partial(_undoes, undone, settings))
                settled[undone] = by, history.place_of(by)
            says = f"used the withdrawn code {', '.join(code for _, code in used)}"
            yield of_case(history, standard, step.known_at, [step], says, settled[undone][0], now)


def _undoes(undone: Set[Happening], settings: SettingsAt, later: Step) -> bool:
    """Whether a later step undoes the use of a code, and does not use a withdrawn one itself."""
    return not undone.isdisjoint(later.what) and not _used(later, settings(later.known_at).policy.withdrawn)


def _used(step: Step, withdrawn: Sequence[Withdrawn]) -> list[tuple[str, str]]:
    """The codes that a step uses although they are withdrawn."""
    kind: Any = type(step.body)
    some = [one for one in withdrawn if one.vocabulary in _vocabularies(kind) and one.since <= step.known_at]
    codes = {(one.vocabulary, one.code) for one in some}
    return [one for one in _codes(step.body) if one in codes] if codes else []


def _codes(body: Body) -> Iterator[tuple[str, str]]:
    """The codes of a body, each with the name of its vocabulary."""
    kind: Any = type(body)
    for name, values in _code_fields(kind):
        for code in values(getattr(body, name)):
            yield type(code).__name__, str(code)


@cache
def _code_fields(kind: Any) -> tuple[tuple[str, Values], ...]:
    """The fields of a body that hold codes."""
    found: list[tuple[str, Values]] = []
    for name, hint in field_types(kind):
        inner = optional(hint) or hint
        if _is_code(inner):
            found.append((name, lambda value: () if value is None else (value,)))
        elif (item := item_of(inner)) is not None and any(_is_code(one) for _, one in _part_fields(item)):
            names = [one for one, of in _part_fields(item) if _is_code(of)]
            found.append((name, lambda values, names=names: _inner(values, names)))  # type: ignore[misc]
    return tuple(found)


@cache
def _vocabularies(kind: Any) -> frozenset[str]:
    """The names of the vocabularies of which a body may have codes."""
    hints = [optional(hint) or hint for _, hint in field_types(kind)]
    hints += [one for hint in hints if (item := item_of(hint)) is not None for _, one in _part_fields(item)]
    return frozenset(hint.__name__ for hint in hints if _is_code(hint))


def _inner(values: tuple[Any, ...] | None, names: list[str]) -> tuple[Any, ...]:
    return tuple(getattr(value, name) for value in values or () for name in names)


def _part_fields(kind: Any) -> tuple[tuple[str, Any], ...]:
    """The fields of a part of a body; none of what is no dataclass."""
    return field_types(kind) if hasattr(kind, "__dataclass_fields__") else ()


def _is_code(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, StrEnum)
