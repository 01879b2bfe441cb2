"""Configuration: ``casetrail.toml``, then environment variables, then options; the later one counts."""

import os
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import click

from casetrail.cli import exits

FILE: Final = "casetrail.toml"
LOGS: Final = ("sqlite:", "kafka:")
"""What the address of a log begins with."""

SETTINGS: Final = {
    "log": "address of the log: sqlite:PATH or kafka://HOST:PORT[,HOST:PORT]/NAME",
    "views": "address of the views: sqlite:PATH or postgresql://… (beside an embedded log unless given)",
    "keyring": "address of the keyring: sqlite:PATH or postgresql://… (beside an embedded log unless given)",
    "master_key_file": "file with the master key of the keyring (mode 0600)",
    "spool": "file in which submissions wait while the log cannot be reached (none unless given)",
    "policy": "file with the trust policy: whose log, which witnesses, what quorum (C2SP tlog-policy)",
    "tree": "folder with your own copy of the log's Merkle tree (beside an embedded log unless given)",
    "person": "your id, as the log knows you",
    "agency": "your agency's id",
    "role": "the role in which you act",
    "time_zone": "zone of times that are given without one, such as America/Chicago",
}
"""Every setting: its name in the file, ``CASETRAIL_NAME`` in the environment, ``--name`` as an option."""


@dataclass(frozen=True)
class Config:
    """What is configured. Addresses that are not given follow from the log's."""

    log: str | None = None
    views: str | None = None
    keyring: str | None = None
    master_key_file: str | None = None
    spool: str | None = None
    policy: str | None = None
    tree: str | None = None
    person: str | None = None
    agency: str | None = None
    role: str | None = None
    time_zone: str | None = None
    kafka: dict[str, Any] = field(default_factory=dict)
    source: str = ""

    def log_url(self) -> str:
        """The log's address. Raises ``BadAddress`` for one without its kind."""
        if self.log is None:
            raise click.UsageError(
                "no log is configured: give --log sqlite:casetrail.db (or kafka://HOST:PORT/NAME), set CASETRAIL_LOG, "
                f"or write log = \"…\" into {FILE}; 'casetrail log init' makes a new one"
            )
        if not self.log.startswith(LOGS):
            from casetrail.eventlog.opening import parse_address

            parse_address(self.log)  # says what is wrong, before anything that lies beside such a file is shown
        return self.log

    def beside(self, kind: str) -> str:
        """An address beside the log's file; for a log on Kafka a file with its name in this folder."""
        return f"sqlite:{self.path_beside(kind)}"

    def path_beside(self, kind: str) -> Path:
        """The same as a path."""
        url = self.log_url()
        return Path(f"{url.removeprefix('sqlite:') if url.startswith('sqlite:') else url.rpartition('/')[2]}.{kind}")

    def views_url(self) -> str:
        """The views' address."""
        return self.views or self.beside("views")

    def keyring_url(self) -> str:
        """The keyring's address."""
        return self.keyring or self.beside("keys")

    def inbox_folder(self) -> Path:
        """The folder in which the notary finds cosignatures that were brought by hand."""
        return self.path_beside("notary") / "inbox"

    def tree_folder(self) -> Path:
        """The folder with this user's own copy of the tree."""
        return Path(self.tree) if self.tree else self.path_beside("tree")


class Missing(click.ClickException):
    """The configuration that was named is not there."""

    exit_code = exits.NOT_FOUND


def load_config(file: Path | None, options: dict[str, str | None]) -> Config:
    """The configuration from file, environment and options. Raises ``click.ClickException`` for what is not understood."""
    named = file or (Path(name) if (name := os.environ.get("CASETRAIL_CONFIG")) else None)
    path = named or Path(FILE)
    config = Config()
    if path.exists():
        config = _from_file(path)
    elif named is not None:
        raise Missing(f"there is no configuration at {named}")
    environment = {name: os.environ.get(f"CASETRAIL_{name.upper()}") for name in SETTINGS}
    for some in (environment, options):
        chosen: dict[str, Any] = {name: value for name, value in some.items() if value}
        config = replace(config, **chosen)
    return config


def _from_file(path: Path) -> Config:
    try:
        found = tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise _bad(f"the configuration {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _bad(f"{path} is no TOML: {error}") from error
    unknown = sorted(set(found) - set(SETTINGS) - {"kafka"})
    if unknown:
        raise _bad(
            f"{path} has settings that casetrail does not know: {', '.join(unknown)}; it knows {', '.join(SETTINGS)} and kafka"
        )
    for name, value in found.items():
        if not isinstance(value, dict if name == "kafka" else str):
            raise _bad(f"{path}: '{name}' must be {'a table' if name == 'kafka' else 'a string'}")
    for name in ("log", "views", "keyring"):  # a file beside the configuration is found from everywhere
        kind, _, file = found.get(name, "").partition(":")
        if kind == "sqlite":
            found[name] = f"sqlite:{path.parent / file}"
    for name in ("master_key_file", "spool", "policy", "tree"):
        if name in found:
            found[name] = str(path.parent / found[name])
    return Config(**found, source=str(path))


def _bad(message: str) -> click.ClickException:
    return click.ClickException(message)
