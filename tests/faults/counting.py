"""What is counted when the injuries are over: nothing lost, nothing doubled, everything verifies, views are right."""

import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from typing import NamedTuple

from casetrail.audit.balance import Balance, balance
from casetrail.domain.actions import ActionRejected
from casetrail.eventlog.codec import Event, Unreadable, decode_event
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.opening import open_log
from casetrail.eventlog.outcome import ChainBroken
from casetrail.eventlog.port import Log, Topic
from casetrail.eventlog.stream import batches
from casetrail.projections.database import open_database
from casetrail.projections.judgement_tables import JUDGED, JUDGED_FORM, JUDGEMENT_TABLES
from casetrail.projections.judgements import Judgements
from casetrail.projections.rebuild import catch_up, judge_to_end
from casetrail.projections.tables import FORM, TABLES, TRACKING
from casetrail.projections.views import Views
from casetrail.publishing.spool import Spool
from tests.faults.load import WRAPPER
from tests.faults.site import CASETRAIL, Site

PATIENCE = 300.0
MANY = 10**9
SHOWN = 4
"""Rows of a table that are shown where a rebuild makes them otherwise: all of them are invented."""


class Count(NamedTuple):
    """A thing that was counted: what it is, how many there were, and how many there may be (None: any number)."""

    what: str
    found: int
    allowed: int | None = None

    @property
    def holds(self) -> bool:
        """Whether it is as it must be."""
        return self.allowed is None or self.found == self.allowed


def settle(site: Site) -> None:
    """Let the load end, and wait until every submission has its outcome, every view its rows and the tree its leaves."""
    (site.work / "stop").touch()
    until = time.monotonic() + PATIENCE
    for service in site.named("load"):
        while service.process is not None and service.process.poll() is None:
            assert time.monotonic() < until, f"{service.name} does not end"
            time.sleep(0.2)
        service.process = None
    with open_log(site.url, {"request_timeout_ms": 5000}) as log:
        quiet_since = time.monotonic()
        at = log.end_offsets(Topic.ACTIONS)
        while time.monotonic() - quiet_since < 3 or any(one.pending for one in balance(log)):
            assert time.monotonic() < until, "some submissions have no outcome"
            for service in site.services.values():
                service.look_after() if not service.name.startswith("load") else None
            if at != (now := log.end_offsets(Topic.ACTIONS)) and _of_services(log, at, now):
                at, quiet_since = now, time.monotonic()
            time.sleep(0.5)


def _answered(site: Site) -> None:
    """Wait until nothing is without an outcome."""
    until = time.monotonic() + PATIENCE
    with open_log(site.url) as log:
        while any(one.pending for one in balance(log)):
            assert time.monotonic() < until, "some submissions have no outcome"
            time.sleep(0.5)


def _of_services(log: Log, before: dict[int, int], after: dict[int, int]) -> bool:
    """Whether anything but heartbeats came in: they never end."""
    with log.reader(Topic.ACTIONS, before) as reader:
        for records in batches(reader, after):
            if any(not (one.key or b"").startswith(b"machine") for one in records):
                return True
    return False


def counts(site: Site) -> list[Count]:
    """Stop everything in good order, and count."""
    for name in ("watchdog", "notary", "projector"):  # none of them may give a last heartbeat after the recorders' end
        for service in site.named(name):
            service.stop()
    _answered(site)
    for service in site.named("recorder"):
        service.stop()
    with open_log(site.url) as log:
        balances = balance(log)
        accepted, copies = _answers(log)
        found = _balance(balances, _last_beats(log, balances))
        found += [*_kept_promises(site, log, accepted), *_doubled(accepted, copies)]
    found.append(Count("faults that 'casetrail audit verify' finds", _exit(site, "audit", "verify", "--no-policy"), 0))
    found.append(Count("differences that 'casetrail audit replay' finds", _exit(site, "audit", "replay"), 0))
    found.append(Count("rows of the views that a rebuild makes otherwise", _differing_rows(site), 0))
    return found


def _last_beats(log: Log, balances: list[Balance]) -> int:
    """How many heartbeats of recorders nobody was left to answer: the last recorder may give one as it ends."""
    ends = log.end_offsets(Topic.ACTIONS)
    start = {one.partition: ends[one.partition] - one.pending for one in balances if one.pending}
    if not start:
        return 0
    with log.reader(Topic.ACTIONS, start) as reader:
        some = [one for records in batches(reader, {name: ends[name] for name in start}) for one in records]
    return sum((one.key or b"").startswith(b"machine:recorder") for one in some)


def _balance(balances: list[Balance], last_beats: int) -> list[Count]:
    return [
        Count("submissions in the log", sum(one.submitted for one in balances)),
        Count("accepted", sum(one.accepted for one in balances)),
        Count("rejected (all of them second copies, or hostile)", sum(one.rejected for one in balances)),
        Count("unreadable (hostile), kept as they came", sum(one.unreadable for one in balances)),
        Count("without an outcome", sum(one.pending for one in balances) - last_beats, 0),
        Count("answered twice, out of order, or for another action", sum(len(one.faults) for one in balances), 0),
    ]


