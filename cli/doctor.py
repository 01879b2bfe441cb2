"""``casetrail doctor``: what is configured, what of it works, and what to do about the rest."""

import shutil
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import format_option, guarded, now, opened_keyring, opened_log, pass_config
from casetrail.cli.render import emit
from casetrail.domain.deciding import CLOCK_TOLERANCE
from casetrail.domain.values import at_millis, iso
from casetrail.eventlog.opening import shown
from casetrail.eventlog.port import Topic

if TYPE_CHECKING:
    from casetrail.projections.database import Database

COLUMNS = ("check", "result", "detail")
LITTLE_ROOM = 1 << 30
"""Bytes: less than that free is said while there is still time."""


@click.command()
@format_option
@pass_config
@guarded
def doctor(config: Config, form: str) -> None:
    """Check configuration, log, topics, recorder, clock, views, keyring, spool and disk. Exit code 8 where something is wrong."""
    rows: list[dict[str, str]] = []
    for name, check in CHECKS.items():
        failed = {row["check"] for row in rows if row["result"] == "wrong"} & set(NEEDS.get(name, ()))
        if failed:
            rows.append({"check": name, "result": "not checked", "detail": f"first mend: {', '.join(sorted(failed))}"})
            continue
        try:
            wrong, detail = check(config)
        except click.ClickException as error:
            wrong, detail = True, error.message
        except Exception as error:  # a doctor reports what does not work, whatever it is
            wrong, detail = True, str(error) or type(error).__name__
        rows.append({"check": name, "result": "wrong" if wrong else "ok", "detail": detail})
    emit(rows, COLUMNS, form, "")
    if any(row["result"] == "wrong" for row in rows):
        click.get_current_context().exit(exits.FAULTS)


def _configuration(config: Config) -> tuple[bool, str]:
    who = "/".join(part or "?" for part in (config.person, config.role, config.agency))
    return False, f"file: {config.source or 'none'}; log: {shown(config.log_url())}; acting as {who}"


def _log(config: Config) -> tuple[bool, str]:
    with opened_log(config) as log:
        return False, f"'{log.name}', {log.partitions} partition(s)"


def _settings(config: Config) -> tuple[bool, str]:
    with opened_log(config) as log:
        found = log.weaknesses()
    if not found:
        return False, "nothing is weakened"
    return True, "; ".join(
        f"{one.topic}: {one.setting} is {one.found[:40]}" for one in found
    ) + "; see 'casetrail log check'"


def _recorder(config: Config) -> tuple[bool, str]:
    with opened_log(config) as log:
        actions, pending = log.end_offsets(Topic.ACTIONS), 0
        from casetrail.eventlog.codec import Unreadable, decode_event

        for partition, end in actions.items():
            last = log.last(Topic.EVENTS, partition)
            try:
                pending += end - (decode_event(last.value).action_offset + 1 if last is not None else 0)
            except Unreadable:
                foreign = f"the last record of the events in partition {partition} was not written by a recorder"
                return True, f"{foreign}; 'casetrail count' shows what else is wrong"
    if pending == 0:
        return False, "every submission has its outcome"
    return True, f"up to {pending} submission(s) wait for an outcome; is 'casetrail serve recorder' running?"


def _clock(config: Config) -> tuple[bool, str]:
    """Whether this machine's clock is behind the log: then nothing here is overdue that is."""
    with opened_log(config) as log:
        newest = [log.last(Topic.EVENTS, one) for one in range(log.partitions)]
    behind = max((at_millis(one.appended_at) for one in newest if one is not None), default=now()) - now()
    if behind <= CLOCK_TOLERANCE:
        return False, "not behind the log"
    return True, f"this machine's clock is {behind} behind the newest event of the log; set the one that is wrong"


def _views(config: Config) -> tuple[bool, str]:
    from casetrail.projections.database import open_database
    from casetrail.projections.errors import ViewMissing
    from casetrail.projections.views import Views

    embedded = config.log_url().startswith("sqlite:")
    with opened_log(config) as log:
        try:
            database = open_database(config.views_url())
        except ViewMissing as error:
            return not embedded, "none yet; the first query makes them" if embedded else str(error)
        try:
            views, ends = Views(database, log.name), log.end_offsets(Topic.EVENTS)
            left = [end - views.next_offset(one) for one, end in ends.items()]
            if min(left) < 0:
                ahead = "they have taken in more than the log holds; was it replaced by an older copy?"
                return True, f"{ahead} See docs/operations.md, and make them anew: 'casetrail views rebuild'"
            behind = sum(left)
            unjudged, judgements = _judgements(database, log.name, ends)
        finally:
            database.close()
    detail = f"{behind} offset(s) behind" + ("; the next query brings them up to date" if embedded and behind else "")
    return max(behind, unjudged) > 1000 and not embedded, f"{detail}; {judgements}"


