"""What the public report counts: every number is defined here, by a sentence and by the columns in which a report counts.

All counts are of reports by what the log says of them now: of the reports received in March, so many have been assigned
since. A report stands in one course (where it is, or how it ended), has been assigned or not, and has a time to first contact.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cache, lru_cache
from itertools import product
from typing import Final, NamedTuple

from casetrail.domain.codes import Disposition, Offence
from casetrail.domain.suppression import Columns

# --- offence groups ---


class OffenceGroup(StrEnum):
    """Groups of offences, those of the press reports on the 149.

    By the NIBRS codes of the report, in the order of these groups: whoever names a lesser offence first hides no graver one.
    Molestation and sexual misconduct share the code 11D, and only the
    statute, which no view holds, tells them apart.
    """

    RAPE = "rape"
    SODOMY = "sodomy"
    MOLESTATION = "molestation or sexual misconduct"
    OTHER_SEXUAL = "other sexual offence"
    ASSAULT = "assault"
    ABUSE = "abuse or neglect"
    OTHER = "other"


GROUP_OF: Final[Mapping[Offence, OffenceGroup]] = {
    Offence.RAPE: OffenceGroup.RAPE,
    Offence.STATUTORY_RAPE: OffenceGroup.RAPE,
    Offence.SODOMY: OffenceGroup.SODOMY,
    Offence.FONDLING: OffenceGroup.MOLESTATION,
    Offence.SEXUAL_ASSAULT_WITH_OBJECT: OffenceGroup.OTHER_SEXUAL,
    Offence.INCEST: OffenceGroup.OTHER_SEXUAL,
    Offence.COMMERCIAL_SEX_ACTS: OffenceGroup.OTHER_SEXUAL,
    Offence.PORNOGRAPHY: OffenceGroup.OTHER_SEXUAL,
    Offence.AGGRAVATED_ASSAULT: OffenceGroup.ASSAULT,
    Offence.SIMPLE_ASSAULT: OffenceGroup.ASSAULT,
    Offence.INTIMIDATION: OffenceGroup.ASSAULT,
    Offence.FAMILY_NONVIOLENT: OffenceGroup.ABUSE,
    Offence.INVOLUNTARY_SERVITUDE: OffenceGroup.OTHER,
    Offence.KIDNAPPING: OffenceGroup.OTHER,
    Offence.OTHER: OffenceGroup.OTHER,
}


GRAVITY: Final = {group: place for place, group in enumerate(OffenceGroup)}


@lru_cache(4096)
def group_of(codes: str) -> OffenceGroup:
    """The gravest group of some NIBRS codes, with commas between them; ``OTHER`` where a report names no offence."""
    groups = [GROUP_OF[Offence(code)] for code in codes.split(",") if code]
    return min(groups, key=GRAVITY.__getitem__, default=OffenceGroup.OTHER)


# --- reports ---

WAITING: Final = "waiting"
SCREENED_OUT: Final = "screened_out"
OPEN: Final = "open"
MERGED: Final = "merged"
UNSTATED: Final = "unstated"
"""Closed without a disposition: an imported history may be so."""
NEVER: Final = "never"

CONTACT_BANDS: Final = (
    ("within_24_hours", timedelta(hours=24)),
    ("within_72_hours", timedelta(hours=72)),
    ("within_7_days", timedelta(days=7)),
    ("within_30_days", timedelta(days=30)),
    ("within_90_days", timedelta(days=90)),
)
"""Each up to and including its end, and after the end of the one before."""
LATER: Final = "later"


class Standing(NamedTuple):
    """What is counted of a report."""

    course: str  # WAITING, SCREENED_OUT, OPEN, MERGED, UNSTATED or a disposition
    assigned: bool
    contact: str  # the name of a band, LATER or NEVER

    @property
    def is_open(self) -> bool:
        """Whether somebody owes something."""
        return self.course in (WAITING, OPEN)

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, not screened out or merged."""
        return not self.is_open and self.course not in (SCREENED_OUT, MERGED)


