"""Playing the scenario: each scene is sealed, submitted, recorded and answered as it would be in production.

Only the clock is another one: the log's time follows the story, so that what was recorded when can be asked afterwards.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final

from casetrail.demo.scenario import Scene
from casetrail.domain.actions import Action
from casetrail.domain.codes import SealedName
from casetrail.domain.intake import ReportReceived
from casetrail.domain.sealed import Token
from casetrail.domain.values import EPOCH
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.port import Entry, Topic
from casetrail.eventlog.schemas import register_in_log
from casetrail.privacy.keyring import Keyring
from casetrail.privacy.sealing import seal
from casetrail.privacy.tokens import address_token, child_token, suspect_token
from casetrail.publishing import Connection

DELAY: Final = timedelta(minutes=7)
"""How long after it happened a scene is recorded."""

MILLISECOND: Final = timedelta(milliseconds=1)


def play(path: Path, name: str, keyring: Keyring, scenes: Sequence[Scene], told: Callable[[int], None] | None) -> None:
    """Make a log at ``path`` and play the scenes into it, with one submission that nobody can read at the end."""
    now = [(scenes[0].at - EPOCH) // MILLISECOND]
    log = EmbeddedLog.create(path, name, clock=lambda: now[0])
    register_in_log(log)
    keys = keyring.create_case_keys(scene.case_id for scene in scenes)
    token_key = keyring.token_key()
    with Connection(log) as connection:
        for number, scene in enumerate(scenes):
            now[0] = (scene.at + DELAY - EPOCH) // MILLISECOND
            action = sealed_action(scene, number, keys[scene.case_id], token_key)
            connection.wait(connection.submit(action))
            if told is not None:
                told(1)
        log.append(Topic.ACTIONS, [Entry(scenes[0].case_id.encode(), b"a fax nobody could read")])
        connection.wait(
            connection.submit(sealed_action(scenes[-1], len(scenes) - 1, keys[scenes[-1].case_id], token_key))
        )


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
    return (
        child_token(key, scene.texts[SealedName.CHILD_NAME]),
        suspect_token(key, scene.texts[SealedName.SUSPECT_NAME]),
        address_token(key, scene.texts[SealedName.ADDRESS]),
    )
