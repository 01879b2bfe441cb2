"""What is done to a site: each injury is a name, how it is known that it was done, how much of it there is, and what it does.

An injury says whether it was seen to have been inflicted: a process that had just ended by itself was not killed, and a disk
that was full while nobody wrote to it has shown nothing. Only what was seen is counted.
"""

import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from kafka import KafkaAdminClient

from tests.faults.site import Service, Site
from tests.servers.kafka import Broker
from tests.servers.processes import is_asleep

Inflict = Callable[[Site, random.Random], bool]
"""Does it; whether it was seen to be done."""

ZOMBIE_SLEEPS: Final = 5.0
"""Seconds: longer than the session timeout, so that another takes over before it wakes up."""
LEADERLESS: Final = 12.0
"""Seconds: longer than brokers wait for one that says nothing, so that others lead its partitions."""
PATIENCE: Final = 60.0
"""Seconds for which a disk stays full at most until a write has failed, and for which a notary is waited for that was fenced."""
BEGINS_FROM_NOTHING: Final = 120.0
"""Seconds for which a second notary is waited for: the first time it builds the whole tree before it publishes."""
FENCED: Final = "has taken over"
TAKES_OVER: Final = "recording from action"
UNWRITABLE: Final = {
    "recorder-1": "the state file",
    "watchdog-1": "the watchdog's file",
    "notary-1": "cannot be read or written",
    "load-1": "spool-unusable",
}
"""What each says where its disk is full."""


class Injury(NamedTuple):
    """``shown_by``: how it is seen. ``weight``: how often it is chosen, relative to others. ``kills``: how many processes it kills."""

    name: str
    shown_by: str
    weight: int
    kills: int
    inflict: Inflict
    needs_small_disks: bool = False


def _killing(beginning: str) -> Inflict:
    def inflict(site: Site, chance: random.Random) -> bool:
        victim = chance.choice(site.named(beginning))
        is_killed = victim.kill()
        victim.start()
        return is_killed

    return inflict


def _pausing(beginning: str, seconds: float) -> Inflict:
    def inflict(site: Site, chance: random.Random) -> bool:
        return chance.choice(site.named(beginning)).sleep(seconds)

    return inflict


def _zombie(site: Site, victim: Service) -> bool:
    """Let a recorder sleep until another has taken over, and wake it up; whether that was so."""
    others = {one: one.written() for one in site.named("recorder") if one is not victim}
    slept = victim.sleep(ZOMBIE_SLEEPS)
    return slept and any(one.says(TAKES_OVER, since, 0) for one, since in others.items())


def _zombie_recorder(site: Site, chance: random.Random) -> bool:
    return _zombie(site, chance.choice(site.named("recorder")))


def _woken_and_killed(site: Site, chance: random.Random) -> bool:
    victim = chance.choice(site.named("recorder"))
    was_zombie = _zombie(site, victim)
    time.sleep(chance.uniform(0.0, 0.3))
    is_killed = victim.kill()
    victim.start()
    return was_zombie and is_killed


def _both_recorders(site: Site, chance: random.Random) -> bool:
    are_killed = [victim.kill() for victim in site.named("recorder")]
    time.sleep(chance.uniform(0.0, 1.0))
    for victim in site.named("recorder"):
        victim.start()
    return all(are_killed)


def _zombie_notary(site: Site, chance: random.Random) -> bool:
    """A second notary, on another machine, works while the first sleeps; then there are two, until the second is killed."""
    first, second = site.services["notary-1"], site.second_notary
    first.signal(signal.SIGSTOP)
    since = second.written()
    second.start()
    has_published = second.says("leaves published", since, BEGINS_FROM_NOTHING)
    since = first.written()
    first.signal(signal.SIGCONT)
    was_fenced = first.says(FENCED, since, PATIENCE)
    time.sleep(chance.uniform(0.0, 3.0))
    return second.kill() and has_published and was_fenced


def _broker_killed(site: Site, chance: random.Random) -> bool:
    broker = chance.choice(site.brokers)
    was_running = broker.process is not None and broker.process.poll() is None
    broker.kill()
    time.sleep(chance.uniform(0.5, 4.0))
    broker.start()
    return was_running


def _broker_lost(site: Site, chance: random.Random) -> bool:
    leading = _leaders(site.brokers)
    broker = chance.choice([one for one in site.brokers if one.number in leading])
    if not (others := [one for one in site.brokers if one is not broker]):
        return False
    broker.kill()
    time.sleep(LEADERLESS)
    leading = _leaders(others)
    broker.start()
    return broker.number not in leading