@dataclass(frozen=True)
class Figure:
    """A number of the report: its heading, what it means, and what it costs the reader to miss it."""

    name: str
    heading: str
    meaning: str
    worth: int = 1


CLOSED_AS: Final[Mapping[str, str]] = {
    Disposition.CLEARED_BY_ARREST: "cleared by arrest",
    Disposition.CLEARED_EXCEPTIONALLY: "cleared exceptionally",
    Disposition.UNFOUNDED: "unfounded",
    Disposition.REFERRED_TO_PROSECUTOR: "referred to prosecutor",
    Disposition.DECLINED_BY_PROSECUTOR: "declined by prosecutor",
    Disposition.TRANSFERRED: "transferred to another agency",
    Disposition.INACTIVATED: "inactivated, no workable leads",
    Disposition.ADMINISTRATIVELY_CLOSED: "administratively closed",
    Disposition.SUBSTANTIATED: "substantiated",
    Disposition.UNSUBSTANTIATED: "unsubstantiated",
    UNSTATED: "without a stated disposition",
}

CONTACT_HEADINGS: Final[Mapping[str, str]] = {
    "within_24_hours": "within 24 hours",
    "within_72_hours": "24 to 72 hours",
    "within_7_days": "3 to 7 days",
    "within_30_days": "7 to 30 days",
    "within_90_days": "30 to 90 days",
    LATER: "after 90 days",
    NEVER: "no contact yet",
}

FIGURES: Final = (
    Figure("screened", "Screened", "The report no longer waits for the decision whether it is investigated.", 60),
    Figure("assigned", "Assigned", "The report has been assigned to an investigator at least once.", 80),
    Figure("contacted", "Contacted", "The child, or the victim, has been heard at least once. A letter is no contact, "
           "nor is a talk with the caregiver alone, nor what was said more than a day before the report.", 100),
    Figure("closed", "Closed", "The report is closed, with whatever disposition.", 90),
    Figure("closed_unseen", "Closed, no contact", "The report is closed, and nobody ever contacted the victim.", 50),
    Figure("open", "Open", "Somebody still owes something: screening, an investigator, work, or a decision.", 90),
    Figure("waiting", "Waiting to be screened", "Nobody has decided yet whether the report is investigated.", 20),
    Figure("screened_out", "Screened out", "It was decided, for a recorded reason, not to investigate the report.", 30),
    Figure("merged", "Merged", "The report goes on under the number of another report.", 10),
    *(Figure(f"contact_{name}", heading, "Time from receipt to the first contact with the child or victim.", 3)
      for name, heading in CONTACT_HEADINGS.items() if name != NEVER),
    Figure(f"contact_{NEVER}", CONTACT_HEADINGS[NEVER], "Nobody has contacted the child, or the victim, yet.", 3),
    *(Figure(f"as_{name}", heading, "The disposition with which the report is closed.", 3)
      for name, heading in CLOSED_AS.items()),
)  # fmt: skip
FIGURE: Final = {figure.name: figure for figure in FIGURES}
RECEIVED: Final = Figure(
    "received", "Received", "The report has reached the unit: every report counts, whatever became of it."
)


def figures_of(standing: Standing) -> Iterator[str]:
    """The figures that a report counts in."""
    course, assigned, contact = standing
    if course != WAITING:
        yield "screened"
    if assigned:
        yield "assigned"
    if contact != NEVER:
        yield "contacted"
    if standing.is_open:
        yield "open"
    if course in (WAITING, SCREENED_OUT, MERGED):
        yield course
    if standing.is_closed:
        yield "closed"
        yield f"as_{course}"
        if contact == NEVER:
            yield "closed_unseen"
    yield f"contact_{contact}"


