"""Whether stored bytes are the only ones for what they say: what recorders wrote is so for ever, sloppy bytes are not."""

from pathlib import Path

import pytest

from casetrail.eventlog.codec import decode_event
from casetrail.eventlog.exact import is_exact
from tests.eventlog.test_golden import GOLDEN, read_golden

FILES = sorted(GOLDEN.glob("*/*.json"))
REPORTS = sorted(GOLDEN.glob("*/ReportReceived.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_what_recorders_of_any_day_wrote_is_exact(file: Path) -> None:
    value = read_golden(file)["event"]
    assert is_exact(value, decode_event(value))


@pytest.mark.parametrize("file", REPORTS, ids=lambda file: file.parent.name)
def test_a_boolean_that_libraries_read_differently_is_not(file: Path) -> None:
    value, sloppy = read_golden(file)["event"], 0
    event = decode_event(value)
    for at in range(len(value)):
        if value[at] == 1:
            changed = value[:at] + b"\x02" + value[at + 1 :]
            try:
                same = decode_event(changed) == event
            except Exception:
                continue
            sloppy += same and not is_exact(changed, event)
    assert sloppy