def _leaders(asked: Sequence[Broker]) -> set[int]:
    """The numbers of the brokers that lead a partition of the log, by what those say that are asked."""
    admin = KafkaAdminClient(bootstrap_servers=[one.bootstrap for one in asked])
    try:
        described = admin.describe_topics(["kcpd.actions", "kcpd.events"])
    finally:
        admin.close()
    return {partition["leader_id"] for topic in described for partition in topic["partitions"]}


def _broker_paused(site: Site, chance: random.Random) -> bool:
    broker = chance.choice(site.brokers)
    broker.signal(signal.SIGSTOP)
    time.sleep(chance.uniform(1.0, 6.0))
    slept = broker.process is not None and is_asleep(broker.process.pid)
    broker.signal(signal.SIGCONT)
    return slept


def _postgres_crash(site: Site, chance: random.Random) -> bool:
    before = site.postgres.recoveries()
    site.postgres.kill()
    time.sleep(chance.uniform(0.0, 2.0))
    site.postgres.start()
    return site.postgres.recoveries() > before


def _postgres_paused(site: Site, chance: random.Random) -> bool:
    site.postgres.signal(signal.SIGSTOP)
    time.sleep(chance.uniform(1.0, 6.0))
    slept = is_asleep(site.postgres.leader)
    site.postgres.signal(signal.SIGCONT)
    return slept


def _filling(name: str) -> Inflict:
    """Keep a disk full until a write to it has failed: what is written over takes no more room, so that may take a while."""

    def inflict(site: Site, chance: random.Random) -> bool:
        victim = site.services[name]
        since = victim.written()
        with site.disks[name].full():
            has_failed = victim.says(UNWRITABLE[name], since, PATIENCE)
            time.sleep(chance.uniform(0.0, 2.0))
        return has_failed

    return inflict


def _spool_full(site: Site, chance: random.Random) -> bool:
    """The disk of a spool is full while all brokers sleep: only then is anything written to it."""
    for broker in site.brokers:
        broker.signal(signal.SIGSTOP)
    try:
        return _filling("load-1")(site, chance)
    finally:
        for broker in site.brokers:
            broker.signal(signal.SIGCONT)


GONE: Final = "the process ended by this signal"
ASLEEP: Final = "the process stood still (state T)"
FULL: Final = "a write failed, by its own words"

INJURIES: Final = (
    Injury("recorder killed (SIGKILL)", GONE, 10, 1, _killing("recorder")),
    Injury("both recorders killed", GONE, 2, 2, _both_recorders),
    Injury(
        "recorder asleep past its session, and awake again (SIGSTOP, zombie)", "another recorder took over", 2, 0,
        _zombie_recorder,
    ),
    Injury("zombie recorder awake, then killed", "another recorder took over", 1, 1, _woken_and_killed),
    Injury("projector killed", GONE, 5, 1, _killing("projector")),
    Injury("projector asleep", ASLEEP, 1, 0, _pausing("projector", 2.0)),
    Injury("notary killed", GONE, 4, 1, _killing("notary")),
    Injury("notary asleep", ASLEEP, 1, 0, _pausing("notary", 3.0)),
    Injury(
        "notary asleep while a second one works, and awake again (zombie)",
        "the second published, and the first was fenced", 1, 1, _zombie_notary,
    ),
    Injury("watchdog killed", GONE, 3, 1, _killing("watchdog")),
    Injury("watchdog asleep", ASLEEP, 1, 0, _pausing("watchdog", 3.0)),
    Injury("submitting service killed", GONE, 4, 1, _killing("load")),
    Injury("submitting service asleep", ASLEEP, 1, 0, _pausing("load", 2.0)),
    Injury("broker killed", GONE, 2, 1, _broker_killed),
    Injury("broker lost, others lead its partitions", "it led some before, and none afterwards", 1, 1, _broker_lost),
    Injury("broker asleep", ASLEEP, 1, 0, _broker_paused),
    Injury("PostgreSQL crashed and recovered", "it recovered, by its own words", 2, 1, _postgres_crash),
    Injury("PostgreSQL asleep", ASLEEP, 1, 0, _postgres_paused),
    Injury("recorder's disk full", FULL, 1, 0, _filling("recorder-1"), needs_small_disks=True),
    Injury("watchdog's disk full", FULL, 1, 0, _filling("watchdog-1"), needs_small_disks=True),
    Injury("notary's disk full", FULL, 1, 0, _filling("notary-1"), needs_small_disks=True),
    Injury("spool's disk full while all brokers are asleep", FULL, 1, 0, _spool_full, needs_small_disks=True),
)  # fmt: skip


def schedule(seed: int, has_small_disks: bool) -> Iterator[Injury]:
    """The injuries of a run, one after the other, without end."""
    chance = random.Random(seed)
    possible = [one for one in INJURIES if has_small_disks or not one.needs_small_disks]
    while True:
        yield from chance.choices(possible, [one.weight for one in possible])
