"""What is installed is all that is written: a new folder or file can't be left out of the wheel unnoticed."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from tests.servers.kafka import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
ROOMS: dict[str, str] = PROJECT["tool"]["setuptools"]["package-dir"]
PACKAGED = {".py", ".avsc", ".json", ".sql", ".yaml", ".toml", ".typed", ".html", ".css"}


def pinned(lock: str) -> set[tuple[str, str]]:
    """The names and versions that a lock pins; some have several, for different Pythons."""
    return set(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / lock).read_text("utf-8"), re.MULTILINE))


def files_of_rooms() -> set[str]:
    """Every file that a room needs when it runs, under its name in the wheel."""
    found = set()
    for package, folder in ROOMS.items():
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in PACKAGED or path.name == "py.typed":
                found.add(f"{package.replace('.', '/')}/{path.relative_to(ROOT / folder).as_posix()}")
    return found


def test_the_wheel_holds_every_file_of_every_room_and_nothing_else(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for folder in ROOMS.values():
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            str(tmp_path),
            str(source),
        ],
        check=True,
    )
    (wheel,) = tmp_path.glob("casetrail-*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == files_of_rooms()


def test_every_room_says_that_it_is_typed() -> None:
    assert [folder for folder in ROOMS.values() if not (ROOT / folder / "py.typed").exists()] == []


def test_the_image_has_every_extra_in_the_version_that_is_tested() -> None:
    """``make check`` looks for advisories on what stands in this lock, so on whatever can be installed."""
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = {re.split(r"[^\w.-]", one)[0].lower() for extra in extras.keys() - {"dev"} for one in extras[extra]}
    in_image = pinned("requirements-run.lock")
    assert wanted <= {name for name, _ in in_image}
    assert in_image <= pinned("requirements.lock")


def test_the_image_is_built_from_every_room() -> None:
    let_in = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert {f"!{folder}" for folder in ROOMS.values()} <= set(let_in)


def test_make_knows_every_room() -> None:
    line = next(line for line in (ROOT / "Makefile").read_text("utf-8").splitlines() if line.startswith("ROOMS :="))
    assert set(line.partition(":=")[2].split()) == set(ROOMS.values())
