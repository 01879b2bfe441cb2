"""All detectors, in the order of a case's life."""

from typing import Final

from casetrail.domain.detectors.closing import closed_without_work, screened_out_unasked
from casetrail.domain.detectors.codes_used import forbidden_code
from casetrail.domain.detectors.detector import CaseDetector
from casetrail.domain.detectors.entering import entered_late
from casetrail.domain.detectors.holding import held_by_nobody, shuffled
from casetrail.domain.detectors.partnering import interview_missed, partner_waiting
from casetrail.domain.detectors.receiving import never_assigned, never_begun, never_screened
from casetrail.domain.detectors.suspending import renewed_again, suspended_for_ever
from casetrail.domain.detectors.working import contact_lost, no_contact, untouched

OF_CASES: Final[tuple[CaseDetector, ...]] = (
    never_screened,
    never_begun,
    never_assigned,
    held_by_nobody,
    shuffled,
    untouched,
    no_contact,
    contact_lost,
    partner_waiting,
    interview_missed,
    suspended_for_ever,
    renewed_again,
    forbidden_code,
    closed_without_work,
    screened_out_unasked,
    entered_late,
)
"""Those that judge one case by itself."""

DETECTORS: Final = {one.name: one for one in OF_CASES}
"""All of them by name."""
