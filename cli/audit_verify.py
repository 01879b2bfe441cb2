"""``casetrail audit verify``: everything that a log promises, checked from the log alone, or from a published copy of it."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import Seconds, format_option, guarded, loaded_policy, now, opened_log, pass_config
from casetrail.cli.local_tree import required_policy
from casetrail.cli.progress import progress_bar
from casetrail.cli.render import emit, harmless, plain
from casetrail.domain.values import iso

if TYPE_CHECKING:
    from casetrail.audit.faults import Fault, Faults
    from casetrail.audit.publication.published import PublishedReport
    from casetrail.audit.verification.verify import Report
    from casetrail.audit.verification.waits import Wait
    from casetrail.proofs.policy import Policy
    from casetrail.proofs.treefile import Sealed

CHECKED: Final = ("checked", "count")
FAULTS: Final = ("kind", "severity", "topic", "partition", "offset", "case_id", "found")
MEANINGS: Final = ("kind", "count", "meaning")
COVERED: Final = ("up_to", "witnessed_up_to")
NO_POLICY: Final = "; or --no-policy: then nobody's signature is checked"
ROWS: Final = ("row", "size", "root", "appended_at", "witnessed_at", "checked", "count", *FAULTS, "meaning")
"""Of ``csv`` and ``ndjson``: ``row`` says whether a row is the newest checkpoint, something ``checked``, or a ``fault``."""


@click.command("verify")
@click.option("--state", metavar="DIR", type=click.Path(path_type=Path, file_okay=False),
              help="Keep in this folder what was verified, and begin the next time where this run ends.")  # fmt: skip
@click.option("--reread", is_flag=True,
              help="With --state: read everything again all the same, and compare it with what was verified before.")  # fmt: skip
@click.option("--promised", metavar="SECONDS", type=Seconds(0, 10**9), default=3600.0, show_default=True,
              help="How long a submission may wait for its outcome, its event for a checkpoint, and that for its witnesses.")  # fmt: skip
@click.option("--no-policy", is_flag=True, help="Check nobody's signature, though the log has checkpoints.")
@click.option("--from", "published", metavar="DIR", type=click.Path(path_type=Path, file_okay=False),
              help="Verify what is published in this folder, or a mirror of it, without the log.")  # fmt: skip
@click.option("--hashes-only", is_flag=True, help="With --from: it was published without entries, so none are missing.")
@format_option
@pass_config
@guarded
def verify(
    config: Config,
    state: Path | None,
    reread: bool,
    promised: float,
    no_policy: bool,
    published: Path | None,
    hashes_only: bool,
    form: str,
) -> None:
    """Verify the whole log, trusting nobody: exit code 0 only if all holds, else 8.

    Reads the log once, in parallel, and checks that every submission has just one outcome, that each outcome says what was
    submitted and follows in its case, that times never go back and nothing is missing, that every checkpoint follows from the
    events and is signed, that witnesses have seen it, and that no setting was weakened.

    The policy (--policy, before the command) says whose keys are believed. Where there are checkpoints, one must be given, or
    --no-policy: then hashes are checked, and nobody's signature. With --state, later runs begin at the last checkpoint that was verified, and a log whose earlier part was replaced is
    recognised. Give it a folder of its own; it is your evidence of what the log has shown you. What was altered or deleted under
    that checkpoint since, only a run with --reread finds: it reads all of it again.
    """
    if published is not None and state is not None:
        raise click.UsageError("--state is about a log; it does not go with --from")
    if reread and state is None:
        raise click.UsageError("--reread goes with --state: without it everything is read anyway")
    if hashes_only and published is None:
        raise click.UsageError("--hashes-only is about a published log; it goes with --from")
    if published is not None:
        if click.get_current_context().get_parameter_source("promised") is not ParameterSource.DEFAULT:
            raise click.UsageError("--promised is about a log; it does not go with --from")
        _published(published, None if no_policy else required_policy(config, NO_POLICY), hashes_only, form)
        return
    from casetrail.audit.verification.verify import Asked
    from casetrail.audit.verification.verify import verify as verified
    from casetrail.eventlog.port import Topic

    policy = None if no_policy else loaded_policy(config)
    with opened_log(config) as log:
        total = sum(log.end_offsets(Topic.EVENTS).values())
        if policy is None and not no_policy and log.end_offsets(Topic.CHECKPOINTS)[0]:
            required_policy(config, NO_POLICY)
    asked = Asked(now(), timedelta(seconds=promised), policy, state, reread)
    with progress_bar("verifying", total) as progress:
        report = verified(config.log_url(), config.kafka, asked, progress)
    about = {"log": report.log, "partitions": report.partitions, "since": _checkpoint(report.since),
             "not_read_again": report.not_read_again,
             "up_to": _checkpoint(report.up_to),
             "witnessed_up_to": _witnessed(_checkpoint(report.witnessed_up_to), report.witnessed_at),
             "longest_checkpoint_wait": _wait(report.checkpoint_wait),
             "longest_quorum_wait": _wait(report.quorum_wait)}  # fmt: skip
    _write(about, report, form)


def _published(directory: Path, policy: "Policy | None", hashes_only: bool, form: str) -> None:
    from casetrail.audit.publication.published import verify_published
    from casetrail.audit.verification.signatures import UNWITNESSED, naming_a_log
    from casetrail.proofs.policy import NONE

    naming_a_log(policy)
    with progress_bar("verifying", None) as progress:
        report = verify_published(directory, policy, progress, hashes_only=hashes_only)
    if policy is not None and policy.quorum == NONE:
        report.remarks.append(UNWITNESSED)
    checkpoint = {"size": report.checkpoint.size, "root": report.checkpoint.root}
    about = {"log": report.checkpoint.origin, "published": str(directory), "up_to": checkpoint}
    seen = checkpoint if report.witnessed_at is not None else None
    _write({**about, "witnessed_up_to": _witnessed(seen, report.witnessed_at)}, report, form)


def _checkpoint(sealed: "Sealed | None") -> dict[str, Any] | None:
    if sealed is None:
        return None
    from casetrail.domain.values import at_millis

    try:
        at = at_millis(sealed.appended_at)
    except OverflowError:  # no moment that a calendar has: that is told among the faults
        at = None
    return {"size": sealed.size, "root": sealed.root, "offset": sealed.offset, "appended_at": at}


def _witnessed(checkpoint: dict[str, Any] | None, at: datetime | None) -> dict[str, Any] | None:
    """A checkpoint with the time at which the quorum had seen it: the witnesses' own word, so it tells how old a log is."""
    return None if checkpoint is None else {**checkpoint, "witnessed_at": at}


