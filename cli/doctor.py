"""``casetrail doctor``: what is configured, what of it works, and what to do about the rest."""

import re
import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import format_option, guarded, now, opened_keyring, opened_log, pass_config
from casetrail.cli.render import emit
from casetrail.domain.codes import MachineKind
from casetrail.domain.deciding import CLOCK_TOLERANCE
from casetrail.domain.values import EPOCH, at_millis, iso
from casetrail.eventlog.opening import shown
from casetrail.eventlog.port import Topic

if TYPE_CHECKING:
    from casetrail.privacy.keyring import Keyring
    from casetrail.projections.database import Database

COLUMNS = ("check", "result", "detail")
NEEDLESS = (MachineKind.RECORDER, MachineKind.PROJECTOR)
"""Machines that an embedded log does without: whoever submits or asks does their work."""
PASSWORD: Final = re.compile(r"//[^/@]*:[^/]*@|[?&]password=")
"""In an address of PostgreSQL."""


@click.command()
@format_option
@pass_config
@guarded
def doctor(config: Config, form: str) -> None:
    """Check configuration, passwords, log, topics, policy, recorder, clock, views, machines, who is told, keyring, spool and disk.

    Exit code 8 where something is wrong.
    """
    rows: list[dict[str, str]] = []
    for name, check in CHECKS.items():
        failed = {row["check"] for row in rows if row["result"] == "wrong"} & set(NEEDS.get(name, ()))
        if failed and (failed != {"log"} or name not in WITHOUT_LOG):
            rows.append({"check": name, "result": "not checked", "detail": _first_mend(failed)})
            continue
        try:
            if failed:
                rows.append({"check": name, "result": "not checked", "detail": WITHOUT_LOG[name](config)})
                continue
            wrong, detail = check(config)
        except click.ClickException as error:
            wrong, detail = True, error.message
        except Exception as error:  # a doctor reports what does not work, whatever it is
            wrong, detail = True, str(error) or type(error).__name__
        rows.append({"check": name, "result": "wrong" if wrong else "ok", "detail": detail})
    emit(rows, COLUMNS, form, "")
    if any(row["result"] == "wrong" for row in rows):
        click.get_current_context().exit(exits.FAULTS)


def _first_mend(failed: Iterable[str]) -> str:
    return f"first mend: {', '.join(sorted(failed))}"


def _configuration(config: Config) -> tuple[bool, str]:
    who = "/".join(part or "?" for part in (config.person, config.role, config.agency))
    return False, f"file: {config.source or 'none'}; log: {shown(config.log_url())}; acting as {who}"


def _passwords(config: Config) -> tuple[bool, str]:
    """Whether others may read a configuration that holds a password: of brokers, or of a database with persons' keys."""
    if not (config.source and _holds_password(Path(config.source))):
        return False, "none in the configuration"
    mode = Path(config.source).stat().st_mode & 0o777
    if mode & 0o077:
        return True, (
            f"others than its owner may read the passwords in {config.source} (mode {mode:o}): run chmod 600 on it, and change them"
        )
    return False, f"in {config.source}, for its owner alone"


def _holds_password(file: Path) -> bool:
    found = tomllib.loads(file.read_text("utf-8-sig"))
    of_clients = any("password" in name and value for name, value in found.get("kafka", {}).items())
    addresses = (str(found[name]) for name in ("views", "keyring") if name in found)
    return of_clients or any(PASSWORD.search(one) for one in addresses if not one.startswith("sqlite:"))


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


def _policy(config: Config) -> tuple[bool, str]:
    """Whether the trust policy can be read, and believes the log's newest checkpoint."""
    from casetrail.cli.context import loaded_policy
    from casetrail.proofs.errors import NoteInvalid
    from casetrail.proofs.newest import newest_checkpoint
    from casetrail.proofs.note import parse_note

    if (policy := loaded_policy(config)) is None:
        return False, "none is configured: no proof is made or checked without one"
    with opened_log(config) as log:
        note = newest_checkpoint(log)
    if note is None:
        return False, f"{config.policy} can be read; the log has no checkpoint yet"
    try:
        checkpoint = policy.check(parse_note(note)).checkpoint
    except NoteInvalid as error:
        return True, f"the log's newest checkpoint is signed by no key that {config.policy} names ({error})"
    return False, f"{config.policy} names the key that signs the log, {checkpoint.origin}"


