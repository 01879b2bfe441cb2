"""A server that the tests started ends when they end, however they end: also by SIGKILL or a closed terminal."""

import signal
import subprocess
from typing import Final

WATCH: Final = 'read -r _; kill -s "$1" -- "-$2"'
"""Waits on a pipe that only this process holds open, and then ends the group: a pipe closes whatever killed its holder."""


class Guard:
    """Watches over one group of processes for as long as this process lives."""

    def __init__(self, group: int, ending: signal.Signals = signal.SIGKILL) -> None:
        """``group`` is what to end, ``ending`` the signal to end it with."""
        name = ending.name.removeprefix("SIG")
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", WATCH, "guard", name, str(group)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def release(self) -> None:
        """Watch no longer, because the group has ended: its number may soon be another's."""
        self._watcher.kill()
        self._watcher.wait()
        if self._watcher.stdin is not None:
            self._watcher.stdin.close()
