"""The user's own copy of the log's tree, for commands that make proofs from it; and findings as an exit code."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import Failure
from casetrail.cli.progress import progress_bar
from casetrail.eventlog.errors import LogError

if TYPE_CHECKING:
    from casetrail.eventlog.port import Log
    from casetrail.proofs.logtree import LogTree
    from casetrail.proofs.policy import Policy

FINDINGS: Final = frozenset(
    {
        "tree-contradicted",
        "publication-contradicted",
        "receipt-denied",
        "chain-broken",
        "proof-invalid",
        "hashes-altered",
        "note-invalid",
    }
)
"""Errors that are findings: something was altered, left out, or is not what it says."""


@contextmanager
def convicting() -> Iterator[None]:
    """Findings give exit code 8."""
    try:
        yield
    except LogError as error:
        if error.code not in FINDINGS:
            raise
        raise Failure(str(error), exits.FAULTS) from error


@contextmanager
def opened_tree(config: Config, log: "Log", policy: "Policy | None") -> "Iterator[LogTree]":
    """The copy of the tree, brought up to date from the log; each checkpoint must be signed as the policy says."""
    from casetrail.eventlog.port import Topic
    from casetrail.proofs.logtree import LogTree
    from casetrail.proofs.note import parse_note
    from casetrail.proofs.treefile import TreeUnreachable

    def check(note: bytes) -> None:
        if policy is not None:
            policy.check(parse_note(note))

    try:
        opened = LogTree(log, config.tree_folder(), check)
    except TreeUnreachable as error:
        raise Failure(
            f"{error}; --tree DIR, before the command, names another folder for your own copy of the tree",
            exits.UNREACHABLE,
        ) from error
    with opened as tree:
        with progress_bar("leaves", sum(log.end_offsets(Topic.EVENTS).values())) as progress:
            if progress is not None:
                progress(tree.size)
            tree.follow(progress)
        yield tree


def required_policy(config: Config, otherwise: str = "") -> "Policy":
    """The configured policy. ``otherwise``: what can be given in its place, behind a sentence."""
    from casetrail.cli.context import loaded_policy

    policy = loaded_policy(config)
    if policy is None:
        raise click.UsageError(
            "whose log and which witnesses are trusted? give --policy FILE (before the command), or configure it"
            + otherwise
        )
    return policy