def _recorder(config: Config) -> tuple[bool, str]:
    with opened_log(config) as log:
        actions, pending = log.end_offsets(Topic.ACTIONS), 0
        from casetrail.consumers.pending import answered
        from casetrail.eventlog.codec import Unreadable

        for partition, end in actions.items():
            try:
                pending += end - answered(log, partition)
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
    from casetrail.projections.fitting import check_fit
    from casetrail.projections.views import Views

    embedded = config.log_url().startswith("sqlite:")
    with opened_log(config) as log:
        try:
            database = open_database(config.views_url())
        except ViewMissing as error:
            return not embedded, "none yet; the first query makes them" if embedded else str(error)
        try:
            views, ends = Views(database, log.name), log.end_offsets(Topic.EVENTS)
            positions = {one: views.next_offset(one) for one in ends}
            check_fit(database, log, positions)
            behind = sum(end - positions[one] for one, end in ends.items())
            unjudged, judgements = _judgements(database, log.name, ends)
        finally:
            database.close()
    detail = f"{behind} offset(s) behind" + ("; the next query brings them up to date" if embedded and behind else "")
    return max(behind, unjudged) > 1000 and not embedded, f"{detail}; {judgements}"


def _views_alone(config: Config) -> str:
    """Whether the views can be reached, where the log cannot: it takes both to say how far they are behind."""
    from casetrail.projections.database import open_database
    from casetrail.projections.errors import ViewMissing

    with suppress(ViewMissing):
        open_database(config.views_url()).close()
    return f"they can be reached; {_first_mend(['log'])}"


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
    from casetrail.cli.spool import standing_of

    if config.spool is None:
        return False, "none is configured: while the log cannot be reached, nothing can be submitted from here"
    found = standing_of(config)
    told = []
    if found.waiting and found.since is not None:
        told.append(
            f"{found.waiting} submission(s) wait in {config.spool}, the first since {iso(found.since)}; 'casetrail spool deliver'"
        )
    if found.aside:
        told.append(f"{found.aside} set aside, in no log; 'casetrail spool list'")
    return bool(told), "; ".join(told) or "nothing waits"


def _disk(config: Config) -> tuple[bool, str]:
    """Room wherever this machine writes."""
    from casetrail.cli.disks import places, room_at
    from casetrail.consumers.health import little_room

    free = {name: room_at(path) for name, path in places(config).items()}
    if low := little_room(free):
        return True, f"{low}; make room before it is full: what cannot be written is refused, not lost"
    return False, f"{min(free.values()) / 2**30:,.1f} GB free"


def _machines(config: Config) -> tuple[bool, str]:
    """Which kinds of machine have given no heartbeat in time, and who of one that has.

    A kind that has not been heard for long is named, and no fault: not every log has a notary or an outbox.
    """
    from casetrail.cli.context import opened_views
    from casetrail.domain.detectors.history import History
    from casetrail.domain.detectors.machines import Machines, beatings
    from casetrail.domain.reserved import MACHINES
    from casetrail.eventlog.codec import decode_event
    from casetrail.eventlog.hashing import leaf_hash
    from casetrail.projections.queries import reserved, timeline

    embedded = config.log_url().startswith("sqlite:")
    machines, at, last_of = Machines(), now(), dict[str, datetime]()
    this, last = at.strftime(":%Y-%m"), (at.replace(day=1) - timedelta(days=1)).strftime(":%Y-%m")
    with opened_views(config) as database:
        for key in reserved(database):
            if key.startswith(MACHINES) and key.endswith((this, last)):
                history = History(key)
                for _, _, value in timeline(database, key):
                    history.follow(decode_event(value).recorded(), leaf_hash(value))
                found = beatings(history)
                machines.add(found)
                name = key.removeprefix(MACHINES).rpartition(":")[0]
                last_of[name] = max([last_of.get(name, EPOCH), *(one.until for one in found)])
        unheard = _unheard(database, machines.of, NEEDLESS if embedded else ())
    silent = [
        f"{kind} since {iso(some[-1].until)}" for kind, some in sorted(machines.of.items()) if some[-1].until < at
    ]
    if silent:
        return True, f"no heartbeat of {', '.join(silent)}; is 'casetrail serve' running?"
    at_work = f"at work: {', '.join(sorted(machines.of)) or 'none that gives heartbeats'}"
    if unheard:
        at_work += f"; not heard this month or the last: {', '.join(unheard)}"
    if gone := [f"{name} since {iso(until)}" for name, until in sorted(last_of.items()) if until < at]:
        at_work += f"; silent while others of the kind work: {', '.join(gone)}"
    if MachineKind.RECORDER in machines.of or embedded:
        return False, at_work
    return False, (
        f"{at_work}; no recorder gives any: it was started with '--heartbeat 0', or its user lacks the role 'submitter' "
        "('casetrail log access'), which its /health and its log then say"
    )


