"""What a rule is. Each rule stands in the file of what it guards; ``docs/rules.md`` lists them all, from ``RULES``."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from casetrail.domain.actions import Action

RULE_SET: Final = 2
"""The version of the rule set in force. It is part of every event: an event is judged by the rules of its day.

``deciding.RULE_SETS`` has the function of every version. Whoever changes a rule makes a new version beside the old one.
"""

RULES: Final[dict[str, "Rule"]] = {}
"""All rules by code, in the order of the files that define them."""


@dataclass(frozen=True)
class Rule:
    """A reason to refuse an action: a stable ``code``, a ``sentence`` for people, and the ``source`` it comes from.

    Rules on who may act and in which order do not bind an imported history (``binds_imported`` is False): an old
    system did not know them, and refusing its history would hide it. Every imported event is marked as such, and
    nothing can be imported into a case that is live (``import-after-live``).
    """

    code: str
    sentence: str
    source: str
    binds_imported: bool

    def require(self, condition: bool, action: "Action") -> None:
        """Raise ``Refused`` unless ``condition`` holds or the rule does not bind this action."""
        if not condition and (self.binds_imported or action.imported is None):
            raise Refused(self)


class Refused(Exception):
    """An action that a rule refuses. ``field`` names what is at fault, never its value: that may name a person."""

    def __init__(self, rule: Rule, field: str = "") -> None:
        super().__init__(f"{rule.code}: {rule.sentence}" + (f" ({field})" if field else ""))
        self.rule = rule
        self.field = field


class UnknownRuleSet(ValueError):
    """This version of casetrail does not know the rule set: nobody can say with it what those rules decide."""

    code = "unknown-rule-set"

    def __init__(self, rule_set: int) -> None:
        super().__init__(f"rule set {rule_set} is not known to this version of casetrail; a newer one may know it")
        self.rule_set = rule_set


def rule(code: str, sentence: str, source: str = "casetrail", *, binds_imported: bool = False) -> Rule:
    """Define a rule and enter it into the catalogue. Codes are unique for ever."""
    if code in RULES:
        raise ValueError(f"two rules have the code {code}")
    made = Rule(code, sentence, source, binds_imported)
    RULES[code] = made
    return made
