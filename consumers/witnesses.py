"""Asking witnesses to cosign a checkpoint (c2sp.org/tlog-witness). A witness that does not answer holds nothing up.

What comes back is believed as far as it verifies: an answer that is wrong, foreign or garbled costs a warning, never more.
"""

import logging
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from http.client import HTTPException
from queue import Empty, Queue
from time import monotonic
from typing import Final, NamedTuple

from casetrail.consumers.bounded_http import opened
from casetrail.eventlog.errors import LogError
from casetrail.proofs.addcheckpoint import SIZE_TYPE, AddCheckpoint
from casetrail.proofs.checkpoint import parse_decimal
from casetrail.proofs.errors import KeyUnusable, NoteInvalid
from casetrail.proofs.keys import VerifierKey
from casetrail.proofs.logtree import LogTree
from casetrail.proofs.note import Signature, parse_note, parse_signatures
from casetrail.proofs.treefile import Sealed

LOG: Final = logging.getLogger("casetrail.notary")
PATIENCE: Final = 5.0
"""Seconds that an answer may take, from the look-up of the name to the last byte."""
REST: Final = 60.0
"""Seconds for which a witness that kept us waiting in vain is left alone."""
ROUNDS: Final = 2
MOST_BYTES: Final = 65_536
CONFLICT: Final = 409


class WitnessRefused(LogError):
    """A witness did not cosign: unreachable, or its answer was no cosignature of this checkpoint."""

    code = "witness-refused"


class Witness(NamedTuple):
    """Somebody who cosigns: verifier key, and the URL prefix at which ``add-checkpoint`` is asked for.

    Several witnesses with one URL are keys of one server: it is asked once.
    """

    key: VerifierKey
    url: str


class Cosigned(NamedTuple):
    """A witness has cosigned a checkpoint: its signature line, verified."""

    witness: str
    line: str


class Answer(NamedTuple):
    """What a server answered: the HTTP status, the content type, and the body."""

    status: int
    kind: str
    body: bytes


Send = Callable[[str, bytes], Answer]


def exchange(url: str, body: bytes | None = None) -> Answer:
    """POST a body, or GET where there is none; ``MOST_BYTES`` of the answer are returned at most, and none is redirected.

    Raises ``WitnessRefused`` where nobody answers in HTTP.
    """
    if not url.startswith(("https://", "http://")):
        raise WitnessRefused(f"'{url}' is no address: it does not begin with https:// or http://")
    headers = {} if body is None else {"Content-Type": "text/plain; charset=utf-8"}
    try:
        request = urllib.request.Request(url, body, headers)  # noqa: S310
        with opened(request, PATIENCE) as answer:
            return Answer(answer.status, answer.headers.get_content_type(), answer.read(MOST_BYTES)[:MOST_BYTES])
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers.get_content_type(), _rest(error))
    except (OSError, ValueError, HTTPException) as error:
        raise WitnessRefused(f"{url} does not answer ({error or type(error).__name__})") from error


def _rest(error: urllib.error.HTTPError) -> bytes:
    try:
        return error.read(MOST_BYTES)[:MOST_BYTES]
    except (OSError, ValueError, HTTPException):
        return b""


