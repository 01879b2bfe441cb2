"""What somebody who means harm writes wherever a text goes, and what must be true of whatever is shown of it."""

import csv
import io
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from casetrail.domain.actions import Action, Actor, Imported
from casetrail.domain.answering import FindingTold
from casetrail.domain.assignment import Assigned
from casetrail.domain.codes import AgencyKind, Desk, Offence, Role, SealedName
from casetrail.domain.escalation import DeadlineMissed, Escalated, Recipient
from casetrail.domain.intake import OffenceAlleged
from casetrail.domain.investigation import NoteAdded
from casetrail.domain.policy import Level
from casetrail.domain.registry import REGISTRY, AgencyRegistered, PersonJoined, PolicyAdopted
from casetrail.domain.sealed import SealedField
from casetrail.eventlog.codec import encode_action
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.port import Entry, Topic
from casetrail.projections.registry import preset_text
from tests.actions import HAPPENED, INTAKE, action, report
from tests.cli.shell import SERGEANT, Shell

HOSTILE: Final = {
    "clears the screen": "\x1b[2J\x1b[H",
    "sets the window's title": "\x1b]0;owned\x07",
    "C1 control sequence": "\x9b31mred",
    "formula": '=HYPERLINK("http://x","y")',
    "formula that runs a program": "=cmd|' /C calc'!A0",
    "formula with at": "@SUM(1+1)",
    "formula after a tab": "\t=1+1",
    "formula after a line end": "\n=1+1",
    "full-width formula": "＝1+1",
    "minus": "-2+3",
    "plus": "+1",
    "new row": 'x\r\n"C-99",closed',
    "header of a mail": "x\r\nBcc: everybody@example.org\r\n\r\nbody",
    "overwrites the line": "open\rclosed",
    "right to left": "\u202ecod.exe",
    "isolates": "\u2066x\u2069",
    "invisible": "a\u200bb\ufeff",
    "line separator": "a\u2028b",
    "rich markup": "[bold red]x[/] [link=http://x]y[/link]",
    "backspaces": "yes\b\b\bno",
    "very long": "long " * 3000,
    "nul": "a\x00b",
    "tag characters": "\U000e0041\U000e007f",
    "element": "<script>alert(1)</script>",
    "attribute": "\"><svg onload=alert(1)>' onmouseover='x",
    "end of CDATA and an entity": "]]>&lol;<!DOCTYPE x>",
    "SQL": "'; DROP TABLE case_status; --",
    "path": "../../../../etc/passwd",
    "absolute path": "/etc/passwd\x00.txt",
    "emoji": "👩‍👧 \U0001f600",
    "noncharacter": "a\ufffe\uffffb",
}
NOT_UTF8: Final = (b"\xff\xfe\x1b[2J", b"\xed\xa0\x80", b"\xc0\xaf..\xc0\xaf", b"=1\xff")
POLICY_NAME: Final = "\x1b[2J\u202e=cmd()<script>\r\nBcc: x"
BAD_POLICIES: Final = {
    "nested deeply": "a = " + "[" * 20_000,
    "nested deeply in tables": "a = " + "{a=" * 6_000,
    "a key of many parts": "name.a" + ".a" * 10_000 + " = 1",
    "a number of many digits": "a = " + "9" * 5_000,
    "a number of many hexadecimal digits": "name = 0x" + "f" * 9_000,
    "a path for a time zone": 'time_zone = "../../etc/passwd"',
    "a sequence for a name": '["\\u001b[2J"]\n"\\u202e" = "\\u0007"',
}
HEADERS: Final = (
    (("traceparent", b"\x1b[2J\r\nBcc: x"),),
    (("traceparent", b"0" * 20_000),),
    (("traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"),) * 2_000,
    (("traceparent\r\n\x1b[2J", b"x"), ("", b"\xff")),
)
UNOPENABLE: Final = (
    SealedField(SealedName.NARRATIVE, bytes(32), bytes(12), b"\x1b[2J"),
    SealedField(SealedName.NARRATIVE, bytes(32), bytes(12), b""),
)
ANCIENT: Final = {"AD-1": datetime(1, 1, 1, tzinfo=UTC), "AD-2": datetime(1, 4, 1, tzinfo=UTC)}
"""Reports from when no computer's clock has begun: nobody can say that a report is too old to be one."""
LONG_ID: Final = "A" * 60 + "@+-:"
"""All that an id may have, and as long as it may be."""


def assert_harmless(text: str) -> None:
    """No character controls a terminal, turns writing round or cannot be seen."""
    harmful = "Cc", "Cf", "Cs", "Co", "Zl", "Zp"
    bad = {one for one in set(text) if unicodedata.category(one) in harmful and one not in "\r\n"}
    assert not bad, bad
    assert "\r" not in text.replace("\r\n", "\n")


