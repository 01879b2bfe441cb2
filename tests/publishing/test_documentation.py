"""docs/publishing.md is run, and what it says of codes, sizes and schema ids is what the code has."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import casetrail.publishing
from casetrail.eventlog.codec import UNREADABLE
from casetrail.eventlog.limits import ACTION_BYTES
from casetrail.eventlog.opening import init_log
from casetrail.eventlog.schemas import current_ids
from casetrail.privacy.sealing import MOST_TEXT_BYTES, unseal
from casetrail.publishing import connect
from casetrail.publishing.outcomes import RECENT_BYTES

PAGE = (Path(__file__).parents[2] / "docs" / "publishing.md").read_text("utf-8")
FIRST, SEALING = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A new log."""
    address = f"sqlite:{tmp_path / 'kcpd.db'}"
    init_log(address).close()
    return address


def run_example(url: str) -> dict[str, Any]:
    """Run the first example on another log; the names that it leaves."""
    names: dict[str, Any] = {}
    code = FIRST.replace("kafka://broker:9092/kcpd", url)
    assert url in code
    exec(code, names)
    return names


def test_the_example_runs_and_is_accepted(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    run_example(url)
    assert capsys.readouterr().out == "accepted None 1\n"


def test_the_example_fits_on_one_screen() -> None:
    assert len([line for line in FIRST.splitlines() if line.strip()]) <= 20


def test_the_sealing_example_submits_what_only_the_key_opens(url: str, tmp_path: Path) -> None:
    names = run_example(url)
    code = SEALING.replace("postgresql://keys.example/casetrail", f"sqlite:{tmp_path / 'keys.db'}")
    code = code.replace("/etc/casetrail/master.key", str(tmp_path / "master.key"))
    exec(code, names | {"replace": replace}, names)
    with connect(url) as log:
        outcome = log.wait(log.submit(names["action"]))
    assert outcome.result == "accepted"
    body: Any = outcome.event.body
    opened = unseal(names["case_key"], "KC-2026-000150", outcome.event.action_id, body.sealed[0])
    assert opened.text == "Séan O’Brien"
    names["keyring"].close()


def test_the_page_names_the_schemas_that_this_version_writes() -> None:
    for name in ("action", "event"):
        assert (b"\x00" + current_ids()[name].to_bytes(4)).hex(" ") in PAGE, name
    assert f"action-{current_ids()['action']:08x}.avsc" in PAGE


def test_the_page_lists_every_reason_why_a_submission_is_unreadable() -> None:
    table = dict(re.findall(r"^\| `([a-z-]+)` \| (.*?) \|$", PAGE, re.MULTILINE))
    assert {code: table[code] for code in UNREADABLE} == UNREADABLE


def test_the_page_names_every_error_of_the_room_and_the_sizes_as_they_are() -> None:
    for name in casetrail.publishing.__all__:
        assert f"`{name}" in PAGE or f"{name}." in PAGE or f" {name}(" in FIRST or f"import {name}" in FIRST, name
    for number in (ACTION_BYTES, MOST_TEXT_BYTES):
        assert f"at most {number:,} bytes" in PAGE
    assert f"at most {RECENT_BYTES // 1024**2} MiB" in PAGE


def test_the_pages_and_files_that_it_refers_to_are_there() -> None:
    docs = Path(__file__).parents[2] / "docs"
    for name in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (docs / name).is_file(), name
    assert (docs.parent / "tests" / "foreign" / "Stranger.java").is_file()