class Witnesses:
    """The witnesses of a log, asked all at once. For one thread."""

    def __init__(self, witnesses: Iterable[Witness], send: Send = exchange, patience: float = PATIENCE) -> None:
        self._keys: dict[str, list[VerifierKey]] = {}
        for one in witnesses:
            self._keys.setdefault(one.url, []).append(one.key)
        self._send, self._patience = send, patience
        self._resting: dict[str, float] = {}
        self._asking: dict[str, threading.Thread] = {}

    def ask(self, tree: LogTree, sealed: Sealed) -> list[Cosigned]:
        """Those who have cosigned now. Who has cosigned this checkpoint already is not asked again.

        Takes at most twice the patience, however many witnesses are silent.
        """
        lacking = self._lacking(tree, sealed)
        known = {url: tree.file.witness_size(url) for url in lacking}
        found: list[Cosigned] = []
        for _ in range(ROUNDS):
            requests = {url: _request(tree, sealed, old) for url, old in known.items()}
            known, answers = {}, self._answers(requests)
            for url, answer in answers.items():
                try:
                    if (size := _conflicting(answer, sealed, requests[url].old)) is not None:
                        known[url] = size
                        continue
                    found += _cosigned(sealed, lacking[url], answer)
                    tree.file.set_witness_size(url, sealed.size)
                except (WitnessRefused, NoteInvalid, KeyUnusable) as error:
                    self._warn(url, sealed, error)
        for url in known:
            self._warn(url, sealed, "it answers with another size each time")
        return found

    def _lacking(self, tree: LogTree, sealed: Sealed) -> dict[str, list[VerifierKey]]:
        """Whom to ask: those who may be asked now, with the keys that have not cosigned yet."""
        known = [key for keys in self._keys.values() for key in keys]
        signed = {(one.name, one.key_id) for one in tree.cosignatures(sealed, known)}
        lacking = {
            url: [key for key in keys if (key.name, key.key_id) not in signed] for url, keys in self._keys.items()
        }
        return {url: keys for url, keys in lacking.items() if keys and self._is_ready(url)}

    def _is_ready(self, url: str) -> bool:
        """Whether a witness may be asked: it is not being waited for still, and has had its rest."""
        thread = self._asking.get(url)
        return (thread is None or not thread.is_alive()) and self._resting.get(url, 0.0) <= monotonic()

    def _answers(self, requests: Mapping[str, AddCheckpoint]) -> dict[str, Answer | WitnessRefused]:
        """What each one answers, all asked at once.

        The threads are not waited for beyond the patience: a look-up of a name, or a server that sends byte by byte, can
        take any time, whatever is set for a socket.
        """
        box: Queue[tuple[str, Answer | Exception]] = Queue()
        for url, request in requests.items():
            thread = threading.Thread(target=self._one, args=(url, request.format(), box), daemon=True)
            self._asking[url] = thread
            thread.start()
        answers: dict[str, Answer | WitnessRefused] = {}
        until = monotonic() + self._patience
        while len(answers) < len(requests):
            try:
                url, answer = box.get(timeout=max(0.0, until - monotonic()))
            except Empty:
                break
            del self._asking[url]  # whoever has answered is not waited for, though its thread may not have ended yet
            if isinstance(answer, Exception) and not isinstance(answer, WitnessRefused):
                raise answer
            answers[url] = answer
        for url in requests.keys() - answers.keys():
            self._resting[url] = monotonic() + REST
            answers[url] = WitnessRefused(f"no answer in {self._patience:g} s; it is asked again in {REST:g} s")
        return answers

    def _one(self, url: str, body: bytes, box: "Queue[tuple[str, Answer | Exception]]") -> None:
        try:
            box.put((url, self._send(f"{url.rstrip('/')}/add-checkpoint", body)))
        except Exception as error:  # it belongs to the thread that asked
            box.put((url, error))

    def _warn(self, url: str, sealed: Sealed, why: object) -> None:
        names = ", ".join(dict.fromkeys(key.name for key in self._keys[url]))
        LOG.warning("witness %s has not cosigned %d leaves: %s", names, sealed.size, why)


def _cosigned(sealed: Sealed, keys: Sequence[VerifierKey], answer: Answer | WitnessRefused) -> list[Cosigned]:
    if isinstance(answer, WitnessRefused):
        raise answer
    if answer.status != 200:
        raise WitnessRefused(f"it answers {answer.status}: {answer.body[:200].decode(errors='replace').strip()!r}")
    try:
        signatures = parse_signatures(answer.body.decode())
    except UnicodeDecodeError as error:
        raise NoteInvalid("the answer is not UTF-8") from error
    found = cosignatures_by(keys, parse_note(sealed.note).text, signatures)
    if not found:
        raise NoteInvalid("the answer has no cosignature of a key that the policy names for it")
    return found


def cosignatures_by(keys: Iterable[VerifierKey], text: str, signatures: Sequence[Signature]) -> list[Cosigned]:
    """The cosignatures of these keys among the signatures of a checkpoint's text; others are passed over.

    Raises ``NoteInvalid`` where one is wrong, or does not state when it was given.
    """
    known = {(key.name, key.key_id): key for key in keys}
    found: dict[VerifierKey, Cosigned] = {}
    for one in signatures:
        key = known.get((one.name, one.key_id))
        if key is None or key in found:
            continue
        if key.verify(text, one.signature) is None:
            raise NoteInvalid(f"the cosignature of {key.name} states no time")
        found[key] = Cosigned(key.name, one.line())
    return list(found.values())


def _request(tree: LogTree, sealed: Sealed, old: int) -> AddCheckpoint:
    return AddCheckpoint(old, tuple(tree.consistency(old, sealed.size)), sealed.note)


def _conflicting(answer: Answer | WitnessRefused, sealed: Sealed, old: int) -> int | None:
    """The size that the witness knows, where it asks for a proof from there; None where it answers something else."""
    if isinstance(answer, WitnessRefused) or answer.status != CONFLICT or answer.kind != SIZE_TYPE:
        return None
    try:
        size = parse_decimal(answer.body.decode("ascii").removesuffix("\n"))
    except ValueError as error:
        raise WitnessRefused("it answers 409 without a tree size") from error
    if size > sealed.size:
        raise WitnessRefused(
            f"it has cosigned {size} leaves of this log, which has {sealed.size}: the log was cut, or forked"
        )
    if size == old == sealed.size:  # as tlog-witness v1.0.0 has it; 422 since
        raise WitnessRefused(f"it has cosigned another root for the same {size} leaves: the log was forked")
    if size == old:
        raise WitnessRefused(f"it wants a proof from {size} leaves, and does not take it")
    return size
