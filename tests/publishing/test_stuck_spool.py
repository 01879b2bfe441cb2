"""A submission that can never be delivered keeps none of the others from being kept, is named, and is set aside without loss."""

import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from casetrail.eventlog.errors import LogDamaged, LogRefused
from casetrail.eventlog.opening import init_log
from casetrail.publishing import NotStuck, Receipt, Spool, Spooled, SpoolStuck, SpoolUnusable, Submitter
from casetrail.publishing.aside import all_aside, folder_of, put_back
from casetrail.publishing.submitter import RETRY_AFTER
from tests.actions import action, life, report
from tests.publishing.test_spool import MASTER, Clock, Site, recorded, send
from tests.servers.kafka import start_cluster

SMALL = life("C-small")
LARGE = action(report(unit="u" * 60), case_id="C-" + "l" * 60)
"""Larger than what ``limit`` lets pass; the others are smaller."""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def limit(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr("casetrail.eventlog.entries.MOST_BYTES", most)


def let_wait(site: Site, clock: Clock, *actions: Any) -> None:
    """They are submitted while the log is away."""
    site.take_away()
    with site.submitter(clock) as submitter:
        assert all(isinstance(one, Spooled) for one in send(submitter, *actions))
    site.bring_back()


def alter(site: Site, number: int) -> None:
    with closing(sqlite3.connect(site.spool)) as database, database:
        database.execute("UPDATE waiting SET sealed = zeroblob(length(sealed)) WHERE number = ?", (number,))


# --- why it waits ---


def test_what_waits_says_why_and_so_does_the_log_of_the_process(
    site: Site, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    site.take_away()
    with site.submitter(clock) as submitter, caplog.at_level(logging.WARNING):
        first, second = send(submitter, SMALL[0])[0], send(submitter, SMALL[1])[0]
    assert isinstance(first, Spooled) and isinstance(second, Spooled)
    assert first.code == second.code == "log-unreachable"
    assert first.why and first.why == second.why
    (line,) = caplog.records  # the second was not tried
    assert (line.levelname, line.name) == ("WARNING", "casetrail.submitter")
    assert first.why in line.getMessage() and str(site.spool) in line.getMessage()


@pytest.mark.parametrize("error", [LogRefused, LogDamaged])
def test_a_refusal_that_does_not_pass_by_itself_loses_nothing_and_is_an_error_in_the_log_of_the_process(
    site: Site, clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, error: type[LogRefused]
) -> None:
    def refuse(*_: object) -> None:
        raise error("the brokers refuse this user")

    with site.submitter(clock) as submitter:
        with monkeypatch.context() as patched, caplog.at_level(logging.WARNING):
            patched.setattr("casetrail.publishing.submitter.receipts_for", refuse)
            (given,) = send(submitter, SMALL[0])
        assert isinstance(given, Spooled)
        assert (given.code, given.why) == (error.code, "the brokers refuse this user")
        assert error.code != "log-unreachable"
        assert [line.levelname for line in caplog.records] == ["ERROR"]
        assert len(submitter.deliver()) == 1


def test_what_waits_behind_another_process_that_delivers_says_so(site: Site, clock: Clock) -> None:
    let_wait(site, clock, SMALL[0])
    with site.submitter(clock) as other, site.submitter(clock) as submitter, other.spool.delivering(1) as is_alone:
        assert is_alone
        (given,) = send(submitter, SMALL[1])
    assert isinstance(given, Spooled)
    assert given.code == "spool-busy"


# --- what can never be delivered ---


@pytest.mark.parametrize("cause", ["altered", "too large"])
def test_while_one_is_stuck_new_submissions_are_kept_behind_it_and_delivered_once_it_is_set_aside(
    site: Site, clock: Clock, monkeypatch: pytest.MonkeyPatch, cause: str
) -> None:
    let_wait(site, clock, SMALL[0], LARGE, SMALL[1])
    if cause == "altered":
        alter(site, 2)
    else:
        limit(monkeypatch, 250)
    with site.submitter(clock) as submitter:
        with pytest.raises(SpoolStuck, match=r"submission 2 .*spool set-aside 2'") as stuck:
            submitter.deliver()
        assert (stuck.value.number, submitter.spool.count()) == (2, 2)
        clock.now += RETRY_AFTER
        (new,) = send(submitter, SMALL[2])
        assert isinstance(new, Spooled)
        assert (new.code, new.why) == ("spool-stuck", str(stuck.value))
        path = submitter.set_aside(2)
        assert [one.receipt.action_id for one in submitter.deliver()] == [one.action_id for one in SMALL[1:3]]
        assert submitter.spool.receipt_for(LARGE.action_id) is None
        assert [one.receipt.action_id for one in submitter.spool.to_hand_out(9)] == [one.action_id for one in SMALL[:3]]
    assert recorded(site.url) == [one.action_id for one in SMALL[:3]]
    (kept,) = all_aside(site.spool)
    assert (kept.path, kept.sealed.number) == (path, 2)
    assert "submission 2" in kept.why


def test_one_that_is_too_large_by_itself_is_refused_at_once_and_the_submitter_is_told(
    site: Site, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, 250)
    with site.submitter(clock) as submitter:
        with pytest.raises(Exception, match="the log takes 250"):
            submitter.submit(LARGE)
        assert submitter.spool.count() == 0


def test_nothing_that_can_be_delivered_is_ever_set_aside(
    site: Site, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_wait(site, clock, SMALL[0], LARGE, SMALL[1])
    with site.submitter(clock) as submitter:
        with monkeypatch.context() as patched:
            limit(patched, 250)
            for number in (1, 3, 4):
                with pytest.raises(NotStuck, match="not what delivery is stuck at"):
                    submitter.set_aside(number)
        with pytest.raises(NotStuck, match="nothing was set aside"):
            submitter.set_aside(2)
        assert submitter.spool.count() == 0
    assert recorded(site.url) == [SMALL[0].action_id, LARGE.action_id, SMALL[1].action_id]
    assert not folder_of(site.spool).exists()


def test_what_was_set_aside_is_encrypted_for_the_owner_alone_and_can_be_put_back_behind_all_others(
    site: Site, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_wait(site, clock, LARGE, SMALL[0])
    with site.submitter(clock) as submitter:
        (before, _) = submitter.spool.first(2)
        with monkeypatch.context() as patched:
            limit(patched, 250)
            path = submitter.set_aside(1)
        assert LARGE.case_id not in path.read_text() and LARGE.action_id.hex() not in path.read_text()
        assert path.stat().st_mode & 0o077 == path.parent.stat().st_mode & 0o077 == 0
        put_back(submitter.spool, 1)
        assert not path.exists()
        assert [one.spooled for one in submitter.spool.first(9)][-1] == before.spooled
        with pytest.raises(NotStuck, match="no submission 1 was set aside"):
            put_back(submitter.spool, 1)
        submitter.deliver()
    assert recorded(site.url) == [SMALL[0].action_id, LARGE.action_id]


def test_what_was_altered_stays_in_its_file_for_the_auditor(site: Site, clock: Clock) -> None:
    let_wait(site, clock, SMALL[0])
    alter(site, 1)
    with site.submitter(clock) as submitter:
        path = submitter.set_aside(1)
        with pytest.raises(SpoolUnusable, match="keep it for the auditor"):
            put_back(submitter.spool, 1)
        assert path.exists()
        path.write_text("{}")
        with pytest.raises(SpoolUnusable, match="cannot be read as what was set aside"):
            all_aside(site.spool)


def test_setting_aside_that_was_cut_off_between_file_and_spool_is_done_again(
    site: Site, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_wait(site, clock, SMALL[0], SMALL[1])
    alter(site, 1)

    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    with site.submitter(clock) as submitter:
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(Spool, "take_out", cut_off)
            submitter.set_aside(1)
        assert submitter.spool.count() == 2
        submitter.set_aside(1)
        assert submitter.spool.count() == 1
    assert len(all_aside(site.spool)) == 1


def test_a_file_that_cannot_be_written_leaves_the_submission_where_it_was(site: Site, clock: Clock) -> None:
    let_wait(site, clock, SMALL[0])
    alter(site, 1)
    folder_of(site.spool).write_text("no folder")
    with site.submitter(clock) as submitter:
        with pytest.raises(SpoolUnusable, match="All that waits in it still waits"):
            submitter.set_aside(1)
        assert submitter.spool.count() == 1


@pytest.mark.broker
def test_brokers_that_take_less_than_a_submission_has_are_told_from_brokers_that_are_away(tmp_path: Path) -> None:
    (broker,) = start_cluster(tmp_path / "kafka")
    try:
        url = f"kafka://{broker.bootstrap}/kcpd"
        init_log(url, partitions=1, replication=1, min_isr=1).close()
        cases = [life(f"C-{number}")[0] for number in range(40)]
        large = action(report(unit="u" * 60), case_id="C-large", action_id=bytes(16))
        with Submitter(url, Spool(tmp_path / "spool", url, MASTER), {"request_timeout_ms": 2000}) as submitter:
            broker.kill()
            given = submitter.submit_many([*cases[:20], large, *cases[20:]], timeout=3)
            assert all(isinstance(one, Spooled) and one.code == "log-unreachable" for one in given)
            broker.start()
            largest = max(len(one.entry.value or b"") for one in submitter.spool.first(99) if one.number != 21)
            assert largest < len(submitter.spool.first(21)[-1].entry.value or b"")
            admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
            least = {"max.message.bytes": str(largest + 100)}
            admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, "kcpd.actions", configs=least)])
            admin.close()
            with pytest.raises(SpoolStuck, match="does not take a record of this size") as stuck:
                submitter.deliver(timeout=30)
            assert (stuck.value.number, submitter.spool.count()) == (21, 21)
            submitter.set_aside(21)
            assert len(submitter.deliver(timeout=30)) == 20
    finally:
        broker.kill()


# --- receipts ---


def test_receipts_that_were_handed_out_a_year_ago_are_dropped_and_others_are_kept(
    site: Site, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_wait(site, clock, *SMALL[:3])
    with site.submitter(clock) as submitter:
        submitter.deliver()
        first, second, _ = submitter.spool.to_hand_out(9)
        submitter.spool.handed_out([first])
        assert submitter.spool.receipt_for(SMALL[0].action_id) == first.receipt
        monkeypatch.setattr("casetrail.publishing.spool.KEPT", -60_000)  # they are older than that
        submitter.spool.handed_out([second])
        found = [submitter.spool.receipt_for(one.action_id) for one in SMALL[:3]]
        assert found[:2] == [None, None] and isinstance(found[2], Receipt)
        assert len(submitter.spool.to_hand_out(9)) == 1


def test_what_was_set_aside_from_a_spool_that_was_lost_is_not_written_over(site: Site, clock: Clock) -> None:
    let_wait(site, clock, SMALL[0])
    alter(site, 1)
    with site.submitter(clock) as submitter:
        path = submitter.set_aside(1)
    kept = path.read_bytes()
    site.spool.unlink()
    let_wait(site, clock, SMALL[1])  # the new one counts from 1 again
    alter(site, 1)
    with site.submitter(clock) as submitter:
        with pytest.raises(SpoolUnusable, match="holds another submission"):
            submitter.set_aside(1)
        assert path.read_bytes() == kept
        assert submitter.spool.count() == 1
        path.rename(path.with_name("of-the-old-spool"))
        assert submitter.set_aside(1) == path
