"""All detectors, in the order of a case's life."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

from casetrail.domain.detectors.acting import role_not_given
from casetrail.domain.detectors.answering import answered_again, answered_without_work, same_answer
from casetrail.domain.detectors.arriving import imported_when_live, report_refused
from casetrail.domain.detectors.attending import attendance_denied
from casetrail.domain.detectors.breaking_off import closed_over_partner, interview_withdrawn
from casetrail.domain.detectors.closing import closed_without_work
from casetrail.domain.detectors.codes_used import forbidden_code
from casetrail.domain.detectors.comparing import convenient_code, late_entries, rubber_stamp
from casetrail.domain.detectors.contradicting import disposition_not_shown
from casetrail.domain.detectors.correcting import owed_less
from casetrail.domain.detectors.detector import CaseDetector, Detector, SettingsAt
from casetrail.domain.detectors.entering import entered_late, met_afterwards, received_late
from casetrail.domain.detectors.finding import Finding
from casetrail.domain.detectors.holding import held_by_nobody, holder_left, shuffled
from casetrail.domain.detectors.idling import ended_again, kept_alive, only_asked
from casetrail.domain.detectors.loading import bulk_handover, overloaded, too_many_new
from casetrail.domain.detectors.machines import Machines, silent_machine
from casetrail.domain.detectors.merging import merged_again, merged_astray, merged_away, merged_unseen
from casetrail.domain.detectors.outsiders import decided_elsewhere
from casetrail.domain.detectors.owing import merged_unheard, merged_unmet
from casetrail.domain.detectors.partnering import ignored_alarm, interview_missed, partner_waiting
from casetrail.domain.detectors.passing_on import led_nowhere, screened_out_again
from casetrail.domain.detectors.putting_off import interview_put_off
from casetrail.domain.detectors.receiving import never_assigned, never_begun, never_screened
from casetrail.domain.detectors.repeating import reported_again
from casetrail.domain.detectors.screening_out import screened_out_unasked
from casetrail.domain.detectors.survey import Survey
from casetrail.domain.detectors.suspending import extended_again, renewed_again, rested_long, suspended_for_ever
from casetrail.domain.detectors.working import contact_lost, never_reached, no_contact, untouched

MachineDetector = Detector[Callable[[Machines, SettingsAt, datetime], Iterator[Finding | None]]]
SurveyDetector = Detector[Callable[[Survey, SettingsAt, datetime], Iterator[Finding | None]]]

OF_CASES: Final[tuple[CaseDetector, ...]] = (
    report_refused,
    imported_when_live,
    received_late,
    never_screened,
    never_begun,
    never_assigned,
    held_by_nobody,
    holder_left,
    shuffled,
    untouched,
    no_contact,
    contact_lost,
    never_reached,
    only_asked,
    kept_alive,
    partner_waiting,
    interview_missed,
    interview_withdrawn,
    interview_put_off,
    attendance_denied,
    ignored_alarm,
    answered_again,
    answered_without_work,
    suspended_for_ever,
    renewed_again,
    rested_long,
    extended_again,
    forbidden_code,
    closed_without_work,
    closed_over_partner,
    disposition_not_shown,
    screened_out_unasked,
    screened_out_again,
    ended_again,
    led_nowhere,
    merged_again,
    entered_late,
    met_afterwards,
    decided_elsewhere,
    role_not_given,
    owed_less,
)
"""Those that judge one case by itself."""

OF_MANY: Final[tuple[SurveyDetector, ...]] = (
    reported_again,
    merged_away,
    merged_astray,
    merged_unseen,
    merged_unheard,
    merged_unmet,
    overloaded,
    too_many_new,
    bulk_handover,
    rubber_stamp,
    convenient_code,
    late_entries,
    same_answer,
)
"""Those that judge what is counted over many cases."""

OF_MACHINES: Final[tuple[MachineDetector, ...]] = (silent_machine,)
"""Those that judge the machines of the log."""

STATISTICAL: Final = frozenset({rubber_stamp.name, convenient_code.name, late_entries.name})
"""Those that need SciPy."""

EVERY: Final[tuple[Detector[Any], ...]] = (*OF_CASES, *OF_MANY, *OF_MACHINES)
DETECTORS: Final = {one.name: one for one in EVERY}
"""All of them by name."""
