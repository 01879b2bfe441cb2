"""Policies for tests: the presets, and what a change in their text makes of them."""

from functools import cache
from importlib.resources import files

from casetrail.domain.policy import ClockRule, Policy
from casetrail.domain.policy_file import parse_policy

PRESETS = ("generic", "missouri")


@cache
def text_of(name: str = "generic") -> str:
    """The text of a preset."""
    return (files("casetrail.domain") / "presets" / f"{name}.toml").read_text("utf-8")


@cache
def preset(name: str = "generic") -> Policy:
    """A preset."""
    return parse_policy(text_of(name))


def changed(*changes: tuple[str, str], name: str = "generic") -> str:
    """The text of a preset, in which each change replaces its first text by its second; the first must be there."""
    text = text_of(name)
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after, 1)
    return text


def within(table: str, before: str, after: str, name: str = "generic") -> str:
    """The text of a preset, changed in one of its tables (``clocks.decision``)."""
    head, found, rest = text_of(name).partition(f"[{table}]")
    assert found and before in rest, (table, before)
    return head + found + rest.replace(before, after, 1)


def clock(name: str, policy: Policy | None = None) -> ClockRule:
    """A clock of a policy, or of the generic preset."""
    return next(rule for rule in (policy or preset()).clocks if rule.name == name)
