"""Running the detectors: over one case, by the settings of the policies that were in force."""

from collections.abc import Collection, Iterator
from datetime import datetime
from functools import partial
from typing import Final

from casetrail.domain.detectors.catalogue import DETECTORS, OF_CASES
from casetrail.domain.detectors.detector import CaseDetector
from casetrail.domain.detectors.finding import Finding
from casetrail.domain.detectors.history import History
from casetrail.domain.detectors.settings import Setting, Settings, Standards, settings_of
from casetrail.domain.policy import InForce, Policy

SETTINGS: Final[dict[str, tuple[Setting, ...]]] = {name: one.settings for name, one in DETECTORS.items()}


def check_settings(policy: Policy) -> dict[str, Settings]:
    """What a policy sets for every detector. Raises ``PolicyFileInvalid``, which names all that is wrong."""
    return settings_of(policy, SETTINGS)


class Judge:
    """Judges histories by policies. ``detectors``: the names of those to run (None: all of them).

    Raises ``PolicyFileInvalid`` while judging, where a policy sets what no detector has.
    """

    def __init__(self, policies: InForce, detectors: Collection[str] | None = None) -> None:
        standards = Standards(policies, SETTINGS)
        self._of_cases: list[tuple[CaseDetector, partial[Settings]]] = [
            (one, partial(standards.of, one.name)) for one in OF_CASES if detectors is None or one.name in detectors
        ]

    def case(self, history: History, now: datetime) -> Iterator[Finding]:
        """All that was ever found in a case, settled or not; ``now`` is not before its last event was recorded."""
        for detector, settings in self._of_cases:
            for finding in detector.find(history, settings, now):
                if finding is not None and not finding.settings.off:
                    yield finding
