"""Trust policies: what a file may say, and whose signatures make a checkpoint believed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casetrail.proofs.checkpoint import Checkpoint
from casetrail.proofs.errors import NoteInvalid, PolicyInvalid
from casetrail.proofs.keys import Algorithm, SignerKey, create_key
from casetrail.proofs.note import Note
from casetrail.proofs.policy import MOST_BYTES, Policy, load_policy, parse_policy
from tests.proofs.test_note import EXAMPLE_KEY

ORIGIN: Final = "kcpd.example/casetrail"
CHECKPOINT: Final = Checkpoint(ORIGIN, 7, bytes(range(32)))
TEXT: Final = CHECKPOINT.text()
NOON: Final = datetime(2026, 11, 25, 12, tzinfo=UTC)

LOG: Final = create_key(ORIGIN, Algorithm.ED25519)
LOG_PQ: Final = create_key(ORIGIN, Algorithm.ML_DSA_44)
OTHER_LOG: Final = create_key("other.example/casetrail", Algorithm.ED25519)
W: Final = {
    name: create_key(f"{name}.example/witness", Algorithm.ML_DSA_44 if name == "Y2" else Algorithm.ED25519_COSIGNATURE)
    for name in ("X1", "X2", "X3", "Y1", "Y2")
}
LINES: Final = "".join(f"witness {name} {key.verifier_key}\n" for name, key in W.items())
# The shape of the example in c2sp.org/tlog-policy
POLICY: Final = parse_policy(
    f"# who is believed\n\n  log {LOG.verifier_key}\nlog\t{LOG_PQ.verifier_key}  https://kcpd.example/log \n"
    f"log {OTHER_LOG.verifier_key}\n{LINES}"
    "group X-witnesses 2 X1 X2 X3\ngroup Y-witnesses any Y1 Y2\n"
    "group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n".encode()
)


def cosigned(*names: str, logs: tuple[SignerKey, ...] = (LOG,)) -> Note:
    """The checkpoint with the signatures of these logs, and of these witnesses at noon."""
    return Note(TEXT, (*[one.sign_note(TEXT) for one in logs], *[W[name].cosign(TEXT, NOON) for name in names]))


def test_a_policy_is_read() -> None:
    assert [(one.key, one.url) for one in POLICY.logs] == [
        (LOG.verifier_key, None),
        (LOG_PQ.verifier_key, "https://kcpd.example/log"),
        (OTHER_LOG.verifier_key, None),
    ]
    assert [(one.name, one.key) for one in POLICY.witnesses] == [(name, key.verifier_key) for name, key in W.items()]
    assert [(one.name, one.threshold, one.members) for one in POLICY.groups] == [
        ("X-witnesses", 2, ("X1", "X2", "X3")),
        ("Y-witnesses", 1, ("Y1", "Y2")),
        ("X-and-Y", 2, ("X-witnesses", "Y-witnesses")),
    ]
    assert POLICY.quorum == "X-and-Y"


@pytest.mark.parametrize(
    ("witnesses", "satisfied"),
    [
        ((), False),
        (("X1", "X2", "X3"), False),
        (("X1", "Y1"), False),
        (("X1", "X3", "Y2"), True),
        (("X1", "X2", "X3", "Y1", "Y2"), True),
        (("Y1", "Y2"), False),
    ],
)
def test_the_quorum_counts_groups_within_groups(witnesses: tuple[str, ...], satisfied: bool) -> None:
    standing = POLICY.check(cosigned(*witnesses))
    assert standing.checkpoint == CHECKPOINT
    assert standing.signers == (LOG.verifier_key,)
    assert standing.witnesses == dict.fromkeys(witnesses, NOON)
    assert standing.satisfied is satisfied


@pytest.mark.parametrize("logs", [(LOG,), (LOG_PQ,), (LOG, LOG_PQ)], ids=["ed25519", "ml-dsa-44", "both"])
def test_any_key_of_the_log_is_enough(logs: tuple[SignerKey, ...]) -> None:
    assert POLICY.check(cosigned("X1", logs=logs)).signers == tuple(one.verifier_key for one in logs)


def test_a_checkpoint_that_only_witnesses_have_signed_is_refused() -> None:
    with pytest.raises(NoteInvalid, match="none of the policy's logs"):
        POLICY.check(cosigned("X1", "X2", "Y1", logs=()))


def test_a_log_cannot_sign_under_the_origin_of_another() -> None:
    with pytest.raises(NoteInvalid, match="none of the policy's logs"):
        POLICY.check(cosigned("X1", "X2", "Y1", logs=(OTHER_LOG,)))


def test_a_log_that_the_policy_does_not_name_is_refused() -> None:
    with pytest.raises(NoteInvalid, match="no known key"):
        POLICY.check(cosigned(logs=(create_key(ORIGIN, Algorithm.ED25519),)))


def test_a_witness_that_the_policy_does_not_name_does_not_count() -> None:
    stranger = create_key("X2.example/witness", Algorithm.ED25519_COSIGNATURE).cosign(TEXT, NOON)
    note = cosigned("X1", "Y1")
    standing = POLICY.check(note._replace(signatures=(*note.signatures, stranger)))
    assert not standing.satisfied
    assert set(standing.witnesses) == {"X1", "Y1"}


def test_a_witness_counts_once_with_its_latest_time() -> None:
    later = NOON + timedelta(hours=1)
    again = [W["X1"].cosign(TEXT, at) for at in (later, NOON)]
    note = cosigned("X1", "Y1")
    standing = POLICY.check(note._replace(signatures=(*note.signatures, *again)))
    assert standing.witnesses == {"X1": later, "Y1": NOON}
    assert not standing.satisfied


def test_a_forged_cosignature_of_a_known_witness_condemns_the_note() -> None:
    note = cosigned("X1", "X2", "Y1")
    other = W["X3"].cosign(TEXT.replace("\n7\n", "\n8\n"), NOON)
    with pytest.raises(NoteInvalid, match="wrong"):
        POLICY.check(note._replace(signatures=(*note.signatures, other)))


def test_a_cosignature_without_a_time_counts_and_has_no_time() -> None:
    signed = W["Y2"].sign_note(TEXT)  # as ML-DSA-44 allows
    note = cosigned("X1", "X2")
    standing = POLICY.check(note._replace(signatures=(*note.signatures, signed)))
    assert standing.witnesses["Y2"] is None
    assert standing.satisfied


def test_a_signed_text_that_is_no_checkpoint_is_refused() -> None:
    with pytest.raises(NoteInvalid):
        POLICY.check(Note("no checkpoint\n", (LOG.sign_note("no checkpoint\n"),)))


def test_without_a_quorum_the_log_alone_is_enough() -> None:
    assert parse_policy(f"log {LOG.verifier_key}\nquorum none\n".encode()).check(cosigned()).satisfied


def test_a_single_witness_can_be_the_quorum() -> None:
    policy = parse_policy(f"log {LOG.verifier_key}\n{LINES}quorum X1\n".encode())
    assert policy.check(cosigned("X1")).satisfied
    assert not policy.check(cosigned("X2", "X3", "Y1", "Y2")).satisfied


def test_a_policy_without_logs_believes_none() -> None:
    with pytest.raises(NoteInvalid):
        parse_policy(b"quorum none\n").check(cosigned())


def test_the_two_keys_of_one_witness_count_once_in_a_group_of_any() -> None:
    second = create_key("X1.example/witness", Algorithm.ML_DSA_44)
    policy = parse_policy(
        f"log {LOG.verifier_key}\n{LINES}witness X1-pq {second.verifier_key}\ngroup X1-any any X1 X1-pq\n"
        "group both all X1-any X2\nquorum both\n".encode()
    )
    note = cosigned("X1")
    assert not policy.check(note._replace(signatures=(*note.signatures, second.cosign(TEXT, NOON)))).satisfied
    assert policy.check(cosigned("X1", "X2")).satisfied


def test_names_are_bytes_and_nothing_is_folded() -> None:
    """A Kelvin sign is no K (the specification's own example), and bytes need not be UTF-8."""
    policy = parse_policy(
        b"witness \xe2\x84\xaa " + str(W["X1"].verifier_key).encode() + b"\n"
        b"witness K " + str(W["X2"].verifier_key).encode() + b"\n"
        b"witness \xff\xa0 " + str(W["X3"].verifier_key).encode() + b"\nquorum \xff\xa0\n"
    )
    assert len(policy.witnesses) == 3
    assert policy.quorum == policy.witnesses[2].name


def test_only_space_and_tab_part_the_items_of_a_line() -> None:
    policy = parse_policy(f"witness a\u00a0b\u2003c {W['X1'].verifier_key}\nquorum a\u00a0b\u2003c\n".encode())
    assert policy.quorum == "a\u00a0b\u2003c"


def test_a_hash_within_a_line_is_no_comment() -> None:
    assert parse_policy(f"witness #1 {W['X1'].verifier_key}\nquorum #1\n".encode()).quorum == "#1"
    with pytest.raises(PolicyInvalid, match="line 1"):
        parse_policy(f"log {LOG.verifier_key} https://kcpd.example #ours\nquorum none\n".encode())


X1: Final = W["X1"].verifier_key
X2: Final = W["X2"].verifier_key
FAULTS: Final = {
    "an unknown keyword": ("logs x\n", 1, "a line is"),
    "a keyword in capitals": ("LOG x\n", 1, "a line is"),
    "a log without a key": ("log\n", 1, "a line is"),
    "a log with too much": (f"log {LOG.verifier_key} u more\n", 1, "a line is"),
    "a log key that is none": ("log kcpd.example+00000000+AA==\n", 1, "signature type 0x00"),
    "a key with another's id": (f"log {EXAMPLE_KEY.replace('foo', 'fop')}\n", 1, "is not that of its name"),
    "a witness's key for a log": (f"\nlog {X1}\n", 2, "that logs do not use"),
    "a log's key for a witness": (f"witness a {LOG.verifier_key}\n", 1, "that witnesses do not use"),
    "a log twice": (f"log {LOG.verifier_key}\nlog {LOG.verifier_key}\n", 2, "same key"),
    "a log's key under another name": (
        f"log {LOG.verifier_key}\nlog {SignerKey('b.example/log', LOG.algorithm, LOG.private).verifier_key}\n",
        2,
        "same key",
    ),
    "a witness without a key": ("witness a\n", 1, "a line is"),
    "a witness with too much": (f"witness a {X1} u more\n", 1, "a line is"),
    "a witness's key twice": (f"witness a {X1}\nwitness b {X1}\n", 2, "same key"),
    "a witness's name twice": (f"witness a {X1}\nwitness a {X2}\n", 2, "taken"),
    "a witness named none": (f"witness none {X1}\n", 1, "taken"),
    "a group with a witness's name": (f"witness a {X1}\ngroup a any a\n", 2, "taken"),
    "a witness with a group's name": (f"witness a {X1}\ngroup g any a\nwitness g {X2}\n", 3, "taken"),
    "a group named none": (f"witness a {X1}\ngroup none any a\n", 2, "taken"),
    "a group without members": (f"witness a {X1}\ngroup g any\n", 2, "a line is"),
    "a group of itself": ("group g any g\n", 1, "no earlier line"),
    "a group of none": ("group g any none\n", 1, "no earlier line"),
    "a member defined later": (f"group g any a\nwitness a {X1}\n", 1, "no earlier line"),
    "a member twice": (f"witness a {X1}\ngroup g 2 a a\n", 2, "member already"),
    "a member of two groups": (f"witness a {X1}\ngroup g any a\ngroup h any a\n", 3, "member already"),
    "a threshold of 0": (f"witness a {X1}\ngroup g 0 a\n", 2, "threshold"),
    "a threshold that cannot be reached": (f"witness a {X1}\ngroup g 2 a\n", 2, "threshold"),
    "a negative threshold": (f"witness a {X1}\ngroup g -1 a\n", 2, "threshold"),
    "a threshold in words": (f"witness a {X1}\ngroup g most a\n", 2, "threshold"),
    "a threshold with a thousand digits": (f"witness a {X1}\ngroup g {'1' * 5000} a\n", 2, "threshold"),
    "digits that are not ASCII": (f"witness a {X1}\ngroup g ١ a\n", 2, "threshold"),
    "a quorum of nothing": ("quorum\n", 1, "a line is"),
    "a quorum of two": (f"witness a {X1}\nwitness b {X2}\nquorum a b\n", 3, "a line is"),
    "a quorum that is not defined": ("quorum a\n", 1, "no earlier line"),
    "a quorum defined later": (f"quorum a\nwitness a {X1}\n", 1, "no earlier line"),
    "two quorums": ("quorum none\nquorum none\n", 2, "already"),
    "a carriage return": ("# comment\r\nquorum none\n", 1, "control character"),
    "a delete character": ("quorum none\n# \x7f\n", 2, "control character"),
}


@pytest.mark.parametrize(("text", "line", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_told_with_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(PolicyInvalid, match=rf"^line {line} of the policy: .*{message}"):
        parse_policy(text.encode())


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"", "no quorum line"),
        (b"# nothing\n", "no quorum line"),
        (b"quorum none", "does not end in a newline"),
        (b"#" * MOST_BYTES + b"\n", "is not read"),
    ],
)
def test_a_policy_that_is_none_or_was_cut_off_is_refused(value: bytes, message: str) -> None:
    with pytest.raises(PolicyInvalid, match=message):
        parse_policy(value)


def test_a_policy_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "policy"
    file.write_text(f"log {LOG.verifier_key}\nquorum none\n")
    assert load_policy(file).check(cosigned()).satisfied
    with pytest.raises(PolicyInvalid, match="cannot be read"):
        load_policy(tmp_path / "missing")


def test_groups_may_stand_in_each_other_a_thousand_deep() -> None:
    chain = "".join(f"group g{number + 1} any g{number}\n" for number in range(1000))
    policy = parse_policy(f"log {LOG.verifier_key}\nwitness g0 {X1}\n{chain}quorum g1000\n".encode())
    assert policy.check(cosigned("X1")).satisfied
    assert not policy.check(cosigned()).satisfied


@given(st.sets(st.sampled_from(sorted(W))), st.integers(1, 5))
def test_a_group_asks_for_as_many_as_it_says(present: set[str], threshold: int) -> None:
    policy: Policy = parse_policy(f"{LINES}group g {threshold} X1 X2 X3 Y1 Y2\nquorum g\n".encode())
    assert policy.satisfied_by(present) is (len(present) >= threshold)
