"""What was decided once is decided so for ever: no rule changes without a new version of the rule set.

``CASETRAIL_WRITE_GOLDEN=1 pytest tests/audit/test_replay_golden.py`` writes the golden histories of the newest rule set
where they are missing. It never writes over a file.
"""

import os
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pytest

from casetrail.domain.actions import Action, Body
from casetrail.domain.assignment import Assigned
from casetrail.domain.case import Case
from casetrail.domain.codes import Role
from casetrail.domain.deciding import RULE_SETS, decide, deciding_by
from casetrail.domain.kinds import ACTION_KINDS
from casetrail.domain.reserved import is_reserved
from casetrail.domain.rules import RULE_SET, RULES, Rule, UnknownRuleSet
from casetrail.eventlog import outcome
from casetrail.eventlog.codec import UNREADABLE
from casetrail.eventlog.schemas import current_ids
from tests.audit.golden_histories import FOLDER, GoldenFile, decided, file_for, read, write
from tests.domain.test_rules import EXAMPLES

WRITE: Final = "CASETRAIL_WRITE_GOLDEN"

SHA256: Final = {
    "rule-set-1.event-027741bc.ndjson": "2064da8768098d888da4179a6127ec505b3cb192e405aff9b0b28327b2d02742",
    "rule-set-1.event-4fb60211.ndjson": "287fa6c6ac222d48fec3ff700390eebedea4eae5d5ac7433dcaff3c7e2026537",
    "rule-set-1.event-15414d1e.ndjson": "1c64d6ca92b3c7ff3df224c4b289c36e111b3c580b0b7eb3253d95135c67cbbc",
    "rule-set-2.event-15414d1e.ndjson": "00c25b9ad466a2bb016962b85c3a2e487bc1503b3c7395065d99bf0b6eeda6b5",
    "rule-set-1.event-5d07843d.ndjson": "71080b14a9913b8efc1ece8815180ba846bf4cd6a0d6060236326fa1220c9255",
    "rule-set-2.event-5d07843d.ndjson": "ac4cec18275fa8befd12ec25ca76e2d491ccf76806c266a7e33bae6e5ceb5429",
    "rule-set-2.event-19efd9bd.ndjson": "4deef998d812700ecbee18266bd1ef0554608125dc003000272b651d96403b73",
}
"""The golden files as they were written once. A file is added to these, none is ever exchanged."""

FILES: Final = [FOLDER / name for name in SHA256]
BY_1: Final = FOLDER / "rule-set-1.event-5d07843d.ndjson"


def check(golden: GoldenFile) -> None:
    """Decide the histories again. Fails where an outcome is another one than on its day.

    With another schema for events than then their bytes differ, and what the outcome is in words is compared.
    """
    same_bytes = golden.event_schema == current_ids()["event"]
    now = decided((one.record for one in golden.histories), golden.rule_set)
    for line, (then, found) in enumerate(zip(golden.histories, now, strict=True), 2):
        if then.outcome != found.outcome or (same_bytes and then.event_hash != found.event_hash):
            pytest.fail(
                f"a rule changed: make rule set {RULE_SET + 1}\n"
                f"line {line}, case {then.case_id}: by rule set {golden.rule_set} this was '{then.outcome}', it is now "
                f"'{found.outcome}'" + (" with other bytes" if then.outcome == found.outcome else "") + ". "
                f"Logs hold events that were decided so: leave rule set {golden.rule_set} as it was, and put the new rules "
                "beside it in RULE_SETS (domain/deciding.py). A regenerated golden file must never replace the old one.",
                pytrace=False,
            )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_rule_set_decides_as_on_the_day_it_came_into_force(path: Path) -> None:
    check(read(path))


def test_the_newest_rule_set_has_golden_histories() -> None:
    path = file_for(RULE_SET)
    if os.environ.get(WRITE) and not path.exists():
        write(path, RULE_SET)
    assert path.exists(), f"run these tests with {WRITE}=1 once, then add {path.name} to SHA256 and to the repository"
    assert path.name in SHA256, f"add {path.name} to SHA256: {sha256(path.read_bytes()).hexdigest()}"


def test_no_golden_file_was_replaced_or_removed() -> None:
    found = {path.name: sha256(path.read_bytes()).hexdigest() for path in FOLDER.iterdir()}
    assert found == SHA256, "golden histories never change: a changed rule belongs into a new rule set, with a new file"


def test_every_rule_refuses_in_the_golden_histories() -> None:
    refused = {words[2] for words in outcomes() if words[0] == "rejected"}
    assert refused == set(RULES)


def test_every_kind_of_action_is_accepted_in_the_golden_histories() -> None:
    accepted = {words[1] for words in outcomes() if words[0] == "accepted"}
    assert accepted == {kind.__name__ for kind in ACTION_KINDS}


def test_every_way_not_to_be_readable_is_in_the_golden_histories() -> None:
    assert {words[1] for words in outcomes() if words[0] == "unreadable"} == set(UNREADABLE)


def test_every_rule_lets_the_like_pass_in_the_golden_histories() -> None:
    last = {one.case_id: one.outcome for one in read(file_for(RULE_SET)).histories}
    passed = {code for code in RULES if last.get(f"{code}.accepted", "").startswith("accepted")}
    # the like of these is a case with another id, or stands in the registry or in a machine's history (see ``test_rules``)
    assert passed == set(RULES) - {
        "reserved-case-id",
        *(one.code for one in EXAMPLES if is_reserved(one.accepted.case_id)),
    }
    assert last["registry-1"].startswith("accepted")


def outcomes() -> list[list[str]]:
    """The outcomes in the golden histories of the newest rule set, word by word."""
    return [one.outcome.split() for one in read(file_for(RULE_SET)).histories]


# --- a change of a rule is caught ---


def lax(case: Case, action: Action, recorded_at: datetime, key: str | None) -> Body:
    """A decision that a rule of closing no longer binds."""
    body = decide(case, action, recorded_at, key)
    return action.body if getattr(body, "code", None) == "closing-takes-two" else body


def test_a_rule_that_was_dropped_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RULE_SETS, 1, lax)
    with pytest.raises(pytest.fail.Exception, match=rf"make rule set {RULE_SET + 1}\n.*closing-takes-two\.refused"):
        check(read(BY_1))


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        (Assigned, "roles", frozenset(Role)),
        (Assigned, "when", frozenset()),
        (Assigned, "apply", lambda *_: None),
        (Rule, "require", lambda *_: None),
        (outcome, "partition_for", lambda *_: 0),
    ],
    ids=["who may", "when it may be", "what it changes", "every rule", "where a case belongs"],
)
def test_a_changed_rule_is_caught(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, value: Any) -> None:
    monkeypatch.setattr(owner, name, value)
    with pytest.raises(pytest.fail.Exception, match=f"a rule changed: make rule set {RULE_SET + 1}"):
        check(read(BY_1))


# --- versions stand beside each other ---


def test_the_rule_set_in_force_is_the_newest_that_is_known() -> None:
    assert max(RULE_SETS) == RULE_SET


def test_a_rule_set_that_nobody_knows_decides_nothing() -> None:
    with pytest.raises(UnknownRuleSet, match="rule set 99"):
        deciding_by(99)


def test_each_rule_set_decides_by_its_own_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    golden = read(BY_1)
    records = [one.record for one in golden.histories]
    monkeypatch.setitem(RULE_SETS, RULE_SET + 1, lax)
    by_next = [one.outcome for one in decided(records, RULE_SET + 1)]
    check(golden)
    assert by_next != [one.outcome for one in golden.histories]