def _wait(wait: "Wait | None") -> dict[str, Any] | None:
    return None if wait is None else wait._asdict()


def _write(about: Mapping[str, Any], report: "Report | PublishedReport", form: str) -> None:
    """Write what was checked, then each fault, then what it comes to."""
    counted = {name if form == "table" else name.replace(" ", "_"): count for name, count in report.checked.items()}
    checked = [{"row": "checked", "checked": name, "count": count} for name, count in counted.items()]
    faults = [_row(fault) for fault in report.faults.in_order()]
    if form == "json":
        whole = {**about, "holds": report.holds, "checked": counted,
                 "counts": _counts(report.faults), "faults": [{name: row[name] for name in (*FAULTS, "meaning")} for row in faults],
                 "remarks": report.remarks}  # fmt: skip
        click.echo(json.dumps(plain(whole), indent=2, ensure_ascii=True))
    elif form == "table":
        emit(checked, CHECKED, form, f"checked in {harmless(about['log'])}")
        if faults:
            emit(faults, FAULTS, form, "faults")
            emit(_meanings(report.faults), MEANINGS, form, "what they mean")
    else:
        covered = [{"row": name, **about[name]} for name in COVERED if about[name] is not None]
        emit([*covered, *checked, *faults], ROWS, form)
    for line in _summary(about, report):
        click.echo(harmless(line), err=True)
    if not report.holds:
        click.get_current_context().exit(exits.FAULTS)


def _row(fault: "Fault") -> dict[str, Any]:
    place = {"topic": fault.topic, "partition": fault.partition, "offset": fault.offset, "case_id": fault.case_id}
    said = {"kind": fault.kind.value, "severity": fault.severity.value, "found": fault.found, "meaning": fault.meaning}
    return {"row": "fault", **said, **place}


def _counts(faults: "Faults") -> dict[str, int]:
    return {kind.value: count for kind, count in sorted(faults.counts.items()) if count}


def _meanings(faults: "Faults") -> list[dict[str, Any]]:
    from casetrail.audit.faults import FAULTS as ALL

    return [
        {"kind": kind.value, "count": faults.counts[kind], "meaning": meaning}
        for kind, meaning in ALL.items()
        if faults.counts[kind]
    ]


def _summary(about: Mapping[str, Any], report: "Report | PublishedReport") -> list[str]:
    """What it comes to, for whoever reads the terminal."""
    lines = list(report.remarks)
    since, unread = about.get("since"), about.get("not_read_again")
    if since and unread:
        lines.append(
            f"what stands under the checkpoint of {since['size']} leaves was verified by an earlier run, and not read again: "
            "whether it has been altered since, --reread tells"
        )
    elif since:
        lines.append(f"all was read again, also what an earlier run had verified, up to {since['size']} leaves")
    hidden = report.faults.counts.total() - len(report.faults.listed)
    if hidden > 0:
        lines.append(f"{hidden} faults are counted, but not listed")
    up_to = f"up to the checkpoint of {about['up_to']['size']} leaves" if about["up_to"] else "there is no checkpoint"
    if seen := about["witnessed_up_to"]:
        up_to += f", witnessed up to {seen['size']}" + (
            f" at {iso(seen['witnessed_at'])}" if seen["witnessed_at"] else ""
        )
    counts = ", ".join(f"{count} {kind}" for kind, count in _counts(report.faults).items())
    lines.append(
        f"{'all holds' if report.holds else 'NOT ALL HOLDS'}; {up_to}"
        + (f"; {counts}" if counts else "")
        + (f"; {unread} leaves were not read again" if unread else "")
    )
    return lines
