"""A case as detectors see it: its facts one after another, each with the moment since when anybody could know it.

A detector judges what the log held at each moment. What is entered late settles a finding, and does not undo it: until it
was entered, nobody could have seen it. Limits count from when things happened, so entering late gains no time.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Final, NamedTuple

from casetrail.domain.actions import Action, ActionRejected, Body, kind_of
from casetrail.domain.alarms import Alarm
from casetrail.domain.business_time import FIRST, LAST, Span
from casetrail.domain.case import Case, Recorded
from casetrail.domain.clock_runs import Runs
from casetrail.domain.clocks import conditions_of
from casetrail.domain.codes import AgencyKind, Role, Service
from casetrail.domain.deciding import DUPLICATE_ACTION
from casetrail.domain.detectors.settings import Settings
from casetrail.domain.happenings import Change, Happening, bring_on
from casetrail.domain.intake import ReportReceived
from casetrail.domain.leaving import NOBODY_LEFT, Departures
from casetrail.domain.linking import FactCorrected
from casetrail.domain.policy import NO_AGENCIES, Condition, InForce
from casetrail.domain.posts import NO_POSTS, Posts
from casetrail.domain.receipt import CORRECTING, answers, received_at
from casetrail.domain.referral import ReferralMade, can_give
from casetrail.domain.status import Status
from casetrail.domain.suspension import Suspended

ALONE: Final = {what: frozenset({what}) for what in Happening}
REPORT: Final = ReportReceived.__name__
WORK: Final = frozenset(
    {Happening.CONTACT_ATTEMPTED, Happening.FAMILY_CONTACT, Happening.VICTIM_CONTACT, Happening.INVESTIGATIVE_STEP}
)
"""Investigative acts. Notes, correspondence, reviews and reassignments are none."""
_number: Final = attrgetter("number")


class Step(NamedTuple):
    """A fact of a case. ``hash`` is the leaf hash of its event; ``status`` and ``holder`` are as it left them.

    ``at`` is when it happened, ``known_at`` since when the log could show it: when it was recorded. An imported fact is
    taken to have been known to the old system when it happened. UTC; ``known_at`` never goes back.
    """

    number: int
    hash: bytes
    at: datetime
    known_at: datetime
    what: frozenset[Happening]
    action: Action
    status: Status
    held_before: str | None
    holder: str | None
    is_open: bool
    """Whether somebody owes something after it."""
    is_act: bool
    """Whether it is investigative work on the report."""
    is_beforehand: bool = False
    """Whether it is work from so long before the report that it does not answer it, as the receipt was known then."""

    @property
    def body(self) -> Body:
        """What was recorded."""
        return self.action.body

    @property
    def is_act_of_holder(self) -> bool:
        """Whether it is investigative work of the one who holds the case."""
        return self.is_act and self.action.actor.id == self.held_before

    def is_any(self, *what: Happening) -> bool:
        """Whether one of these happened."""
        return not self.what.isdisjoint(what)


class History:
    """The facts of one case, folded from its events in their order. Refused submissions are no facts."""

    def __init__(self, case_id: str, departures: Departures = NOBODY_LEFT, posts: Posts = NO_POSTS) -> None:
        """What the registry knows of people: ``departures`` of those who left, and ``posts``, in which roles they work."""
        self.departures = departures
        self.posts = posts
        self.case = Case.unreported(case_id)
        self.events: list[Recorded] = []
        """All of its events, the refused ones too."""
        self.steps: list[Step] = []
        self.rests: list[Span] = []
        """When work was suspended, as it was known: from the recording on, up to the review date at most."""
        self.receipts: list[tuple[datetime, datetime]] = []
        """When the report was received, as it was first said and as it was corrected; each with since when that is known."""
        self.let_count: dict[int, list[Step]] = {}
        """Work from before the report that answers it after all, since a correction of the receipt: by the number of that."""
        self.conditions: frozenset[Condition] = frozenset()
        """The kinds of case that this one is, by the report as it was first recorded."""
        self.refused: list[Step] = []
        """The reports that were refused under its id, other than for having been answered already."""
        self.policies: InForce | None = None
        """The policies by which it is judged, if whoever judges has said so."""
        self.runs: Runs | None = None
        """The runs of its clocks, if whoever judges has folded them."""
        self.alarms: Sequence[Alarm] = ()
        """The deadlines that passed, if whoever judges has watched the case."""
        self._known_at = FIRST
        self._received_at = FIRST
        self._beforehand: list[Step] = []
        self._is_open = False
        self._places: dict[Happening, list[int]] = {}
        self._joined: Step | None = None
        self._looked = 0

    def follow(self, event: Recorded, leaf: bytes) -> Change | None:
        """Take in the next event of the case, and say what it changed; ``leaf`` is its leaf hash."""
        self.events.append(event)
        case, action = self.case, event.action
        change = bring_on(case, event, self._is_open)
        if action is None or change is None:
            if action is not None and self._is_lost_report(event, action):
                self._refuse(event, action, leaf)
            return None
        known_at = event.timestamp if action.imported is None else action.occurred_at
        if known_at < self._known_at:
            known_at = self._known_at
        self._known_at, steps = known_at, self.steps
        before, found, status, self._is_open = change
        what = ALONE[found[0].what] if len(found) == 1 else frozenset([one.what for one in found])
        is_act = not WORK.isdisjoint(what)
        is_beforehand = is_act and not answers(action.occurred_at, self._received_at)
        step = Step(
            event.originator_version, leaf, action.occurred_at, known_at, what, action, status,
            before.holder, case.facts.holder, self._is_open, is_act and not is_beforehand, is_beforehand,
        )  # fmt: skip
        if is_beforehand:
            self._beforehand.append(step)
        for one in what:
            if one in self._places:
                self._places[one].append(len(steps))
            else:
                self._places[one] = [len(steps)]
        steps.append(step)
        kind = type(action.body)
        if kind in CORRECTING:
            self._receive(step)
        if self.rests or kind is Suspended:
            self._rest(step)
        return change

    def _is_lost_report(self, event: Recorded, action: Action) -> bool:
        """Whether a report was refused that has not been answered before."""
        body = event.body
        if not isinstance(body, ActionRejected) or body.kind != REPORT:
            return False
        return body.code != DUPLICATE_ACTION.code or not self._is_repetition(event, action)

    def _is_repetition(self, event: Recorded, action: Action) -> bool:
        """Whether the same agency had submitted a report under this action id before: else something else has taken the id."""
        number = self.case.numbers[action.action_id]
        first = self.events[number - 1]
        if number == event.originator_version or first.action is None:
            return False
        kind = first.body.kind if isinstance(first.body, ActionRejected) else kind_of(first.body)
        return kind == REPORT and first.action.actor.agency == action.actor.agency

    def _refuse(self, event: Recorded, action: Action, leaf: bytes) -> None:
        holder, status = self.case.facts.holder, self.case.status
        self.refused.append(
            Step(
                event.originator_version, leaf, action.occurred_at, event.timestamp, frozenset(), action, status,
                holder, holder, self._is_open, False,
            )
        )  # fmt: skip

    def _receive(self, step: Step) -> None:
        body = step.action.body
        if isinstance(body, ReportReceived):
            self._received_at = step.at
            self.receipts.append((step.at, step.known_at))
            self.conditions = conditions_of(body.immediate_danger, body.offences)
        elif isinstance(body, FactCorrected) and body.happened_at is not None and self._is_report(body.corrects):
            self.receipts.append((body.happened_at, step.known_at))
            self._received_at = min(self._received_at, body.happened_at)
            self._let_count(step)

    def _let_count(self, correction: Step) -> None:
        """Note which work answers the report after all, by when that is now said to have been received."""
        answering = [step for step in self._beforehand if answers(step.at, self._received_at)]
        if answering:
            self.let_count[correction.number] = answering
            self._beforehand = [step for step in self._beforehand if step not in answering]

    def _is_report(self, number: int) -> bool:
        return self.case.kinds[number - 1] == ReportReceived.__name__

    def _rest(self, step: Step) -> None:
        body = step.action.body
        if isinstance(body, Suspended) or (self.rests and self.case.facts.suspended_until is None):
            if self.rests and self.rests[-1][1] > step.known_at:
                self.rests[-1] = (self.rests[-1][0], step.known_at)
            if isinstance(body, Suspended) and body.review_at > step.known_at:
                self.rests.append((step.known_at, body.review_at))

    @classmethod
    def with_clocks(
        cls, case_id: str, events: Sequence[tuple[Recorded, bytes]], policies: InForce, now: datetime,
        departures: Departures = NOBODY_LEFT, posts: Posts = NO_POSTS,
    ) -> tuple["History", Runs]:  # fmt: skip
        """A case as detectors see it, and the runs of its clocks: the case itself is folded only once for both."""
        history = cls(case_id, departures, posts)
        runs = Runs(case_id, policies, departures, history.case)
        received = received_at([event for event, _ in events])
        for event, leaf in events:
            at = event.timestamp if event.action is None else event.action.occurred_at
            if received is not None and isinstance(event.body, ReportReceived):
                at = received
            runs.leave(at)
            runs.take(event, history.follow(event, leaf), at)
        runs.leave(now)
        return history, runs

    @property
    def holder(self) -> str | None:
        """Who holds the case, or held it when it ended; nobody where they had left, by all that the registry says."""
        facts = self.case.facts
        left = self.departures.get(facts.holder or "")
        if not left or facts.assigned_at is None:
            return facts.holder
        until, since = self._ended_at() or LAST, facts.assigned_at
        is_gone = any(
            one.is_from(facts.unit, since) and one.at <= until and (one.back_at is None or one.back_at > until)
            for one in left
        )
        return None if is_gone else facts.holder

    def _ended_at(self) -> datetime | None:
        """When the case ended; None while it has not."""
        at = None
        for step in reversed(self.steps):
            if step.is_open:
                break
            at = step.at
        return at

    @property
    def agencies(self) -> Mapping[str, AgencyKind]:
        """Those that the registry knows, by whoever judges. Where it knows none, each is taken at its word."""
        return NO_AGENCIES if self.policies is None else self.policies.agencies

    def is_partner(self, agency: str, service: Service) -> bool:
        """Whether what an agency says of a referral counts, as it does for clocks: where the registry knows any, only theirs,
        and only of what an agency of their kind gives."""
        known = self.agencies
        return not known or (agency in known and can_give(known[agency], service))

    def joined_by_partner(self) -> Step | None:
        """The first step since which another agency takes part: it reports, is asked, or has something recorded."""
        own = self.case.facts.agency
        while self._joined is None and self._looked < len(
            self.steps
        ):  # each step is looked at once, however often it is asked
            step = self.steps[self._looked]
            self._joined, self._looked = step if _names_another(step, own) else None, self._looked + 1
        return self._joined

    def has(self, what: frozenset[Happening]) -> bool:
        """Whether one of these happened."""
        return not what.isdisjoint(self._places)

    def which(self, *what: Happening) -> list[tuple[int, Step]]:
        """The steps at which one of these happened, each with its place in ``steps``."""
        if len(what) == 1:
            return [(place, self.steps[place]) for place in self._places.get(what[0], ())]
        some = [self._places[one] for one in what if one in self._places]
        if not some:
            return []
        places = some[0] if len(some) == 1 else sorted({place for one in some for place in one})
        return [(place, self.steps[place]) for place in places]

    def too_often(
        self, settings: Callable[[datetime], Settings], what: Happening, *others: Happening
    ) -> Iterator[tuple[int, list[Step], Settings]]:
        """Where something happened once more than the setting ``most`` allows, and none of the ``others`` in between.

        The place of the step that was one too many, the steps since the first, and the settings that held at the first.
        """
        chain: list[Step] = []
        for place, step in self.which(what, *others):
            if what not in step.what:
                chain = chain if step.is_beforehand else []
                continue
            chain.append(step)
            standard = settings(chain[0].at)
            if len(chain) == standard.number("most") + 1:
                yield place, chain, standard

    def since_receipt(self, settings: Settings, limit: str, rests: Sequence[Span] = ()) -> datetime:
        """The first moment at which anybody could know that a limit was over that began when the report was received."""
        return min([max(settings.due(limit, at, self.conditions, rests), known_at) for at, known_at in self.receipts])

    def work_known_by(self, step: Step) -> Sequence[Step]:
        """The work on the report that is known since a step: itself, or what counts as it corrects when that was received."""
        return [step] if step.is_act else self.let_count.get(step.number, ())

    def shows_work(self, step: Step) -> bool:
        """Whether any work on the report is known since a step."""
        return step.is_act or step.number in self.let_count

    def step(self, number: int | None) -> Step | None:
        """The fact that is event ``number``; None where that is none."""
        if number is None:
            return None
        place = bisect_left(self.steps, number, key=_number)
        return self.steps[place] if place < len(self.steps) and self.steps[place].number == number else None

    def until(self, place: int, settles: Callable[[Step], bool]) -> Step | None:
        """The first step after that at ``place`` which settles something; None where none does."""
        steps = self.steps
        for later in range(place + 1, len(steps)):
            if settles(steps[later]):
                return steps[later]
        return None

    def place_of(self, step: Step | None) -> int:
        """The place of a step in ``steps``; beyond the last one for None."""
        return len(self.steps) if step is None else bisect_left(self.steps, step.number, key=_number)


def _names_another(step: Step, own: str) -> bool:
    """Whether by a step another agency than a case's own takes part. Watchdogs and auditors look at every case."""
    actor, body = step.action.actor, step.action.body
    acts = actor.agency not in ("", own) and actor.role not in (Role.SYSTEM, Role.AUDITOR)
    return acts or (isinstance(body, ReferralMade) and body.to_agency != own)
