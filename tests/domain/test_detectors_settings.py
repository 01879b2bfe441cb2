"""Settings of detectors: where the defaults come from, what is wrong with a table, which policy a finding is judged by."""

from typing import Any

import pytest

from casetrail.domain.detectors.catalogue import EVERY
from casetrail.domain.detectors.detector import SECTIONS, Detector
from casetrail.domain.detectors.judging import SETTINGS, check_settings
from casetrail.domain.policy_file import PolicyFileInvalid, parse_policy
from tests.actions import HAPPENED
from tests.domain.clock_histories import day
from tests.domain.clock_stories import held, received
from tests.domain.detecting import found, history_of, judge, only, with_settings
from tests.domain.policies import changed, preset


def problems(text: str) -> list[tuple[str, ...]]:
    """What is wrong with tables of detectors: path, problem and advice."""
    with pytest.raises(PolicyFileInvalid) as raised:
        check_settings(with_settings(text))
    return [tuple(one) for one in raised.value.problems]


@pytest.mark.parametrize("name", ["generic", "missouri"])
def test_presets_set_what_detectors_have(name: str) -> None:
    assert set(check_settings(preset(name))) == set(SETTINGS)


def test_a_limit_is_that_of_the_clock_unless_it_is_set() -> None:
    lax = parse_policy(changed(('stop = ["screened_in", "screened_out"]\nlimit = "72 hours"',
                                'stop = ["screened_in", "screened_out"]\nlimit = "9 days"')))  # fmt: skip
    assert only(received(), "never_screened", day(30), lax).since == day(9)
    own = with_settings('[detectors.never_screened]\nlimit = "5 days"')
    assert only(received(), "never_screened", day(30), own).since == day(5)
    without = parse_policy(changed(("[clocks.screening]", "[clocks.sifting]")))
    assert only(received(), "never_screened", day(30), without).since == day(3)


def test_settings_are_shown_with_what_they_rest_on() -> None:
    settings = check_settings(preset())
    assert settings["never_assigned"].shown() == {"limit": "1 day on business_days"}
    assert settings["shuffled"].shown() == {"most": "2"}
    assert settings["partner_waiting"].shown() == {
        "limit": "7 days",
        "services": "forensic_interview, medical_evaluation",
    }


def test_all_that_is_wrong_is_named_at_once_with_what_to_do() -> None:
    listed = problems(
        "[detectors.shuffeld]\n[detectors.shuffled]\nmost = -1\nleast = 2\n[detectors.untouched]\nlimit = 14\n"
        '[detectors.closed_without_work]\nneeds = ["victim_contct"]\n[detectors.no_contact]\nescalation = "usal"\n'
        "off = 1"
    )
    assert listed == [
        ("detectors.shuffeld", "is no detector", "write shuffled"),
        ("detectors.shuffled.most", "is -1", "write a whole number from 0 to 100"),
        ("detectors.shuffled.least", "is not a key that is known here", "remove it, or write one of most, off, escalation"),
        ("detectors.untouched.limit", "is 14", 'write a number with minutes, hours or days, such as "24 hours"'),
        ("detectors.no_contact.escalation", "is 'usal', which is not in [escalations]", "write usual"),
        ("detectors.no_contact.off", "is 1", "write true or false"),
        ("detectors.closed_without_work.needs[0]", "is 'victim_contct'", "write victim_contact"),
    ]  # fmt: skip


@pytest.mark.parametrize("value", ["0x" + "f" * 9_000, "nan", "inf", "[[1]]", "{ a.b = 1 }", "'\\u001b[2J'"])
def test_no_value_of_a_setting_breaks_whoever_reads_the_policy(value: str) -> None:
    for name, settings in SETTINGS.items():
        for one in settings:
            assert problems(f"[detectors.{name}]\n{one.name} = {value}")


def test_a_detector_that_is_turned_off_finds_nothing() -> None:
    assert found(received(), "never_screened", day(9), with_settings("[detectors.never_screened]\noff = true")) == []
    assert (
        len(found(received(), "never_screened", day(9), with_settings("[detectors.never_screened]\noff = false"))) == 1
    )


def test_the_policy_names_who_is_told_and_when() -> None:
    urgent = with_settings('[detectors.never_screened]\nescalation = "urgent"')
    told = only(received(), "never_screened", day(9), urgent).told()
    assert [(one.level.value, one.who) for one in told[:3]] == [
        ("holder", ("child-crimes/intake",)),
        ("supervisor", ("child-crimes/supervisor",)),
        ("commander", ("child-crimes/commander",)),
    ]
    assert told[1].at == day(3)


def test_a_finding_is_judged_by_the_policy_in_force_when_it_began_and_its_id_by_none() -> None:
    lax = with_settings('[detectors.untouched]\nlimit = "60 days"')
    history = history_of(held().events)
    (one,) = judge((HAPPENED, preset()), (day(5), lax), detectors=["untouched"]).case(history, day(99))
    (other,) = judge((HAPPENED, lax), detectors=["untouched"]).case(history, day(99))
    assert (one.since, other.since) == (day(14), day(60))
    assert one.id == other.id and len(one.id) == 16


@pytest.mark.parametrize("detector", EVERY, ids=lambda one: one.name)
def test_every_detector_has_a_page(detector: Detector[Any]) -> None:
    assert detector.about.endswith(".") and all(detector.section(name) for name in SECTIONS)
    assert all(setting.meaning and setting.source for setting in detector.settings)
