"""Asking witnesses to cosign a checkpoint (c2sp.org/tlog-witness). A witness that does not answer holds nothing up."""

import base64
import logging
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from casetrail.eventlog.errors import LogError
from casetrail.proofs.errors import NoteInvalid
from casetrail.proofs.keys import VerifierKey
from casetrail.proofs.logtree import LogTree
from casetrail.proofs.note import parse_note, parse_signatures
from casetrail.proofs.treefile import Sealed

LOG: Final = logging.getLogger("casetrail.notary")
TIMEOUT: Final = 10.0
MOST_BYTES: Final = 65_536
SIZE_TYPE: Final = "text/x.tlog.size"
CONFLICT: Final = 409


class WitnessRefused(LogError):
    """A witness did not cosign: unreachable, or its answer was no cosignature of this checkpoint."""

    code = "witness-refused"


class Witness(NamedTuple):
    """Somebody who cosigns: verifier key, and the URL prefix at which ``add-checkpoint`` is asked for."""

    key: VerifierKey
    url: str


class Cosigned(NamedTuple):
    """A witness has cosigned a checkpoint: its signature line, verified."""

    witness: str
    line: str


class Answer(NamedTuple):
    """What a witness answered: the HTTP status, the content type, and the body."""

    status: int
    kind: str
    body: bytes


Post = Callable[[str, bytes], Answer]


def post(url: str, body: bytes) -> Answer:
    """Send a request. Raises ``WitnessRefused`` where nobody answers."""
    if not url.startswith(("https://", "http://")):
        raise WitnessRefused(f"'{url}' is no address of a witness: it does not begin with https:// or http://")
    request = urllib.request.Request(url, body, {"Content-Type": "text/plain; charset=utf-8"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
            return Answer(answer.status, answer.headers.get_content_type(), answer.read(MOST_BYTES))
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers.get_content_type(), error.read(MOST_BYTES))
    except (OSError, ValueError) as error:
        raise WitnessRefused(f"{url} does not answer ({error})") from error


class Witnesses:
    """The witnesses of a log, asked all at once."""

    def __init__(self, witnesses: Sequence[Witness], send: Post = post) -> None:
        self._witnesses, self._send = witnesses, send

    def ask(self, tree: LogTree, sealed: Sealed) -> list[Cosigned]:
        """Those who have cosigned now. Who has cosigned this checkpoint already is not asked again."""
        asked = [one for one in self._witnesses if tree.file.witness_size(one.key.name) != sealed.size]
        if not asked:
            return []
        found, bodies = [], {one: self._body(tree, sealed, tree.file.witness_size(one.key.name)) for one in asked}
        with ThreadPoolExecutor(len(asked)) as pool:
            answers = {one: pool.submit(self._send, _address(one), bodies[one]) for one in asked}
        for one in asked:
            try:
                found.append(self._cosigned(tree, sealed, one, answers[one].result()))
                tree.file.set_witness_size(one.key.name, sealed.size)
            except (WitnessRefused, NoteInvalid) as error:
                LOG.warning("witness %s has not cosigned %d leaves: %s", one.key.name, sealed.size, error)
        return found

    def _cosigned(self, tree: LogTree, sealed: Sealed, witness: Witness, answer: Answer) -> Cosigned:
        if answer.status == CONFLICT and answer.kind == SIZE_TYPE:
            known = _size(answer.body)
            if known > sealed.size:
                raise WitnessRefused(
                    f"it has seen {known} leaves of this log, which has {sealed.size}: the log was cut, or forked"
                )
            answer = self._send(_address(witness), self._body(tree, sealed, known))
        if answer.status != 200:
            raise WitnessRefused(f"it answers {answer.status}: {answer.body[:200].decode(errors='replace').strip()!r}")
        return Cosigned(witness.key.name, cosignature_line(sealed.note, answer.body, witness.key))

    @staticmethod
    def _body(tree: LogTree, sealed: Sealed, old: int) -> bytes:
        proof = tree.consistency(old, sealed.size) if old <= sealed.size else []
        lines = [f"old {old}", *(base64.b64encode(one).decode() for one in proof), "", ""]
        return "\n".join(lines).encode() + sealed.note


def cosignature_line(note: bytes, lines: bytes, key: VerifierKey) -> str:
    """The line in a witness's answer that is its cosignature of this note. Raises ``NoteInvalid``."""
    text = parse_note(note).text
    try:
        signatures = parse_signatures(lines.decode())
    except UnicodeDecodeError as error:
        raise NoteInvalid("the answer is not UTF-8") from error
    for one in signatures:
        if (one.name, one.key_id) == (key.name, key.key_id):
            key.verify(text, one.signature)
            return one.line()
    raise NoteInvalid(f"the answer has no signature of the key {key.name}+{key.key_id.hex()}")


def _address(witness: Witness) -> str:
    return f"{witness.url.rstrip('/')}/add-checkpoint"


def _size(body: bytes) -> int:
    try:
        return int(body.decode("ascii").strip())
    except ValueError as error:
        raise WitnessRefused("it answers 409 without a tree size") from error
