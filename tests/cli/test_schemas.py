"""``casetrail schemas register`` puts the schemas under their own ids into a registry that speaks Confluent's API."""

import json
import threading
from base64 import b64decode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner, Result

from casetrail.cli import exits
from casetrail.cli.main import cli
from casetrail.eventlog.schemas import current_ids, published, schema_id
from tests.cli.shell import Shell

SUBJECTS: Final = {
    "kcpd.actions-value": ("action",),
    "kcpd.events-value": ("event",),
    "kcpd.checkpoints-value": ("checkpoint", "cosignature"),
}


class Registry:
    """What Confluent's registry keeps, and by which rules: an id is only taken in the mode IMPORT, and has one schema for good."""

    def __init__(self) -> None:
        self.subjects: dict[str, dict[int, int]] = {}
        self.schemas: dict[int, str] = {}
        self.modes: dict[str, str] = {}
        self.asked: list[tuple[str, str]] = []
        self.users: set[str] = set()
        self.takes_ids = True
        self.url = ""
        self.says: bytes | None = None
        """What it answers to everything, where it is no registry."""

    def answer(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        """Status and JSON of an answer."""
        parts = urlsplit(target)
        what, subject, *rest = [one for one in parts.path.split("/") if one]
        self.asked.append((method, target))
        if what == "mode":
            return self._mode(method, subject, parse_qs(parts.query), body)
        there = self.subjects.get(subject, {})
        if method == "POST":
            return self._register(subject, body)
        if not there:
            return 404, {"error_code": 40401, "message": f"Subject '{subject}' not found."}
        if rest == ["versions"]:
            return 200, sorted(there)
        number = there[int(rest[1])]
        return 200, {"subject": subject, "version": int(rest[1]), "id": number, "schema": self.schemas[number]}

    def _mode(self, method: str, subject: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        if method == "GET":
            mode = self.modes.get(subject)
            return (200, {"mode": mode}) if mode else (404, {"error_code": 40409, "message": "no mode of its own"})
        if body["mode"] == "IMPORT" and self.subjects.get(subject) and query.get("force") != ["true"]:
            return 422, {"error_code": 42205, "message": "Cannot import since found existing subjects"}
        self.modes[subject] = body["mode"]
        return 200, body

    def _register(self, subject: str, body: Any) -> tuple[int, Any]:
        assert body["schemaType"] == "AVRO"
        if self.modes.get(subject) != "IMPORT":
            return 422, {"error_code": 42205, "message": f"Subject {subject} is not in import mode"}
        if self.schemas.setdefault(body["id"], body["schema"]) != body["schema"]:
            return 422, {"error_code": 42205, "message": f"Overwrite new schema with id {body['id']} is not permitted."}
        versions = self.subjects.setdefault(subject, {})
        assert body["version"] not in versions
        versions[body["version"]] = body["id"]
        return 200, {"id": body["id"] if self.takes_ids else len(self.schemas)}


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A registry that listens."""
    made = Registry()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            made.users.add(b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode())
            text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, found = made.answer(self.command, self.path, json.loads(text) if text else None)
            self.send_response(200 if made.says else status)
            self.end_headers()
            self.wfile.write(made.says or json.dumps(found).encode())

        do_GET = do_PUT = do_POST = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def register(url: str, *words: str, code: int = exits.OK) -> Result:
    done = CliRunner().invoke(
        cli, ["--log", "kafka://kafka-1:9092/kcpd", "schemas", "register", "--registry", url, *words]
    )
    assert done.exit_code == code, (done.output, done.exception)
    return done


def test_every_schema_is_found_under_the_id_that_stands_in_the_records(registry: Registry) -> None:
    rows = json.loads(register(registry.url, "--format", "json").stdout)
    assert {number: json.loads(text) for number, text in registry.schemas.items()} == {
        number: json.loads(text) for number, text in published().items()
    }
    for subject, names in SUBJECTS.items():
        ids = list(registry.subjects[subject].values())
        assert all(json.loads(published()[one])["name"].lower() in names for one in ids)
        assert ids[-len(names) :] == [current_ids()[name] for name in names]  # what is written now comes last
    assert {row["id"] for row in rows} == {f"{one:08x}" for one in published()}
    assert {row["result"] for row in rows} == {"registered"}
    assert all(schema_id(json.loads(text)) == number for number, text in registry.schemas.items())
    assert set(registry.modes.values()) == {"READWRITE"}


def test_what_is_there_is_left_alone_and_what_is_missing_is_added(registry: Registry) -> None:
    register(registry.url)
    before = {subject: dict(versions) for subject, versions in registry.subjects.items()}
    registry.asked.clear()
    rows = json.loads(register(registry.url, "--format", "json").stdout)
    assert {row["result"] for row in rows} == {"there"}
    assert {method for method, _ in registry.asked} == {"GET"}

    lost = registry.subjects["kcpd.events-value"].pop(1)  # as if this version had a schema more than the last one
    registry.modes["kcpd.events-value"] = "READONLY"
    rows = json.loads(register(registry.url, "--format", "json").stdout)
    assert [row["id"] for row in rows if row["result"] == "registered"] == [f"{lost:08x}"]
    assert sorted(registry.subjects["kcpd.events-value"].values()) == sorted(before["kcpd.events-value"].values())
    assert registry.modes["kcpd.events-value"] == "READONLY"


def test_a_registry_in_which_another_schema_has_the_id_is_named_and_left_in_its_mode(registry: Registry) -> None:
    registry.schemas[current_ids()["event"]] = '"string"'
    done = register(registry.url, code=exits.FAILED)
    assert "kcpd.events-value" in done.stderr
    assert "Overwrite new schema" in done.stderr
    assert registry.modes["kcpd.events-value"] == "READWRITE"


def test_a_schema_that_was_exchanged_in_the_registry_is_not_said_to_be_there(registry: Registry) -> None:
    register(registry.url)
    registry.schemas[current_ids()["action"]] = '"string"'
    assert "Overwrite new schema" in register(registry.url, code=exits.FAILED).stderr


def test_a_registry_that_hands_out_ids_of_its_own_all_the_same_is_refused(registry: Registry) -> None:
    registry.takes_ids = False
    assert "under the id 1, not under" in register(registry.url, code=exits.FAILED).stderr


def test_a_registry_that_does_not_answer_is_out_of_reach(tmp_path: Path) -> None:
    assert "does not answer" in register("http://127.0.0.1:1", code=exits.UNREACHABLE).stderr
    assert "https://" in register("ftp://127.0.0.1", code=exits.USAGE).stderr
    assert Shell(tmp_path).run("schemas", "register", "--registry", "http://127.0.0.1:1", code=None).exit_code == 1


@pytest.mark.parametrize("answer", [b"<html>", b"7", b'{"a": 1}', b"[{}]", b"[1]"])
def test_what_is_no_schema_registry_is_said_to_be_none(registry: Registry, answer: bytes) -> None:
    registry.says = answer
    assert "otherwise than a schema registry" in register(registry.url, code=exits.FAILED).stderr


def test_a_password_goes_over_tls_or_nowhere(registry: Registry, tmp_path: Path) -> None:
    file = tmp_path / "registry"
    file.write_text("casetrail:secret\n", "utf-8")
    register(registry.url, "--credentials-file", str(file))  # on this machine
    assert registry.users == {"casetrail:secret"}
    done = register("http://registry.example:8081", "--credentials-file", str(file), code=exits.USAGE)
    assert "secret" not in done.output
    assert "https://" in done.stderr