def assert_no_formula(sheet: str) -> None:
    """No cell is a formula to a spreadsheet."""
    for row in csv.reader(io.StringIO(sheet, newline="")):
        assert not [
            one for one in row if one.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝")) and not _number(one)
        ]


def _number(text: str) -> bool:
    return text.lstrip("-").isdigit()


def attacked_by(folder: Path, *attacks: Callable[[Path], int]) -> Shell:
    """A site in this folder whose log was attacked; a report was made before and one after."""
    shell = Shell(folder)
    shell.run("log", "init")
    shell.report("C-1")
    shell.run(*SERGEANT, "act", "note-added", "C-1", "--seal", "narrative=-", text="an invented note")
    for one in attacks:
        one(shell.log)
    shell.report("C-2")
    return shell


def attack(path: Path) -> int:
    """Put everything hostile wherever a submission has room for it, past every client; how many submissions that were."""
    entries = [entry for text in HOSTILE.values() for entry in _with(text)]
    entries += [Entry(key, value) for key in NOT_UTF8 for value in (key, encode_action(action(report())))]
    entries += [_entry(action(_policy(text), CHIEF, REGISTRY)) for text in BAD_POLICIES.values()]
    entries += [_entry(action(_policy(_named_policy()), CHIEF, REGISTRY))]
    entries += [Entry(b"C-1", b"\x00", headers=headers) for headers in HEADERS]
    entries += [_entry(action(NoteAdded(sealed=(one,)))) for one in UNOPENABLE]
    entries += [_entry(action(report(), INTAKE, case_id, at)) for case_id, at in ANCIENT.items()]
    entries += [_entry(action(report(unit=LONG_ID, agency=LONG_ID), INTAKE, LONG_ID))]
    entries += [_entry(action(DeadlineMissed("made.up", HAPPENED, LONG_ID, 1), WATCHDOG, LONG_ID))]
    told = (Recipient(LONG_ID), Recipient("x@y.example"), Recipient(LONG_ID, Desk.COMMANDER))
    entries += [_entry(action(Escalated("made.up", HAPPENED, Level.PARTNERS, told, LONG_ID), WATCHDOG, LONG_ID))]
    entries += [_entry(action(FindingTold("0" * 16, LONG_ID, Level.OVERSIGHT, told), WATCHDOG, LONG_ID))]
    with EmbeddedLog.open(path) as log:
        log.append(Topic.ACTIONS, entries)
    return len(entries)


CHIEF: Final = Actor("chief", "metro-pd", Role.COMMANDER)
WATCHDOG: Final = Actor("watchdog", "metro-pd", Role.SYSTEM)


def _policy(text: str) -> PolicyAdopted:
    return PolicyAdopted(HAPPENED, text.encode())


def _named_policy() -> str:
    """A policy that every rule takes, with a name and sources that are hostile."""
    escaped = "".join(f"\\U{ord(one):08x}" for one in POLICY_NAME)
    lines = preset_text("generic").splitlines()
    return "\n".join(
        f'{line.partition("=")[0]}= "{escaped}"' if line.startswith(("name =", "source =")) else line for line in lines
    )


def _with(text: str) -> list[Entry]:
    """Submissions with a text wherever the format has room for one: what no rule can check is who submits."""
    who = Actor(text, text, Role.INTAKE)
    bodies: list[Any] = [
        report(report_number=text, agency=text, unit=text, offences=(OffenceAlleged(Offence.RAPE, text),)),
        Assigned(text),
        DeadlineMissed(text, HAPPENED, text),
        Escalated(text, HAPPENED, Level.SUPERVISOR, (Recipient(text),), text),
        FindingTold(text, text, Level.SUPERVISOR, (Recipient(text),), text),
        AgencyRegistered(text, AgencyKind.LAW_ENFORCEMENT),
        PersonJoined(text, text, Role.INVESTIGATOR, text),
    ]
    made = [_entry(action(body, who, key)) for body in bodies for key in ("C-1", REGISTRY)]
    made.append(_entry(action(Assigned("det.01"), who)))
    made.append(_entry(action(Assigned("det.01"), imported=Imported(bytes(32), -1, text))))
    made.append(Entry(b"C-1", encode_action(action(report(), case_id=text))))
    made += [Entry(key, text.encode()) for key in (b"C-1", text.encode()[:60], REGISTRY.encode())]
    return made


def _entry(one: Action) -> Entry:
    return Entry(one.case_id.encode(), encode_action(one))
