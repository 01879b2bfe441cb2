"""What the detectors saw of a story: of each of the 149 when and by what, and what they said of the cases handled well."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any, Final, NamedTuple

from casetrail.demo.arrivals import Arrival
from casetrail.demo.dropped import PATTERNS
from casetrail.demo.scenario import Story
from casetrail.domain.answering import FindingTold
from casetrail.domain.case import Recorded
from casetrail.domain.escalation import Escalated
from casetrail.domain.policy import Level

DAY: Final = timedelta(days=1)
OUTSIDE: Final = frozenset({Level.PARTNERS, Level.OVERSIGHT})
"""Those who are told, and are not of the unit."""


class Telling(NamedTuple):
    """A level is told, and when."""

    level: Level
    at: datetime


def tellings(events: Iterable[Recorded]) -> Iterator[Telling]:
    """Who was told of the missed deadlines of a case, and of what was found in it, as the watchdog had it recorded."""
    for event in events:
        if isinstance(event.body, Escalated | FindingTold) and event.action is not None:
            yield Telling(event.body.level, event.action.occurred_at)


class Found(NamedTuple):
    """A finding. ``subject``: the case, person or unit. ``cases``: those of its evidence."""

    detector: str
    is_of_case: bool
    subject: str
    since: datetime
    settled_at: datetime | None
    cases: frozenset[str]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Found":
        """From a row of ``judgement_queries.findings``."""
        return cls(
            row["detector"],
            row["about"] == "case",
            row["subject"],
            row["since"],
            row["settled_at"],
            frozenset(one.split("#")[0] for one in row["evidence"]),
        )


@dataclass(frozen=True)
class Seen:
    """What was seen of one of the 149. Days are counted from its receipt; None where it was not to be seen.

    ``seen_by``: the detectors with a finding about the case, the first one first. ``also_by``: those with a finding about
    a person or the unit that rests on it. ``days_by``: after how many days each of them had its first. ``told``: who was told
    of a finding or of a missed deadline, by the log, and after how many days.
    """

    case_id: str
    group: str
    pattern: str
    received_at: datetime
    seen_at: datetime | None
    seen_by: tuple[str, ...]
    also_by: tuple[str, ...]
    days_by: dict[str, float]
    told: dict[Level, float]

    @property
    def days(self) -> float | None:
        """How many days after its receipt it could first be seen."""
        return None if self.seen_at is None else (self.seen_at - self.received_at) / DAY

    @property
    def outside_days(self) -> float | None:
        """After how many days somebody outside the unit was told."""
        return min((days for level, days in self.told.items() if level in OUTSIDE), default=None)


@dataclass(frozen=True)
class Sight:
    """What was seen of a whole story. ``alarms``: the findings that rest on none of the 149. ``well``: the cases handled well."""

    seen: tuple[Seen, ...]
    alarms: tuple[Found, ...]
    well: int

    @property
    def days(self) -> list[float]:
        """The days until each was seen, of those that were."""
        return sorted(one.days for one in self.seen if one.days is not None)

    @property
    def median_days(self) -> float:
        """Half of the 149 were seen within so many days."""
        return median(self.days)

    @property
    def slowest(self) -> Seen:
        """The one that was seen last."""
        return max(self.seen, key=lambda one: one.days or 0.0)

    @property
    def alarms_per_100(self) -> float:
        """Findings for every 100 cases that were handled well; 0 where the story has none."""
        return 100 * len(self.alarms) / self.well if self.well else 0.0


def sight(story: Story, findings: Iterable[Found], told: Mapping[str, Sequence[Telling]]) -> Sight:
    """What the findings, settled or not, say of the story's reports. ``told``: who was told, by the case."""
    dropped = {one.report.case_id for one in story.dropped}
    about: defaultdict[str, list[Found]] = defaultdict(list)
    resting: defaultdict[str, list[Found]] = defaultdict(list)
    alarms = []
    for finding in findings:
        touched = finding.cases & dropped
        if finding.is_of_case and finding.subject in dropped:
            about[finding.subject].append(finding)
        elif touched and not finding.is_of_case:
            for case_id in touched:
                resting[case_id].append(finding)
        else:
            alarms.append(finding)
    seen = [
        _seen(one, about[case_id], resting[case_id], told.get(case_id, ()))
        for one in story.dropped
        for case_id in [one.report.case_id]
    ]
    return Sight(tuple(seen), tuple(alarms), len(story.arrivals) - len(dropped))


def _seen(arrival: Arrival, about: Sequence[Found], resting: Sequence[Found], told: Sequence[Telling]) -> Seen:
    report, pattern = arrival
    assert pattern is not None  # only the 149 are asked for
    in_order = sorted(about, key=lambda one: (one.since, one.detector))
    latest_first = sorted((*about, *resting), key=lambda one: one.since, reverse=True)
    return Seen(
        report.case_id,
        report.group,
        pattern.name,
        report.at,
        in_order[0].since if in_order else None,
        tuple(dict.fromkeys(one.detector for one in in_order)),
        tuple(sorted({one.detector for one in resting})),
        {one.detector: (one.since - report.at) / DAY for one in latest_first},
        {
            level: round((min(one.at for one in told if one.level is level) - report.at) / DAY, 2)
            for level in Level
            if any(one.level is level for one in told)
        },
    )


def by_pattern(seen: Sequence[Seen]) -> list[dict[str, object]]:
    """A row for each pattern: how many reports, after how many days they were seen, and by what first.

    And how many were seen by the detectors that look for just this way of dropping, whatever else had been seen before.
    """
    rows = []
    for pattern, own in ((one.name, one.own) for one in PATTERNS):
        some = [one for one in seen if one.pattern == pattern]
        by_own = [min(found) for one in some if (found := [one.days_by[name] for name in own if name in one.days_by])]
        days = [one.days for one in some if one.days is not None]
        first = Counter(one.seen_by[0] for one in some if one.seen_by)
        rows.append(
            {
                "pattern": pattern,
                "reports": len(some),
                "seen": len(days),
                "median_days": round(median(days), 1) if days else None,
                "slowest_days": round(max(days), 1) if days else None,
                "seen_first_by": [name for name, _ in first.most_common(3)],
                "own": list(own),
                "seen_by_own": len(by_own),
                "own_median_days": round(median(by_own), 1) if by_own else None,
            }
        )
    return rows
