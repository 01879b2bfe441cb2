"""What can be wrong with a proof, a note, a key or a policy. Each error has a stable code and a sentence for people."""

from casetrail.eventlog.errors import LogError


class ProofInvalid(LogError):
    """A proof does not prove what it was given for."""

    code = "proof-invalid"


class WitnessAhead(ProofInvalid):
    """A proof has its quorum only with cosignatures whose times have not come yet: one of the clocks is wrong."""

    code = "witness-ahead"


class NoteInvalid(LogError):
    """A signed note, or the checkpoint in it, is malformed, or a signature by a known key is wrong."""

    code = "note-invalid"


class KeyUnusable(LogError):
    """A key cannot be read, is of a kind that is not supported, or its passphrase is wrong."""

    code = "key-unusable"


class PolicyInvalid(LogError):
    """A trust policy cannot be understood."""

    code = "policy-invalid"
