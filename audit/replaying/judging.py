"""Judging one partition: every action through the domain again, and each event held against what the rules make of it.

What may an event follow from, once a case has a difference? Both from the history as it was *recorded* and from the
*rightful* one:

- Whoever manipulates while recording (a recorder that refuses, say) goes on from the events that he wrote, and so does
  every honest recorder after him. Only the recorded history explains these later events; held against the rightful one
  each of them would be a false conviction.
- Whoever exchanges an event afterwards leaves later ones behind that had been decided on the true history. Only the
  rightful history explains these.

So an event that follows from either is no manipulation of its own, but a follower of the case's first difference: it is
counted there. One that follows from neither is, and is convicted by what differs from the nearer of the two; from there
on the rightful history is the one that the nearer leads to. What a manipulator gains by that is the choice between two
outcomes, both of which follow from what he was convicted of already.
"""

from collections.abc import Callable
from typing import NamedTuple

from casetrail.audit.replaying.cases import NOT_LISTED, Trial, Trials, copy_of, take_in
from casetrail.audit.replaying.comparing import (
    CHAIN,
    Differences,
    Fields,
    asked,
    differences,
    fields_of,
    held_against,
    held_loosely,
    is_expected,
    key_of,
    kinds_of,
    likeliest,
    shown_id,
    sides,
    summary,
    unread,
    weight,
)
from casetrail.audit.replaying.findings import Finding, Kind, Named, Verdict, joined
from casetrail.audit.replaying.order import Answer, rules_named
from casetrail.domain.deciding import RULE_SETS
from casetrail.domain.rules import RULE_SET
from casetrail.domain.values import at_millis
from casetrail.eventlog.codec import Event
from casetrail.eventlog.outcome import History, Outcome, bring_on, case_of, outcome_of
from casetrail.eventlog.port import Record


class Place(NamedTuple):
    """Where a finding is: the case, what was asked for, and the offsets of action and event."""

    case_id: str
    asked: str | None
    action_offset: int | None
    event_offset: int | None


