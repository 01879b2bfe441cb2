"""Each event is judged by the rule set that it names, and one that names the wrong one is found."""

from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Final

import pytest
from fastavro import schemaless_writer

from casetrail.audit.replaying import judging as replay_judging
from casetrail.audit.replaying.findings import Kind
from casetrail.audit.replaying.replay import replay
from casetrail.domain.actions import Action, ActionRejected, Actor, Body
from casetrail.domain.case import Case
from casetrail.domain.codes import Role
from casetrail.domain.deciding import RULE_SETS, decide
from casetrail.domain.rules import RULE_SET
from casetrail.eventlog.codec import Event, decode_event, encode_event
from casetrail.eventlog.hashing import NO_HASH, leaf_hash
from casetrail.eventlog.port import Record
from casetrail.eventlog.schemas import parsed
from tests.audit.replaying import File, cases, findings_in, found, make_log, verdicts_on
from tests.eventlog.examples import plain_event
from tests.eventlog.test_schemas import older

__all__ = ["older"]

NEWER: Final = RULE_SET + 1


def nobody_assigns(case: Case, action: Action, recorded_at: datetime, key: str | None) -> Body:
    """A newer rule set: like the one in force, but nothing is assigned."""
    body = decide(case, action, recorded_at, key)
    return ActionRejected("Assigned", "role-may-not") if type(body).__name__ == "Assigned" else body


@pytest.fixture
def two_rule_sets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A version of casetrail that knows two rule sets and records by the second."""
    monkeypatch.setitem(RULE_SETS, NEWER, nobody_assigns)
    monkeypatch.setattr(replay_judging, "RULE_SET", NEWER)
    yield


def by_two_from(offset: int, back_at: int = 10**9) -> "object":
    """A recorder that was brought up to date at this action (and back at a later one)."""

    def crook(event: Event, action: Record) -> Event:
        if not offset <= action.offset < back_at:
            return event
        refused = type(event.body).__name__ == "Assigned"
        body = ActionRejected("Assigned", "role-may-not") if refused else event.body
        return event._replace(rule_set=NEWER, body=body)

    return crook


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.mark.usefixtures("two_rule_sets")
@pytest.mark.parametrize("offset", [0, 13, 25, 60])
def test_an_old_event_is_judged_by_the_rules_of_its_day(path: Path, offset: int) -> None:
    url = make_log(path, *cases(10), crook=by_two_from(offset))  # type: ignore[arg-type]
    (verdict,) = verdicts_on(url)
    assert (verdict.findings, verdict.unjudged) == ([], 0)


@pytest.mark.usefixtures("two_rule_sets")
def test_what_a_rule_set_of_another_day_would_have_decided_is_no_excuse(path: Path) -> None:
    def crook(event: Event, action: Record) -> Event:
        return event._replace(body=ActionRejected("Assigned", "role-may-not")) if action.offset == 25 else event

    assert found(make_log(path, *cases(10), crook=crook)) == [(Kind.WRONGLY_REFUSED, "case-05", 25)]


@pytest.mark.usefixtures("two_rule_sets")
def test_a_rule_set_that_goes_back_is_found_where_it_does(path: Path) -> None:
    url = make_log(path, *cases(10), crook=by_two_from(3, back_at=15))  # type: ignore[arg-type]
    (finding,) = findings_in(url)
    assert (finding.kind, finding.case_id, finding.action_offset) == (Kind.OLDER_RULE_SET, "case-05", 15)
    assert (finding.expected, finding.recorded) == ({"rule_set": NEWER}, {"rule_set": RULE_SET})


def test_an_unknown_rule_set_is_found_once_and_what_no_rule_decides_is_still_compared(path: Path) -> None:
    def crook(event: Event, action: Record) -> Event:
        if action.offset == 34:
            event = event._replace(actor=Actor("nobody", "metro-pd", Role.INTAKE))
        if action.offset == 25:
            event = event._replace(body=ActionRejected("Assigned", "role-may-not"))  # a later version may refuse that
        return event._replace(rule_set=7) if action.offset >= 20 else event

    (verdict,) = verdicts_on(make_log(path, *cases(10), crook=crook))
    unknown, blamed = verdict.findings
    assert (unknown.kind, unknown.action_offset, unknown.recorded) == (Kind.UNKNOWN_RULE_SET, 20, {"rule_set": 7})
    assert (blamed.kind, blamed.action_offset) == (Kind.MISATTRIBUTED, 34)
    assert verdict.unjudged == 40


def test_an_altered_link_is_found_under_an_unknown_rule_set_too(path: Path) -> None:
    def crook(event: Event, action: Record) -> Event:
        return event._replace(rule_set=7)

    file = File(make_log(path, *cases(2), crook=crook))
    file.change(11, previous_hash=bytes(32))
    assert [one.kind for one in findings_in(file.url)] == [Kind.UNKNOWN_RULE_SET, Kind.CHAIN_DIFFERS]


def test_events_written_with_an_earlier_schema_are_compared_by_what_they_say(path: Path, older: dict[str, int]) -> None:
    file = File(make_log(path, *cases(2)))
    last = {"case-00": NO_HASH, "case-01": NO_HASH}
    for offset in range(12):
        event = file.event(offset)._replace(previous_hash=last[file.event(offset).case_id])
        data = BytesIO()
        data.write(b"\x00" + older["event"].to_bytes(4))
        schemaless_writer(data, parsed(older["event"]), plain_event(event))
        file.put(offset, data.getvalue())
        last[event.case_id] = leaf_hash(data.getvalue())
    assert findings_in(file.url) == []
    file.put(11, encode_event(decode_event(file.value(11))._replace(actor=None)))
    assert found(file.url) == [(Kind.MISATTRIBUTED, "case-01", 11)]


DAY: Final = 86_400_000
"""In milliseconds, as the log's file has its times."""


