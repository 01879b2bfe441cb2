"""Whoever could write events could write any text: a notification of it is one mail, one line and one post all the same."""

import json
from collections.abc import Callable
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from casetrail.consumers.notification import Notification, notification, of_finding, of_findings
from casetrail.consumers.outbox_email import message
from casetrail.consumers.outbox_file import FileTransport
from casetrail.consumers.recipients import RecipientsInvalid, load_recipients
from casetrail.domain.actions import Body
from casetrail.domain.answering import FindingTold
from casetrail.domain.codes import Level
from casetrail.domain.escalation import Escalated, Recipient
from casetrail.eventlog.codec import Event
from tests.actions import HAPPENED
from tests.cli.hostile import HOSTILE, assert_harmless


def hostile(text: str, by_default: bool = False) -> Notification:
    """What an event says in which a text stands wherever one can."""
    body = Escalated(text, HAPPENED, Level.SUPERVISOR, (Recipient(text),), text)
    return notification(event_with(text, body), body, text, by_default)


def hostile_findings(text: str, by_default: bool = False) -> Notification:
    """The same of two findings."""
    told = (Recipient(text),)
    bodies = [FindingTold(text, text, Level.SUPERVISOR, told, subject) for subject in (None, text)]
    parts = [("id", of_finding(event_with(text, body), body)) for body in bodies]
    return of_findings(text, text, by_default, parts)


def event_with(text: str, body: Body) -> Event:
    return Event(bytes(32), bytes(32), bytes(16), 7, 0, 0, HAPPENED, text, text, 1, HAPPENED, None, None, body)


MADE = [(hostile, 2 + 8 + 1 + 4), (hostile_findings, 2 + 4 + 3)]


@pytest.mark.parametrize(("make", "lines"), MADE, ids=["deadline", "findings"])
@pytest.mark.parametrize("by_default", [False, True])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_mail_has_its_own_headers_only_each_on_one_line(
    text: str, by_default: bool, make: Callable[[str, bool], Notification], lines: int
) -> None:
    mail = message_from_bytes(
        message(make(text, by_default), "watch@metro.example", "sgt@metro.example").as_bytes(), policy=default
    )
    assert set(mail.keys()) == {
        "From", "To", "Subject", "Message-ID", "Auto-Submitted", "Content-Type", "Content-Transfer-Encoding",
        "MIME-Version",
    }  # fmt: skip
    assert len(mail.keys()) == 8
    assert mail["To"] == "sgt@metro.example"
    for value in mail.values():
        assert_harmless(value)
        assert "\n" not in value and "\r" not in value
    assert mail.get_content_type() == "text/plain"
    content = mail.get_content()
    assert_harmless(content)
    assert len(content.splitlines()) == lines, "no text makes a line of its own"


@pytest.mark.parametrize("make", [hostile, hostile_findings])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_file_and_a_post_get_one_line_of_json_that_says_what_the_event_says(
    text: str, make: Callable[[str], Notification], tmp_path: Path
) -> None:
    made = make(text)
    FileTransport(tmp_path / "told").send(made)
    written = (tmp_path / "told").read_bytes()
    assert written.count(b"\n") == 1 and written.endswith(b"\n")
    assert_harmless(written.decode("ascii"))
    told = json.loads(written)
    (said, *_) = told["data"].get("findings", [told["data"]])
    assert (said["case_id"], said.get("clock", text), told["data"]["told"]) == (text, text, text)
    assert told == json.loads(made.body)
    assert len(made.id) == 36, "the id that becomes a header of a post is a UUID, whatever the event says"


@pytest.mark.parametrize(
    "text", ["a@b.example\\r\\nBcc: x@y.example", "a@b.example\\rBcc: x", "a@b.example\\u0000", "\\u202ea@b"]
)
@pytest.mark.parametrize("field", ["email", "from"])
def test_an_address_of_more_than_a_line_is_refused(text: str, field: str, tmp_path: Path) -> None:
    given = {"email": "a@b.example", "from": "c@d.example"} | {field: text}
    (tmp_path / "recipients.toml").write_text(
        f'[mail]\nhost = "localhost"\nsecurity = "none"\nfrom = "{given["from"]}"\n'
        f'[addresses]\n"*" = {{ email = "{given["email"]}" }}\n'
    )
    with pytest.raises(RecipientsInvalid, match="one line"):
        load_recipients(tmp_path / "recipients.toml")
