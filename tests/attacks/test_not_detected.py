"""What docs/threats.md says that nothing shows, or only some people: each claim is put to the test.

Where one of these tests fails because something *is* found, the page is to be mended, with joy.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from casetrail.cli import exits
from casetrail.consumers.witnesses import Answer, Witness, Witnesses
from casetrail.domain.actions import Actor
from casetrail.domain.codes import Role
from casetrail.eventlog.embedded import wall_clock
from casetrail.proofs.note import parse_note
from tests.actions import OTHER_SERGEANT, action, life
from tests.attacks.rewriting import made_anew_as_file
from tests.attacks.scene import PARTNERS, VICTIM, Scene, lives, owning, scene_at
from tests.consumers.notarial import notary_of, publish

MINUTE: Final = 60_000


def nothing_found(scene: Scene) -> bool:
    """Whether a log convinces all tools that read it."""
    found = scene.unkept(), scene.convicted(), scene.weakened()
    return scene.counted()["faults"] == 0 and not any(found)


def test_before_the_first_witnessed_checkpoint_only_receipts_hold(tmp_path: Path) -> None:
    with scene_at(tmp_path, f"sqlite:{tmp_path / 'log.db'}", begun=False) as scene:
        scene.submit(*lives("C-01", VICTIM))
        scene.record()
        made_anew_as_file(scene)
        scene.reopen()
        scene.record()
        scene.publish()
        assert nothing_found(scene)
        for held in scene.of():
            assert "replaced" in scene.receipt("prove", held, code=exits.FAULTS).stderr


def test_witnesses_who_collude_vouch_for_a_cleaned_history_and_old_receipts_and_checkpoints_remain(
    embedded: Scene,
) -> None:
    kept, state = str(embedded.file("kept.note", embedded.newest_note())), str(embedded.folder / "state")
    assert embedded.faults("--state", state) == {}
    made_anew_as_file(embedded)
    embedded.reopen()
    embedded.record()

    def anything(url: str, body: bytes) -> Answer:
        text = parse_note(body.partition(b"\n\n")[2]).text
        name = url.split("/")[2]
        return Answer(200, "text/plain", PARTNERS[name].cosign(text, datetime.now(UTC)).line().encode())

    willing = Witnesses((Witness(key.verifier_key, f"https://{name}") for name, key in PARTNERS.items()), anything)
    with notary_of(embedded.log, embedded.folder / "anew", witnesses=willing) as notary:
        publish(notary)
    assert nothing_found(embedded)
    assert "checkpoint-replaced" in embedded.faults("--state", state)
    embedded.rows("audit", "compare", kept, embedded.url, code=exits.FAULTS)
    assert "replaced" in embedded.receipt("prove", embedded.of()[0], code=exits.FAULTS).stderr


def test_an_act_that_was_submitted_in_anothers_name_stands_under_that_name(embedded: Scene) -> None:
    impostor = Actor(OTHER_SERGEANT.id, "metro-pd", Role.INVESTIGATOR)
    embedded.go_on(action(life(VICTIM)[3].body, impostor, VICTIM))
    assert nothing_found(embedded)
    assert embedded.events()[-1][1].actor == impostor


def test_a_time_set_back_within_a_pause_shows_to_the_receipt_alone(tmp_path: Path) -> None:
    """A submission waits, and its append time is moved to where the last one's is, before anybody records it."""
    behind = [MINUTE * 4]
    with scene_at(tmp_path, f"sqlite:{tmp_path / 'log.db'}", clock=lambda: wall_clock() - behind[0]) as scene:
        behind[0] = 0  # nothing has come in for four minutes
        (held,) = scene.submit(life(VICTIM)[3])
        earlier = held.appended_at - 3 * MINUTE
        with owning(tmp_path / "log.db") as database:
            which = "WHERE topic = 'actions' AND partition = ? AND offset = ?"
            database.execute(f"UPDATE record SET appended_at = ? {which}", (earlier, held.partition, held.offset))
        scene.record()
        scene.publish()
        assert nothing_found(scene)
        assert scene.events()[-1][1].recorded_at == held.submitted_at - timedelta(minutes=3)
        assert "holds another action" in scene.receipt("prove", held, code=exits.FAULTS).stderr
