"""Closures that say of a case what its log does not."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from casetrail.domain.closure import ClosureRequested
from casetrail.domain.codes import AgencyKind, Clearance, Disposition, Service
from casetrail.domain.codes import Step as Kind
from casetrail.domain.detectors.closing import MET, REOPENED, names_suspect, request_before
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.offering import OF_REFERRALS, Referrals
from casetrail.domain.detectors.settings import Setting, Settings
from casetrail.domain.happenings import Happening
from casetrail.domain.intake import ReportReceived
from casetrail.domain.investigation import InvestigativeStepTaken
from casetrail.domain.linking import FactCorrected
from casetrail.domain.referral import ReferralMade, can_give

KNOWN: Final = MET | {Kind.SUSPECT_IDENTIFIED}
"""Steps by which a suspect is known."""
UNDECLINED: Final = "no prosecutor has declined or was consulted"
BY_STEPS: Final = (Happening.INVESTIGATIVE_STEP,)


class _Shown:
    """What the log shows of a case, as far as its steps were followed."""

    def __init__(self, agencies: Mapping[str, AgencyKind]) -> None:
        """``agencies``: those that the registry knows: no other than a prosecutor's office is one."""
        self._agencies = agencies
        self._kinds: set[Kind] = set()
        self._is_named = False
        self._referrals = Referrals()

    def follow(self, step: Step) -> None:
        """Take in a step."""
        body = step.body
        if isinstance(body, InvestigativeStepTaken):
            self._kinds.add(body.step)
        elif isinstance(body, ReportReceived | FactCorrected):
            self._is_named |= names_suspect(body)
        elif not isinstance(body, ReferralMade) or can_give(self._agencies.get(body.to_agency), body.service):
            self._referrals.follow(step)

    def missing(self, said: Iterable["Said"]) -> list["Said"]:
        """What the log does not show of what is said."""
        return [one for one in said if not SHOWN[one][0](self)]

    def has_arrest(self) -> bool:
        return Kind.ARREST_MADE in self._kinds

    def has_suspect(self) -> bool:
        return self._is_named or not KNOWN.isdisjoint(self._kinds)

    def is_referred(self) -> bool:
        return self._referrals.stands(Service.PROSECUTOR)

    def is_declined(self) -> bool:
        declined = self._referrals.was_declined(Service.PROSECUTOR)
        return declined or Kind.PROSECUTOR_CONSULTED in self._kinds


Said = Disposition | Clearance
"""What a closure says happened: by its disposition, and where it is cleared exceptionally, by which clearance."""
SHOWN: Final[Mapping[Said, tuple[Callable[[_Shown], bool], str, tuple[Happening, ...]]]] = {
    Disposition.CLEARED_BY_ARREST: (_Shown.has_arrest, "nobody was arrested", BY_STEPS),
    Disposition.CLEARED_EXCEPTIONALLY: (
        _Shown.has_suspect, "no suspect is known", (Happening.REPORT_RECEIVED, *BY_STEPS),
    ),
    Clearance.PROSECUTION_DECLINED: (_Shown.is_declined, UNDECLINED, (*BY_STEPS, *OF_REFERRALS)),
    Disposition.REFERRED_TO_PROSECUTOR: (_Shown.is_referred, "nothing is referred to a prosecutor", OF_REFERRALS),
    Disposition.DECLINED_BY_PROSECUTOR: (
        _Shown.is_declined, UNDECLINED, (*BY_STEPS, *OF_REFERRALS),
    ),
}  # fmt: skip
"""Dispositions that say what happened: whether the log shows it, what is so by the log if it does not, and what shows it.

Corrections, which may name a suspect, have no happening of their own.
"""


