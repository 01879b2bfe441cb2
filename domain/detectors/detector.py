"""What a detector is: a function, its name in policies, and its settings. Its docstring is its page."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from casetrail.domain.detectors.finding import Finding
from casetrail.domain.detectors.history import History
from casetrail.domain.detectors.settings import Setting, Settings
from casetrail.domain.happenings import Happening

SECTIONS: Final = ("Rule", "Evidence", "Settled by", "May be wrong", "Found in")
"""The paragraphs that a detector's docstring has after its first sentence, each beginning with its name and a colon."""

SettingsAt = Callable[[datetime], Settings]
"""The settings of a detector that were in force at a moment."""

F = TypeVar("F", bound=Callable[..., Any])
F_co = TypeVar("F_co", bound=Callable[..., Any], covariant=True)


@dataclass(frozen=True)
class Detector(Generic[F_co]):
    """A detector. ``find`` is its function.

    ``needs``: where none of these happened in a case, it finds nothing there; empty where that cannot be said.
    """

    name: str
    find: F_co
    settings: tuple[Setting, ...]
    needs: frozenset[Happening] = frozenset()

    @property
    def title(self) -> str:
        """Its name in words."""
        return self.name.replace("_", " ")

    @property
    def about(self) -> str:
        """What it finds, in a sentence."""
        return _paragraphs(self.find)[0]

    def section(self, name: str) -> str:
        """One of ``SECTIONS`` of its page."""
        head = f"{name}: "
        return next(one.removeprefix(head) for one in _paragraphs(self.find) if one.startswith(head))


def _paragraphs(function: Callable[..., Any]) -> list[str]:
    return [" ".join(one.split()) for one in inspect.cleandoc(function.__doc__ or "").split("\n\n")]


def detector(*settings: Setting, needs: Iterable[Happening] = ()) -> Callable[[F], Detector[F]]:
    """Make a detector of a function; its name is the function's."""
    return lambda find: Detector(find.__name__, find, settings, frozenset(needs))


CaseFunction = Callable[[History, SettingsAt, datetime], Iterator[Finding | None]]
"""Of one case: its history, the settings in force, now. None where something was looked at, and is no finding."""
CaseDetector = Detector[CaseFunction]
