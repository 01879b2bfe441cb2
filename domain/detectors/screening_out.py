"""Reports that were screened out as if somebody had asked."""

from collections.abc import Iterator, Sequence, Set
from datetime import datetime
from typing import Final

from casetrail.domain.codes import (
    ContactFailure,
    ContactMethod,
    Offence,
    ReporterKind,
    ScreeningReason,
)
from casetrail.domain.codes import Step as Kind
from casetrail.domain.contact import UNHEARD, VictimContactAttempted, VictimContactMade
from casetrail.domain.detectors.closing import REOPENED
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Finding, of_case
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.detectors.offering import Allegations
from casetrail.domain.detectors.settings import Laxer, Setting, Settings
from casetrail.domain.happenings import Happening
from casetrail.domain.intake import ReportReceived, ScreenedOut
from casetrail.domain.investigation import CLERICAL, InvestigativeStepTaken
from casetrail.domain.linking import FactCorrected
from casetrail.domain.policy import Condition

GRAVE: Final = {
    Condition.IMMEDIATE_DANGER: ("reasons_in_danger", "a child was said to be in danger"),
    Condition.SEXUAL_OR_SERIOUS_PHYSICAL_ABUSE: ("reasons_if_serious", "a grave offence was reported"),
}
"""Reports that are screened out with more care: by which setting, and in words."""
GRAVE_TOO: Final = frozenset({Offence.KIDNAPPING, Offence.INVOLUNTARY_SERVITUDE})
"""Offences that are as grave, though the clocks of such cases do not run for them."""
ASKING_NOBODY: Final = (*CLERICAL, Kind.RECORDS_REQUESTED, Kind.SUSPECT_IDENTIFIED, Kind.OTHER)
"""Steps by which nobody has been asked yet, or that do not say what was done."""
UNREACHABLE: Final = (ContactFailure.WRONG_DETAILS, ContactFailure.MOVED_AWAY)
"""Failures that show that a report leads to nobody. Who does not answer may answer tomorrow."""


