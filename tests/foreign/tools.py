"""What the foreign programs run on: Go, a Java compiler, and libraries that are brought once."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.servers.kafka import ROOT
from tests.servers.maven import CannotStart, java, libraries

HERE: Final = Path(__file__).parent


def go_program(name: str) -> Path:
    """The Go program in the folder ``name``, built once for each state of its source; the Go module proxy brings what it uses."""
    source = HERE / name
    content = b"".join((source / file).read_bytes() for file in ("main.go", "go.mod", "go.sum"))
    built = ROOT / ".cache" / f"foreign-{name}-{hashlib.sha256(content).hexdigest()[:16]}"
    if not built.exists():
        go = shutil.which("go")
        if go is None:
            pytest.fail(
                "checking with programs that are not ours what casetrail writes needs Go 1.25 or later: install it, or "
                "leave this test out by name with 'make test-embedded'",
                pytrace=False,
            )
        fresh = built.with_name(f"{built.name}.{os.getpid()}")
        fresh.parent.mkdir(exist_ok=True)
        environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
        command = [go, "build", "-o", str(fresh), "."]
        done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.fail(f"Go could not build the program {name}: {done.stderr[-2000:]}", pytrace=False)
        fresh.rename(built)
    return built


def java_with_compiler() -> Path:
    """A Java, 17 or later, that runs a source file. Raises ``CannotStart`` where there is none: a JRE is not enough."""
    program, home = java()
    if not (home / "jmods" / "jdk.compiler.jmod").exists() and not (home / "bin" / "javac").exists():
        raise CannotStart(
            f"the tests of foreign clients run a Java source file, and the Java at {home} has no compiler: install a "
            "JDK of version 17 or later (package 'default-jdk-headless')"
        )
    return program


def jars() -> Path:
    """The folder with the stock Avro library and Kafka client. Raises ``CannotStart``."""
    purpose = "the tests of foreign clients need Avro and the Kafka client for Java"
    return libraries(HERE / "pom.xml", "foreign-avro-1.12.0-kafka-4.1.0", purpose)


def run_java(source: Path, *arguments: str, timeout: float = 120) -> list[list[str]]:
    """Run a single-file Java program; the tab-separated fields of each line that it prints."""
    command = [str(java_with_compiler()), "-Xmx256m", "-cp", f"{jars()}/*", str(source), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return [line.split("\t") for line in done.stdout.splitlines()]
