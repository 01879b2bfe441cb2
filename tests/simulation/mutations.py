"""Planted bugs: one line of our own code is another one. The simulation must notice each of them.

The lines are taken from the code as it stands, so a mutation that no longer fits the code fails, and is not passed over.
"""

import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from unittest.mock import patch

from casetrail.consumers.judging import Judging
from casetrail.consumers.projector import Projector
from casetrail.consumers.recorder import OwnedPartition, Recorder
from casetrail.consumers.watchdog import Watchdog
from casetrail.domain import deciding
from casetrail.projections.case_store import CaseStore
from casetrail.projections.judgements import Judgements
from casetrail.projections.views import Views
from casetrail.projections.watch_store import WatchStore
from casetrail.proofs.drafting import Drafting
from casetrail.proofs.logtree import LogTree
from tests.simulation.invariants import Invariant
from tests.simulation.memory_log import Cluster, Lane, Manner, MemoryWriter
from tests.simulation.plan import WATCHDOGS, Plan, Run, all_ops, plan_of
from tests.simulation.running import Outcome, run

FEW, SOME, MANY = 50, 1_000, 10_000


def always(_: Plan) -> bool:
    """The bug can show in every run."""
    return True


def sharing(plan: Plan) -> bool:
    """Two recorders share a state file, and save often."""
    return plan.setting.shared and plan.setting.save_every < 1000 and plan.setting.manner is Manner.KAFKA


def notarised(plan: Plan) -> bool:
    """There are notaries."""
    return plan.setting.notarised


def watched(plan: Plan) -> bool:
    """There are watchdogs."""
    return plan.setting.watched


def judging(plan: Plan) -> bool:
    """The views have judgements."""
    return plan.setting.judged


def submitting(plan: Plan) -> bool:
    """A fault strikes a watchdog that is about to submit."""
    runs = (op for op in all_ops(plan.ops) if isinstance(op, Run) and op.process in WATCHDOGS)
    return any(op.fault is not None and op.fault.only == "append" for op in runs)


def embedded(plan: Plan) -> bool:
    """The log is one of the embedded kind."""
    return plan.setting.manner is Manner.EMBEDDED


def on_kafka(plan: Plan) -> bool:
    """The log is one of Kafka's kind."""
    return plan.setting.manner is Manner.KAFKA


class Mutation(NamedTuple):
    """A bug: in ``owner.function`` the text ``line`` becomes ``other``.

    ``caught_by``: the invariants of which one notices it first, within so many seeds; runs where it cannot show (``needs``)
    are left out.
    """

    name: str
    owner: Any
    function: str
    line: str
    other: str
    caught_by: tuple[Invariant, ...]
    within: int
    needs: Callable[[Plan], bool] = always


SAVED_EARLY: Final = """\
for case_id in owners:
                self.store.cache.changed(case_id, self.partition)
            end = self.log.end_offsets(Topic.EVENTS)[self.partition] + len(entries) - 1
            self.store.save({self.partition: Position(end, leaf_hash(entries[-1].value or b""))})
            self.writer.append(entries)"""

