"""One edition of the report: what was counted, as it may be published, and what it rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from casetrail.domain.sunlight import ESCALATION_FIGURES, ESCALATION_STATES, FINDING_FIGURES, FINDING_STATES
from casetrail.sunlight.counting import Counted
from casetrail.sunlight.limits import CLOCK, Limits, publish_limits
from casetrail.sunlight.published import Layout, Published, publish_kinds
from casetrail.sunlight.reports import Reports, publish_reports
from casetrail.sunlight.rules import Rules

DETECTOR: Final = "Detector"

ESCALATIONS = Layout("escalations", CLOCK, "missed deadlines that somebody was told of",
                     {one.name: one for one in ESCALATION_FIGURES})  # fmt: skip
FINDINGS = Layout("findings", DETECTOR, "findings about reports", {one.name: one for one in FINDING_FIGURES})
WORK = Layout("work", DETECTOR, "findings about officers, units and machines",
              {one.name: one for one in FINDING_FIGURES}, "findings")  # fmt: skip


@dataclass(frozen=True)
class Checkpointed:
    """The newest checkpoint of what was counted: the signed note, what it says, and how many later events were counted."""

    note: bytes
    origin: str
    size: int
    root: bytes
    later: int


@dataclass(frozen=True)
class Basis:
    """What an edition rests on: the log's name, the moment, the events before these offsets, the policies in force."""

    log: str
    now: datetime
    positions: Mapping[int, int]
    checkpoint: Checkpointed | None
    rules: Sequence[Rules] = ()


@dataclass(frozen=True)
class Edition:
    """All that is published."""

    basis: Basis
    reports: Reports
    limits: Limits
    escalations: Published
    findings: Published
    work: Published

    @property
    def tables(self) -> Sequence[Published]:
        """Every table."""
        reports, limits = self.reports, self.limits
        return (
            *(reports.by_month, reports.by_offence, limits.by_clock, limits.by_month, limits.by_offence),
            *(self.escalations, self.findings, self.work),
        )


def edition(found: Counted, basis: Basis) -> Edition:
    """The edition of what was counted."""
    escalations, findings, work = (
        {name.replace("_", " "): counts for name, counts in kinds.items()}
        for kinds in (found.escalations, found.findings, found.work)
    )
    return Edition(
        basis,
        publish_reports(found.reports, f"{basis.now.year}-{basis.now.month:02}"),
        publish_limits(found.clocks),
        publish_kinds(ESCALATIONS, ESCALATION_FIGURES, ESCALATION_STATES, escalations),
        publish_kinds(FINDINGS, FINDING_FIGURES, FINDING_STATES, findings),
        publish_kinds(WORK, FINDING_FIGURES, FINDING_STATES, work),
    )
