"""What a partner agency sees of its cases, as rows with stable names."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from casetrail.cli.clocks import Asked
from casetrail.domain.clocks import clocks
from casetrail.domain.detectors.history import History
from casetrail.domain.partner_ledger import Standing, standings
from casetrail.projections.judgements import stored_histories
from casetrail.projections.partner import Key, Wanted, pages

if TYPE_CHECKING:
    from casetrail.projections.database import Database

COLUMNS: Final = (
    "case_id", "part", "subject", "about", "sent_at", "state", "acknowledged_at", "answer", "stage", "last_act",
    "last_act_at", "acts_since", "clock", "owed_by", "due_at", "clock_state", "days_waited", "clocks",
)  # fmt: skip
SHORT: Final = tuple(name for name in COLUMNS if name not in ("about", "answer", "last_act", "clocks"))

Row = dict[str, Any]


@dataclass(frozen=True)
class Chosen:
    """Which rows: only those in which somebody owes something, only those in which something is overdue."""

    waiting: bool = False
    overdue: bool = False

    def fits(self, one: Standing) -> bool:
        """Whether an entry is among them."""
        return (not self.waiting or bool(one.waits)) and (not self.overdue or one.is_overdue)


def rows(
    database: "Database", wanted: Wanted, chosen: Chosen, question: Asked, told: Callable[[int], None] | None = None
) -> Iterator[Row]:
    """The rows of an agency, the oldest first. ``told`` hears of how many entries have been looked at."""
    for page in pages(database, wanted):
        found = _standings(database, page, wanted.agency, question)
        for key in page:
            one = found.get(key)  # None: as of then it was not there yet
            if one is not None and chosen.fits(one):
                yield _row(key[0], one, question)
        if told is not None:
            told(len(page))


def _standings(database: "Database", page: list[Key], agency: str, question: Asked) -> Mapping[Key, Standing]:
    found = {}
    for case_id, stored in stored_histories(database, sorted({key[0] for key in page})):
        events = [one for one in stored if question.until is None or one[0].timestamp <= question.until]
        history = History(case_id, question.departures)
        for event, leaf in events:
            history.follow(event, leaf)
        judged = clocks(case_id, [event for event, _ in events], question.policies, question.at, question.departures)
        for one in standings(history, judged, agency, question.at):
            found[case_id, one.entry.part, one.entry.subject] = one
    return found


def _row(case_id: str, one: Standing, question: Asked) -> Row:
    entry, first = one.entry, next(iter(one.waits), None)
    return {
        "case_id": case_id,
        "part": entry.part.value,
        "subject": entry.subject,
        "about": one.about,
        "sent_at": entry.sent_at,
        "state": str(entry.state),
        "acknowledged_at": one.acknowledged_at,
        "answer": one.answer,
        "stage": one.stage,
        "last_act": one.last_act,
        "last_act_at": one.last_act_at,
        "acts_since": one.acts_since,
        "clock": first and first.clock,
        "owed_by": first and first.owed_by,
        "due_at": first and first.due_at,
        "clock_state": first and first.state.value,
        "days_waited": first and max(0, (question.at - first.started_at).days),
        "clocks": [_clock(wait) for wait in one.waits],
    }


def _clock(wait: Any) -> Row:
    return {
        "clock": wait.clock,
        "subject": wait.subject,
        "owed_by": wait.owed_by,
        "state": wait.state.value,
        "started_at": wait.started_at,
        "due_at": wait.due_at,
    }
