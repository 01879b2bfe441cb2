"""What the foreign programs run on: a Java compiler, and libraries that Maven brings once."""

import subprocess
from pathlib import Path
from typing import Final

from tests.servers.maven import CannotStart, java, libraries

HERE: Final = Path(__file__).parent


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
