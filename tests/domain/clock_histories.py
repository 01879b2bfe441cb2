"""Histories of cases for the tests of clocks: told by hand, or random ones in which time goes on."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from casetrail.domain.actions import Action, Actor, Body, Imported
from casetrail.domain.case import Case, Recorded
from casetrail.domain.clocks import Clock, clocks
from casetrail.domain.deciding import decide
from casetrail.domain.policy import InForce, Policy
from casetrail.eventlog.codec import Unreadable, decode_action
from tests.actions import HAPPENED, SERGEANT, action
from tests.domain.policies import preset
from tests.histories import Teller

CASE_ID = "C-1"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
IMPORT = Imported(bytes(32), 2, "old-system")


def day(number: float) -> datetime:
    """So many days after ``HAPPENED``, a Monday at 9:00 UTC."""
    return HAPPENED + number * DAY


class Story:
    """A case that is told: each action is recorded at once unless it is said to be late, and must be accepted."""

    def __init__(self) -> None:
        self._case = Case.unreported(CASE_ID)
        self._now = HAPPENED
        self.events: list[Recorded] = []

    def tell(
        self,
        at: datetime,
        body: Body,
        actor: Actor = SERGEANT,
        *,
        late: timedelta = timedelta(),
        imported: bool = False,
    ) -> "Story":
        """What happened at a moment, and was recorded so much later."""
        asked = action(body, actor, CASE_ID, at, imported=IMPORT if imported else None)
        self._now = max(self._now, at + late)
        made = decide(self._case, asked, self._now)
        assert made is body, made
        return self.record(asked, made)

    def record(self, asked: Action | None, body: Body) -> "Story":
        """An event, whatever was decided."""
        self._case.record(asked, body, self._now)
        self.events += [event for event in self._case.collect_events() if isinstance(event, Recorded)]
        return self

    def clocks(self, now: datetime, *policies: tuple[datetime, Policy]) -> list[Clock]:
        """Every clock of the case."""
        return clocks(CASE_ID, self.events, InForce(policies or [(HAPPENED, preset())]), now)

    def runs(self, name: str, now: datetime, *policies: tuple[datetime, Policy]) -> list[Clock]:
        """The runs of one clock in the order in which they began."""
        found = [one for one in self.clocks(now, *policies) if one.name == name]
        return sorted(found, key=lambda one: one.started_at)

    def only(self, name: str, now: datetime, *policies: tuple[datetime, Policy]) -> Clock:
        """The only run of one clock."""
        (found,) = self.runs(name, now, *policies)
        return found


def random_events(seed: int, cases: int = 4, count: int = 120) -> dict[str, list[Recorded]]:
    """Random histories in which nothing is entered late, by case."""
    folded: dict[str, Case] = {}
    events: dict[str, list[Recorded]] = {}
    for asked, at in _asked(Teller(seed, cases, 1), count):
        case = folded.setdefault(asked.case_id, Case.unreported(asked.case_id))
        case.record(asked, decide(case, asked, at), at)
        found = [event for event in case.collect_events() if isinstance(event, Recorded)]
        events.setdefault(asked.case_id, []).extend(found)
    return events


def _asked(teller: Teller, count: int) -> Iterator[tuple[Action, datetime]]:
    for told in teller.tell(count):
        try:
            yield decode_action(told.entry.value), told.at
        except Unreadable:
            continue


def folded(events: Iterable[Recorded], case_id: str = CASE_ID) -> Case:
    """The case after these events."""
    case = Case.unreported(case_id)
    for event in events:
        event.mutate(case)
    return case
