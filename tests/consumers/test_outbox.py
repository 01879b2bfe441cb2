"""Whoever is told by the log is told: by mail, webhook or file, again until it arrives, and with nobody's name in it."""

import hmac
import json
import logging
import ssl
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook

from casetrail.consumers import loop
from casetrail.consumers.health import Health
from casetrail.consumers.notification import notification
from casetrail.consumers.outbox import LONGEST_PAUSE, TROUBLE, UNREACHED, Outbox
from casetrail.consumers.outbox_email import message
from casetrail.consumers.outbox_webhook import WebhookTransport
from casetrail.consumers.recipients import RecipientsInvalid, load_recipients
from casetrail.domain.codes import Level, SealedName
from casetrail.domain.escalation import Escalated, Recipient
from casetrail.domain.values import iso
from casetrail.eventlog.codec import Event
from casetrail.projections.errors import ViewError
from casetrail.projections.outbox_store import OutboxStore
from tests.actions import INTAKE, report
from tests.consumers.watching import World, settle
from tests.domain.clock_histories import day
from tests.domain.test_rules import sealed
from tests.servers.kafka import free_port

SECRET = "whsec_" + b64encode(b"s" * 32).decode()
SECOND = timedelta(seconds=1)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def escalate(world: World, until: datetime, cases: int = 1) -> None:
    """Reports that nobody touches, and what a watchdog makes of them."""
    if not world.events():
        for number in range(1, cases + 1):
            body = report(sealed=sealed(SealedName.CHILD_NAME))
            world.tell(world.clock.now, body, INTAKE, f"C-{number}")
    world.clock.now = max(world.clock.now, until)
    watchdog = world.watchdog()
    settle(watchdog)
    watchdog.close()


def addresses(world: World, *lines: str) -> Path:
    path = world.folder / "recipients.toml"
    path.write_text("\n".join(lines))
    return path


def outbox(world: World, *lines: str, since: datetime | None = datetime(2020, 1, 1, tzinfo=UTC)) -> Outbox:
    """An outbox with these addresses."""
    store = OutboxStore(world.folder / "outbox", world.log.name)
    recipients = load_recipients(addresses(world, *lines))
    return Outbox(world.log, store, recipients, lambda: world.clock.now, since)


def run(one: Outbox) -> None:
    """Let an outbox do all that is to be done now."""
    while one.step(0.0):
        pass


