"""Whether a line and a report that have the same number concern the same persons, as far as tokens can tell.

A token tells that two persons are the same, never who they are. That two are *not* the same follows only where the line gives
name and date of birth (a report may have been given either form), where both sides were made with one token key, and
where the name is no place-holder. Else nothing follows, and nobody is accused. But a correction of the name hides nothing either:
where no token shows that the line is right after it, the line is counted, and somebody has to look.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from casetrail.audit.reconciliation.matching import Later, Report, Workspace
from casetrail.domain.codes import TokenKind
from casetrail.domain.intake import ReportReceived
from casetrail.domain.sealed import SealedField
from casetrail.eventlog.codec import Unreadable, decode_event
from casetrail.eventlog.port import Log, Topic

TOKEN_BYTES: Final = 32

Opens = Callable[[str, bytes, Sequence[SealedField]], bool]
"""Whether our keyring opens one of the fields that an action (its id) sealed in a case: then its tokens are our keyring's, too."""


class Others:
    """Finds out where a report names others than the line that it was paired with."""

    def __init__(self, workspace: Workspace, log: Log, opens: Opens | None) -> None:
        self._workspace, self._log, self._opens = workspace, log, opens
        self.undecided = 0
        """How many lines name others than their reports, or were compared with tokens of another key: nobody can tell."""
        self.renamed = 0
        """How many lines name others than their reports, whose names were corrected, and no token says to what."""

    def among(self, named: Mapping[TokenKind, bytes], found: Sequence[Report], later: Sequence[Later]) -> Iterator[str]:
        """The kinds of person (``child``, ``suspect``) of whom the reports name others than the line does."""
        differ = [kind for kind, tokens in named.items() if tokens and self._differ(kind, tokens, found)]
        renamed = {kind for kind in differ if any(kind.value in (one.renamed or "").split() for one in later)}
        self.renamed += any(not self._is_named_since(kind, named[kind], found) for kind in renamed)
        kinds = [kind for kind in differ if kind not in renamed]
        if kinds and not all(map(self._is_ours, found)):
            self.undecided += 1
        else:
            yield from (kind.value for kind in kinds)

    def _differ(self, kind: TokenKind, tokens: bytes, found: Sequence[Report]) -> bool:
        theirs = {
            one for report in found for one in split(report.children if kind is TokenKind.CHILD else report.suspects)
        }
        if not theirs or theirs & set(split(tokens)):
            return False
        return all(self._workspace.tells(kind, one) for one in (*theirs, *split(tokens)))

    def _is_named_since(self, kind: TokenKind, tokens: bytes, found: Sequence[Report]) -> bool:
        """Whether a correction names the line's person by a token."""
        return any(self._workspace.is_marked(report, kind, one) for report in found for one in split(tokens))

    def _is_ours(self, report: Report) -> bool:
        """Whether a report's tokens were made with the key that the line's were made with."""
        return report.reported_in in self._workspace.our_agencies or self._is_opened(report)

    def _is_opened(self, report: Report) -> bool:
        record = self._log.read_one(Topic.EVENTS, report.partition, report.offset) if self._opens is not None else None
        try:
            event = decode_event(None if record is None else record.value)
        except Unreadable:
            return False
        if self._opens is None or not isinstance(event.body, ReportReceived):
            return False
        return self._opens(event.case_id, event.action_id, event.body.sealed)


def split(tokens: bytes) -> list[bytes]:
    """The values of several tokens of one kind that stand behind each other."""
    return [tokens[at : at + TOKEN_BYTES] for at in range(0, len(tokens), TOKEN_BYTES)]
