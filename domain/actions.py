"""An action: what somebody asks to have recorded of a case. Accepted, its body becomes the body of the event.

Bodies carry the field's names in the past tense (``Assigned``, ``VictimContactMade``): they say what happened. These
names and their fields are the storage format: add optional fields and new bodies, never change or remove one.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from casetrail.domain.codes import Role
from casetrail.domain.rules import Refused
from casetrail.domain.status import Status
from casetrail.domain.values import ActionId, Hash, Id

if TYPE_CHECKING:
    from casetrail.domain.case import Case


@dataclass(frozen=True)
class Actor:
    """Who acts: a person's or a service's id (never a child's or a family member's), the agency, and the role."""

    id: Id
    agency: Id
    role: Role


@dataclass(frozen=True)
class Imported:
    """Where an imported action comes from: SHA-256 of the file, the line (the header is line 1), the old system's id."""

    file_hash: Hash
    line: int
    system: Id


@dataclass(frozen=True)
class Body:
    """What happened. A subclass is one kind of action: its fields, its rules (``check``) and its effect (``apply``)."""

    roles: ClassVar[frozenset[Role]] = frozenset()
    """Who may have this recorded."""
    when: ClassVar[frozenset[Status]] = frozenset()
    """In which statuses of a case it may be recorded."""
    makes_live: ClassVar[bool] = True
    """Whether nothing can be imported into the case any more once it is recorded."""

    def check(self, case: "Case", action: "Action") -> None:
        """Raise ``Refused`` where a rule of this kind of action forbids it."""

    def apply(self, case: "Case", action: "Action") -> None:
        """Bring ``case`` up to date with this fact. Never refuses: what was recorded has happened."""


@dataclass(frozen=True)
class Action:
    """A body with who, when and for which case.

    ``action_id`` (16 bytes, the submitter's choice, unique in the case) makes a repeated submission harmless.
    ``occurred_at`` is what the submitter says (UTC, aware, microseconds); the log adds when it was recorded.
    """

    action_id: ActionId
    case_id: Id
    occurred_at: datetime
    actor: Actor
    body: Body
    imported: Imported | None = None


@dataclass(frozen=True)
class Malformed(Body):
    """A body that could be decoded, but says what no rule allows (an unknown code, an id that is none)."""

    kind: str
    refusal: Refused

    def check(self, case: "Case", action: "Action") -> None:
        raise self.refusal


@dataclass(frozen=True)
class Unaccepted(Body):
    """An outcome that is no fact of the case: the action was refused, or could not be read."""


@dataclass(frozen=True)
class ActionRejected(Unaccepted):
    """A rule refused the action. ``kind`` is what was asked, ``code`` and ``field`` say which rule and which field."""

    kind: Id
    code: Id
    field: Id | None = None


@dataclass(frozen=True)
class SubmissionUnreadable(Unaccepted):
    """The submission could not be decoded. Its bytes are kept, the first 32 KiB of them if there are more.

    ``code`` says why (see ``eventlog.codec``), ``size`` is the length of the whole submission in bytes.
    """

    code: Id
    size: int
    key: bytes
    value: bytes


def kind_of(body: Body) -> str:
    """The name of a kind of action, as the log and the command line show it: ``VictimContactMade``."""
    return body.kind if isinstance(body, Malformed) else type(body).__name__


def plain_fields(body: Any) -> dict[str, Any]:
    """The fields of a dataclass instance by name."""
    return dict(vars(body))
