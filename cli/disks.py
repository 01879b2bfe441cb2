"""Where this machine is written to: ``doctor`` looks at all of it, a service at its own in ``/health`` and ``/metrics``."""

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from casetrail.cli.config import Config

OF_SERVICES: Final[Mapping[str, tuple[str, ...]]] = {
    "recorder": ("log", "recorder"),
    "projector": ("views", "rebuild"),
    "notary": ("log", "notary"),
    "watchdog": ("log", "watchdog"),
    "outbox": ("log", "outbox"),
}
"""What each service writes, by its names in ``places``."""


def places(config: Config) -> dict[str, Path]:
    """Every file and folder that is written here, by what it is for. ``rebuild``: where events are set aside meanwhile."""
    views = _file(config.views_url())
    found = {
        "log": _file(config.log_url()),
        "views": views,
        "rebuild": Path(tempfile.gettempdir()) if views is None else views,
        "keyring": _file(config.keyring_url()),
        "spool": None if config.spool is None else Path(config.spool),
        "tree": config.tree_folder(),
        "recorder": config.path_beside("state"),
        **{name: config.path_beside(name) for name in ("notary", "watchdog", "outbox")},
    }
    return {name: path.absolute() for name, path in found.items() if path is not None}


def places_of(config: Config, services: Iterable[str], state: Path | None) -> dict[str, Path]:
    """Those that services of one process write. ``state``: the file that the first of them, if any, was given as its own."""
    services, found = list(services), places(config)
    if state is not None and services[0] != "notary":
        found[services[0]] = state.absolute()
    return {name: found[name] for service in services for name in OF_SERVICES[service] if name in found}


def room_at(path: Path) -> int:
    """Bytes that are free where a path is, or will be; 0 where nobody can look."""
    try:
        return shutil.disk_usage(next(one for one in (path, *path.parents) if one.exists())).free
    except OSError:
        return 0


def _file(url: str) -> Path | None:
    return Path(url.removeprefix("sqlite:")) if url.startswith("sqlite:") else None
