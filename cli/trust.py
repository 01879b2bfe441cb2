"""Whose checkpoints are believed: the logs whose keys are given, or those of the configured policy."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import click

from casetrail.cli.config import Config
from casetrail.cli.context import loaded_policy

if TYPE_CHECKING:
    from casetrail.proofs.keys import VerifierKey

P = ParamSpec("P")
R = TypeVar("R")


def log_key_option(command: Callable[P, R]) -> Callable[P, R]:
    """``--log-key`` for commands that believe logs."""
    return click.option(
        "--log-key",
        "log_keys",
        multiple=True,
        metavar="VKEY",
        help="Verifier key of a log that is believed (as often as needed), in the place of the policy's logs.",
    )(command)


def believed_logs(config: Config, given: Sequence[str]) -> "list[VerifierKey]":
    """The keys of the logs that are believed. Raises ``KeyUnusable``, ``PolicyInvalid``, or a usage error for none."""
    from casetrail.proofs.keys import FOR_LOGS, VerifierKey

    if given:
        keys = [VerifierKey.parse(one) for one in given]
        for key in keys:
            if key.algorithm not in FOR_LOGS:
                raise click.UsageError(f"the key of {key.name} is a witness's, and --log-key wants a log's")
        return keys
    policy = loaded_policy(config)
    if policy is None or not policy.logs:
        raise click.UsageError(
            "which log is believed? give --log-key VKEY, or --policy FILE (before the command) with a line 'log VKEY'"
        )
    return [one.key for one in policy.logs]
