"""Invented counts, as the views would give them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from casetrail.domain.codes import Disposition
from casetrail.domain.sunlight import (
    CLOCK_STATES,
    CONTACT_HEADINGS,
    ESCALATION_STATES,
    FINDING_STATES,
    OPEN,
    SCREENED_OUT,
    WAITING,
    OffenceGroup,
    Standing,
)
from casetrail.domain.suppression import capped
from casetrail.sunlight.counting import Counted, Kinds, Months, Runs, Things
from casetrail.sunlight.edition import Basis, Checkpointed, Edition, edition
from casetrail.sunlight.rules import Rules

NOW: Final = datetime(2015, 12, 25, 12, tzinfo=UTC)
RULES: Final = (
    Rules(1, "metro-pd", NOW - timedelta(days=900)),
    Rules(7, "metro-pd", NOW - timedelta(days=90), ["clocks.screening.limit"], ["clocks.progress"],
          ["detectors.convenient_code.months"], ["untouched", "no_contact"],
          said={"clocks.screening.limit": "72 hours, then 90 days", "clocks.progress": "14 days, then nothing",
                "detectors.convenient_code.months": "12, then 6"},
          limits={"decision": "45 days, from report received to closed or charged. Source: practice."}),
    Rules(9, "clinic", NOW - timedelta(days=9), unread=2),
)  # fmt: skip
COMMAND: Final = "casetrail --log LOG sunlight DIR --from-log"


def some_reports(count: int, months: int, seed: int, groups: Sequence[OffenceGroup] = tuple(OffenceGroup)) -> Months:
    """Reports at random: most are contacted, few wait, some are closed."""
    chance = Random(seed)
    found: Months = Counter()
    for _ in range(count):
        at = 12 * 2015 + 11 - chance.randrange(months)
        contact = chance.choices(list(CONTACT_HEADINGS), [20, 15, 15, 10, 5, 3, 12])[0]
        course = chance.choices([WAITING, SCREENED_OUT, OPEN, *Disposition], [3, 9, 20, *[6] * 10])[0]
        assigned = course not in (WAITING, SCREENED_OUT) and chance.random() < 0.9
        month = f"{at // 12}-{at % 12 + 1:02}"
        found[month, chance.choice(groups), Standing(course, assigned, contact)] += 1
    return found


def some_kinds(
    names: Iterable[str], states: Iterable[frozenset[str]], most: int, seed: int = 1, reports: int = 1000
) -> Kinds:
    """Things of these kinds, in these states, each about one of so many reports."""
    chance, every = Random(seed), list(states)

    def things() -> Things:
        about = [f"C-{chance.randrange(reports)}" for _ in range(chance.randrange(most))]
        return Things(len(about), capped(frozenset(about)))

    return {name: {state: things() for state in every} for name in names}


def some_runs(clocks: Sequence[str], most: int) -> Runs:
    """Runs of clocks, for reports of all offences received over two years."""
    places = [
        (f"{year}-{month:02}", group) for year in (2014, 2015) for month in range(1, 13) for group in OffenceGroup
    ]
    return {place: some_kinds(clocks, CLOCK_STATES, most // 60 + 3, seed) for seed, place in enumerate(places)}


def some_edition(
    count: int = 4000, months: int = 48, seed: int = 1, clocks: Sequence[str] = ("first_response", "assignment", "decision"),
    log: str = "kcpd", origin: str = "kcpd.example/casetrail",
) -> Edition:  # fmt: skip
    """An edition about so many reports."""
    found = Counted(
        some_reports(count, months, seed),
        some_runs(clocks, count // 8),
        some_kinds(clocks, ESCALATION_STATES, count // 30 + 3),
        some_kinds(("untouched", "no_contact", "never_screened"), FINDING_STATES, count // 60 + 3),
        some_kinds(("overloaded", "silent_machine"), FINDING_STATES, count // 60 + 3),
    )
    checkpoint = Checkpointed(b"the note\n", origin, 36_000, bytes(32), 0)
    return edition(found, Basis(log, NOW, {0: 36_000}, checkpoint, RULES))
