"""Notaries and witnesses as they are used from the command line."""

import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from casetrail.consumers.notary import Notary
from casetrail.consumers.witnesses import Witness, Witnesses
from casetrail.eventlog.opening import open_log
from casetrail.proofs.keys import VerifierKey, load_key
from tests.cli.shell import PROGRAM, Shell, environment
from tests.consumers.notarial import SELDOM, publish

ORIGIN = "kcpd.example/casetrail"


def make_keys(shell: Shell, *witnesses: str) -> None:
    """The log's key, and one for each witness: ``NAME.key``."""
    shell.run("keys", "create", ORIGIN, "--file", str(shell.folder / "log.key"), "--for", "log")
    for number, name in enumerate(witnesses):
        words = [
            "keys",
            "create",
            f"{name}.example/witness",
            "--file",
            str(shell.folder / f"{name}.key"),
            "--for",
            "witness",
        ]
        shell.run(*words, "--algorithm", ("ed25519", "ml-dsa-44")[number % 2])


def verifier_key(file: Path) -> str:
    return file.with_name(f"{file.name}.pub").read_text().strip()


def notarise(log: Path, key: Path, *witnesses: tuple[Path, str]) -> int:
    """Publish one checkpoint, cosigned by the witnesses of these keys at these URLs; the size of the tree."""
    known = [Witness(VerifierKey.parse(verifier_key(one)), url) for one, url in witnesses]
    with open_log(f"sqlite:{log}") as opened:
        notary = Notary(opened, log.with_name("notary"), load_key(key), SELDOM, Witnesses(known))
        try:
            return publish(notary)
        finally:
            notary.close()


@contextmanager
def serving(folder: Path, name: str, log_key: str) -> Iterator[str]:
    """A witness in a process of its own; its URL."""
    words = ["witness", "serve", "--key", f"{name}.key", "--log-key", log_key, "--state", f"{name}.db", "--port", "0"]
    process = subprocess.Popen(
        [PROGRAM, *words], cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 60)[0]
        assert process.stdout.readline() == f"witness {verifier_key(folder / f'{name}.key')}\n"
        yield process.stdout.readline().removeprefix("listening at ").strip()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert "Traceback" not in process.communicate()[1]
    finally:
        process.kill()
