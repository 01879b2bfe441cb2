"""Trying again what a watchdog has recorded, where its action was refused, or its id was taken for something else.

The ids of all tries follow from what is to be recorded, and everybody counts the same answers: what two try again has one id,
too. The ids can be foretold: whoever takes one for something else takes no more than one try.
"""

from collections.abc import Callable
from itertools import count
from typing import NamedTuple

from casetrail.domain.actions import Action, ActionRejected
from casetrail.domain.deciding import IN_THE_FUTURE
from casetrail.eventlog.codec import Event, encode_action
from casetrail.eventlog.hashing import leaf_hash


class Try(NamedTuple):
    """An action to be submitted; ``refused_by``: the event that refused the try before, as ahead of the log's clock."""

    action: Action
    refused_by: Event | None


def next_try(
    made: Callable[[int], Action],
    answer_to: Callable[[Action], Event | None],
    is_over: Callable[[str], bool] = lambda _: False,
) -> Try | None:
    """The first try that has no answer yet; None where this very action was refused for good.

    ``made``: the nth try. ``answer_to``: the event that answers its id. ``is_over``: whether what it was refused for, by its
    code, holds no more.
    """
    refused_by = None
    for number in count():
        action = made(number)
        answer = answer_to(action)
        if answer is None:
            return Try(action, refused_by)
        refused_by = None
        if isinstance(answer.body, ActionRejected):
            if answer.body.code == IN_THE_FUTURE.code:
                refused_by = answer
            elif not is_over(answer.body.code) and answer.action_hash == leaf_hash(encode_action(action)):
                return None
    return None