def _unheard(database: "Database", heard: Collection[MachineKind], needless: Collection[MachineKind]) -> list[str]:
    """The kinds of machine that have not been heard, each with until when it last was, where that is known.

    None where none ever was: who submits and asks by hand runs no machines.
    """
    from casetrail.projections.board import heard_until
    from casetrail.projections.database import has_judgements

    before = heard_until(database) if has_judgements(database) else {}
    return [
        f"{kind} (the last until {iso(before[kind])})" if kind in before else kind.value
        for kind in MachineKind
        if (heard or before) and kind not in heard and (kind in before or kind not in needless)
    ]


def _escalation(config: Config) -> tuple[bool, str]:
    """At which levels of the policy in force nobody is told. That says something once the registry knows agencies."""
    from casetrail.cli.case_histories import history_of
    from casetrail.cli.context import opened_views
    from casetrail.cli.policies import adopted, untold
    from casetrail.domain.registry import REGISTRY, agencies

    with opened_views(config) as database:
        registry = history_of(database, REGISTRY)
    if not agencies(registry):
        return False, "the registry knows no agencies: of what is missed, nobody who has oversight is told"
    nobody = untold(registry, config.agency or "", adopted(registry, config.agency).at(now()))
    if nobody is None:
        return False, "the registry knows somebody at each level of the policy in force"
    return (
        True,
        f"{nobody}; register them ('casetrail registry --by agency' shows who is), or what is missed ends below",
    )


def _keyring(config: Config) -> tuple[bool, str]:
    """Whether the keyring opens, and opens what the agency of who acts has sealed lately."""
    keyring = None if _is_file_missing(config) else opened_keyring(config)
    if keyring is None and config.keyring is None and not config.log_url().startswith("sqlite:"):
        return False, "none on this machine; it is made when the first field is sealed"
    try:
        lost = _lost_keys(config, keyring)
    finally:
        if keyring is not None:
            keyring.close()
    if lost:
        return True, lost
    return (
        False,
        "none yet; it is made when the first field is sealed" if keyring is None else "opens with the master key",
    )


def _keyring_alone(config: Config) -> str:
    """Whether the keyring opens, where the log cannot be reached: it takes both to say whether it has the keys."""
    if not _is_file_missing(config):
        opened_keyring(config).close()
        return f"opens with the master key; {_first_mend(['log'])}"
    return f"none on this machine; {_first_mend(['log'])}"


def _is_file_missing(config: Config) -> bool:
    """Whether neither a keyring in a file is there, nor the master key that was made with it."""
    url = config.keyring_url()
    path = Path(url.removeprefix("sqlite:"))
    return url.startswith("sqlite:") and not (path.exists() or path.with_name(f"{path.name}.master").exists())


def _lost_keys(config: Config, keyring: "Keyring | None") -> str:
    """Which of the newest sealed texts cannot be opened, in words; empty where all can."""
    from casetrail.cli.lost_keys import unreadable

    found = unreadable(config, keyring)
    told = [
        f"{len(cases)} {what} (such as {cases[0]})"
        for cases, what in (
            (found.missing, "have no key here"),
            (found.other, "have texts that their key does not open"),
        )
        if cases
    ]
    if not told:
        return ""
    return (
        f"of the {found.looked_at} cases in which {config.agency} sealed texts lately, {' and '.join(told)}: it is another keyring "
        "than then, an older copy, or keys are lost; restore it from its backup (docs/sealing.md)"
    )


NEEDS = {
    "log": ("configuration",),
    "topic settings": ("configuration", "log"),
    "policy": ("configuration", "log"),
    "recorder": ("configuration", "log"),
    "clock": ("configuration", "log"),
    "views": ("configuration", "log"),
    "machines": ("configuration", "log", "views"),
    "escalation": ("configuration", "log", "views"),
    "keyring": ("configuration", "log"),
    "spool": ("configuration",),
    "disk": ("configuration",),
}
"""What must be in order before a check says anything of its own."""

WITHOUT_LOG: dict[str, Callable[[Config], str]] = {"views": _views_alone, "keyring": _keyring_alone}
"""What can be said of some checks all the same where nothing but the log is wrong: often more than one part is away."""

CHECKS: dict[str, Callable[[Config], tuple[bool, str]]] = {
    "configuration": _configuration,
    "passwords": _passwords,
    "log": _log,
    "topic settings": _settings,
    "policy": _policy,
    "recorder": _recorder,
    "clock": _clock,
    "views": _views,
    "machines": _machines,
    "escalation": _escalation,
    "keyring": _keyring,
    "spool": _spool,
    "disk": _disk,
}
