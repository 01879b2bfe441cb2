"""``casetrail audit replay``: the verdict on whoever ran the recorder."""

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import click

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import Failure, a_history, format_option, guarded, opened_log, pass_config
from casetrail.cli.progress import progress_bar
from casetrail.cli.render import emit
from casetrail.domain.values import iso

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casetrail.audit.replaying.findings import Finding, Named, Verdict

COLUMNS: Final = ("kind", "partition", "case_id", "action", "action_offset", "event_offset", "first", "follows",
                  "followers", "expected", "recorded", "meaning")  # fmt: skip
IN_A_TABLE: Final = tuple(name for name in COLUMNS if name not in ("follows", "meaning"))
"""What a terminal has room for: what each kind means is told once, below."""


@click.command("replay")
@click.option("--case", "case_id", metavar="CASE", type=a_history, help="Judge this case only.")
@format_option
@pass_config
@guarded
def replay(config: Config, case_id: str | None, form: str) -> None:
    """Run all actions through the rules again, and compare with the recorded events byte for byte.

    Shows reports that were wrongly refused, altered, left out, invented, reordered, attributed to somebody else or
    backdated: the first event of each case that differs, and later ones that do not just follow from it. Exit code 8
    where anything differs. Actions that have no event yet are counted, and are no fault.
    """
    from casetrail.audit.replaying.replay import extents_of
    from casetrail.audit.replaying.replay import replay as replayed
    from casetrail.eventlog.enlarged import enlarged
    from casetrail.eventlog.schemas import carried, unknown_among

    with opened_log(config) as log:
        extents = extents_of(log, case_id)
    with progress_bar("replaying", sum(extent.size for extent in extents)) as progress:
        verdicts = replayed(config.log_url(), config.kafka, extents, case_id, progress)
    if case_id is not None and not any(verdict.actions or verdict.findings for verdict in verdicts):
        raise Failure(f"the log has no case {case_id}", exits.NOT_FOUND)
    findings = [finding for verdict in verdicts for finding in verdict.findings]
    emit([_row(finding) for finding in findings], IN_A_TABLE if form == "table" else COLUMNS, form, "differences")
    if form == "table":
        for kind, meaning in sorted({finding.kind.value: finding.meaning for finding in findings}.items()):
            click.echo(f"{kind}: {meaning}")
    for line in _summary(verdicts):
        click.echo(line, err=True)
    if findings:
        with opened_log(config) as log:
            for one in enlarged(log, ""):
                click.echo(f"The log has {one.found} partitions, and its oldest events stand where a log of {one.required} has them: "
                           f"{one.meaning}. All of it was judged as a log of {one.found}.", err=True)  # fmt: skip
            if (newer := unknown_among(carried(log))) is not None:
                click.echo(newer, err=True)
    if any(verdict.counts.total() for verdict in verdicts):
        click.get_current_context().exit(exits.FAULTS)


def _row(finding: "Finding") -> dict[str, Any]:
    return {**vars(finding), "kind": finding.kind.value, "meaning": finding.meaning}


def _summary(verdicts: "Sequence[Verdict]") -> list[str]:
    """What was replayed and what came of it, for whoever reads the terminal."""
    names = ("actions", "compared", "pending", "unjudged", "cut")
    sums = {name: sum(getattr(one, name) for one in verdicts) for name in names}
    since = min((one.pending_since for one in verdicts if one.pending_since is not None), default=None)
    waiting = f" (the first since {since:%Y-%m-%dT%H:%M:%SZ})" if since is not None else ""
    lines = [
        f"actions: {sums['actions']}, compared with their events: {sums['compared']}, "
        f"pending: {sums['pending']}{waiting}"
    ]
    lines += [f"decided by rule set {rule_set}: {said}" for rule_set, said in sorted(_rule_sets(verdicts).items())]
    if sums["unjudged"]:
        lines.append(f"not to be judged in full: {sums['unjudged']} events (see history-cut and unknown-rule-set)")
    if sums["cut"]:
        lines.append(f"deleted with the history's beginning: the events of {sums['cut']} actions")
    counts = sum((one.counts for one in verdicts), Counter())
    cases = len({one.case_id for verdict in verdicts for one in verdict.findings if one.case_id is not None})
    kinds = ", ".join(f"{number} {kind.value}" for kind, number in sorted(counts.items()))
    lines.append(f"differences: {counts.total()} in cases: {cases} ({kinds})" if counts else "nothing differs")
    hidden = counts.total() - sum(len(one.findings) for one in verdicts)
    if hidden > 0:
        lines.append(f"counted, but not listed: {hidden}")
    return lines


def _rule_sets(verdicts: "Sequence[Verdict]") -> dict[int, str]:
    """From when to when which rules were in force, in how many partitions."""
    named: dict[int, list[Named]] = {}
    for verdict in verdicts:
        for rule_set, where in verdict.rule_sets.items():
            named.setdefault(rule_set, []).append(where)
    return {
        rule_set: f"events recorded from {iso(min(one.first_at for one in some))} to {iso(max(one.last_at for one in some))}, "
        f"in {len(some)} of {len(verdicts)} partitions"
        for rule_set, some in named.items()
    }
