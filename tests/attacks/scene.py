"""The scene of every attack: a log that is run in good order, partners who witness it, and whoever looks with their tools."""

import json
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from click.testing import CliRunner, Result

from casetrail.audit.witnessing.server import WitnessServer
from casetrail.audit.witnessing.state import WitnessState
from casetrail.audit.witnessing.witness import Cosigner
from casetrail.cli import exits
from casetrail.cli.main import cli
from casetrail.consumers.notary import Notary
from casetrail.consumers.recorder import Recorder
from casetrail.consumers.witnesses import Answer, Witness, Witnesses, exchange
from casetrail.domain.actions import Action
from casetrail.eventlog.codec import Event, decode_event, encode_action
from casetrail.eventlog.embedded import Clock, EmbeddedLog, wall_clock
from casetrail.eventlog.embedded_file import GUARDS
from casetrail.eventlog.hashing import leaf_hash
from casetrail.eventlog.opening import init_log, open_log
from casetrail.eventlog.port import Entry, Log, Record, Topic
from casetrail.projections.case_store import CaseStore
from casetrail.proofs.addcheckpoint import AddCheckpoint
from casetrail.proofs.keys import Algorithm, SignerKey, create_key
from casetrail.proofs.logtree import LogTree
from casetrail.proofs.policy import Policy, parse_policy
from casetrail.publishing import Receipt
from tests.actions import life
from tests.audit.witnessing import policy_file
from tests.consumers.notarial import KEY, notary_of, publish, records

CLINIC: Final = create_key("clinic.example/witness", Algorithm.ED25519_COSIGNATURE)
COURT: Final = create_key("court.example/witness", Algorithm.ED25519_COSIGNATURE)
PARTNERS: Final = {"clinic": CLINIC, "court": COURT}
POLICY_TEXT: Final = (
    f"log {KEY.verifier_key}\n"
    + "".join(f"witness {name} {key.verifier_key}\n" for name, key in PARTNERS.items())
    + "group partners all clinic court\nquorum partners\n"
)
POLICY: Final[Policy] = parse_policy(POLICY_TEXT.encode())

Faults = dict[str, list[dict[str, Any]]]
"""Faults as ``audit verify`` writes them, by their code."""

LOG: Final = "kcpd"
VICTIM: Final = "C-03"
"""The case that somebody does not want to be seen."""
EARLIER: Final = tuple(f"C-{number:02}" for number in range(1, 7))
LATER: Final = ("C-07", "C-08")
STEPS: Final = 2


@contextmanager
def serving(key: SignerKey, state: Path, clock: Callable[[], datetime]) -> Iterator[str]:
    """A partner's witness of the log, listening; its URL."""
    with WitnessState(state) as opened:
        server = WitnessServer(Cosigner(key, [KEY.verifier_key], opened, clock), "127.0.0.1", 0)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.port}"
        finally:
            server.stop()
            thread.join()


