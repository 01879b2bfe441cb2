"""``casetrail policy adopt`` and ``history``: an agency holds itself to a policy, and what it weakened stays visible."""

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import click

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import Failure, format_option, guarded, moment, now, pass_config
from casetrail.cli.documents import write_document
from casetrail.cli.policies import DEFAULT, adopted, policy_text, read_policy, readable, untold
from casetrail.cli.render import emit
from casetrail.cli.submit import action_id_of, actor_of, common_options, wanted_of
from casetrail.cli.submitting import submit

if TYPE_CHECKING:
    from casetrail.domain.case import Recorded
    from casetrail.domain.policy import Policy

HISTORY: Final = ("number", "recorded_at", "in_force_from", "agency", "actor", "name", "weakened", "removed", "changed")


@click.command("adopt")
@click.argument("file", metavar="PRESET|FILE")
@click.option("--from", "since", metavar="TIME", help="From when it is in force (ISO 8601); from now unless given.")
@common_options
@pass_config
@guarded
def adopt(config: Config, file: str, since: str | None, at: str | None, action_id: str | None, **given: Any) -> None:
    """Adopt a policy for your agency: its whole text is recorded in the registry, with who adopted it and from when.

    What it weakens, compared with the one that would be in force then, is told; it stays visible as long as the log does.
    """
    from casetrail.domain.actions import Action
    from casetrail.domain.detectors.judging import check_settings
    from casetrail.domain.policy_file import parse_policy
    from casetrail.domain.registry import REGISTRY, PolicyAdopted

    wanted, text = wanted_of(given), policy_text(file)
    policy, actor = parse_policy(text), actor_of(config)
    check_settings(policy)
    happened_at = moment(config, at, "--at") if at else now()
    in_force_from = moment(config, since, "--from") if since else happened_at
    registry = _registry(config)
    before = adopted(registry, actor.agency).at(in_force_from)
    for line in _weakened(before, policy):
        click.echo(f"weaker than before: {line}", err=True)
    if nobody := untold(registry, actor.agency, policy):
        click.echo(nobody, err=True)
    body = PolicyAdopted(in_force_from, text.encode())
    submit(config, Action(action_id_of(action_id), REGISTRY, happened_at, actor, body), wanted)


@click.command("history")
@click.option(
    "--text", "number", type=click.IntRange(1, 2**31), help="The text that this event of the registry adopts."
)
@format_option
@pass_config
@guarded
def history(config: Config, number: int | None, form: str) -> None:
    """List every policy that was adopted: by whom, from when on, and what it weakened of the one before.

    The first of each agency is compared with the generic one, which was in force until then.
    """
    from casetrail.domain.registry import adoptions

    registry = _registry(config)
    if number is not None:
        text = next((one.text for one in adoptions(registry) if one.number == number), None)
        if text is None:
            raise Failure(f"event {number} of the registry adopts no policy", exits.NOT_FOUND)
        write_document(text.encode(), None)
        return
    before: dict[str, Policy] = {}
    rows: list[dict[str, Any]] = []
    for one, policy in sorted(readable(registry), key=lambda read: (read[0].since, read[0].number)):
        agency = one.actor.agency
        old = before.get(agency) or read_policy(DEFAULT)
        rows.append(
            {
                "number": one.number,
                "recorded_at": one.recorded_at,
                "in_force_from": one.since,
                "agency": agency,
                "actor": one.actor.id,
                "name": policy.name,
                "weakened": _changed(old, policy, "weakened"),
                "removed": _changed(old, policy, "removed"),
                "changed": _changed(old, policy, "changed"),
            }
        )
        before[agency] = policy
    emit(sorted(rows, key=itemgetter("number")), HISTORY, form, "adopted policies")


def _registry(config: Config) -> "list[Recorded]":
    from casetrail.cli.case_histories import hashed_history_in_log
    from casetrail.domain.registry import REGISTRY

    return [event for event, _ in hashed_history_in_log(config, REGISTRY)]


def _changed(before: "Policy", after: "Policy", change: str) -> list[str]:
    from casetrail.domain.policy_diff import difference

    return [one.key for one in difference(before, after) if one.change == change]


def _weakened(before: "Policy", after: "Policy") -> list[str]:
    from casetrail.domain.policy_diff import Change, difference

    worse = {Change.WEAKENED, Change.REMOVED}
    return [
        f"{one.key} ({one.before or 'nothing'}, then {one.after or 'nothing'})"
        for one in difference(before, after)
        if one.change in worse
    ]
