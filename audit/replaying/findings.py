"""What a replay finds: the kinds of difference in plain words, and the verdict on a partition."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

LISTED: Final = 10_000
"""So many findings of a partition are listed; all are counted. A log that was forged from end to end fills no memory."""


class Kind(StrEnum):
    """A kind of difference. The codes are stable."""

    WRONGLY_REFUSED = "wrongly-refused"
    WRONGLY_ACCEPTED = "wrongly-accepted"
    ALTERED = "altered"
    MISATTRIBUTED = "misattributed"
    BACKDATED = "backdated"
    LEFT_OUT = "left-out"
    INVENTED = "invented"
    REORDERED = "reordered"
    NO_EVENT = "no-event"
    CHAIN_DIFFERS = "chain-differs"
    OLDER_RULE_SET = "older-rule-set"
    RULE_SET_KEPT = "rule-set-kept"
    UNKNOWN_RULE_SET = "unknown-rule-set"
    HISTORY_CUT = "history-cut"


MEANINGS: Final[dict[Kind, str]] = {
    Kind.WRONGLY_REFUSED: "The rules accept this action, but it stands recorded as refused: it was kept out of the case.",
    Kind.WRONGLY_ACCEPTED: "The rules refuse this action, but it stands recorded as a fact of the case.",
    Kind.ALTERED: "The event does not say what was submitted and what follows from it.",
    Kind.MISATTRIBUTED: "The event names somebody else than the one who submitted the action.",
    Kind.BACKDATED: "The event's recorded_at is not the time at which the log took the action in.",
    Kind.LEFT_OUT: "The action has no event, though later actions have theirs: it was passed over in silence.",
    Kind.INVENTED: "The event answers no action that waits for an answer: nobody submitted it, or it was answered already.",
    Kind.REORDERED: "The event does not stand where it was its action's turn: the history is told in another order.",
    Kind.NO_EVENT: "The record cannot be read as an event: no recorder wrote it, or it was damaged or altered afterwards.",
    Kind.CHAIN_DIFFERS: "The event does not link to the event that stands before it in its case: one of the two, or one "
    "between them, was exchanged, moved or removed after it had been recorded.",
    Kind.OLDER_RULE_SET: "From here on events name an older rule set than those before: they were decided by rules no "
    "longer in force.",
    Kind.RULE_SET_KEPT: "Events of this partition name an older rule set more than a day after others had gone over to a newer "
    "one: its cases went on being decided by rules no longer in force.",
    Kind.UNKNOWN_RULE_SET: "From here on events name a rule set that this version of casetrail does not know: whether they "
    "were decided rightly cannot be said; use a newer version.",
    Kind.HISTORY_CUT: "The log no longer begins at offset 0: what stood before has been deleted and cannot be checked.",
}


@dataclass
class Finding:
    """A difference between what the rules make of the actions and what is recorded.

    ``action`` is the kind of action that was asked for. ``first``: this is the first event of its case that differs. ``follows``: it differs only because an earlier one of the
    case does. ``followers``: how many later events of the case follow from this first one. ``expected`` and ``recorded``
    hold the fields that differ, or a summary of the one event that there is.
    """

    kind: Kind
    partition: int
    case_id: str | None
    action: str | None
    action_offset: int | None
    event_offset: int | None
    expected: dict[str, Any] = field(default_factory=dict)
    recorded: dict[str, Any] = field(default_factory=dict)
    first: bool = False
    follows: bool = False
    followers: int = 0

    def place(self) -> int:
        """Where it is among the findings of its partition: by the action, else by the event."""
        return next((at for at in (self.action_offset, self.event_offset) if at is not None), -1)

    @property
    def meaning(self) -> str:
        """What it means, in plain words."""
        return MEANINGS[self.kind]


class Named(NamedTuple):
    """Where events of a partition name a rule set: the first and the last of them, and when the log took them in."""

    first: int
    first_at: datetime
    last: int
    last_at: datetime

    def join(self, other: "Named") -> "Named":
        """The same for both."""
        return Named(*min(self[:2], other[:2]), *max(self[2:], other[2:]))


@dataclass
class Verdict:
    """What the replay of one partition came to.

    ``compared`` actions have an event that was held against what the rules make of the action. ``unjudged`` events could
    not be judged in full: their rule set is unknown, or their action or their case's past has been deleted. The events of
    ``cut`` actions have been deleted. ``pending`` actions have no event yet, the first of them since ``pending_since``.
    ``rule_sets``: where its events name which, those that were read in vain left out.
    """

    partition: int
    actions: int = 0
    compared: int = 0
    unjudged: int = 0
    cut: int = 0
    pending: int = 0
    pending_since: datetime | None = None
    rule_sets: dict[int, Named] = field(default_factory=dict)
    counts: Counter[Kind] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding) -> int:
        """Count a finding and list it; its place in the list, -1 when the list is full."""
        self.counts[finding.kind] += 1
        if len(self.findings) >= LISTED:
            return -1
        self.findings.append(finding)
        return len(self.findings) - 1

    def turn(self, finding: Finding, kind: Kind) -> None:
        """A finding turns out to be of another kind."""
        self.counts[finding.kind] -= 1
        self.counts[kind] += 1
        finding.kind = kind

    def join(self, other: "Verdict") -> "Verdict":
        """One verdict of two on different cases of the partition, the findings in the order of the actions."""
        since = [one for one in (self.pending_since, other.pending_since) if one is not None]
        return Verdict(
            self.partition,
            self.actions + other.actions,
            self.compared + other.compared,
            self.unjudged + other.unjudged,
            self.cut + other.cut,
            self.pending + other.pending,
            min(since, default=None),
            joined(self.rule_sets, other.rule_sets),
            self.counts + other.counts,
            sorted(self.findings + other.findings, key=Finding.place)[:LISTED],
        )


def joined(some: Mapping[int, Named], others: Mapping[int, Named]) -> dict[int, Named]:
    """Where rule sets are named in either."""
    both = {one: some[one].join(others[one]) for one in some.keys() & others.keys()}
    return {**some, **others, **both}
