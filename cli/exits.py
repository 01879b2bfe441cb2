"""Exit codes of the command line. Scripts may rely on them."""

from typing import Final

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
REJECTED: Final = 3
UNREADABLE: Final = 4
PENDING: Final = 5
NOT_FOUND: Final = 6
UNREACHABLE: Final = 7
FAULTS: Final = 8
INTERRUPTED: Final = 130
CUT: Final = 141
"""As a shell reports a program that a closed pipe has ended: 128 and the number of SIGPIPE."""

MEANINGS: Final = {
    OK: "done; for a submission: accepted",
    FAILED: "failed; the message says why",
    USAGE: "the command was not understood",
    REJECTED: "the submission was recorded as rejected: a rule refuses it",
    UNREADABLE: "the submission was recorded as unreadable",
    PENDING: "no outcome yet within the time given; the submission is in the log, or waits in the spool. Of a comparison: "
    "nothing is proven. Of a proof, or what is published: no checkpoint that would do has its witnesses yet",
    NOT_FOUND: "no such case, unit, agency, person, log or file",
    UNREACHABLE: "the log, the views or the keyring cannot be reached",
    FAULTS: "the check found faults, or an import has rows that it could not take",
    INTERRUPTED: "interrupted from the keyboard",
    CUT: "nobody read the output to its end, and the command ended before its own",
}