def lines_in(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


TO_FILE = ("[addresses]", '"*" = { file = "told.ndjson" }')


def test_what_the_log_says_is_told_once_in_its_order(world: World) -> None:
    escalate(world, day(4.1))
    one = outbox(world, *TO_FILE)
    run(one)
    one.close()
    told = lines_in(world.folder / "told.ndjson")
    first = [line["data"] for line in told if line["data"]["clock"] == "first_response"]
    assert [(data["level"], data["told"]) for data in first] == [
        ("holder", "child-crimes/intake"),
        ("supervisor", "child-crimes/supervisor"),
        ("commander", "child-crimes/commander"),
    ]
    assert first[0] == {
        "case_id": "C-1", "clock": "first_response", "subject": None, "due_at": "2026-03-03T09:00:00Z", "level": "holder",
        "told": "child-crimes/intake", "no_address": True, "event": 3, "recorded_at": first[0]["recorded_at"],
    }  # fmt: skip
    again = outbox(world, *TO_FILE)
    run(again)
    again.close()
    assert lines_in(world.folder / "told.ndjson") == told


def test_a_new_outbox_begins_with_what_is_recorded_from_now_on(world: World) -> None:
    escalate(world, day(1.5))
    one = outbox(world, *TO_FILE, since=None)
    run(one)
    assert lines_in(world.folder / "told.ndjson") == []
    escalate(world, day(2.5))
    run(one)
    one.close()
    assert [line["data"]["level"] for line in lines_in(world.folder / "told.ndjson")] == ["supervisor"]


def test_one_that_is_told_to_begin_earlier_sends_nothing_from_before_even_after_a_restart(world: World) -> None:
    escalate(world, day(1.5))
    escalate(world, day(2.5))
    for _ in range(2):
        one = outbox(world, *TO_FILE, since=day(2))
        run(one)
        one.close()
    assert [line["data"]["level"] for line in lines_in(world.folder / "told.ndjson")] == ["supervisor"]


def test_who_has_no_address_is_reached_by_default_and_that_is_said(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    escalate(world, day(2.5))
    one = outbox(world, *TO_FILE, '"child-crimes/supervisor" = { file = "sergeants.ndjson" }')
    with caplog.at_level(logging.WARNING):
        run(one)
    one.close()
    assert "no address for child-crimes/intake" in caplog.text
    (told,) = lines_in(world.folder / "sergeants.ndjson")
    assert (told["data"]["no_address"], told["data"]["level"]) == (False, "supervisor")
    assert all(line["data"]["no_address"] for line in lines_in(world.folder / "told.ndjson"))


def test_an_outbox_of_another_log_is_not_used(world: World) -> None:
    OutboxStore(world.folder / "outbox", "elsewhere").close()
    with pytest.raises(ViewError, match="elsewhere"):
        outbox(world, *TO_FILE)


# --- webhooks ---


class Hook:
    """A server that takes webhooks, and answers as it is told to."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = hook.answers.pop(0) if hook.answers else 200
                hook.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/told"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.server.shutdown()
    made.server.server_close()


def to_hook(world: World, hook: Hook) -> tuple[str, ...]:
    (world.folder / "secret").write_text(SECRET + "\n")
    return ("[addresses]", f'"*" = {{ webhook = "{hook.url}", secret_file = "secret" }}')


def test_a_webhook_is_a_cloud_event_that_others_can_verify(world: World, hook: Hook) -> None:
    escalate(world, day(1.5))
    one = outbox(world, *to_hook(world, hook))
    run(one)
    one.close()
    ((headers, body),) = hook.got
    Webhook(SECRET).verify(body, headers)  # raises where the signature, or the time, is wrong
    signed = b".".join((headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body))
    expected = b64encode(hmac.new(b64decode(SECRET.removeprefix("whsec_")), signed, "sha256").digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    event = json.loads(body)
    assert (event["specversion"], event["type"], event["subject"]) == ("1.0", "casetrail.escalated", "C-1")
    assert event["source"] == "/casetrail/logs/metro" and event["id"] == headers["webhook-id"]
    assert event["time"] == "2026-03-03T09:00:00Z"


def test_a_changed_body_does_not_verify() -> None:
    transport = WebhookTransport("http://127.0.0.1/", b64decode(SECRET.removeprefix("whsec_")))
    moment = str(int(datetime.now(UTC).timestamp()))
    headers = {
        "webhook-id": "m1",
        "webhook-timestamp": moment,
        "webhook-signature": transport.signature("m1", moment, b"{}"),
    }
    Webhook(SECRET).verify(b"{}", headers)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(SECRET).verify(b"{ }", headers)


def test_what_does_not_arrive_is_tried_again_after_longer_and_longer_pauses_under_the_same_id(
    world: World, hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    escalate(world, day(1.5))
    hook.answers = [500, 404, 302]
    one = outbox(world, *to_hook(world, hook))
    pauses = []
    for tries in (1, 2, 3):
        run(one)
        assert len(hook.got) == tries
        before = world.clock.now
        while not one._store.waiting(world.clock.now, 1):
            world.clock.now += SECOND
        pauses.append((world.clock.now - before).total_seconds())
    run(one)
    assert len(hook.got) == 4 and one._store.counts() == (1, 0)
    one.close()
    assert len({headers["webhook-id"] for headers, _ in hook.got}) == 1
    assert len({body for _, body in hook.got}) == 1
    assert 22 <= pauses[0] <= 38 and 45 <= pauses[1] <= 76 and 90 <= pauses[2] <= 151
    assert all(f"answers {status}" in caplog.text for status in (500, 404, 302))


def test_a_dead_address_holds_up_no_other_and_is_left_alone_for_a_while(world: World, hook: Hook) -> None:
    escalate(world, day(4.1), cases=3)
    lines = (*to_hook(world, hook), '"child-crimes/supervisor" = { file = "sergeants.ndjson" }')
    hook.answers = [503] * 99
    one = outbox(world, *lines)
    run(one)
    assert len(hook.got) == 1, "one attempt for all that waits"
    assert len(lines_in(world.folder / "sergeants.ndjson")) == 6
    ((address, waiting, trouble),) = one._store.troubles()
    assert address.startswith("webhook:") and waiting == 9 and "503" in trouble
    hook.answers = []
    world.clock.now += LONGEST_PAUSE
    run(one)
    one.close()
    assert len(hook.got) == 10


def test_notifications_that_do_not_arrive_are_trouble_until_they_do(world: World, hook: Hook) -> None:
    escalate(world, day(4.1), cases=3)
    lines = (*to_hook(world, hook), '"child-crimes/supervisor" = { file = "sergeants.ndjson" }')
    hook.answers = [503] * 99
    one = outbox(world, *lines)
    assert one.trouble() is None
    run(one)
    begun = world.clock.now
    assert (one.waiting, one.unreached, one.trouble()) == (9, timedelta(0), None), "it is tried again soon"
    while world.clock.now - begun <= UNREACHED:
        world.clock.now += SECOND
        one.step(0.0)
    assert one.trouble() == TROUBLE
    one.close()
    again = outbox(world, *lines)
    assert again.trouble() == TROUBLE, "a new start is no news"
    hook.answers = []
    world.clock.now += LONGEST_PAUSE
    run(again)
    assert (again.waiting, again.unreached, again.trouble()) == (0, timedelta(0), None)
    again.close()


def test_what_waits_for_an_address_that_was_wrong_goes_to_the_right_one(world: World, hook: Hook) -> None:
    escalate(world, day(4.1), cases=3)
    hook.answers = [503] * 99
    one = outbox(world, *to_hook(world, hook))
    run(one)
    one.close()
    world.clock.now += 2 * UNREACHED
    right = outbox(world, *TO_FILE, '"child-crimes/supervisor" = { file = "sergeants.ndjson" }')
    run(right)
    assert (right.waiting, right.trouble()) == (0, None)
    right.close()
    told = lines_in(world.folder / "told.ndjson"), lines_in(world.folder / "sergeants.ndjson")
    assert [len(lines) for lines in told] == [9, 6]
    assert [{line["data"]["no_address"] for line in lines} for lines in told] == [{True}, {False}]


def test_an_outbox_that_reaches_nobody_is_seen_from_outside_and_gives_no_sign_of_life(world: World, hook: Hook) -> None:
    escalate(world, day(4.1))
    hook.answers = [503] * 9999
    first = outbox(world, *to_hook(world, hook))
    run(first)
    first.close()
    world.clock.now += 2 * UNREACHED
    made, stop = list[Outbox](), threading.Event()
    health = Health(gauges=lambda: {("casetrail_waiting", "outbox"): made[0].waiting})

    def make() -> Outbox:
        made.append(outbox(world, *to_hook(world, hook)))
        return made[0]

    thread = threading.Thread(target=loop.run, args=("outbox", make, stop, health))
    thread.start()
    until = monotonic() + 60
    while health.report()[0] or not health.report()[1]["consumers"]:
        assert monotonic() < until
        sleep(0.02)
    assert health.working() == []
    assert f'casetrail_trouble_total{{consumer="outbox",code="{TROUBLE}"}} 1' in health.metrics()
    assert 'casetrail_waiting{consumer="outbox"} 5' in health.metrics()
    stop.set()
    thread.join()


def test_an_outbox_that_is_stopped_in_between_loses_nothing(world: World, hook: Hook) -> None:
    escalate(world, day(4.1), cases=2)
    hook.answers = [200, 200, 500]
    one = outbox(world, *to_hook(world, hook))
    run(one)
    one.close()
    world.clock.now += LONGEST_PAUSE
    again = outbox(world, *to_hook(world, hook))
    run(again)
    again.close()
    ids = [headers["webhook-id"] for headers, _ in hook.got]
    told = sum(len(body.told) for case in ("C-1", "C-2") for body in world.recorded(case) if hasattr(body, "told"))
    assert len(ids) == told + 1 and len(set(ids)) == told, "only what did not arrive was sent again"


def test_what_was_sent_before_a_crash_could_be_noted_comes_again_under_its_id(
    world: World, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    escalate(world, day(1.5))
    one = outbox(world, *to_hook(world, hook))

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(OutboxStore, "sent", crash)
        with pytest.raises(KeyboardInterrupt):
            run(one)
    one.close()
    again = outbox(world, *to_hook(world, hook))
    run(again)
    again.close()
    first, second = (headers["webhook-id"] for headers, _ in hook.got)
    assert first == second


# --- mail ---


class Box:
    """Keeps the mail that comes."""

    def __init__(self) -> None:
        self.mail: list[tuple[list[str], bytes]] = []
        self.refuse = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  (the library's name)
        if self.refuse:
            self.refuse -= 1
            return "451 try again later"
        self.mail.append((envelope.rcpt_tos, envelope.content))
        return "250 OK"


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate that vouches for itself, for this host, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "mail.crt", folder / "mail.key"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    return public, private


Serving = Callable[[Box], Controller]


@pytest.fixture
def mail_server(tmp_path: Path) -> Iterator[Serving]:
    """Starts a mail server that wants TLS, and a password."""
    public, private = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    started: list[Controller] = []

    def serve(box: Box) -> Controller:
        def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
            return AuthResult(success=(data.login, data.password) == (b"casetrail", b"a password"))

        controller = Controller(
            box, hostname="127.0.0.1", port=free_port(), tls_context=context, require_starttls=True, auth_required=True,
            authenticator=authenticate,
        )  # fmt: skip
        controller.start()
        started.append(controller)
        return controller

    yield serve
    for one in started:
        one.stop()


def by_mail(world: World, controller: Controller, *more: str) -> tuple[str, ...]:
    (world.folder / "password").write_text("a password\n")
    return (
        "[mail]", 'host = "localhost"', f"port = {controller.port}", 'from = "casetrail@metro.example"', 'user = "casetrail"',
        'password_file = "password"', 'authority = "mail.crt"', *more,
        "[addresses]", '"*" = { email = "duty@metro.example" }',
    )  # fmt: skip


def test_a_mail_says_which_case_and_clock_and_no_names(world: World, mail_server: Serving) -> None:
    escalate(world, day(1.5))
    box = Box()
    one = outbox(world, *by_mail(world, mail_server(box)))
    run(one)
    one.close()
    ((to, content),) = box.mail
    assert to == ["duty@metro.example"]
    mail = message_from_bytes(content, policy=default)
    assert mail["Subject"] == "casetrail: first_response missed in case C-1 (holder)"
    assert mail["From"] == "casetrail@metro.example" and mail["Message-ID"].endswith("@metro.example>")
    text = mail.get_body().get_content()  # type: ignore[union-attr]
    assert "case id: C-1" in text and "told: child-crimes/intake" in text and "sealed" not in text
    assert text.startswith("The time limit first_response was missed in case C-1. There is no address for")


def mailed(level: Level, subject: str | None = None) -> str:
    """The text of a mail that tells the clinic at some level."""
    told = Escalated("referral_answer", day(1), level, (Recipient("clinic"),), subject)
    event = Event(bytes(32), bytes(32), bytes(16), 7, 0, 0, day(1), "C-1", "kcpd", 1, day(1), None, None, told)
    mail = message(notification(event, told, "clinic", False), "casetrail@metro.example", "duty@metro.example")
    content: str = mail.get_content()
    return content


def test_a_mail_says_what_whoever_is_told_can_do() -> None:
    text = mailed(Level.SUPERVISOR, "ref-1")
    assert text.startswith("The time limit referral_answer was missed in case C-1, and nobody of your level or above")
    assert "Look: casetrail clock C-1" in text
    words = f"C-1 --clock referral_answer --due-at {iso(day(1))} --subject ref-1 --answer CODE"
    assert (
        f"Answer: casetrail act escalation-answered {words}" in text and "CODE: being_worked_now, handed_over" in text
    )
    partners = mailed(Level.PARTNERS)
    assert (
        "casetrail partner clinic --case C-1" in partners
        and "casetrail partner raise C-1 --about no_response" in partners
    )
    for text in (partners, mailed(Level.OVERSIGHT)):
        assert "escalation-answered" not in text, "a rule would refuse it"


def test_a_mail_server_that_refuses_for_a_while_gets_it_later_with_the_same_message_id(
    world: World, mail_server: Serving
) -> None:
    escalate(world, day(1.5))
    box = Box()
    box.refuse = 1
    one = outbox(world, *by_mail(world, mail_server(box)))
    run(one)
    assert box.mail == [] and one._store.counts() == (0, 1)
    world.clock.now += LONGEST_PAUSE
    run(one)
    assert len(box.mail) == 1 and one._store.counts() == (1, 0)
    one.close()


def test_mail_goes_to_no_server_that_cannot_prove_who_it_is(world: World, mail_server: Serving) -> None:
    escalate(world, day(1.5))
    box = Box()
    lines = [line for line in by_mail(world, mail_server(box)) if "authority" not in line]
    one = outbox(world, *lines)
    run(one)
    ((address, waiting, trouble),) = one._store.troubles()
    one.close()
    assert box.mail == [] and waiting == 1 and address == "email:duty@metro.example"
    assert "SSLCertVerificationError" in trouble


# --- the file of recipients ---


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[addresses]", 'it needs "\\*"'),
        ('[addresses]\n"*" = { pigeon = "x" }', "one of email, webhook, file"),
        ('[addresses]\n"*" = { email = "a@b.example" }', "table \\[mail\\]"),
        ('[addresses]\n"*" = { file = "x", colour = "red" }', "there is no 'colour'"),
        ('[addresses]\n"*" = { webhook = "http://partner.example/x", secret_file = "secret" }', "use https://"),
        ('[addresses]\n"*" = { webhook = "https://partner.example/x", secret_file = "nowhere" }', "cannot be read"),
        ('[addresses]\n"*" = { webhook = "https://partner.example/x", secret_file = "short" }', "3 bytes"),
        ('[mail]\nhost = "mail.example"\nsecurity = "none"\nfrom = "a@b"\n[addresses]\n"*" = { file = "x" }', "without TLS"),
        ("[address]", "there is no 'address'"),
        ("= 3", "cannot be read"),
    ],
)  # fmt: skip
def test_a_file_of_recipients_that_cannot_be_used_says_where(world: World, text: str, message: str) -> None:
    (world.folder / "secret").write_text(SECRET)
    (world.folder / "short").write_text("whsec_" + b64encode(b"abc").decode())
    with pytest.raises(RecipientsInvalid, match=message):
        load_recipients(addresses(world, text))


# --- what the file keeps ---


def test_what_was_sent_can_be_looked_up_for_a_year_and_what_waits_stays_however_long(tmp_path: Path) -> None:
    store = OutboxStore(tmp_path / "outbox", "metro")
    store.begin({0: 0}, day(1))
    store.take([("first", "a", "{}"), ("second", "a", "{}"), ("third", "b", "{}"), ("waits", "c", "{}")], {0: 4})
    first, second, third, _ = store.waiting(day(1), 9)
    store.sent(first, day(1))
    store.sent(second, day(366))
    assert store.counts() == (2, 2)
    store.sent(third, day(500))
    assert store.counts() == (2, 1), "the first is forgotten"
    assert [one.id for one in store.waiting(day(900), 9)] == ["waits"]
    store.close()
