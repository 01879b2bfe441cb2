"""Running the detectors: over one case, and over what is counted of many, by the policies that were in force."""

from collections.abc import Collection, Iterator
from datetime import datetime
from functools import partial
from typing import Final

from casetrail.domain.alarms import Watch
from casetrail.domain.detectors.catalogue import DETECTORS, OF_CASES, OF_MACHINES, OF_MANY, STATISTICAL
from casetrail.domain.detectors.detector import SettingsAt
from casetrail.domain.detectors.finding import Finding
from casetrail.domain.detectors.history import History
from casetrail.domain.detectors.machines import Machines, beatings
from casetrail.domain.detectors.partnering import ignored_alarm
from casetrail.domain.detectors.settings import Setting, Settings, Standards, settings_of
from casetrail.domain.detectors.statistics import available
from casetrail.domain.detectors.survey import Survey
from casetrail.domain.detectors.traces import Traces, TracesInMemory
from casetrail.domain.heartbeat import MACHINES
from casetrail.domain.policy import InForce, Policy

SETTINGS: Final[dict[str, tuple[Setting, ...]]] = {name: one.settings for name, one in DETECTORS.items()}


def check_settings(policy: Policy) -> dict[str, Settings]:
    """What a policy sets for every detector. Raises ``PolicyFileInvalid``, which names all that is wrong."""
    return settings_of(policy, SETTINGS)


class Judge:
    """Judges histories by policies. ``detectors``: the names of those to run; None: all that can run here.

    Raises ``PolicyFileInvalid`` while judging, where a policy sets what no detector has.
    """

    def __init__(
        self, policies: InForce, detectors: Collection[str] | None = None, traces: Traces | None = None
    ) -> None:
        """``traces`` keeps what is needed of each case that is counted; in memory unless it is given."""
        self._standards = Standards(policies, SETTINGS)
        self.left_out: tuple[str, ...] = ()
        """Detectors that need SciPy, where it is not installed and nobody asked for them by name."""
        if detectors is None and not available():
            self.left_out = tuple(sorted(STATISTICAL))
        wanted = DETECTORS.keys() - set(self.left_out) if detectors is None else set(detectors)
        self._of_cases = [(one, self._settings(one.name)) for one in OF_CASES if one.name in wanted]
        self._of_machines = [(one, self._settings(one.name)) for one in OF_MACHINES if one.name in wanted]
        self._machines = Machines()
        self._policies = policies
        self._of_many = [(one, self._settings(one.name)) for one in OF_MANY if one.name in wanted]
        late, quiet = self._settings("entered_late"), self._settings("reported_again")
        self._survey = Survey(lambda at: late(at).span("late"), quiet, traces or TracesInMemory())

    def _settings(self, detector: str) -> SettingsAt:
        return partial(self._standards.of, detector)

    def case(self, history: History, now: datetime, watch: Watch | None = None) -> Iterator[Finding]:
        """All that was ever found in a case, settled or not; ``now`` is not before its last event was recorded.

        ``watch``: of this case until ``now``, where there is one already: its runs are the clocks of the case.
        """
        if history.case.facts.agency and any(one is ignored_alarm for one, _ in self._of_cases):
            history.alarms = list((watch or self._watched(history, now)).alarms.values())
        for detector, settings in self._of_cases:
            yield from _there(detector.find(history, settings, now))

    def _watched(self, history: History, now: datetime) -> Watch:
        watch = Watch(history.case.id, self._policies, history.departures)
        for event in history.events:
            watch.follow(event)
        watch.until(now)
        return watch

    def count(self, history: History) -> None:
        """Count a case, or the heartbeats of a machine, for ``many``. Each history is counted once."""
        if history.case.id.startswith(MACHINES):
            self._machines.add(beatings(history))
            return
        if self._of_many:
            self._survey.add(history)

    def many(self, now: datetime) -> Iterator[Finding]:
        """All that was ever found in the cases that were counted. Raises ``StatisticsMissing``."""
        for detector, settings in self._of_many:
            yield from _there(detector.find(self._survey, settings, now))
        for machine_detector, settings in self._of_machines:
            yield from _there(machine_detector.find(self._machines, settings, now))


def _there(found: Iterator[Finding | None]) -> Iterator[Finding]:
    """The findings among what was looked at, but for those of detectors that are turned off."""
    for finding in found:
        if finding is not None and not finding.settings.off:
            yield finding
