"""A machine that falls silent is seen, whoever has stopped it."""

from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from casetrail.domain.actions import Actor
from casetrail.domain.case import Case, Recorded
from casetrail.domain.codes import Level, MachineKind, Role
from casetrail.domain.deciding import decide
from casetrail.domain.detectors.finding import Evidence, Finding
from casetrail.domain.detectors.machines import Beating, Machines, joined
from casetrail.domain.heartbeat import Heartbeat, machine_key
from casetrail.domain.registry import Overseer
from casetrail.domain.reserved import is_reserved
from tests.actions import HAPPENED, SERGEANT, action, report
from tests.domain.detecting import SECOND, history_of, judge
from tests.domain.escalation_examples import finding

WATCHDOG = Actor("watchdog.1", "metro-pd", Role.SYSTEM)
MINUTE = timedelta(minutes=1)


def minute(number: float) -> datetime:
    return HAPPENED + number * MINUTE


def beats(
    *at: datetime, machine: str = "w1", kind: MachineKind = MachineKind.WATCHDOG
) -> list[tuple[str, list[Recorded]]]:
    """The histories of heartbeats that each promise the next one within ten minutes."""
    cases: dict[str, Case] = {}
    for moment in at:
        key = machine_key(machine, moment)
        case = cases.setdefault(key, Case.unreported(key))
        asked = action(Heartbeat(machine, kind, 600), WATCHDOG, key, moment)
        body = decide(case, asked, moment)
        assert body is asked.body, body
        case.record(asked, body, moment)
    return [
        (key, [event for event in case.collect_events() if isinstance(event, Recorded)]) for key, case in cases.items()
    ]


def silences(now: datetime, *histories: tuple[str, list[Recorded]]) -> list[Finding]:
    judging = judge(detectors=["silent_machine"])
    for key, events in histories:
        judging.count(history_of(events, key))
    return list(judging.many(now))


SIGNS = st.builds(
    lambda at, within, number, agency: Beating(
        MachineKind.RECORDER, agency, minute(at), minute(at + within), *[Evidence(f"machine:r{number}", at, b"")] * 2
    ),
    st.integers(0, 20), st.integers(0, 6), st.integers(1, 3), st.sampled_from(["county", "metro-pd"]),
)  # fmt: skip
"""Single heartbeats, many of them in the same millisecond as another machine's."""


@given(
    signs=st.lists(SIGNS, max_size=12, unique_by=lambda one: one.first),
    data=st.data(),
    cuts=st.sets(st.integers(1, 11)),
)
def test_heartbeats_are_joined_to_the_same_whichever_come_first(
    signs: list[Beating], data: st.DataObject, cuts: set[int]
) -> None:
    other = data.draw(st.permutations(signs))
    parts = [other[start:end] for start, end in pairwise([0, *sorted(cuts), len(other)]) if start < end]
    machines = Machines()
    for part in parts:
        machines.add(joined(part))
    assert machines.of[MachineKind.RECORDER] == joined(signs)


def test_a_watchdog_that_is_stopped_is_seen_after_what_it_promised_and_the_time_of_grace() -> None:
    alive = beats(minute(0), minute(9), minute(18))
    assert silences(minute(38), *alive) == []
    (one,) = silences(minute(38) + SECOND, *alive)
    assert (one.about, one.subject, one.since, one.is_open) == ("machine", "watchdog", minute(38), True)
    assert str(one.evidence[0]).startswith("machine:w1:2026-03#3:")


def test_the_next_heartbeat_of_its_kind_ends_a_silence_and_leaves_it_on_record() -> None:
    again = [*beats(minute(0)), *beats(minute(60), machine="w2")]
    (one,) = silences(minute(61), *again)
    assert (one.since, one.settled_at) == (minute(20), minute(60))
    assert one.settled_by is not None and one.settled_by.case_id == "machine:w2:2026-03"
    assert one.id == silences(minute(30), *again)[0].id
    assert silences(minute(61), *beats(minute(0)), *beats(minute(60), machine="r1", kind=MachineKind.RECORDER))[
        0
    ].is_open


def test_machines_of_one_kind_stand_in_for_each_other() -> None:
    first = beats(*[minute(20 * number) for number in range(5)])
    second = beats(*[minute(20 * number + 10) for number in range(5)], machine="w2")
    assert silences(minute(100), *first, *second) == []
    assert silences(minute(100), *second, *first) == [], "in whichever order they are counted"


def test_a_month_that_ends_is_no_silence() -> None:
    end = datetime(2026, 3, 31, 23, 55, tzinfo=HAPPENED.tzinfo)
    histories = beats(end, end + 9 * MINUTE)
    assert [key for key, _ in histories] == ["machine:w1:2026-03", "machine:w1:2026-04"]
    assert silences(end + 15 * MINUTE, *histories) == []


def test_of_a_silent_machine_the_agency_that_runs_it_is_told_and_those_with_oversight() -> None:
    (one,) = silences(minute(100), *beats(minute(0)))
    told = {told.level: told.who for told in one.told([Overseer("inspectorate", HAPPENED)])}
    assert told == {Level.HOLDER: ("metro-pd",), Level.OVERSIGHT: ("inspectorate",)}, "it is no unit's"
    late = one.told([Overseer("inspectorate", minute(90_000)), Overseer("council", minute(95_000))])
    assert late[-1] == (Level.OVERSIGHT, ("inspectorate",), minute(90_000)), "when somebody has it at last"


def test_heartbeats_make_no_case() -> None:
    ((key, events),) = beats(minute(0))
    case = Case.unreported(key)
    for event in events:
        event.mutate(case)
    assert not case.is_open and case.facts.received_at is None
    assert is_reserved(key) and is_reserved("registry") and not is_reserved("machines-1")
    refused = decide(case, action(report(), SERGEANT, key), minute(1))
    assert getattr(refused, "code", None) == "reserved-case-id"


def test_a_finding_about_people_or_machines_is_answered_in_the_registry_and_of_no_unknown_case() -> None:
    answer = finding("0123456789abcdef")
    in_registry = action(answer.body, SERGEANT, "registry")
    assert decide(Case.unreported("registry"), in_registry, HAPPENED) is answer.body
    assert getattr(decide(Case.unreported("C-1"), answer, HAPPENED), "code", None) == "no-such-case"
    in_machine = action(answer.body, SERGEANT, "machine:w1:2026-03")
    assert (
        getattr(decide(Case.unreported("machine:w1:2026-03"), in_machine, HAPPENED), "code", None) == "reserved-case-id"
    )
