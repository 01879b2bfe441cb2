"""Files that were made to do harm are refused with a message, whoever reads them, and fill no memory."""

import gzip
import io
import os
import resource
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from casetrail.cli import exits
from tests.cli.hostile import HOSTILE, assert_harmless, assert_no_formula
from tests.cli.shell import MAPPING, PROGRAM, Shell, environment

LEDGER: Final = 'time_zone = "UTC"\nreport_number = "{number}"\nreported_at = "{received}"\n'
HEAD: Final = "number,received,story\n"
ROW: Final = "R-1,2026-03-02T09:00,x\n"
REGISTRAR: Final = ("--person", "registrar.1", "--agency", "metro-pd", "--role", "registrar")
MEMORY: Final = 600 * 1024 * 1024
"""Address space of a process that reads a file of 100 MB: what Python and its libraries map is most of it."""
BOMB: Final = 100 * 1024 * 1024


def readers(file: str) -> dict[str, tuple[str, ...]]:
    """Every command that reads a table of somebody else's."""
    return {
        "import": ("import", file, "--mapping", "import.toml"),
        "staff list": (*REGISTRAR, "registry", "import", file),
        "ledger": ("audit", "reconcile", file, "--mapping", "ledger.toml"),
    }


READERS: Final = sorted(readers(""))


@pytest.fixture(autouse=True)
def _mappings(shell: Shell) -> None:
    (shell.folder / "import.toml").write_text(MAPPING)
    (shell.folder / "ledger.toml").write_text(LEDGER)


def zip_bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("reports.csv", "w") as inside:
        for _ in range(BOMB >> 20):
            inside.write(bytes(1 << 20))
    return out.getvalue()


