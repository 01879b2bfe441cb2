"""The map of cases as of every earlier checkpoint is made again from the events since, and has the root that was stated."""

from pathlib import Path

import pytest

from casetrail.eventlog.opening import init_log
from casetrail.proofs.casemap import case_key, check_map_proof
from tests.consumers.notarial import fill, notary_of, publish


@pytest.mark.parametrize("partitions", [1, 3])
def test_a_case_is_proven_as_of_every_checkpoint_that_a_later_one_covers(tmp_path: Path, partitions: int) -> None:
    """Of cases that came, went on, or stood still meanwhile."""
    with (
        init_log(f"sqlite:{tmp_path / 'log.db'}", partitions=partitions) as log,
        notary_of(log, tmp_path / "n") as notary,
    ):
        for cases in (["C-1", "C-2", "C-3"], ["C-1", "C-4"], ["C-5", "C-1"], ["C-6"], [], ["C-2", "C-4"]):
            fill(log, cases)
            publish(notary)
        root = notary.tree.map.root
        stood: dict[str, list[int]] = {}
        for number in range(5):
            sealed = notary.tree.file.numbered(number)
            assert sealed is not None
            for case_id in ("C-1", "C-2", "C-3", "C-4", "C-5", "C-6", "C-9"):
                before, entry, proof = notary.tree.prove_case(case_id, sealed)
                assert before == sealed
                check_map_proof(sealed.map_root, case_key(case_id), entry, proof)
                stood.setdefault(case_id, []).append(entry[0] if entry else 0)
        assert notary.tree.map.root == root
    assert stood["C-1"] == [6, 12, 18, 18, 18]
    assert stood["C-3"] == [6] * 5
    assert stood["C-5"] == [0, 0, 6, 6, 6]
    assert stood["C-9"] == [0] * 5
