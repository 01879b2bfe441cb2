"""Cases that are reported again while they lie idle."""

from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final, NamedTuple

from casetrail.domain.codes import TokenKind
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import About, Evidence, Finding
from casetrail.domain.detectors.following import Of, goes_on_in
from casetrail.domain.detectors.settings import Laxer, Setting, Settings, days, hours
from casetrail.domain.detectors.survey import Survey
from casetrail.domain.detectors.traces import Identified, Idle, Recognised, Trace

LATEST: Final = 20
"""With so many earlier reports a new one is compared for each token: of a hospital's address there may be thousands."""


@detector(
    Setting("quiet", days(30), "after what time without an act an open case is quiet"),
    Setting("linked", hours(72), "within what time a new report is linked with the earlier case: it belongs to the "
            "assessment of the risk to know it", "RSMo 210.145", clock="screening"),
    Setting("within", days(365), "how long after the end of a case a new report is a finding",
            "practice: federal reviews count maltreatment that recurs within 12 months", laxer=Laxer.LESS),
    Setting("by", tuple(TokenKind), "by what a report is recognised", codes=TokenKind),
)  # fmt: skip
def reported_again(survey: Survey, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """A case that is reported again while it lies quiet, or after it was closed.

    Rule: a new report has a blinded token (of a child, a suspect or an address) that an earlier one has, too, and when it
    was recorded nobody had worked the earlier case for some time, or that case had been closed or screened out within the
    year before; and within the time in which the new report must be screened neither were the two linked nor was anything
    done in the earlier case. A case that is reopened, and ends again before anybody works it, has not been reopened for
    the new report. Of an earlier case that was merged, or screened out as known already, those are looked at in which it
    goes on, unless they have such a token themselves, and are judged as earlier cases. A correction may be the first to
    say who is concerned: then that time begins with it. The finding is about the earlier case. A new report is compared
    with the twenty latest that have the same token.

    Evidence: the new report; what was last done in the earlier case, or its end; and the corrections.

    Settled by: an act in the earlier case or its reopening, or that the two cases are linked or merged.

    May be wrong: where an address is that of a school, a hospital or a shelter, or a suspect's name is a common one.

    Found in: Arizona, where at least 125 children were reported again.
    """
    known: dict[Recognised, deque[Trace]] = {}
    for new in survey.traces.sharing():
        standard = settings(new.known_at)
        shared: dict[str, tuple[Trace, list[Recognised]]] = {}
        for token in new.tokens:
            for earlier in known.setdefault(token, deque(maxlen=LATEST)):
                shared.setdefault(earlier.case_id, (earlier, []))[1].append(token)
            known[token].append(new)
        for earlier, tokens in shared.values():
            if earlier.agency == survey.agency:
                yield again(earlier, new, tokens, survey.traces.of, standard, now)


class Match(NamedTuple):
    """By what a new report is recognised, since when that is known, and by which corrections."""

    known_at: datetime
    kinds: tuple[TokenKind, ...]
    corrections: tuple[Evidence, ...]


def again(
    earlier: Trace, new: Trace, shared: Iterable[Recognised], of: Of, standard: Settings, now: datetime
) -> Finding | None:
    """What is found in a case when another is reported later; ``shared``: the tokens that both have."""
    match = _match(earlier, new, [token for token in shared if token[0] in standard.codes("by")])
    if match is None:
        return None
    due = standard.due("linked", match.known_at)
    there = goes_on_in(earlier, of, new.known_at) if earlier.mergers else []
    if any(_is_recognised(one, new, match.known_at, standard) for one in there):
        return None
    idle = _idle_when(there or [earlier], new.known_at, due, standard)
    if idle is None:
        return None
    since = max(due, idle.since)
    if now <= since:
        return None
    settled = [(idle.until, idle.until_event)] if idle.until is not None and idle.until_event is not None else []
    for one in (earlier, *there):
        settled += [(link.known_at, link.event) for link in one.links if link.other == new.case_id]
        settled += [(link.known_at, link.event) for link in new.links if link.other == one.case_id]
    end = earlier.end_at(new.known_at) if there else None
    if end is not None and end.until is not None and end.until_event is not None:
        settled.append((end.until, end.until_event))
    at, event = min((one for one in settled if one[0] <= now), key=lambda one: one[0], default=(None, None))
    if at is not None and at <= since:
        return None
    where = f" in {there[0].case_id}" if there else ""
    return _finding(earlier, new, idle, match, standard, since, where, at, event)


def _is_recognised(trace: Trace, new: Trace, moment: datetime, standard: Settings) -> bool:
    """Whether a new report is recognised, by what is known at a moment, as one about people of another case."""
    shared = trace.tokens_at(moment) & new.tokens_at(moment)
    return trace.known_at <= new.known_at and any(kind in standard.codes("by") for kind, _ in shared)


def _idle_when(cases: Iterable[Trace], moment: datetime, due: datetime, standard: Settings) -> Idle | None:
    """How a case lay idle at a moment; None where one of several did not, or was worked or reopened by when that is due."""
    found = []
    for trace in cases:
        first = next((one for one in trace.idle if _is_idle(one, moment, standard)), None)
        if first is None:
            return None
        ended_at = first.before or first.since
        same = [first, *[one for one in trace.idle if one.since > first.since and one.before == ended_at]]
        found.append(next((one for one in same if one.until is None or one.until > max(due, one.since)), None))
    return None if None in found else found[0]


def _match(earlier: Trace, new: Trace, shared: Iterable[Recognised]) -> Match | None:
    """The first moment at which one of some tokens was known of both cases; what was known only later changes nothing."""
    found: dict[datetime, list[tuple[TokenKind, list[Identified]]]] = {}
    for token in shared:
        by = [one for one in (earlier.identified_by(token), new.identified_by(token)) if one is not None]
        found.setdefault(max([new.known_at, *[one.known_at for one in by]]), []).append((token[0], by))
    if not found:
        return None
    known_at = min(found)
    kinds = dict.fromkeys(kind for kind, _ in found[known_at])
    corrections = dict.fromkeys(one.event for _, by in found[known_at] for one in by)
    return Match(known_at, tuple(kinds), tuple(corrections))


def _is_idle(idle: Idle, moment: datetime, standard: Settings) -> bool:
    if not idle.since <= moment or (idle.until is not None and idle.until <= moment):
        return False
    return not idle.has_ended or moment <= standard.due("within", idle.since)


def _finding(
    earlier: Trace, new: Trace, idle: Idle, match: Match, standard: Settings, since: datetime, where: str,
    at: datetime | None, event: Evidence | None,
) -> Finding:  # fmt: skip
    stood = "had ended" if idle.has_ended else "lay quiet"
    return Finding(
        standard.detector,
        About.CASE,
        earlier.case_id,
        since,
        (new.report, idle.after, *match.corrections),
        f"reported again ({' and '.join(match.kinds)}) as {new.case_id} while it {stood}{where}",
        earlier.holder,
        earlier.unit,
        standard,
        earlier.partners,
        settled_at=at,
        settled_by=event,
    )