@detector(
    Setting(
        "reasons", (ScreeningReason.INSUFFICIENT_INFORMATION,), "reasons that presuppose that somebody asked",
        codes=ScreeningReason,
    ),
    Setting(
        "reasons_in_danger", (ScreeningReason.INSUFFICIENT_INFORMATION, ScreeningReason.NOT_A_CRIME),
        "the same where the report says that a child is in danger", "RSMo 210.145", codes=ScreeningReason,
    ),
    Setting(
        "reasons_if_serious", (ScreeningReason.INSUFFICIENT_INFORMATION, ScreeningReason.NOT_A_CRIME),
        "the same where it alleges a sexual offence, an aggravated assault, kidnapping or forced labour",
        "practice: by the FBI's rules of counting only an investigation shows that there was no offence",
        codes=ScreeningReason,
    ),
    Setting("asking_nobody", ASKING_NOBODY, "steps by which nobody is asked in such grave reports", codes=Kind),
    Setting("unspoken_in_danger", UNHEARD, "contacts by which nobody was asked who could say that a child is in no danger",
            codes=ContactMethod),
    Setting("unreachable", UNREACHABLE, "attempts that failed so show that a grave report leads to nobody",
            codes=ContactFailure, laxer=Laxer.MORE),
    needs=[Happening.SCREENED_OUT],
)  # fmt: skip
def screened_out_unasked(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A report that was screened out for what nobody had asked about.

    Rule: a report was screened out for want of information, or, where it is grave, as no crime; and before that nobody
    in the unit had contacted the victim, tried to, or taken any investigative step, but for what was done more than 24
    hours before the report was received. It is grave where it says, as it was first recorded or as it is corrected,
    then or afterwards, that a child is in danger, or alleges a sexual offence, an aggravated assault, kidnapping or
    forced labour. Then somebody must have spoken with the child or the family, or have taken a step that asks: a
    request for records asks nobody, nor does a name that is found, and an attempt that failed shows no more than that
    nobody was reached. Where a child is said to be in danger, the word of its caregiver is not enough, who may be the
    danger. Only for want of information an attempt is enough, if it failed because what the report says leads to
    nobody; and where a child is in danger, only if the report was anonymous: else whoever reported it can be asked. A
    report that is said to be for somebody else is judged by led_nowhere.

    Evidence: the screening, and what was done before it that asked nobody; before these the correction, where that came
    later.

    Settled by: reopening the case.

    May be wrong: where a report names nobody who could be asked, or was entered under a wrong offence; or where a patrol was
    there days before its report was typed in: correct the receipt first.

    Found in: Arizona, where 6,554 reports were marked as not to be investigated.
    """
    acts, until = list[Step](), 0
    for place, step in history.which(Happening.SCREENED_OUT):
        body, standard = step.body, settings(step.known_at)
        if not isinstance(body, ScreenedOut):
            continue
        acts += [act for earlier in history.steps[until:place] for act in history.work_known_by(earlier)]
        until = place
        for at, kinds in _grave_since(history, place):
            asked = any(_asks(history, act, body.reason, kinds, standard) for act in acts) if kinds else bool(acts)
            names = [GRAVE[kind][0] for kind in kinds] or ["reasons"]
            if not asked and any(body.reason in standard.codes(name) for name in names):
                says, seen = _unasked(body.reason, kinds, acts), history.steps[at]
                settled = history.until(at, lambda later: later.is_any(*REOPENED))
                evidence = [seen, *([] if at == place else [step]), *acts]
                yield of_case(history, standard, seen.known_at, evidence, says, settled, now)
                break


def _grave_since(history: History, place: int) -> Iterator[tuple[int, list[Condition]]]:
    """Why a report is grave that is screened out at a place (not at all where nothing is given), as it was first recorded, or
    is by then; and from each place on at which a correction makes it so for another reason, until it is reopened, or screened
    out once more.
    """
    codes = {one.code for body in _reports(history) for one in body.offences}
    is_corrected = "FactCorrected" in history.case.kinds
    alleged, seen = Allegations(), list[list[Condition]]()
    for at, step in enumerate(history.steps) if is_corrected else ((place, history.steps[place]),):
        if at > place and step.is_any(Happening.SCREENED_OUT, *REOPENED):
            return
        alleged.follow(step)
        if at == place or (at > place and isinstance(step.body, FactCorrected)):
            kinds = _grave_kinds(
                history.conditions | alleged.conditions, codes.union(one.code for one in alleged.offences)
            )
            if kinds not in seen:
                seen.append(kinds)
                yield at, kinds


def _grave_kinds(conditions: Set[Condition], codes: Set[Offence]) -> list[Condition]:
    """Why a report of such a kind and such offences is grave; nothing where it is not."""
    is_as_grave = not codes.isdisjoint(GRAVE_TOO)
    serious = Condition.SEXUAL_OR_SERIOUS_PHYSICAL_ABUSE
    return [kind for kind in GRAVE if kind in conditions or (is_as_grave and kind is serious)]


def _reports(history: History) -> Iterator[ReportReceived]:
    return (step.body for _, step in history.which(Happening.REPORT_RECEIVED) if isinstance(step.body, ReportReceived))


def _asks(
    history: History, act: Step, reason: ScreeningReason, kinds: Sequence[Condition], standard: Settings
) -> bool:  # fmt: skip
    """Whether somebody was asked by an act in a grave report, as far as it was possible."""
    body = act.body
    if isinstance(body, InvestigativeStepTaken):
        return body.step not in standard.codes("asking_nobody")
    in_danger = Condition.IMMEDIATE_DANGER in kinds
    if isinstance(body, VictimContactMade) and in_danger:
        return body.method not in standard.codes("unspoken_in_danger")
    if not isinstance(body, VictimContactAttempted):
        return act.is_any(Happening.VICTIM_CONTACT, Happening.FAMILY_CONTACT)
    leads_on = in_danger and all(report.reporter_kind is not ReporterKind.ANONYMOUS for report in _reports(history))
    for_want = reason is ScreeningReason.INSUFFICIENT_INFORMATION
    return for_want and body.failure in standard.codes("unreachable") and not leads_on


def _unasked(reason: ScreeningReason, kinds: Sequence[Condition], acts: Sequence[Step]) -> str:
    """What is found, in words."""
    grave = f", though {' and '.join(GRAVE[kind][1] for kind in kinds)}" if kinds else ""
    if acts:
        return f"screened out as {reason.replace('_', ' ')}, and what was done had asked nobody{grave}"
    if reason is ScreeningReason.INSUFFICIENT_INFORMATION:
        return "screened out for want of information that nobody had asked for"
    return f"screened out as {reason.replace('_', ' ')}, and nobody had asked{grave}"
