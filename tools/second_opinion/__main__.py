"""A second opinion on what casetrail publishes and proves, with none of casetrail's own code.

Written from docs/proofs.md and the specifications of c2sp.org. It needs this folder, Python 3.11, and two packages
(``pip install cryptography fastavro``). Run it where the folder lies; POLICY is the trust policy: whose log, which witnesses.

    python -m second_opinion POLICY www             a folder of 'casetrail audit publish', with its entries
    python -m second_opinion POLICY case.json       what 'casetrail audit export' wrote
    python -m second_opinion POLICY report.receipt  a receipt, with report.receipt.tlog-proof beside it

It ends at the first thing that does not hold and says which: exit code 8. Where all holds it is 0, else 1.
"""

import sys
from pathlib import Path

from .files import check_case, check_receipt
from .hashes import Wrong
from .notes import Policy
from .published import check_published


def check(policy: Policy, shown: Path) -> str:
    """What is proven. Raises ``Wrong``, or what Python raises at a file that is not made as it must be."""
    if shown.is_dir():
        return check_published(policy, shown)
    if shown.read_bytes()[:1] == b"{":
        return check_case(policy, shown)
    return check_receipt(policy, shown)


def main(policy: Path, shown: Path) -> int:
    for path in (policy, shown):
        if not path.exists():
            print(f"there is no {path}", file=sys.stderr)
            return 1
    if shown.is_dir() and not (shown / "tile" / "entries").is_dir():
        print(
            f"{shown} has no entries: this program checks events, any client of tiled logs the hashes", file=sys.stderr
        )
        return 1
    try:
        print("holds:", check(Policy(policy.read_text("utf-8")), shown))
    except (Wrong, OSError, ValueError, LookupError, ArithmeticError, TypeError, AttributeError, EOFError) as error:
        print("does not hold:", error, file=sys.stderr)
        return 8
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
