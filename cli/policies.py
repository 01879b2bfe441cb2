"""The policies that commands judge by: what agencies have adopted, a preset that comes with the program, or a file."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from casetrail.cli import exits
from casetrail.cli.context import Failure
from casetrail.cli.documents import read_document

if TYPE_CHECKING:
    from casetrail.domain.case import Recorded
    from casetrail.domain.policy import Adopted, Policy
    from casetrail.domain.registry import Adoption

PRESETS: Final = ("generic", "missouri")
DEFAULT: Final = "generic"


def policy_text(source: str) -> str:
    """The text of a preset, or of a file (``-``: standard input). Ends the command where there is no such text."""
    from casetrail.domain.policy_file import MOST_BYTES

    if source in PRESETS:
        from casetrail.projections.registry import preset_text

        return preset_text(source)
    try:
        return read_document(Path(source), MOST_BYTES).decode("utf-8-sig")  # editors on Windows put a mark before it
    except UnicodeDecodeError as error:
        raise Failure(f"{source} is no policy: it is not in UTF-8") from error
    except Failure as error:
        if error.exit_code == exits.NOT_FOUND:
            raise Failure(f"{error.message}; presets are {', '.join(PRESETS)}", exits.NOT_FOUND) from error
        raise


def read_policy(source: str) -> "Policy":
    """The policy of a preset or file. Raises ``PolicyFileInvalid``, which names all that is wrong."""
    from casetrail.domain.policy_file import parse_policy

    return parse_policy(policy_text(source))


def checked_policy(source: str) -> "Policy":
    """The same, where the detectors know all that it sets of them: what may be adopted. Raises ``PolicyFileInvalid``."""
    from casetrail.domain.detectors.judging import check_settings

    found = read_policy(source)
    check_settings(found)
    return found


def adopted(registry: "Iterable[Recorded]", agency: str | None) -> "Adopted":
    """What each agency has adopted, by the registry's events; ``agency``: whose policies they are by themselves.

    Where it is None, that is the agency that has adopted one first. The default preset is in force until then.
    """
    from casetrail.domain.policy import Adopted
    from casetrail.domain.registry import agencies, registered_since

    events = list(registry)
    found = [(one.actor.agency, one.since, policy) for one, policy in readable(events)]
    by_itself = agency or next((one for one, _, _ in found), None)
    return Adopted(read_policy(DEFAULT), found, by_itself, agencies(events), registered_since(events))


def readable(registry: "Iterable[Recorded]") -> "Iterator[tuple[Adoption, Policy]]":
    """The policies that were adopted, in order. One that cannot be read is named, and changes nothing."""
    from casetrail.domain.policy_file import PolicyFileInvalid
    from casetrail.projections.registry import readable as read

    for one, policy in read(registry):
        if isinstance(policy, PolicyFileInvalid):
            say_unread(one.number, len(policy.problems))
        else:
            yield one, policy


def untold(registry: "Iterable[Recorded]", agency: str, policy: "Policy") -> str | None:
    """At which levels of a policy the registry knows nobody who is told of what an agency misses; None where there is none."""
    from casetrail.cli.registry_rows import folded_registry
    from casetrail.domain.registry import registry_of

    levels = registry_of(folded_registry(registry)).untold(agency, policy.levels)
    if not levels:
        return None
    return f"policy '{policy.name}' has levels at which the registry knows nobody to tell: {', '.join(levels)}"


def say_unread(number: int, problems: int) -> None:
    """Say that an adopted policy cannot be read; ``number``: of the event in the registry."""
    click.echo(f"the policy that event {number} of the registry adopts has {problems} problem(s)", err=True)
    click.echo("and is in force nowhere; the one before it still is", err=True)
