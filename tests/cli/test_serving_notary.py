"""A notary's health says since when no checkpoint has had the quorum: the receipts of then are late before anybody looks."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from casetrail.cli import serving_notary
from casetrail.cli.serving_notary import ServedNotary
from casetrail.consumers.health import Health
from casetrail.consumers.inbox import Inbox
from casetrail.consumers.witnesses import Witnesses
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.port import Log
from casetrail.proofs.note import parse_note
from casetrail.proofs.policy import Policy
from tests.audit.witnessing import CLINIC_KEY, KEYS, NO_QUORUM, POLICY, witnesses
from tests.consumers.notarial import KEY, SELDOM, fill, publish


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with init_log(f"sqlite:{tmp_path / 'log.db'}") as opened:
        fill(opened, ["C-1"])
        yield opened


def served(log: Log, folder: Path, health: Health, asked: Witnesses, policy: Policy = POLICY) -> ServedNotary:
    inbox = Inbox(folder / "inbox", [key.verifier_key for key in KEYS.values()])
    return ServedNotary(health, log, folder / "n", KEY, SELDOM, asked, inbox, policy)


def note_of(health: Health) -> str | None:
    notes = health.report()[1].get("notes", {})
    assert isinstance(notes, dict)
    return notes.get("witnesses")


def test_a_quorum_that_is_missing_is_said_from_the_first_checkpoint_without_it_until_there_is_one(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = Health()
    notary = served(log, tmp_path, health, witnesses())
    publish(notary)
    assert notary.unwitnessed() == timedelta(0)
    notary.close()

    notary = served(log, tmp_path, health, witnesses("court"))  # the clinic is away
    fill(log, ["C-2"])
    publish(notary)
    assert note_of(health) is None  # it may come back at once
    (first,) = [one for one in [notary.tree.newest()] if one is not None]
    later = datetime.now(UTC) + timedelta(hours=2)
    monkeypatch.setattr(serving_notary, "now", lambda: later)
    fill(log, ["C-3"])
    publish(notary)
    said = note_of(health)
    assert said is not None
    assert "no checkpoint since 20" in said
    assert timedelta(hours=1) < notary.unwitnessed() < timedelta(hours=3)
    notary.close()

    health = Health()
    notary = served(log, tmp_path, health, witnesses("court"))
    publish(notary)
    assert note_of(health) is not None  # it knows from the log
    newest = notary.tree.newest()
    assert newest is not None
    assert newest.number > first.number
    text = parse_note(newest.note).text
    brought = newest.note + CLINIC_KEY.cosign(text, datetime.now(UTC)).line().encode()
    Inbox(tmp_path / "inbox", []).put(brought)  # by hand
    publish(notary)
    assert note_of(health) is None
    assert notary.unwitnessed() == timedelta(0)
    notary.close()


def test_however_many_checkpoints_lack_it_the_first_of_them_is_told(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving_notary, "LOOKED_AT_AGAIN", 2)
    notary = served(log, tmp_path, Health(), witnesses("court"))
    publish(notary)
    since = notary._since
    monkeypatch.setattr(serving_notary, "now", lambda: datetime.now(UTC) + timedelta(hours=2))
    for number in range(5):
        fill(log, [f"C-{number}"])
        publish(notary)
    assert notary._since == since and since is not None
    notary.close()


def test_witnesses_whose_clocks_are_ahead_are_counted_once_their_time_has_come(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = datetime.now(UTC)
    health = Health()
    for minutes in range(0, 60, 10):
        moment = start + timedelta(minutes=minutes)
        monkeypatch.setattr(serving_notary, "now", lambda moment=moment: moment)
        ahead = witnesses(at=moment + timedelta(minutes=20))
        if minutes == 0:
            notary = served(log, tmp_path, health, ahead)
        notary._witnesses = ahead
        fill(log, [f"C-{minutes}"])
        publish(notary)
    newest = notary.tree.newest()
    assert newest is not None
    assert notary._seen == newest.number - 2  # of 20 minutes ago: the time of the later ones has not come
    notary.close()


@pytest.mark.parametrize("policy", [NO_QUORUM, None])
def test_without_a_quorum_to_wait_for_nothing_is_said(
    log: Log, tmp_path: Path, policy: Policy | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = Health()
    notary = ServedNotary(health, log, tmp_path / "n", KEY, SELDOM, None, None, policy)
    publish(notary)
    monkeypatch.setattr(serving_notary, "now", lambda: datetime.now(UTC) + timedelta(days=2))
    publish(notary)
    assert note_of(health) is None
    assert notary.unwitnessed() == timedelta(0)
    notary.close()