REFUSED: Final[dict[str, tuple[Callable[[], bytes], str]]] = {
    "zip bomb": (zip_bomb, "is a ZIP archive or a workbook: save or unpack it as a CSV file"),
    "gzip bomb": (lambda: gzip.compress(bytes(BOMB)), "is packed with gzip: save or unpack it as a CSV file"),
    "line without end": (lambda: b"x" * BOMB, "has a line or a row of more than"),
    "line without end of wide characters": (lambda: ("\U0001f600" * (BOMB >> 2)).encode(), "has a line or a row"),
    "field without end": (lambda: b'"' + b"x\n" * (BOMB >> 1), "is no CSV file: field larger than field limit"),
    "row without end": (lambda: HEAD.encode() + b'"\n",' * (BOMB >> 3), "has a line or a row of more than"),
    "a million columns": (lambda: b",".join(b"c%d" % number for number in range(1_000_000)) + b"\n", "1000000 columns"),
    "nothing but NUL": (lambda: bytes(1 << 20), "is no text"),
    "UTF-16 without a mark": (lambda: (HEAD + ROW).encode("utf-16-le"), "is in UTF-16 without a mark"),
    "nothing": (lambda: b"", "is empty"),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", REFUSED)
def test_a_file_that_is_no_table_is_refused_with_a_message_and_fills_no_memory(
    shell: Shell, kind: str, reader: str
) -> None:
    make, message = REFUSED[kind]
    (shell.folder / "hostile.csv").write_bytes(make())
    words = readers("hostile.csv")[reader]
    done = subprocess.run(
        [PROGRAM, "--log", f"sqlite:{shell.log}", *words], cwd=shell.folder, env=environment(), capture_output=True,
        text=True, timeout=60, check=False, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
    )  # fmt: skip
    if (kind, reader) == ("row without end", "staff list"):
        message = "has no column 'person'"  # its header is looked at first
    assert done.returncode == exits.FAILED, done.stderr[-2000:]
    assert "hostile.csv" in done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 1000


@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file_is_not_opened(shell: Shell, reader: str) -> None:
    os.mkfifo(shell.folder / "pipe.csv")
    for name in ("pipe.csv", "/dev/zero", ".", "missing.csv"):
        done = shell.process(*readers(name)[reader], check=False)
        assert done.returncode in (exits.NOT_FOUND, exits.USAGE), done
        assert name in done.stderr


def test_wide_rows_are_taken_in_batches_that_fit_the_memory(shell: Shell) -> None:
    cells = "".join(f"c{number}," for number in range(4_000))
    with (shell.folder / "wide.csv").open("w") as file:
        file.write(cells + HEAD)
        file.writelines(f"{'x12,' * 4_000}R-{number},soon,x\n" for number in range(1_200))
    done = subprocess.run(
        [PROGRAM, "--log", f"sqlite:{shell.log}", *readers("wide.csv")["import"], "--format", "ndjson"],
        cwd=shell.folder, env=environment(), capture_output=True, text=True, timeout=120, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
    )  # fmt: skip
    assert done.returncode == exits.FAULTS, done.stderr
    assert '"refused_rows": 1200' in done.stdout


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_is_read_in_the_encoding_that_its_mark_says(shell: Shell, encoding: str) -> None:
    (shell.folder / "reports.csv").write_bytes((HEAD + ROW).encode(encoding))
    shell.run(*readers("reports.csv")["import"])
    assert [row["case_id"] for row in shell.rows("cases")] == ["R-1"]
    found = shell.rows(*readers("reports.csv")["ledger"], code=exits.FAULTS)
    assert [(row["verdict"], row["report_number"]) for row in found] == [("late", "R-1")]


@pytest.mark.parametrize("encoding", ["klingon", "base64", "undefined", "utf-16-le"])
def test_an_encoding_that_is_none_or_another_is_refused_and_quotes_nothing(shell: Shell, encoding: str) -> None:
    (shell.folder / "reports.csv").write_text(HEAD + "R-1,2026-03-02T09:00,Secret Words!\n")
    (shell.folder / "import.toml").write_text(f'encoding = "{encoding}"\n{MAPPING}')
    done = shell.run(*readers("reports.csv")["import"], code=exits.FAILED)
    assert "encoding" in done.stderr or "column" in done.stderr
    assert "Secret" not in done.stderr


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_cells_and_columns_reach_no_output(shell: Shell, text: str) -> None:
    quoted = '"' + text.replace('"', '""') + '"'
    rows = [f"{quoted},2026-03-02T09:00,x\n", f"R-1,{quoted},x\n", f"R-2,2026-03-02T09:00,{quoted}\n"]
    (shell.folder / "cells.csv").write_text(HEAD + "".join(rows), newline="")
    (shell.folder / "columns.csv").write_text(f"{quoted},{quoted}\n1,2\n", newline="")
    for name in ("cells.csv", "columns.csv"):
        for words in readers(name).values():
            for form in ("table", "csv"):
                done = shell.run(*words, "--format", form, code=None)
                assert done.exit_code in (exits.OK, exits.FAILED, exits.FAULTS), (words, done.exception)
                assert isinstance(done.exception, SystemExit | None)
                assert_harmless(done.stdout)
                if form == "csv":
                    assert_no_formula(done.stdout)
    for rejects in shell.folder.glob("*.rejects.csv"):
        assert_no_formula(rejects.read_text("utf-8"))


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", ["sets the window's title", "right to left", "new row", "very long"])
def test_the_message_about_a_hostile_column_is_harmless_and_short(shell: Shell, kind: str, reader: str) -> None:
    quoted = '"' + HOSTILE[kind].replace('"', '""') + '"'
    (shell.folder / "columns.csv").write_text(f"person,agency,role,joined,{quoted},{quoted}\n", newline="")
    done = shell.process(*readers("columns.csv")[reader], check=False)
    assert done.returncode == exits.FAILED, done
    assert_harmless(done.stderr)
    assert len(done.stderr) < 500


def test_a_column_whose_name_is_a_formula_is_none_in_the_file_of_rejects(shell: Shell) -> None:
    (shell.folder / "import.toml").write_text(MAPPING.replace("{received}", "{=cmd()}"))
    (shell.folder / "reports.csv").write_text("number,=cmd(),story\nR-1,soon,x\n")
    shell.run(*readers("reports.csv")["import"], code=exits.FAULTS)
    sheet = Path("reports.csv.rejects.csv").read_text("utf-8")
    assert "=cmd()" in sheet
    assert_no_formula(sheet)


@pytest.mark.parametrize("text", ["²", "9" * 5_000, "9" * 30, "-1", "٣"])
def test_what_looks_like_a_number_and_is_none_costs_its_row_only(shell: Shell, text: str) -> None:
    missed = 'action = "DeadlineMissed"\nat = "{received}"\nclock = "decision"\ndue_at = "{received}"\n'
    (shell.folder / "import.toml").write_text(f'{MAPPING}\n[[actions]]\n{missed}started_by = "{{story}}"\n')
    (shell.folder / "reports.csv").write_text(f"{HEAD}R-1,2026-03-02T09:00,{text}\nR-2,2026-03-02T09:00,1\n", "utf-8")
    shell.run(*readers("reports.csv")["import"], code=exits.FAULTS)
    assert [row["case_id"] for row in shell.rows("cases")] == ["R-2"]
    assert "2,story,is no number" in Path("reports.csv.rejects.csv").read_text("utf-8")