@detector(
    Setting("dispositions", tuple(one for one in SHOWN if isinstance(one, Disposition)), "dispositions that the log must show", "FBI, NIBRS User Manual: clearances; "
            "practice", codes=Disposition),
    needs=[Happening.CLOSED],
)  # fmt: skip
def disposition_not_shown(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A case that was closed as what the log does not show.

    Rule: a case was closed as cleared by arrest, and no arrest is recorded in it; or as cleared exceptionally, and no suspect
    is identified, interviewed, arrested, or named by the report or a correction; or so because prosecution was declined, and
    no prosecutor has declined a referral or was consulted; or as referred to the prosecutor, and no
    referral to one stands (what the registry knows as another kind of agency is none), or the last one is withdrawn after
    the closure; or as declined by the prosecutor, and neither has
    one declined a referral, nor was one consulted. Other dispositions say nothing that would have to stand in the log, or are
    judged elsewhere: transferred by led_nowhere. A closure that was imported is not judged.

    Evidence: the approval, the request that it approved, and the withdrawal, if there is one.

    Settled by: reopening the case; or the prosecutor's declining what is said to be declined, or a correction that names the
    suspect: where neither of both is shown, both.

    May be wrong: where one arrest clears several cases: record it in each of them before it is closed. Where the prosecutor
    does not take part in the log, and a file is sent there without a referral.

    Found in: Kansas City, where there was deception to cover the tracks; and practice: a cleared case looks handled, and nobody
    opens it.
    """
    for closure in _closures(history, settings):
        since, evidence = closure.step.known_at, [closure.step, closure.asked]
        if closure.undone is not None:
            since, evidence = closure.undone.known_at, [*evidence, closure.undone]
        elif closure.was_shown:
            continue
        missing = " and ".join(SHOWN[one][1] for one in closure.missing)
        says = f"closed as {closure.disposition.replace('_', ' ')}, and by the log {missing}"
        yield of_case(history, closure.standard, since, evidence, says, closure.settled, now)


@dataclass
class _Closure:
    """A closure: what is ``said`` by it, what of that the log did not show by then, or since a withdrawal, and what settles it."""

    step: Step
    asked: Step
    disposition: Disposition
    said: Sequence[Said]
    standard: Settings
    was_shown: bool
    missing: Sequence[Said]
    undone: Step | None = None
    settled: Step | None = None

    def goes_on(self, step: Step, shown: _Shown) -> bool:
        """Look at a later step, and say whether the next one is to be looked at, too."""
        missing = shown.missing(self.said)
        if step.is_any(*REOPENED) or (not missing and not self.was_shown):
            self.settled = step
            return False
        if self.was_shown and self.undone is None and missing and Happening.REFERRAL_WITHDRAWN in step.what:
            self.undone, self.missing = step, missing
        return True


def _closures(history: History, settings: SettingsAt) -> list[_Closure]:
    """The closures whose dispositions the log must show."""
    found: list[_Closure] = []
    last: _Closure | None = None
    shown = _Shown(history.agencies)
    said = {one for place, _ in history.which(Happening.CLOSED) for one in _said(request_before(history, place))}
    wanted = {what for one in SHOWN if one in said for what in SHOWN[one][2]}
    is_named = Disposition.CLEARED_EXCEPTIONALLY in said and FactCorrected.__name__ in history.case.kinds
    some = history.which(*wanted, Happening.CLOSED, *REOPENED) if wanted else []
    for place, step in enumerate(history.steps) if is_named else some:
        shown.follow(step)
        if last is not None and not last.goes_on(step, shown):
            last = None
        if Happening.CLOSED in step.what and step.action.imported is None:
            asked, standard = request_before(history, place), settings(step.known_at)
            disposition = _disposition(asked)
            if asked is not None and disposition in SHOWN and disposition in standard.codes("dispositions"):
                missing = shown.missing(_said(asked))
                last = _Closure(step, asked, disposition, _said(asked), standard, not missing, missing)
                found.append(last)
    return found


def _said(asked: Step | None) -> list[Said]:
    """All that a closure says for which the log must show something."""
    body = asked.body if asked is not None else None
    found: list[Said] = [body.disposition, body.clearance] if isinstance(body, ClosureRequested) else []
    return [one for one in found if one in SHOWN]


def _disposition(asked: Step | None) -> Disposition | None:
    """The disposition that a closure was asked for with."""
    return asked.body.disposition if asked is not None and isinstance(asked.body, ClosureRequested) else None