MUTATIONS: Final = (
    Mutation(
        "the state file is saved before the events are appended", OwnedPartition, "record",
        "self.writer.append(entries)", SAVED_EARLY, (Invariant.STATE,), FEW,
    ),
    Mutation(
        "an action is passed over when a partition is taken on", OwnedPartition, "catch_up",
        "_answered_action(last) + 1", "_answered_action(last) + 2", (Invariant.ONE_OUTCOME, Invariant.PROGRESS), FEW,
    ),
    Mutation(
        "the last action is answered again when a partition is taken on", OwnedPartition, "catch_up",
        "_answered_action(last) + 1", "_answered_action(last)", (Invariant.ONE_OUTCOME,), FEW,
    ),
    Mutation(
        "what others have recorded is not followed when a partition is taken on", OwnedPartition, "catch_up",
        "last.offset >= start", "last.offset < start", (Invariant.CHAIN, Invariant.STATE), FEW,
    ),
    Mutation(
        "a state file is believed without a look at the log", OwnedPartition, "_trusted_position",
        "record is not None and leaf_hash(record.value or b\"\") == position.last_hash", "True",
        (Invariant.CHAIN, Invariant.STATE, Invariant.STOPPED), SOME,
    ),
    Mutation(
        "cases are saved under the position of another recorder's event", OwnedPartition, "last_position",
        "_answered_action(last) + 1 != self.next_action", "False", (Invariant.STATE, Invariant.CHAIN), SOME, on_kafka,
    ),
    Mutation(
        "what cannot be read is passed over", OwnedPartition, "record",
        "if record.offset >= self.next_action", "if record.value", (Invariant.ONE_OUTCOME,), SOME,
    ),
    Mutation(
        "the recorder decides by a clock of its own", OwnedPartition, "record",
        "cache.history(case_id), record,",
        "cache.history(case_id), record._replace(appended_at=record.appended_at + 1),",
        (Invariant.REPLAY,), FEW,
    ),
    Mutation(
        "actions are answered in another order", Recorder, "_answer",
        "key=attrgetter(\"partition\", \"offset\")", "key=attrgetter(\"partition\", \"offset\"), reverse=True",
        (Invariant.ONE_OUTCOME,), FEW,
    ),
    Mutation(
        "the rest of a batch is forgotten", Recorder, "_answer",
        "record(some)", "record([*some][:1])", (Invariant.ONE_OUTCOME, Invariant.PROGRESS), FEW,
    ),
    Mutation(
        "what was decided and not appended stays in memory", Recorder, "step",
        "self._abandon()", "pass", (Invariant.STATE, Invariant.CHAIN, Invariant.STOPPED), SOME,
    ),
    Mutation(
        "what could not be saved stays in memory while the group is left", Recorder, "close",
        "self._abandon()", "self._owned.clear()", (Invariant.STATE, Invariant.STOPPED), 2_000,
    ),
    Mutation(
        "nobody looks whether an action was answered before", deciding, "_check",
        "DUPLICATE_ACTION.require(action.action_id not in case.numbers, action)", "pass", (Invariant.ONCE,), FEW,
    ),
    Mutation(
        "a partition that comes back is decided from memory", CaseStore, "position",
        "self.unlearn()", "pass", (Invariant.CHAIN, Invariant.STATE, Invariant.STOPPED), MANY, sharing,
    ),
    Mutation(
        "a recorder saves over what another has saved", CaseStore, "save",
        "self.check(partition)", "pass", (Invariant.STATE, Invariant.CHAIN, Invariant.STOPPED), MANY, sharing,
    ),
    Mutation(
        "cases and their position are saved in no transaction", CaseStore, "save",
        "with self._file.transaction() as database:", "for database in (self._database,):", (Invariant.STATE,), FEW,
    ),
    Mutation(
        "rows and their position are written in no transaction", Views, "apply",
        "with self.database.transaction():", "if True:", (Invariant.POSITION, Invariant.VIEWS), FEW,
    ),
    Mutation(
        "the position is written before its rows, in a transaction of its own", Views, "apply",
        "                self._write(batch)",
        "            with self.database.transaction():\n                self._write(batch)",
        (Invariant.POSITION, Invariant.VIEWS), FEW,
    ),
    Mutation(
        "a slower projector writes all the same", Views, "_move",
        "if changed != 1:", "if changed > 1:", (Invariant.POSITION, Invariant.VIEWS), SOME,
    ),
    Mutation(
        "referrals are not written", Views, "_write",
        "referral_rows(history.case)]", "()]", (Invariant.VIEWS,), SOME,
    ),
    Mutation(
        "an event is passed over when a projector begins", Projector, "__init__",
        "views.next_offset(partition)", "views.next_offset(partition) + 1",
        (Invariant.STOPPED, Invariant.POSITION, Invariant.PROGRESS), FEW,
    ),
    Mutation(
        "the views stand at the last event, not behind it", Projector, "step",
        "self._reader.position(record.partition)", "record.offset", (Invariant.POSITION, Invariant.STOPPED), FEW,
    ),
    Mutation(
        "judgements and their position are written in no transaction", Judgements, "apply",
        "with self.database.transaction():", "if True:", (Invariant.JUDGED, Invariant.STOPPED), 2_000, judging,
    ),
    Mutation(
        "judgements run ahead of the views", Judging, "_take_in",
        "if not self._judgements.wait_for_timeline(after, timeout):", "if False:", (Invariant.JUDGED, Invariant.STOPPED), SOME, judging,
    ),
    Mutation(
        "what an event makes stale is not noted", Judgements, "_write",
        "self._stale.note(stale | self._changed(judged))", "pass", (Invariant.JUDGED,), SOME, judging,
    ),
    Mutation(
        "the notary takes in again what a checkpoint has taken in", LogTree, "_include",
        "self.pending.included(one.partition, one.end)", "pass", (Invariant.TREE, Invariant.STOPPED), SOME, notarised,
    ),
    Mutation(
        "a checkpoint does not cover the one before", Drafting, "begin",
        "b\"\" if newest is None else newest.record_hash", "b\"\"", (Invariant.TREE, Invariant.STOPPED), FEW, notarised,
    ),
    Mutation(
        "hashes that a crash has left behind stay in the tree", LogTree, "_check_copy",
        "self.hashes.size > size", "self.hashes.size < 0", (Invariant.TREE, Invariant.STOPPED), SOME, notarised,
    ),
    Mutation(
        "the notary begins at the first event again", LogTree, "covered",
        "| self.file.included()", "", (Invariant.TREE, Invariant.STOPPED), FEW, notarised,
    ),
    Mutation(
        "the watchdog ticks a case off before it has submitted what it calls for", Watchdog, "_look",
        "        if found:\n", "        self._store.look_again(again, now)\n        if found:\n", (Invariant.WATCHED,), MANY, submitting,
    ),
    Mutation(
        "the watchdog saves events and position in no transaction", WatchStore, "take",
        "with self._file.transaction():", "if True:", (Invariant.WATCHED,), SOME, watched,
    ),
    Mutation(
        "a zombie is not fenced", MemoryWriter, "_check",
        "self._lane.epoch != self.epoch", "False",
        (Invariant.ONE_OUTCOME, Invariant.TREE, Invariant.CHAIN, Invariant.STOPPED), SOME, on_kafka,
    ),
    Mutation(
        "readers see what is not committed", Lane, "readable",
        "len(self.slots) if self.opened_at is None else self.opened_at", "len(self.slots)",
        (Invariant.POSITION, Invariant.VIEWS, Invariant.STOPPED, Invariant.TREE, Invariant.PROGRESS), SOME, on_kafka,
    ),
    Mutation(
        "the embedded log's time goes back with the machine's", Cluster, "put",
        "max(now, lane.newest)", "now", (Invariant.TIME,), SOME, embedded,
    ),
)  # fmt: skip


