"""What is done to a site: each injury is a name, how much of it there is, and what it does."""

import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

from tests.faults.site import SMALL_DISK, Service, Site

ZOMBIE_SLEEPS: Final = 5.0
"""Seconds: longer than the session timeout, so that another takes over before it wakes up."""


class Injury(NamedTuple):
    """``weight``: how often it is chosen, relative to others. ``kills``: how many processes it kills."""

    name: str
    weight: int
    kills: int
    inflict: Callable[[Site, random.Random], None]


def _killing(beginning: str) -> Callable[[Site, random.Random], None]:
    def inflict(site: Site, chance: random.Random) -> None:
        victim = chance.choice(site.named(beginning))
        victim.kill()
        victim.start()

    return inflict


def _pausing(beginning: str, seconds: float) -> Callable[[Site, random.Random], None]:
    def inflict(site: Site, chance: random.Random) -> None:
        _sleep(site, chance.choice(site.named(beginning)), seconds)

    return inflict


def _sleep(site: Site, victim: Service, seconds: float) -> None:
    victim.signal(signal.SIGSTOP)
    time.sleep(seconds)
    victim.signal(signal.SIGCONT)


def _woken_and_killed(site: Site, chance: random.Random) -> None:
    victim = chance.choice(site.named("recorder"))
    _sleep(site, victim, ZOMBIE_SLEEPS)
    time.sleep(chance.uniform(0.0, 0.3))
    victim.kill()
    victim.start()


def _both_recorders(site: Site, chance: random.Random) -> None:
    for victim in site.named("recorder"):
        victim.kill()
    time.sleep(chance.uniform(0.0, 1.0))
    for victim in site.named("recorder"):
        victim.start()


def _broker_lost(site: Site, chance: random.Random) -> None:
    broker = chance.choice(site.brokers)
    broker.kill()
    time.sleep(chance.uniform(0.5, 4.0))
    broker.start()


def _broker_paused(site: Site, chance: random.Random) -> None:
    broker = chance.choice(site.brokers)
    broker.signal(signal.SIGSTOP)
    time.sleep(chance.uniform(1.0, 6.0))
    broker.signal(signal.SIGCONT)


def _postgres_crash(site: Site, chance: random.Random) -> None:
    site.postgres.kill()
    time.sleep(chance.uniform(0.0, 2.0))
    site.postgres.start()


def _disk_full(site: Site, chance: random.Random) -> None:
    if not site.has_small_disk:
        return
    filler = site.small_disk / "filler"
    with suppress(OSError):  # it is full then: that is what it is for
        filler.write_bytes(bytes(SMALL_DISK))
    time.sleep(chance.uniform(2.0, 5.0))
    filler.unlink(missing_ok=True)


INJURIES: Final = (
    Injury("recorder killed (SIGKILL)", 10, 1, _killing("recorder")),
    Injury("both recorders killed", 2, 2, _both_recorders),
    Injury(
        "recorder asleep past its session, and awake again (SIGSTOP, zombie)", 2, 0, _pausing("recorder", ZOMBIE_SLEEPS)
    ),
    Injury("zombie recorder awake, then killed", 1, 1, _woken_and_killed),
    Injury("projector killed", 5, 1, _killing("projector")),
    Injury("projector asleep", 1, 0, _pausing("projector", 2.0)),
    Injury("notary killed", 4, 1, _killing("notary")),
    Injury("notary asleep", 1, 0, _pausing("notary", 3.0)),
    Injury("watchdog killed", 3, 1, _killing("watchdog")),
    Injury("submitting service killed", 4, 1, _killing("load")),
    Injury("submitting service asleep", 1, 0, _pausing("load", 2.0)),
    Injury("broker killed, leaders change", 2, 1, _broker_lost),
    Injury("broker asleep", 1, 0, _broker_paused),
    Injury("PostgreSQL crashed and recovered", 2, 1, _postgres_crash),
    Injury("recorder's disk full", 1, 0, _disk_full),
)
