"""What a copy of the tree remembers of checkpoints: which of them somebody besides the log may have signed."""

from contextlib import closing
from pathlib import Path

from casetrail.proofs.treefile import Sealed, TreeFile

TEXT = "kcpd.example/casetrail\n7\nAAAA\n\n"
LINE = "— somebody.example AAAA\n"


def test_those_count_as_cosigned_that_have_a_second_signature_in_the_record_or_one_behind_it(tmp_path: Path) -> None:
    with closing(TreeFile(tmp_path / "tree.db", "kcpd")) as file:
        for number, lines in enumerate((1, 2, 1, 0, 1)):
            note = (TEXT + lines * LINE).encode()
            file.add(Sealed(number, number, 0, bytes([number]) * 32, number, bytes(32), bytes(32), note), [])
        file.cosigned(bytes([3]) * 32, LINE.encode())
        up_to = [file.cosigned_up_to(number) for number in range(-1, 6)]
        assert [one and one.number for one in up_to] == [None, None, 1, 1, 3, 3, 3]
        since = [file.cosigned_from(number) for number in range(6)]
        assert [one and one.number for one in since] == [1, 1, 3, 3, None, None]
