"""Peers in Java: their libraries from Maven Central once, out of the way of ordinary installations."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import psycopg
from kafka.admin import KafkaAdminClient

from casetrail.eventlog.schemas import PUBLISHED, current_ids
from tests.foreign.tools import java_with_compiler
from tests.servers.maven import libraries

HERE: Final = Path(__file__).parent


def jars(peer: str) -> Path:
    """The folder with the libraries of a peer, by the name of its folder here. Raises ``CannotStart``."""
    return libraries(HERE / peer / "pom.xml", f"bench-{peer}", f"the peer {peer} needs libraries")


def classes(peer: str, source: str, folder: Path) -> str:
    """Compile a peer; the class path to run it with."""
    where = folder / f"classes-{peer}"
    if where.exists():
        return f"{where}:{jars(peer)}/*"
    compiler = java_with_compiler().parent / "javac"
    subprocess.run([str(compiler), "-cp", f"{jars(peer)}/*", "-d", str(where), str(HERE / peer / source)], check=True)
    return f"{where}:{jars(peer)}/*"


def run(class_path: str, name: str, arguments: Sequence[str], memory: str = "2g") -> str:
    """Run a peer; what it printed."""
    command = [str(java_with_compiler()), f"-Xmx{memory}", "-cp", class_path, name, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def streams_fold(bootstrap: str, topic: str, partitions: int, folder: Path) -> float:
    """Events a second that Kafka Streams folds into one table of where each case stands (exactly once, RocksDB, 2 threads)."""
    path = classes("streams", "StatusTable.java", folder)
    schema = Path(str(PUBLISHED)) / f"event-{current_ids()['event']:08x}.avsc"
    state = folder / f"streams-{topic}"
    printed = run(path, "StatusTable", [bootstrap, topic, str(partitions), str(schema), str(state)])
    shutil.rmtree(state, ignore_errors=True)
    _forget(bootstrap)
    count, seconds = printed.split()
    return int(count) / float(seconds)


def _forget(bootstrap: str) -> None:
    """Delete the topics that Kafka Streams made: the broker would compact them while the next one is measured."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    made = [name for name in admin.list_topics() if name.startswith("peer-")]
    if made:
        admin.delete_topics(made)
    admin.close()


def flowable_works(postgres_url: str, cases: int, folder: Path, number: int = 0) -> float:
    """Steps a second that a CMMN engine on PostgreSQL, with its history, takes cases through (ten steps each, 2 threads).

    Each run, by its ``number``, has a database of its own, so that none inherits another's rows.
    """
    path = classes("flowable", "CaseLoad.java", folder)
    name = f"flowable_{number}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    user, _, place = postgres_url.removeprefix("postgresql://").partition("@")
    host = place.partition("/")[0]
    count, seconds = run(path, "CaseLoad", [f"jdbc:postgresql://{host}/{name}", user, str(cases)]).split()
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    return int(count) / float(seconds)