class Scene:
    """A log and everybody around it. ``urls``: where the partners' witnesses listen, by name."""

    def __init__(self, folder: Path, url: str, log: Log, urls: Mapping[str, str]) -> None:
        self.folder, self.url, self.log, self.urls = folder, url, log, dict(urls)
        self.receipts: list[Receipt] = []
        self.passed = timedelta(0)
        """So far ahead are the witnesses' clocks."""
        policy_file(folder, POLICY_TEXT)

    # --- those who run it in good order ---

    def submit(self, *actions: Action) -> list[Receipt]:
        """Submit actions; the receipts, which those who submit keep."""
        values = [encode_action(one) for one in actions]
        entries = [Entry(one.case_id.encode(), value) for one, value in zip(actions, values, strict=True)]
        made = [
            Receipt(self.log.name, one.case_id, one.action_id, *where, leaf_hash(value))
            for one, value, where in zip(actions, values, self.log.append(Topic.ACTIONS, entries), strict=True)
        ]
        self.receipts += made
        return made

    def record(self) -> None:
        """An honest recorder answers all that waits. Raises what stops it."""
        store = CaseStore(":memory:", self.log.name, 100)
        recorder = Recorder(self.log, store)
        ends = self.log.end_offsets(Topic.ACTIONS)
        try:
            while {**dict.fromkeys(ends, -1), **recorder.owned} != ends:
                recorder.step(0.1)
        finally:
            recorder.close()
            store.close()

    def witnesses(self, *names: str) -> Witnesses:
        """The partners' witnesses of these names, or all, as the notary asks them."""
        return Witnesses(Witness(PARTNERS[name].verifier_key, self.urls[name]) for name in names or PARTNERS)

    @contextmanager
    def notary(self, *names: str, key: SignerKey = KEY, folder: str = "notary") -> Iterator[Notary]:
        """The notary, who asks these witnesses, or all."""
        with notary_of(self.log, self.folder / folder, key, self.witnesses(*names)) as notary:
            yield notary

    def publish(self) -> None:
        """A checkpoint over all that is recorded, cosigned by the partners."""
        with self.notary() as notary:
            publish(notary)

    def go_on(self, *actions: Action) -> list[Receipt]:
        """Some actions are submitted, recorded, and under a checkpoint."""
        made = self.submit(*actions)
        self.record()
        self.publish()
        return made

    # --- what stands in the log ---

    def records(self, topic: Topic = Topic.EVENTS) -> list[Record]:
        """All records of a topic, by partition and offset."""
        return records(self.log, topic)

    def events(self, case_id: str = VICTIM) -> list[tuple[Record, Event]]:
        """The events of a case."""
        found = [(record, decode_event(record.value)) for record in self.records()]
        return [one for one in found if one[1].case_id == case_id]

    def reopen(self) -> None:
        """Open the log anew: it was stopped, or other files stand in its place."""
        with suppress(Exception):
            self.log.close()
        self.log = open_log(self.url)

    # --- those who look ---

    def faults(self, *words: str) -> Faults:
        """What ``audit verify`` finds, by code. Its exit code says whether there is anything."""
        done = self.run("audit", "verify", *words, "--format", "json", code=None)
        report = json.loads(done.stdout)
        found: Faults = {}
        for fault in report["faults"]:
            if fault["kind"] != "copies-few":  # the broker of the tests is a single one
                found.setdefault(fault["kind"], []).append(fault)
        assert report["holds"] is not bool(found)
        assert done.exit_code == (exits.FAULTS if found else exits.OK)
        return found

    def unkept(self, *words: str) -> Faults:
        """The faults where everything is promised at once. The log's times are milliseconds, so a wait shows in the next."""
        time.sleep(0.002)
        return self.faults("--promised", "0", *words)

    def run(self, *words: str, code: int | None = exits.OK) -> Result:
        """Run a command on the log, with the partners' policy, in a folder of the auditor's own."""
        before = ["--log", self.url, "--policy", str(self.folder / "policy"), "--tree", str(self.folder / "tree")]
        with patch("casetrail.cli.context.now", lambda: datetime.now(UTC) + self.passed):  # their clocks are right, too
            done = CliRunner().invoke(cli, [*before, *words])
        assert code is None or done.exit_code == code, (words, done.exit_code, done.output, done.exception)
        return done

    def rows(self, *words: str, code: int | None = exits.OK) -> list[dict[str, Any]]:
        """The rows that a command answers with."""
        found: list[dict[str, Any]] = json.loads(self.run(*words, "--format", "json", code=code).stdout)
        return found

    def convicted(self) -> set[tuple[str, str | None]]:
        """What ``audit replay`` convicts the recorder of: kind of difference and case, mere consequences left out."""
        done = self.run("audit", "replay", "--format", "json", code=None)
        rows = json.loads(done.stdout)
        assert done.exit_code == (exits.FAULTS if rows else exits.OK)
        return {(row["kind"], row["case_id"]) for row in rows if not row["follows"]}

    def counted(self, code: int = exits.OK) -> dict[str, int]:
        """The sums that ``count`` comes to, and that its exit code says so."""
        row = self.rows("count", code=code)[-1]
        return {name: row[name] for name in ("submitted", "accepted", "rejected", "unreadable", "pending", "faults")}

    def weakened(self) -> set[tuple[str, str]]:
        """Topic and setting of each weakness that ``log check`` names."""
        found = self.rows("log", "check", code=None)
        return {(row["topic"].rpartition(".")[2], row["setting"]) for row in found} - {
            (topic.value, "replication factor") for topic in Topic
        }

    def of(self, case_id: str = VICTIM) -> list[Receipt]:
        """The receipts of a case, in order."""
        return [one for one in self.receipts if one.case_id == case_id]

    def file(self, name: str, content: str | bytes) -> Path:
        """A file that somebody keeps."""
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def receipt(self, command: str, held: Receipt, *words: str, code: int | None = None) -> Result:
        """``receipt prove`` or ``receipt check`` by whoever holds a receipt."""
        name = f"{held.case_id}-{held.action_id.hex()[:8]}.receipt"
        return self.run("receipt", command, str(self.file(name, held.to_text())), *words, code=code)

    def ask(self, name: str, request: AddCheckpoint) -> Answer:
        """Ask a partner's witness directly to cosign."""
        return exchange(f"{self.urls[name]}/add-checkpoint", request.format())

    def newest_note(self, folder: str = "notary") -> bytes:
        """The newest checkpoint with its cosignatures, as a partner may have kept it."""
        with LogTree(self.log, self.folder / folder) as tree:
            tree.follow()
            newest = tree.newest()
            assert newest is not None
            return tree.cosigned_note(newest)

    def copy_tree(self, of: str, to: str) -> None:
        """A copy of somebody's folder."""
        shutil.copytree(self.folder / of, self.folder / to)

    def close(self) -> None:
        """Close the log."""
        self.log.close()


