"""Write ``docs/detectors/``: a page for each detector, from its docstring and its settings."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from casetrail.domain.detectors.catalogue import EVERY, OF_CASES, OF_MACHINES, STATISTICAL
from casetrail.domain.detectors.detector import SECTIONS, Detector
from casetrail.domain.detectors.settings import Setting
from casetrail.domain.policy import Limit

FOLDER: Final = Path(__file__).resolve().parent.parent / "docs" / "detectors"
MADE: Final = "<!-- Written by tools/write_detectors.py from the code: change the code, then run `make docs`. -->"

COMMON: Final = (
    ("`escalation`", "`usual`, else the first of the policy", "who is told of a finding, and when", "the policy"),
    ("`off`", "false", "whether the detector is turned off", "practice"),
)

INDEX: Final = """\
A detector is a rule over events. What it finds follows from the log, the policy and the time alone: whoever has the same
log gets the same findings, whether or not anybody watches. `casetrail findings` lists them, `casetrail findings explain`
shows one with the events that it rests on and their hashes.

A finding says since when anybody who had the log could have seen it. A detector judges what the log held at each moment:
what is entered late settles a finding, and does not undo it. Limits count from when things happened, so entering late
gains no time. A finding's id follows from the detector, what it is about and the first event that it rests on; settings
do not change it.

Who is told of a finding, and after how long, is the escalation of the policy that its detector names, as with a missed clock. The
watchdog tells, and the outbox sends ([watchdog.md](../watchdog.md)): `levels_told` in the list of findings is who was told, by the
log, and `untold` who is to have been told by now, and was not. A level at which there is nobody is named in neither.

A policy sets what a detector may be set to in its table `[detectors.NAME]`, and `casetrail policy check` checks it. Where
a limit is also that of a clock of the policy, the clock's limit and calendar hold unless the table sets another."""

ELSEWHERE: Final = """\
Findings follow from the events of the log. Three signs of neglect and of tampering do not stand in them, and are looked for by
commands of their own, each of which ends with exit code 8 where there is something:

- **A report that is not in the log**, or not in time, though a partner's ledger has it: `casetrail audit reconcile`
  ([reconciling.md](../reconciling.md)).
- **A gap in the log**, or whatever else was altered in it: `casetrail audit verify` and `casetrail count`
  ([verifying.md](../verifying.md)).
- **A setting that was weakened**, by which history could be lost: `casetrail log check`, `casetrail doctor`, and
  `audit verify`. Each machine looks at them with every heartbeat, and says so in its `/health`."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in lines)


def page(title: str, *parts: str) -> str:
    """A whole page."""
    return "\n\n".join((f"# {title}", MADE, *parts)) + "\n"


def index() -> str:
    """The list of all detectors."""
    rows = [(f"[{one.title}]({one.name}.md)", one.about, one.section("Found in")) for one in EVERY]
    head = ("detector", "finds", "found in")
    cases, machines = len(OF_CASES), len(EVERY) - len(OF_MACHINES)
    return page(
        "Detectors", INDEX, "## Of one case", table(head, rows[:cases]), "## Of many cases",
        table(head, rows[cases:machines]), "## Of machines", table(head, rows[machines:]),
        "## What is no finding", ELSEWHERE,
    )  # fmt: skip


def detector_page(detector: Detector[Any]) -> str:
    """The page of one detector."""
    parts = [detector.about]
    for name in SECTIONS:
        text = detector.section(name)
        parts.append(f"**{name}.** {text[0].upper()}{text[1:]}")
    if detector.name in STATISTICAL:
        parts.append("It needs SciPy: `pip install casetrail[statistics]`.")
    settings = [_setting(one) for one in detector.settings]
    parts += ["## Settings", table(("setting", "default", "meaning", "source"), [*settings, *COMMON])]
    parts += [f"```toml\n[detectors.{detector.name}]\n{_example(detector)}\n```"]
    return page(detector.title.capitalize(), *parts)


def _setting(setting: Setting) -> tuple[str, str, str, str]:
    default = _plain(setting.default)
    if setting.clock is not None:
        default = f"that of the clock `{setting.clock}`; {default} where there is none"
    elif setting.calendar_of is not None:
        default = f"{default} on the calendar of the clock `{setting.calendar_of}`"
    return f"`{setting.name}`", default, setting.meaning, setting.source


def _plain(default: Any) -> str:
    if isinstance(default, tuple) and not isinstance(default, Limit):
        return ", ".join(f"`{code}`" for code in default)
    return str(default)


def _example(detector: Detector[Any]) -> str:
    for setting in detector.settings:
        default = setting.default
        if isinstance(default, Limit):
            return f'{setting.name} = "{default}"'
        if isinstance(default, tuple):
            return f"{setting.name} = [" + ", ".join(f'"{code}"' for code in default) + "]"
        return f"{setting.name} = {default}"
    return 'escalation = "usual"'


def pages() -> dict[Path, str]:
    """Every page that is written from the code."""
    made = {FOLDER / f"{one.name}.md": detector_page(one) for one in EVERY}
    return {FOLDER / "README.md": index(), **made}


def main() -> int:
    """Write what is missing or differs, remove what is no detector's; 1 where ``--check`` was asked for and something did."""
    wanted = pages()
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    left = [path for path in FOLDER.glob("*.md") if path not in wanted]
    for path in (*stale, *left):
        print(path.relative_to(FOLDER.parent.parent))
        if "--check" in sys.argv:
            continue
        if path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], "utf-8")
        else:
            path.unlink()
    return 1 if (stale or left) and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