def _judgements(database: "Database", log: str, ends: Mapping[int, int]) -> tuple[int, str]:
    """How many offsets the judgements beside the views are behind, and the same in words."""
    from casetrail.projections.database import has_judgements
    from casetrail.projections.judgement_queries import judged_up_to, stale

    if not has_judgements(database):
        return 0, "clocks and findings are not kept beside them"
    judged = judged_up_to(database, log)
    behind = sum(end - judged.get(one, 0) for one, end in ends.items())
    anew = stale(database)
    return behind, f"clocks and findings {behind} behind" + (f", {anew} to be judged anew" if anew else "")


def _spool(config: Config) -> tuple[bool, str]:
    from casetrail.cli.spool import waiting_in

    if config.spool is None:
        return False, "none is configured: while the log cannot be reached, nothing can be submitted from here"
    count, since = waiting_in(config)
    if not count or since is None:
        return False, "nothing waits"
    return (
        True,
        f"{count} submission(s) wait in {config.spool}, the first since {iso(since)}; 'casetrail spool deliver'",
    )


def _disk(config: Config) -> tuple[bool, str]:
    """Room where this machine writes: the log, the views, the keyring and the spool, as far as they are files here."""
    urls = (config.log_url(), config.views_url(), config.keyring_url())
    files = [Path(url.removeprefix("sqlite:")) for url in urls if url.startswith("sqlite:")]
    files += [Path(config.spool)] if config.spool else []
    free = {
        folder: shutil.disk_usage(folder).free
        for folder in {file.resolve().parent for file in files}
        if folder.exists()
    }
    low = [f"{folder}: {room / 2**20:,.0f} MB free" for folder, room in free.items() if room < LITTLE_ROOM]
    if low:
        return True, f"{'; '.join(low)}; make room before it is full: what cannot be written is refused, not lost"
    return False, f"{min(free.values()) / 2**30:,.1f} GB free" if free else "nothing is written on this machine"


def _machines(config: Config) -> tuple[bool, str]:
    """Which machines have given no heartbeat in time. One that has never run is not missed."""
    from casetrail.cli.context import opened_views
    from casetrail.domain.codes import MachineKind
    from casetrail.domain.detectors.history import History
    from casetrail.domain.detectors.machines import Machines, beatings
    from casetrail.domain.reserved import MACHINES
    from casetrail.eventlog.codec import decode_event
    from casetrail.eventlog.hashing import leaf_hash
    from casetrail.projections.queries import reserved, timeline

    machines, at = Machines(), now()
    this, last = at.strftime(":%Y-%m"), (at.replace(day=1) - timedelta(days=1)).strftime(":%Y-%m")
    with opened_views(config) as database:
        for key in reserved(database):
            if key.startswith(MACHINES) and key.endswith((this, last)):
                history = History(key)
                for _, _, value in timeline(database, key):
                    history.follow(decode_event(value).recorded(), leaf_hash(value))
                machines.add(beatings(history))
    silent = [
        f"{kind} since {iso(some[-1].until)}" for kind, some in sorted(machines.of.items()) if some[-1].until < at
    ]
    if silent:
        return True, f"no heartbeat of {', '.join(silent)}; is 'casetrail serve' running?"
    at_work = f"at work: {', '.join(sorted(machines.of)) or 'none that gives heartbeats'}"
    if MachineKind.RECORDER in machines.of or config.log_url().startswith("sqlite:"):
        return False, at_work
    return False, (
        f"{at_work}; no recorder gives any: it was started with '--heartbeat 0', or its user lacks the role 'submitter' "
        "('casetrail log access'), which its /health and its log then say"
    )


def _keyring(config: Config) -> tuple[bool, str]:
    url = config.keyring_url()
    if url.startswith("sqlite:") and not Path(url.removeprefix("sqlite:")).exists():
        return False, "none yet; it is made when the first field is sealed"
    keyring = opened_keyring(config)
    keyring.token_key()
    keyring.close()
    return False, "opens with the master key"


NEEDS = {
    "log": ("configuration",),
    "topic settings": ("configuration", "log"),
    "recorder": ("configuration", "log"),
    "clock": ("configuration", "log"),
    "views": ("configuration", "log"),
    "machines": ("configuration", "log", "views"),
    "keyring": ("configuration",),
    "spool": ("configuration",),
    "disk": ("configuration",),
}
"""What must be in order before a check says anything of its own."""

CHECKS: dict[str, Callable[[Config], tuple[bool, str]]] = {
    "configuration": _configuration,
    "log": _log,
    "topic settings": _settings,
    "recorder": _recorder,
    "clock": _clock,
    "views": _views,
    "machines": _machines,
    "keyring": _keyring,
    "spool": _spool,
    "disk": _disk,
}