class Judge:
    """Judges the actions of one partition in their order. ``cases`` says which cases are judged: the others pass by.

    ``cut_actions`` and ``cut_events``: the first offsets that the log still has.
    """

    def __init__(
        self, log: str, partitions: int, partition: int, cases: Callable[[str], bool], cut_actions: int, cut_events: int
    ) -> None:
        self._log, self._partitions, self._cases = log, partitions, cases
        self._cut_actions = cut_actions
        self._pasts_unknown = cut_actions > 0 and cut_events > 0  # from either of the two a past can be told
        self.verdict = Verdict(partition)
        self._trials = Trials()
        self._rule_set = RULE_SET  # by which the next event is expected to be decided
        self._named = 0  # the rule set that the event before names
        self._newest = 0
        self._run: tuple[int, Record, Record] | None = (
            None  # events that name one rule set: the first and the last of them
        )
        self._passed_over: dict[int, tuple[int, Event]] = {}  # an action: the place of its finding, the event it lacks

    def close(self) -> None:
        """Let go of what was kept of the cases."""
        self._end_run()
        self._trials.close()

    # --- actions in their order ---

    def action(self, record: Record, answers: list[Answer]) -> None:
        """Judge the answers to an action: one is expected, any other is invented."""
        case_id = case_of(record, self._partitions)
        if not self._cases(case_id):
            self._pass_by(answers)
            return
        self.verdict.actions += 1
        self.verdict.compared += 1
        trial = self._trials.trial(case_id)
        made = self._outcome(trial.recorded, record)
        answer = likeliest(answers, made)
        if trial.rightful is None and not answer.moved and is_expected(answer.record, made):
            bring_on(trial.recorded, made)
            self._named = self._rule_set
            self._note(self._rule_set, answer.record)
        else:
            self._examine(record, answer, case_id, trial)
        for other in answers:
            if other is not answer:
                self.invented(other)

    def _pass_by(self, answers: list[Answer]) -> None:
        """The answers to an action of a case that is not judged here: which rule set is in force is told by all."""
        named = rules_named(answers[0].record.value)
        if named is not None:
            self._name(named)
            self._note(named, answers[0].record)
        for answer in answers:
            # several are seldom; to decode each single one, too, would take as long as to judge it
            event = answer.event() if len(answers) > 1 else None
            if self._cases(key_of(answer.record) if event is None else event.case_id):
                self.invented(answer)

    def unanswered(self, record: Record, pending: bool, cut: bool) -> None:
        """An action without an event: it may come yet, it was deleted with others, or it was left out."""
        case_id = case_of(record, self._partitions)
        if not self._cases(case_id):
            return
        self.verdict.actions += 1
        if pending:
            self.verdict.pending += 1
            self.verdict.pending_since = self.verdict.pending_since or at_millis(record.appended_at)
            return
        trial = self._trials.trial(case_id)
        made = self._outcome(trial.histories[trial.explained], record)
        if cut:
            self.verdict.cut += 1
            if not self._pasts_unknown:
                bring_on(trial.recorded, made)  # the event is gone, but the actions tell what it said
            return
        where = Place(case_id, asked(made.event), record.offset, None)
        place = self._report(Kind.LEFT_OUT, trial, where, summary(made.event), {})
        if place != NOT_LISTED:
            self._passed_over[record.offset] = place, made.event
        self._part(trial, trial.explained, made)

    # --- events that no action waits for ---

    def overdue(self, answer: Answer) -> None:
        """An event that stands where the turn of its action is over, or whose action is not there."""
        event = answer.event()
        if event is not None and 0 <= event.action_offset < self._cut_actions:
            self._cut_off(answer, event)
        elif event is not None and event.action_offset in self._passed_over:
            self._belated(answer, event)
        else:
            self.invented(answer)

    def invented(self, answer: Answer) -> None:
        """An event that answers no action that waits for it. Later ones of its case may follow from it, or may not."""
        event = answer.event()
        case_id = key_of(answer.record) if event is None else event.case_id
        if not self._cases(case_id):
            return
        trial = self._trials.trial(case_id)
        if event is None:
            where = Place(case_id, None, None, answer.record.offset)
            self._report(Kind.NO_EVENT, trial, where, {}, unread(answer))
            return
        where = Place(case_id, asked(event), event.action_offset, answer.record.offset)
        self._report(Kind.INVENTED, trial, where, {}, summary(event))
        if key_of(answer.record) == case_id:  # else no recorder takes it for a part of the case's history
            trial.rightful = copy_of(trial.histories[trial.explained])
            take_in(trial.recorded, event, answer.record.value or b"")

    def _cut_off(self, answer: Answer, event: Event) -> None:
        """Its action has been deleted: it can be taken in, not judged."""
        if self._cases(event.case_id):
            trial = self._trials.trial(event.case_id)
            self._see_past(trial, event)
            self.verdict.unjudged += 1
            take_in(trial.recorded, event, answer.record.value or b"")

    def _belated(self, answer: Answer, event: Event) -> None:
        """The event of an action that seemed to have been left out."""
        place, expected = self._passed_over.pop(event.action_offset)
        finding = self.verdict.findings[place]
        self.verdict.turn(finding, Kind.REORDERED)
        finding.event_offset, finding.recorded = answer.record.offset, summary(event)
        self.verdict.compared += 1
        trial = self._trials.trial(expected.case_id)
        found = differences(fields_of(expected, expected.case_id.encode()), fields_of(event, answer.record.key))
        if found.keys() - CHAIN:
            where = Place(expected.case_id, asked(expected), event.action_offset, answer.record.offset)
            self._convict(trial, where, found)
        if event.case_id == expected.case_id:
            take_in(trial.recorded, event, answer.record.value or b"")

    # --- an event that is not at once, byte for byte, what was expected ---

    def _examine(self, record: Record, answer: Answer, case_id: str, trial: Trial) -> None:
        event = answer.event()
        if event is None:
            made = self._outcome(trial.histories[trial.explained], record)
            where = Place(case_id, asked(made.event), record.offset, answer.record.offset)
            self._report(Kind.NO_EVENT, trial, where, summary(made.event), unread(answer))
            self._part(trial, trial.explained, made)
            return
        where = Place(case_id, asked(event), record.offset, answer.record.offset)
        known = self._named_rules(event, where, trial)
        self._note(event.rule_set, answer.record)
        self._see_past(trial, event)
        rules = event.rule_set if known else self._rule_set
        made_of = [outcome_of(history, record, self._log, self._partitions, rules) for history in trial.histories]
        where = where._replace(asked=asked(made_of[0].event))
        if known and not trial.unknown_past:
            found_of = [held_against(made, answer, event) for made in made_of]
        else:
            self.verdict.unjudged += 1
            found_of = [held_loosely(made, answer, event, chained=not trial.unknown_past) for made in made_of]
        if answer.moved:
            self._report(Kind.REORDERED, trial, where, summary(made_of[0].event), summary(event))
        nearer = min(range(len(found_of)), key=lambda one: (*weight(found_of[one]), one != trial.explained))
        if found_of[nearer].keys() - CHAIN:
            self._convict(trial, where, found_of[nearer])
            self._part(trial, nearer, made_of[nearer])
        else:
            self._explain(trial, where, made_of, found_of, nearer)
        if event.case_id == case_id:
            take_in(trial.recorded, event, answer.record.value or b"")
        else:
            self.invented(answer)  # in the other case

    def _explain(
        self, trial: Trial, where: Place, made_of: list[Outcome], found_of: list[Differences], nearer: int
    ) -> None:
        """An event follows from one of the histories, in all but perhaps its link to the event before."""
        link = {name: pair for name, pair in found_of[0].items() if name in CHAIN}
        if "previous_hash" in link or (link and trial.rightful is None):  # once: the next event links to this one
            self._report(Kind.CHAIN_DIFFERS, trial, where, *sides(link), follows=trial.first is not None)
        if trial.rightful is not None:
            if found_of[0] or found_of[1].keys() - CHAIN:
                self._follows(trial)
            bring_on(trial.rightful, made_of[1])
            trial.explained = nearer
        elif link:
            self._part(trial, 0, made_of[0])

    def _part(self, trial: Trial, base: int, made: Outcome) -> None:
        """From here on the rightful history is this one of the case's, with this outcome."""
        trial.rightful = copy_of(trial.histories[base])
        bring_on(trial.rightful, made)
        trial.explained = base

    def _named_rules(self, event: Event, where: Place, trial: Trial) -> bool:
        """Whether the rule set that an event names is known. Where a wrong one begins to be named, that is a finding."""
        before, newest, named = self._named, self._name(event.rule_set), event.rule_set
        known = named in RULE_SETS
        if named != before and (not known or named < newest):
            kind = Kind.OLDER_RULE_SET if known else Kind.UNKNOWN_RULE_SET
            self._report(kind, trial, where, {"rule_set": newest or RULE_SET}, {"rule_set": named})
        return known

    def _name(self, named: int) -> int:
        """The next event names this rule set; the newest known one that was named before it."""
        if self._named in RULE_SETS:
            self._newest = max(self._newest, self._named)
        self._named = named
        if named in RULE_SETS:
            self._rule_set = named
        return self._newest

    def _note(self, named: int, record: Record) -> None:
        """Note where rule sets are named: this event names one."""
        if self._run is not None and self._run[0] == named:
            self._run = named, self._run[1], record
        else:
            self._end_run()
            self._run = named, record, record

    def _end_run(self) -> None:
        if self._run is not None:
            named, first, last = self._run
            run = Named(first.offset, at_millis(first.appended_at), last.offset, at_millis(last.appended_at))
            self.verdict.rule_sets = joined(self.verdict.rule_sets, {named: run})

    def _see_past(self, trial: Trial, event: Event) -> None:
        """Whether events of the case were deleted, together with the actions that could tell what they said."""
        if self._pasts_unknown and trial.recorded.case.version == 0 and event.number != 1:
            trial.unknown_past = True

    # --- findings ---

    def _convict(self, trial: Trial, where: Place, found: Differences) -> None:
        first = trial.first is None
        for kind, some in kinds_of(found).items():
            self._report(kind, trial, where, *sides(some), first=first)

    def _report(
        self, kind: Kind, trial: Trial, where: Place, expected: Fields, recorded: Fields, *,
        first: bool = False, follows: bool = False,
    ) -> int:  # fmt: skip
        """Note a finding in a case; its place in the list."""
        finding = Finding(
            kind, self.verdict.partition, shown_id(where.case_id), where.asked, where.action_offset,
            where.event_offset, expected, recorded, first or trial.first is None, follows,
        )  # fmt: skip
        place = self.verdict.add(finding)
        if trial.first is None:
            trial.first = place
        return place

    def _follows(self, trial: Trial) -> None:
        """One more event of the case is as it is because of the case's first finding."""
        if trial.first is not None and trial.first != NOT_LISTED:
            self.verdict.findings[trial.first].followers += 1

    def _outcome(self, history: History, record: Record) -> Outcome:
        return outcome_of(history, record, self._log, self._partitions, self._rule_set)
