"""Detectors in tests: what they find in a story that is told, or in a list of events."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from hashlib import sha256

from casetrail.domain.case import Recorded
from casetrail.domain.codes import AgencyKind
from casetrail.domain.detectors.finding import Finding
from casetrail.domain.detectors.history import History
from casetrail.domain.detectors.judging import Judge
from casetrail.domain.policy import NO_AGENCIES, InForce, Policy
from casetrail.domain.policy_file import parse_policy
from tests.actions import HAPPENED
from tests.domain.clock_histories import Story
from tests.domain.policies import preset, text_of

Agencies = Mapping[str, AgencyKind]
SECOND = timedelta(seconds=1)


def leaf(event: Recorded) -> bytes:
    """A hash that stands for the event's."""
    return sha256(f"{event.originator_id} {event.originator_version}".encode()).digest()


def history_of(events: Iterable[Recorded], case_id: str = "C-1") -> History:
    """A history as detectors see it."""
    made = History(case_id)
    for event in events:
        made.follow(event, leaf(event))
    return made


def with_settings(text: str) -> Policy:
    """The generic policy with tables of detectors."""
    return parse_policy(f"{text_of()}\n{text}")


def judge(
    *policies: tuple[datetime, Policy], detectors: Iterable[str] | None = None, agencies: Agencies = NO_AGENCIES
) -> Judge:
    """A judge by these policies, or by the generic preset; ``agencies``: those that the registry knows."""
    in_force = InForce(policies or [(HAPPENED, preset())], agencies)
    return Judge(in_force, None if detectors is None else list(detectors))


def found(story: Story, name: str, now: datetime, *policies: Policy, agencies: Agencies = NO_AGENCIES) -> list[Finding]:
    """What one detector finds in a story, settled or not."""
    given = [(HAPPENED, policy) for policy in policies]
    return list(judge(*given, detectors=[name], agencies=agencies).case(history_of(story.events), now))


def only(story: Story, name: str, now: datetime, *policies: Policy, agencies: Agencies = NO_AGENCIES) -> Finding:
    """The only finding of one detector."""
    (one,) = found(story, name, now, *policies, agencies=agencies)
    return one


def numbers(finding: Finding) -> list[int]:
    """The numbers of the events that a finding rests on."""
    return [one.number for one in finding.evidence]


def seen(story: Story, name: str, since: datetime, *policies: Policy, agencies: Agencies = NO_AGENCIES) -> Finding:
    """The only finding, which must be there just after ``since``, and not before."""
    assert found(story, name, since, *policies, agencies=agencies) == []
    one = only(story, name, since + SECOND, *policies, agencies=agencies)
    assert (one.since, one.is_open) == (since, True)
    return one
