"""Playing a story: each scene is sealed, submitted, recorded and answered as it would be in production.

Only the clock is another one: the log's time follows the story, so that what was recorded when can be asked afterwards.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from casetrail.demo.telling import Scene
from casetrail.domain.actions import Action
from casetrail.domain.codes import SealedName
from casetrail.domain.intake import ReportReceived
from casetrail.domain.sealed import Token
from casetrail.domain.values import EPOCH, MILLISECOND
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.port import Entry, Topic
from casetrail.eventlog.schemas import register_in_log
from casetrail.privacy.keyring import Keyring
from casetrail.privacy.sealing import seal
from casetrail.privacy.tokens import address_token, child_token, suspect_token
from casetrail.publishing import Connection

AT_ONCE: Final = 10_000
"""How many scenes are submitted, and then recorded, at once."""


class StoryClock:
    """The time of a log in which a story is played: each record that is appended has the time that is next in line."""

    def __init__(self, start: datetime) -> None:
        self._now = _millis(start)
        self._next: deque[int] = deque()

    def follow(self, times: Iterable[datetime]) -> None:
        """The next records are appended at these moments, one after the other."""
        self._next.extend(_millis(at) for at in times)

    def __call__(self) -> int:
        if self._next:
            self._now = self._next.popleft()
        return self._now


def play(path: Path, name: str, keyring: Keyring, scenes: Sequence[Scene], told: Callable[[int], None] | None) -> None:
    """Make a log at ``path`` and play the scenes into it, with one submission that nobody can read at the end."""
    clock = StoryClock(scenes[0].entered)
    log = EmbeddedLog.create(path, name, clock=clock)
    register_in_log(log)
    keys = keyring.create_case_keys(scene.case_id for scene in scenes)
    token_key = keyring.token_key()
    with Connection(log) as connection:
        for first in range(0, len(scenes), AT_ONCE):
            some = scenes[first : first + AT_ONCE]
            actions = [sealed_action(scene, first + number, keys[scene.case_id], token_key)
                       for number, scene in enumerate(some)]  # fmt: skip
            _record(connection, clock, some, actions)
            if told is not None:
                told(len(some))
        log.append(Topic.ACTIONS, [Entry(scenes[-1].case_id.encode(), b"a fax nobody could read")])
        _record(connection, clock, [scenes[-1]], actions[-1:])


def _record(connection: Connection, clock: StoryClock, scenes: Sequence[Scene], actions: Sequence[Action]) -> None:
    """Submit, and record: both at the times of the story."""
    clock.follow(scene.entered for scene in scenes)
    receipts = connection.submit_many(actions)
    clock.follow(scene.entered for scene in scenes)
    connection.wait(receipts[-1])


def sealed_action(scene: Scene, number: int, case_key: bytes, token_key: bytes) -> Action:
    """The action of a scene, its texts sealed. The same scene has the same action id, so a repetition is known as one."""
    action_id = sha256(f"scene {number}".encode()).digest()[:16]
    sealed = tuple(seal(case_key, scene.case_id, action_id, key, text) for key, text in scene.texts.items())
    body = scene.body
    if sealed:
        more: dict[str, object] = {"sealed": sealed}
        if isinstance(body, ReportReceived):
            more["tokens"] = _tokens(scene, token_key)
        body = type(body)(**{**vars(body), **more})
    return Action(action_id, scene.case_id, scene.at, scene.actor, body)


def _tokens(scene: Scene, key: bytes) -> tuple[Token, ...]:
    texts = scene.texts
    return (
        child_token(key, texts[SealedName.CHILD_NAME], date.fromisoformat(texts[SealedName.CHILD_BIRTH_DATE])),
        suspect_token(key, texts[SealedName.SUSPECT_NAME], date.fromisoformat(texts[SealedName.SUSPECT_BIRTH_DATE])),
        address_token(key, texts[SealedName.ADDRESS]),
    )


def _millis(at: datetime) -> int:
    return (at - EPOCH) // MILLISECOND