@cache
def report_columns() -> Columns:
    """The columns of reports. What cannot be: an investigator for a report that waits to be screened or was screened out."""
    names = [figure.name for figure in FIGURES]
    bits = Columns(names, frozenset())
    possible = {
        bits.profile(figures_of(Standing(course, assigned, contact)))
        for course, assigned, contact in product(
            (WAITING, SCREENED_OUT, OPEN, MERGED, *CLOSED_AS), (False, True), CONTACT_HEADINGS
        )
        if not (assigned and course in (WAITING, SCREENED_OUT))
    }
    return Columns(names, frozenset(possible), {figure.name: figure.worth for figure in FIGURES})


# --- ages of open reports ---

AGES: Final = (0, 3, 6, 12, 24)
"""From how many calendar months on each band of ages begins: a report of the present month is 0 months old."""


def age_band(month: str, now_month: str) -> int:
    """The number of the band of reports that were received in a month, both as ``YYYY-MM``."""
    (year, number), (now_year, now_number) = (map(int, one.split("-")) for one in (month, now_month))
    months = 12 * (now_year - year) + now_number - number
    return max(place for place, start in enumerate(AGES) if months >= start or place == 0)


def age_name(first: int, last: int) -> str:
    """The name of the bands from number ``first`` to number ``last`` together."""
    start, end = AGES[first], AGES[last + 1] if last + 1 < len(AGES) else None
    if end is None:
        return f"more than {_length(start)}" if start else "all ages"
    if start == 0:
        return f"up to {_length(end)}"
    if start % 12 == end % 12 == 0:
        return f"{start // 12} to {_length(end)}"
    return f"{start} to {end} months"


def _length(months: int) -> str:
    if months % 12:
        return f"{months} months"
    return f"{months // 12} year{'s' if months > 12 else ''}"


# --- clocks, escalations and findings ---

CLOCK_FIGURES: Final = (
    Figure("late", "Missed", "What was owed came after its time, or is overdue.", 90),
    Figure("met", "Met", "What was owed came in time.", 50),
    Figure("met_late", "Met late", "What was owed came after its time.", 40),
    Figure("missed", "Not met", "It was due, and has not come.", 40),
    Figure(
        "lapsed", "Lapsed", "It ended before it was due by what makes it needless, such as the end of the case.", 10
    ),
    Figure("running", "Running", "It is not due yet, or pauses while the case is suspended.", 20),
)
CLOCK_STATES: Final = (
    frozenset({"late", "met_late"}), frozenset({"late", "missed"}), frozenset({"met"}), frozenset({"lapsed"}),
    frozenset({"running"}),
)  # fmt: skip

ESCALATION_FIGURES: Final = (
    Figure("answered", "Answered", "Somebody above those who owe it has answered for the missed deadline."),
    Figure(
        "unanswered",
        "Unanswered",
        "Somebody was told of the missed deadline, and nobody above those who owe it has answered.",
    ),
)
ESCALATION_STATES: Final = (frozenset({"answered"}), frozenset({"unanswered"}))

FINDING_AGES: Final = (
    ("open_30", "Open up to 30 days", timedelta(days=30)),
    ("open_90", "30 to 90 days", timedelta(days=90)),
    ("open_365", "90 days to a year", timedelta(days=365)),
)
"""Each up to and including its end: the time since a finding could be seen."""
FINDING_FIGURES: Final = (
    Figure("open", "Open", "What was found has not been put right.", 90),
    Figure("settled", "Settled", "What was found has been put right since.", 50),
    *(Figure(name, heading, "How long an open finding could have been seen.", 3) for name, heading, _ in FINDING_AGES),
    Figure("open_longer", "Longer", "How long an open finding could have been seen.", 3),
)
FINDING_STATES: Final = (
    frozenset({"settled"}), *(frozenset({"open", name}) for name, _, _ in FINDING_AGES), frozenset({"open", "open_longer"}),
)  # fmt: skip
