"""What docs/watchdog.md shows works."""

import re
import time
from base64 import b64encode
from pathlib import Path
from typing import Any, Final

from casetrail.consumers.outbox_webhook import WebhookTransport, secret_of
from casetrail.consumers.recipients import load_recipients

PAGE: Final = (Path(__file__).parents[2] / "docs" / "watchdog.md").read_text("utf-8")
SECRET: Final = "whsec_" + b64encode(b"a secret of thirty-two bytes....").decode()


def block(language: str, containing: str) -> str:
    """The block in a language that has a text."""
    (found,) = [text for text in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if containing in text]
    return str(found)


def test_the_recipe_takes_what_is_genuine_and_refuses_the_rest() -> None:
    there: dict[str, Any] = {}
    exec(block("python", "is_genuine"), there)
    is_genuine, moment = there["is_genuine"], int(time.time())
    transport = WebhookTransport("https://partner.example/", secret_of(SECRET))
    headers = {"webhook-id": "one", "webhook-timestamp": str(moment)}
    headers["webhook-signature"] = "v1,AAAA " + transport.signature("one", str(moment), b"{}")
    assert is_genuine(SECRET, headers, b"{}", moment)
    assert not is_genuine(SECRET, headers, b"{ }", moment)
    assert not is_genuine(SECRET, {**headers, "webhook-id": "two"}, b"{}", moment)
    assert not is_genuine(SECRET, headers, b"{}", moment + 301)
    other = "whsec_" + b64encode(b"b" * 32).decode()
    assert not is_genuine(other, headers, b"{}", moment)


def test_the_addresses_are_understood(tmp_path: Path) -> None:
    (tmp_path / "mail.password").write_text("a password\n")
    (tmp_path / "inspectorate.secret").write_text(SECRET + "\n")
    path = tmp_path / "recipients.toml"
    path.write_text(block("toml", "[addresses]"))
    found = load_recipients(path)
    assert [one.address for one in found.of("inspectorate")[0]] == [
        "webhook:https://inspectorate.example/casetrail",
        f"file:{tmp_path / 'inspectorate.ndjson'}",
    ]
    assert found.of("det.01")[1] and not found.of("child-crimes/supervisor")[1]
