"""How much room an event takes: on both logs, in the views, in the notary's tree, in files of recorder and watchdog, in the keyring."""

import time
from pathlib import Path

import psycopg

from bench.audit_replay import fill
from bench.data import actions
from bench.filling import EVENTS_A_CASE
from bench.measuring import Rows, say, views_of
from bench.notary import notarised
from casetrail.consumers.heart import Host
from casetrail.consumers.recorder import Recorder
from casetrail.consumers.watchdog import Watchdog
from casetrail.domain.codes import MachineKind
from casetrail.domain.values import EPOCH
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.outcome import History, answer
from casetrail.eventlog.port import Entry, Log, Record, Topic
from casetrail.privacy.opening import open_keyring
from casetrail.projections.case_store import CaseStore
from casetrail.projections.watch_store import WatchStore

CASES = 10_000
PARTITIONS = 4
HOST = Host("bench", "metro-pd")
ONE_BY_ONE = 500
SEALED = "values as bench/data.py makes them: two of ten events have one sealed field of 112 bytes"


def on_disk(*paths: Path) -> int:
    """The bytes of files, and of all files in folders."""
    files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path])]
    return sum(file.stat().st_size for file in files if file.is_file())


def beside(path: Path) -> int:
    """The bytes of an SQLite file with its journal."""
    return on_disk(*(one for suffix in ("", "-wal") if (one := path.with_name(path.name + suffix)).exists()))


def in_broker(folder: Path, topic: str) -> int:
    """The bytes of a topic's records on the one broker: one replica. Indexes come to less than a hundredth."""
    return on_disk(*(folder / "kafka").glob(f"broker-*/data/{topic}-*/*.log"))


def one_by_one(log: Log) -> None:
    """Append so many actions and events one by one, as a quiet day brings them: each in a batch and a transaction of its own."""
    writer = log.writer(0)
    histories: dict[str, History] = {}
    for number, (case_id, value) in enumerate(actions(ONE_BY_ONE // EVENTS_A_CASE)):
        key = case_id.encode()
        (at,) = log.append(Topic.ACTIONS, [Entry(key, value, 0)])
        history = histories.setdefault(case_id, History.empty(case_id))
        made = answer(history, Record(0, number, at.appended_at, key, value), log.name, 1)
        writer.append([Entry(key, made, 0)])
    writer.close()


def state_file(log: Log, path: Path) -> tuple[int, float]:
    """The bytes of the state file of a recorder that has caught up with all partitions, and the seconds that it took."""
    started = time.monotonic()
    store = CaseStore(path, log.name)
    recorder = Recorder(log, store)
    until = time.monotonic() + 120
    while len(recorder.owned) < log.partitions and time.monotonic() < until:
        recorder.step(0.1)
    seconds = time.monotonic() - started
    recorder.close()
    store.close()
    return beside(path), seconds


def watchdog_file(log: Log, path: Path) -> int:
    """The bytes of the file of a watchdog that has read all events."""
    watchdog = Watchdog(log, WatchStore(path, log.name), HOST.actor(MachineKind.WATCHDOG), lambda: EPOCH)
    while watchdog.is_behind:
        watchdog.step(0.0)
    watchdog.close()
    return beside(path)


def keyring_file(path: Path, cases: int) -> int:
    """The bytes of a keyring with a key for each case."""
    keyring = open_keyring(f"sqlite:{path}")
    names = [f"case-{number:08}" for number in range(cases)]
    for start in range(0, cases, 1000):
        keyring.create_case_keys(names[start : start + 1000])
    keyring.close()
    return beside(path)


def in_postgres(url: str) -> int:
    """The bytes of the views in PostgreSQL, indexes included."""
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = 'casetrail' AND c.relkind = 'r'"
        ).fetchone()
    return int(found[0]) if found is not None else 0


def run(bootstrap: str, postgres_url: str, folder: Path, scale: float) -> Rows:
    """All of them, with the rows that ``bench/scale.py`` reads."""
    cases = max(100, int(CASES * scale))
    file = folder / "sizes.db"
    with init_log(f"sqlite:{file}", partitions=PARTITIONS) as log:
        count, _ = fill(log, cases)
        tree = folder / "sizes-notary"
        notarised(log, tree)
        state, seconds = state_file(log, folder / "sizes-state")
        watched = watchdog_file(log, folder / "sizes-watchdog")
    yield (
        "size, embedded log, an action and its event (bytes)",
        beside(file) / count,
        SEALED,
    )  # closed: without a journal
    yield (
        "size, notary's tree and case map, an event (bytes)",
        on_disk(tree) / count,
        f"{cases:,} cases; a fixed part is in it",
    )
    yield "size, recorder's state file, a case (bytes)", state / cases, "may be deleted at any time"
    yield "recorder without a state file folds the histories (events/s)", count / seconds, "embedded log"
    yield (
        "size, watchdog's file, an event (bytes)",
        watched / count,
        "every event of every case, and when to look again",
    )
    say("sizes: Kafka")
    with init_log(f"kafka://{bootstrap}/sizes", partitions=PARTITIONS, replication=1, min_isr=1) as log:
        kafka_count, _ = fill(log, cases)
    name = "size, Kafka, one replica, an action and its event"
    many = in_broker(folder, "sizes.actions") + in_broker(folder, "sizes.events")
    yield f"{name}, many at a time (bytes)", many / kafka_count, "appended 5,000 at a time; no compression"
    with init_log(f"kafka://{bootstrap}/single", partitions=1, replication=1, min_isr=1) as log:
        one_by_one(log)
    single = in_broker(folder, "single.actions") + in_broker(folder, "single.events")
    yield f"{name}, one at a time (bytes)", single / ONE_BY_ONE, "each in a batch and a transaction of its own"
    yield from view_rows(f"sqlite:{file}", postgres_url, folder, count)
    keys = keyring_file(folder / "keys" / "sizes.keys", cases)
    yield "size, keyring, a case (bytes)", keys / cases, "SQLite"


def view_rows(url: str, postgres_url: str, folder: Path, count: int) -> Rows:
    """The views, in both databases."""
    say("sizes: views")
    for label, name, more in (("", "judged", ()), (" without judgements", "plain", ("--without-judgements",))):
        views = folder / f"sizes-{name}"
        views_of(url, f"sqlite:{views}", *more)
        size = beside(views.resolve())
        yield f"size, SQLite views{label}, an event (bytes)", size / count, "ten events a case"
    views_of(url, postgres_url)
    yield "size, PostgreSQL views, an event (bytes)", in_postgres(postgres_url) / count, "indexes included"