def mutated(mutation: Mutation) -> Any:
    """The function with the bug in it."""
    found = inspect.getattr_static(mutation.owner, mutation.function)
    source = inspect.getsource(found)
    if source.count(mutation.line) != 1:
        raise ValueError(f"'{mutation.name}' no longer fits {mutation.function}: write the mutation anew")
    code = textwrap.dedent(source.replace(mutation.line, mutation.other))
    names: dict[str, Any] = {}
    exec(compile(code, f"<{mutation.name}>", "exec"), found.__globals__, names)
    return names[mutation.function]


@contextmanager
def planted(mutation: Mutation | None) -> Iterator[None]:
    """Within it, the code has this bug."""
    if mutation is None:
        yield
        return
    with patch.object(mutation.owner, mutation.function, mutated(mutation)):
        yield


def named(name: str) -> Mutation:
    """The mutation of that name, or of which the name begins like that. Raises ``KeyError``."""
    found = [one for one in MUTATIONS if one.name.startswith(name)]
    if len(found) != 1:
        raise KeyError(f"{len(found)} planted bugs are named '{name}…'")
    return found[0]


def found_by(mutation: Mutation, directory: Path) -> tuple[int, Plan, Outcome]:
    """After how many seeds the bug is noticed, and the run that notices it. Raises ``LookupError``: within too many."""
    with planted(mutation):
        for seed in range(mutation.within):
            plan = plan_of(seed)
            if mutation.needs(plan) and (outcome := run(plan, directory)).violated is not None:
                return seed + 1, plan, outcome
    raise LookupError(f"'{mutation.name}' is not noticed within {mutation.within} seeds")


def table() -> str:
    """All planted bugs, for the documentation."""
    rows = ["| bug | in | noticed by | within seeds |", "| --- | --- | --- | --- |"]
    for one in MUTATIONS:
        where = one.owner.__name__.rsplit(".", 1)[-1]
        caught = ", ".join(invariant.name for invariant in one.caught_by)
        rows.append(f"| {one.name} | `{where}.{one.function}` | {caught} | {one.within} |")
    return "\n".join(rows) + "\n"


def invariants_table() -> str:
    """All invariants, for the documentation."""
    return (
        "\n".join(
            ["| invariant | what must hold |", "| --- | --- |", *(f"| {one.name} | {one} |" for one in Invariant)]
        )
        + "\n"
    )
