"""Witnesses without a server, and the policy that trusts them: for tests of whatever rests on witnessed checkpoints."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from casetrail.consumers.witnesses import Answer, Witness, Witnesses
from casetrail.proofs.keys import Algorithm, create_key
from casetrail.proofs.note import parse_note
from casetrail.proofs.policy import Policy, parse_policy
from tests.consumers.notarial import KEY

CLINIC_KEY: Final = create_key("clinic.example/witness", Algorithm.ED25519_COSIGNATURE)
COURT_KEY: Final = create_key("court.example/witness", Algorithm.ML_DSA_44)
STRANGER_KEY: Final = create_key("stranger.example/witness", Algorithm.ED25519_COSIGNATURE)
KEYS: Final = {"clinic": CLINIC_KEY, "court": COURT_KEY}

POLICY_TEXT: Final = (
    f"log {KEY.verifier_key}\n"
    + "".join(f"witness {name} {key.verifier_key}\n" for name, key in KEYS.items())
    + "group partners all clinic court\nquorum partners\n"
)
POLICY: Final = parse_policy(POLICY_TEXT.encode())
NO_QUORUM: Final[Policy] = parse_policy(f"log {KEY.verifier_key}\nquorum none\n".encode())


def policy_file(directory: Path, text: str = POLICY_TEXT) -> Path:
    """The policy as a file."""
    path = directory / "policy"
    path.write_text(text, "utf-8")
    return path


def witnesses(*names: str, at: datetime | None = None, apart: timedelta = timedelta()) -> Witnesses:
    """Witnesses that cosign all that they are shown; those of the policy unless others are named.

    Each states the time ``at``, or now, and each one named after the first ``apart`` later.
    """
    chosen = names or tuple(KEYS)

    def send(url: str, body: bytes) -> Answer:
        name = url.split("/")[2]
        text = parse_note(body.partition(b"\n\n")[2]).text
        moment = (at or datetime.now(UTC)) + chosen.index(name) * apart
        return Answer(200, "text/plain", KEYS[name].cosign(text, moment).line().encode())

    return Witnesses([Witness(KEYS[name].verifier_key, f"https://{name}") for name in chosen], send)
