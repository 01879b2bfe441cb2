"""Notifications by e-mail, over TLS."""

import shlex
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from enum import StrEnum
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from casetrail.consumers.notification import Notification
from casetrail.consumers.transport import PATIENCE, NotSent
from casetrail.domain.codes import ConcernKind, EscalationAnswer, FindingAnswer, Level
from casetrail.domain.detectors.catalogue import DETECTORS

LINES: Final = ("case_id", "clock", "subject", "due_at", "level", "told", "event", "recorded_at")
DEADLINE: Final = ("clock", "due_at", "subject")
"""What names a deadline in its case."""
REPLACEMENT: Final = "\ufffd"


class Security(StrEnum):
    """How the way to the mail server is protected."""

    TLS = "tls"  # from the first byte (port 465)
    STARTTLS = "starttls"  # port 587
    NONE = "none"  # to this host only


@dataclass(frozen=True)
class MailServer:
    """Who carries mail. ``authority``: a file with the certificate that vouches for it; that of the system unless given."""

    host: str
    port: int
    security: Security
    sender: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    authority: str | None = None


@dataclass(frozen=True)
class EmailTransport:
    """Sends to one address."""

    server: MailServer
    to: str

    @property
    def address(self) -> str:
        """Where it goes."""
        return f"email:{self.to}"

    def send(self, notification: Notification) -> None:
        """Hand the notification to the mail server. Raises ``NotSent``."""
        server = self.server
        try:
            context = ssl.create_default_context(cafile=server.authority)
            with self._connected(context) as smtp:
                if server.security is Security.STARTTLS:
                    smtp.starttls(context=context)
                if server.user is not None:
                    smtp.login(server.user, server.password or "")
                smtp.send_message(message(notification, server.sender, self.to))
        except (OSError, smtplib.SMTPException) as error:
            raise NotSent(f"{server.host}:{server.port} did not take the mail ({type(error).__name__})") from error

    def _connected(self, context: ssl.SSLContext) -> smtplib.SMTP:
        server = self.server
        if server.security is Security.TLS:
            return smtplib.SMTP_SSL(server.host, server.port, timeout=PATIENCE, context=context)
        return smtplib.SMTP(server.host, server.port, timeout=PATIENCE)


def message(notification: Notification, sender: str, to: str) -> EmailMessage:
    """The mail. Its Message-ID is the same however often it is sent."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, to, printable(notification.subject)
    made["Message-ID"] = f"<{notification.id}@{sender.rpartition('@')[2]}>"
    made["Auto-Submitted"] = "auto-generated"
    data = notification.data
    what, lines = _of_findings(data["findings"]) if "findings" in data else _of_deadline(data)
    begins = f"{what}, and nobody of your level or above has answered for it. You are told because it is your turn."
    if notification.by_default:
        begins = f"{what}. There is no address for {notification.to}: you are told in their place."
    made.set_content("\n".join(map(printable, [begins, "", *lines])))
    return made


def _of_deadline(data: dict[str, Any]) -> tuple[str, list[str]]:
    said = [f"{name.replace('_', ' ')}: {data[name]}" for name in LINES if data[name] is not None]
    what = f"The time limit {data['clock']} was missed in case {data['case_id']}"
    return what, [*said, "", *_what_to_do(data)]


def _what_to_do(data: dict[str, Any]) -> list[str]:
    """What whoever is told at this level can do. Who has oversight answers for nobody: only what is owed ends it."""
    case_id = shlex.quote(data["case_id"])
    if data["level"] == Level.PARTNERS:
        look = f"Look: casetrail partner {shlex.quote(data['told'])} --case {case_id}"
        return [look, f"Ask what is being done: casetrail partner raise {case_id} --about {ConcernKind.NO_RESPONSE}"]
    look = f"Look: casetrail clock {case_id}"
    if data["level"] == Level.OVERSIGHT:
        return [look, f"Who was told, and what was answered: casetrail escalations {case_id} --all"]
    names = [f"--{name.replace('_', '-')} {shlex.quote(data[name])}" for name in DEADLINE if data[name] is not None]
    answer = f"Answer: casetrail act escalation-answered {case_id} {' '.join(names)} --answer CODE"
    return [look, answer, f"CODE: {', '.join(EscalationAnswer)}", "Whatever is answered, what is owed is owed still."]


def _of_findings(found: Sequence[dict[str, Any]]) -> tuple[str, list[str]]:
    """What was found, that of a kind together; and how one looks at it, and answers."""
    said = []
    for detector, some in groupby(sorted(found, key=itemgetter("detector")), key=itemgetter("detector")):
        about = [f"  {one['finding']}  {one['case_id'] or one['subject']}  (told: {one['level']})" for one in some]
        means = f". {DETECTORS[detector].about}" if detector in DETECTORS else ""  # another version may know more
        said += [f"{detector}: {len(about)}{means}", *about, ""]
    look, answer = "casetrail findings explain FINDING", "casetrail findings answer FINDING --answer CODE"
    codes = f"CODE: {', '.join(FindingAnswer)}"
    return "Neglect was found in the log", [*said, f"Look: {look}", f"Answer: {answer}", codes]


def printable(text: str) -> str:
    """A text on one line: what a recorder has written is, but whoever can write events can write any."""
    return "".join(one if one.isprintable() else REPLACEMENT for one in text)
