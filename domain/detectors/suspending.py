"""Cases that are let rest, and not looked at again."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.settings import Setting, days
from casetrail.domain.happenings import Happening
from casetrail.domain.suspension import Suspended

GOES_ON: Final = (Happening.RESUMED, Happening.CLOSURE_REQUESTED)


@detector(
    Setting("grace", days(2), "how long after its review date a suspension may stand: a weekend"),
    needs=[Happening.SUSPENDED],
)
def suspended_for_ever(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A suspension that stands beyond its review date.

    Rule: the review date of the suspension has passed, and the days of grace after it, and the case was neither resumed
    nor renewed nor asked to be closed.

    Evidence: the suspension.

    Settled by: resuming the case, renewing the suspension, a request to close the case, or its end.

    May be wrong: where a case is worked on and nobody enters that it was resumed.

    Found in: Houston, where 264,000 reports were suspended for lack of personnel.
    """
    for place, step in history.which(Happening.SUSPENDED):
        body = step.body
        if isinstance(body, Suspended) and step.is_open:
            standard = settings(step.at)
            since = standard.due("grace", body.review_at)
            settled = history.until(place, lambda later: later.is_any(Happening.SUSPENDED) or _goes_on(later))
            yield of_case(history, standard, since, [step], "suspended beyond its review date", settled, now)


@detector(
    Setting("most", 2, "how often a suspension may be renewed", least=0, most=100),
    needs=[Happening.SUSPENDED],
)
def renewed_again(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A suspension that is renewed and renewed.

    Rule: the case has been suspended again while it was suspended, more often than the setting allows.

    Evidence: the suspension and every renewal.

    Settled by: resuming the case, a request to close it, or its end.

    May be wrong: where a laboratory or a court takes longer than that, and somebody looks at the case each time.

    Found in: Houston.
    """
    chain: list[Step] = []
    for place, step in enumerate(history.steps):
        if _goes_on(step):
            chain = []
        elif Happening.SUSPENDED in step.what:
            chain.append(step)
            standard = settings(chain[0].at)
            if len(chain) == standard.number("most") + 2:
                says = f"its suspension was renewed {len(chain) - 1} times"
                yield of_case(history, standard, step.known_at, chain, says, history.until(place, _goes_on), now)


def _goes_on(step: Step) -> bool:
    return step.is_any(*GOES_ON) or not step.is_open