def _written_down(site: Site, kind: str) -> set[str]:
    """What the services have written down of that kind (``tests.faults.load``), a line each."""
    return {line for path in site.work.glob(f"*.{kind}") for line in path.read_text().splitlines()}


def _kept_promises(site: Site, log: Log, accepted: Mapping[bytes, int]) -> list[Count]:
    """What services meant to submit, and what they were told of it, against what is in the log: no spool is asked for that."""
    told = {(int(one[0]), int(one[1]), one[2]) for one in map(str.split, _written_down(site, "acknowledged"))}
    for path in site.spools():
        with closing(Spool(path, site.url, WRAPPER)) as spool:
            for one in spool.to_hand_out(MANY):  # the services leave them there
                told.add((one.receipt.partition, one.receipt.offset, one.receipt.action_hash.hex()))
            assert not spool.count(), f"{path} still holds {spool.count()} submissions"
    held = _held(log)
    there = set(held.values())
    meant = [(one[0], bytes.fromhex(one[1])) for one in map(str.split, _written_down(site, "meant"))]
    spooled = _written_down(site, "spooled")
    return [
        Count("submissions that services wrote down before they made them", len(meant)),
        Count("of these not in the log", sum(one not in there for one, _ in meant), 0),
        Count("of these never accepted", sum(one not in accepted for _, one in meant), 0),
        Count("submissions that services were told wait in a spool", len(spooled)),
        Count("of these not in the log afterwards", len(spooled - there), 0),
        Count("submissions that services were given receipts for", len(told)),
        Count("of these lost or altered", sum(held.get(one[:2]) != one[2] for one in told), 0),
    ]


def _held(log: Log) -> dict[tuple[int, int], str]:
    """The leaf hash of every action in the log, by partition and offset."""
    ends = log.end_offsets(Topic.ACTIONS)
    held: dict[tuple[int, int], str] = {}
    with log.reader(Topic.ACTIONS, dict.fromkeys(ends, 0)) as reader:
        for records in batches(reader, ends):
            for record in records:
                held[record.partition, record.offset] = leaf_hash(record.value or b"").hex()
    return held


def _answers(log: Log) -> tuple[dict[bytes, int], int]:
    """How often each action was accepted, by its id; and how many second copies were refused."""
    accepted: dict[bytes, int] = {}
    copies = 0
    ends = log.end_offsets(Topic.EVENTS)
    with log.reader(Topic.EVENTS, dict.fromkeys(ends, 0)) as reader:
        for records in batches(reader, ends):
            for record in records:
                try:
                    event: Event = decode_event(record.value)
                except Unreadable:
                    continue  # the balance counts it as a fault
                if isinstance(event.body, ActionRejected):
                    copies += event.body.code == "duplicate-action"
                elif event.action_id != bytes(16):
                    accepted[event.action_id] = accepted.get(event.action_id, 0) + 1
    return accepted, copies


def _doubled(accepted: Mapping[bytes, int], copies: int) -> list[Count]:
    doubled = sum(1 for times in accepted.values() if times > 1)
    return [Count("second copies that were refused as duplicates", copies), Count("actions accepted twice", doubled, 0)]


def _exit(site: Site, *words: str) -> int:
    done = subprocess.run([*CASETRAIL, *words], cwd=site.work, capture_output=True, text=True, check=False)
    (site.work / f"{'-'.join(words[-2:])}.txt").write_text(done.stdout + done.stderr)
    return done.returncode


def _differing_rows(site: Site) -> int:
    """Rows that the projectors' views have and a rebuild from zero has not, or the other way round; judgements, too.

    Where the log cannot be followed any more, a rebuild has none.
    """
    with open_log(site.url) as log, closing(open_database(site.views)) as database, suppress(ChainBroken, Unreadable):
        catch_up(log, Views(database, log.name))
        judge_to_end(log, Judgements(database, log.name))
    rebuilt = f"sqlite:{site.work / 'rebuilt.views'}"
    is_rebuilt = _exit(site, "--views", rebuilt, "views", "rebuild") == 0
    count = 0
    for name in _compared():
        differing = _rows(site.views, name) ^ (_rows(rebuilt, name) if is_rebuilt else set())
        for row in sorted(map(str, differing))[:SHOWN]:
            print(f"differs in {name}: {row[:400]}", file=sys.stderr)
        count += len(differing)
    return count


def _compared() -> list[str]:
    return [table.name for table in (*TABLES, *JUDGEMENT_TABLES) if table not in (TRACKING, FORM, JUDGED, JUDGED_FORM)]


def _rows(url: str, table: str) -> set[tuple[object, ...]]:
    with closing(open_database(url)) as database:
        found = database.rows(f"SELECT * FROM {table}")
    return {tuple(bytes(one) if isinstance(one, memoryview) else one for one in row) for row in found}