@pytest.mark.usefixtures("two_rule_sets")
@pytest.mark.parametrize(("days", "kept"), [(0, False), (1, False), (2, True)])
def test_a_recorder_that_stays_on_old_rules_is_found_by_what_other_partitions_name(
    path: Path, days: int, kept: bool
) -> None:
    def crook(event: Event, action: Record) -> Event:
        return event if action.partition == 0 else by_two_from(0)(event, action)  # type: ignore[operator]

    file = File(make_log(path, *cases(10), partitions=3, crook=crook))
    file.database.execute(  # the last event of partition 0 came so many days after all others
        "UPDATE record SET appended_at = (SELECT min(appended_at) FROM record) + ? "
        "WHERE topic = 'events' AND partition = 0 AND offset = (SELECT max(offset) FROM record "
        "WHERE topic = 'events' AND partition = 0)",
        (days * DAY,),
    )
    verdicts = replay(file.url)
    assert [sorted(one.rule_sets) for one in verdicts] == [[RULE_SET], [NEWER], [NEWER]]
    findings = [finding for verdict in verdicts for finding in verdict.findings]
    assert [(one.kind, one.partition, one.case_id) for one in findings] == [(Kind.RULE_SET_KEPT, 0, None)] * kept
    for one in findings:
        assert one.event_offset == verdicts[0].rule_sets[RULE_SET].last
        assert (one.expected["rule_set"], one.recorded["rule_set"]) == (NEWER, RULE_SET)


@pytest.mark.usefixtures("two_rule_sets")
def test_a_partition_that_rests_since_before_the_newer_rules_is_no_finding(path: Path) -> None:
    def crook(event: Event, action: Record) -> Event:
        return event if action.partition == 0 else by_two_from(0)(event, action)  # type: ignore[operator]

    file = File(make_log(path, *cases(10), partitions=3, crook=crook))
    file.database.execute(
        "UPDATE record SET appended_at = appended_at + ? WHERE topic = 'events' AND partition > 0", (9 * DAY,)
    )
    assert [one.findings for one in replay(file.url)] == [[], [], []]
