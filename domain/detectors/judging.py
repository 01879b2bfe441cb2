"""Running the detectors: over one case, and over what is counted of many, by the policies that were in force."""

from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from typing import Final

from casetrail.domain.alarms import Watch
from casetrail.domain.clock_runs import Runs, fold
from casetrail.domain.detectors.catalogue import DETECTORS, OF_CASES, OF_MACHINES, OF_MANY, STATISTICAL
from casetrail.domain.detectors.counting import counted
from casetrail.domain.detectors.detector import CaseDetector, SettingsAt
from casetrail.domain.detectors.entering import entered_late, met_afterwards
from casetrail.domain.detectors.finding import Finding
from casetrail.domain.detectors.history import History
from casetrail.domain.detectors.machines import Machines, beatings
from casetrail.domain.detectors.partnering import ignored_alarm, is_quiet
from casetrail.domain.detectors.passing_on import led_nowhere
from casetrail.domain.detectors.repeating import reported_again
from casetrail.domain.detectors.settings import Setting, Settings, Standards, settings_of
from casetrail.domain.detectors.statistics import available
from casetrail.domain.detectors.survey import Survey
from casetrail.domain.detectors.traces import Trace, Traces, TracesInMemory
from casetrail.domain.detectors.tracing import trace_of
from casetrail.domain.policy import InForce, Policy
from casetrail.domain.reserved import MACHINES

SETTINGS: Final[dict[str, tuple[Setting, ...]]] = {name: one.settings for name, one in DETECTORS.items()}
PATIENT: Final = {ignored_alarm.name: "limit", met_afterwards.name: "usual"}
"""Those that look at alarms, and how long after a deadline nothing is a finding of theirs."""


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
        """``policies``: each agency is judged by its own. ``traces`` keeps what is needed of each case that is counted; in
        memory unless it is given."""
        self._standards = Standards(policies, SETTINGS)
        self.left_out: tuple[str, ...] = ()
        """Detectors that need SciPy, where it is not installed and nobody asked for them by name."""
        if detectors is None and not available():
            self.left_out = tuple(sorted(STATISTICAL))
        wanted = DETECTORS.keys() - set(self.left_out) if detectors is None else set(detectors)
        self._of_cases = [one for one in OF_CASES if one.name in wanted]
        self._watches = [one for one in OF_CASES if one.name in wanted and one.name in PATIENT]
        self._of_many = [one for one in OF_MANY if one.name in wanted]
        self._of_machines = [one for one in OF_MACHINES if one.name in wanted]
        self._machines = Machines()
        self._policies = policies
        self._patience: dict[str, timedelta] = {}
        """By agency, how long a clock may at least run beyond its limit before that matters to those who look at alarms."""
        self._by_agency: dict[str, list[tuple[CaseDetector, SettingsAt]]] = {}
        self._traces = traces or TracesInMemory()
        self._surveys: dict[str, Survey] = {}

    def settings(self, agency: str, detector: str) -> SettingsAt:
        """The settings of a detector by which an agency is judged."""
        return self._standards.of(agency, detector)

    def late(self, agency: str) -> Callable[[datetime], timedelta]:
        """How long after it was done an act is entered late, by the policy that an agency had at a moment."""
        settings = self.settings(agency, entered_late.name)
        return lambda moment: settings(moment).span("late")

    def case(
        self, history: History, now: datetime, watch: Watch | None = None, runs: Runs | None = None
    ) -> Iterator[Finding]:
        """All that was ever found in a case, settled or not; ``now`` is not before its last event was recorded.

        ``watch``: of this case until ``now``, where there is one already: its runs are the clocks of the case.
        ``runs``: those of its clocks, where they are folded already.
        """
        agency = history.case.facts.agency
        history.policies = self._policies
        history.runs = runs or (watch.runs if watch else self._folded(history, now))
        if agency and self._watches and not self._is_quiet(history, history.runs, now):
            history.alarms = list((watch or self._watched(history, now)).alarms.values())
        if agency not in self._by_agency:
            self._by_agency[agency] = [(one, self.settings(agency, one.name)) for one in self._of_cases]
        for detector, settings in self._by_agency[agency]:
            if detector.needs and not history.has(detector.needs):
                continue
            for finding in detector.find(history, settings, now):
                if finding is not None and not finding.settings.off:
                    yield finding

    def _is_quiet(self, history: History, runs: Runs, now: datetime) -> bool:
        """Whether surely no alarm of a case was ignored, or met afterwards."""
        agency = history.case.facts.agency
        if agency not in self._patience:
            self._patience[agency] = min(
                one.shortest(PATIENT[detector.name])
                for detector in self._watches
                for one in self._standards.all(agency, detector.name)
            )
        return is_quiet(history, runs, self._patience[agency], now)

    def _folded(self, history: History, now: datetime) -> Runs:
        return fold(history.case.id, history.events, self._policies, now, history.departures)

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
        if not self._of_many:
            return
        case_id, agency = history.case.id, history.case.facts.agency
        if (trace := self.trace(history)) is not None:
            self._traces.add(trace)
        survey = self.survey(agency)
        for group, step in counted(history, self.late(agency)):
            event = step.known_at, case_id, step.number, step.hash
            survey.take(group, 1, lambda tally, event=event: tally.add(event))  # type: ignore[misc]

    def survey(self, agency: str) -> Survey:
        """What is counted of an agency's cases."""
        if agency not in self._surveys:
            self._surveys[agency] = Survey(agency, self._traces)
        return self._surveys[agency]

    def trace(self, history: History) -> Trace | None:
        """What is needed of a case to see that it is reported again, or goes on nowhere."""
        agency = history.case.facts.agency
        history.policies = self._policies
        return trace_of(history, self.settings(agency, reported_again.name), self.settings(agency, led_nowhere.name))

    def many(self, now: datetime) -> Iterator[Finding]:
        """All that was ever found in the cases that were counted. Raises ``StatisticsMissing``."""
        for _, survey in sorted(self._surveys.items()):
            yield from self.of_survey(survey, [one.name for one in self._of_many], now)
        yield from self.machines(self._machines, now)

    def machines(self, machines: Machines, now: datetime) -> Iterator[Finding]:
        """All that was ever found of the machines of the log."""
        agency = min(machines.agencies, default="")
        for detector in self._of_machines:
            yield from there(detector.find(machines, self.settings(agency, detector.name), now))

    def of_survey(self, survey: Survey, detectors: Collection[str], now: datetime) -> Iterator[Finding]:
        """All that some detectors find in what was counted of an agency's cases. Raises ``StatisticsMissing``."""
        for detector in self._of_many:
            if detector.name in detectors:
                yield from there(detector.find(survey, self.settings(survey.agency, detector.name), now))


def there(found: Iterator[Finding | None]) -> Iterator[Finding]:
    """The findings among what was looked at, but for those of detectors that are turned off."""
    for finding in found:
        if finding is not None and not finding.settings.off:
            yield finding