@contextmanager
def scene_at(
    folder: Path, url: str, partitions: int = 2, *, begun: bool = True, clock: Clock = wall_clock
) -> Iterator[Scene]:
    """A scene at the address of a log that is not there yet. ``begun``: two rounds of cases are under two checkpoints.

    ``clock`` is that of an embedded log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        scene: Scene

        def clock_of_witnesses() -> datetime:
            return datetime.now(UTC) + scene.passed

        urls = {
            name: stack.enter_context(serving(key, folder / f"{name}.witness", clock_of_witnesses))
            for name, key in PARTNERS.items()
        }
        if url.startswith("sqlite:"):
            log: Log = EmbeddedLog.create(url.removeprefix("sqlite:"), LOG, partitions, clock)
        else:
            log = init_log(url, partitions=partitions, replication=1, min_isr=1)
        scene = Scene(folder, url, log, urls)
        stack.callback(scene.close)
        if begun:
            scene.go_on(*lives(*EARLIER))
            scene.go_on(*lives(*LATER), *life(VICTIM)[3:])
        yield scene


def lives(*case_ids: str) -> list[Action]:
    """The beginnings of some cases, all of them under way at once."""
    return [one for some in zip(*(life(case_id, STEPS) for case_id in case_ids), strict=True) for one in some]


@contextmanager
def owning(path: Path, *, mends: bool = True) -> Iterator[sqlite3.Connection]:
    """The file of an embedded log in the hands of its owner, who mends its triggers, so that they tell nothing."""
    database = sqlite3.connect(path, isolation_level=None)
    for name in GUARDS:
        database.execute(f"DROP TRIGGER {name}")
    yield database
    for statement in GUARDS.values() if mends else ():
        database.execute(statement)
    database.close()


def altered(record: Record) -> bytes:
    """The bytes of an event with one of them changed, in the id of the action that it answers."""
    value = bytearray(record.value or b"")
    value[70] ^= 1
    return bytes(value)


def at(faults: Iterable[Mapping[str, Any]]) -> list[tuple[str | None, int | None, int | None]]:
    """Where faults are: topic, partition, offset."""
    return [(one["topic"], one["partition"], one["offset"]) for one in faults]
