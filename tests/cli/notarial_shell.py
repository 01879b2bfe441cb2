"""A shell whose log has a notary, and a policy that names its witnesses."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from casetrail.eventlog.opening import open_log
from casetrail.eventlog.port import Log
from tests.audit.witnessing import policy_file, witnesses
from tests.cli.shell import Shell
from tests.consumers.notarial import notary_of, publish


class Office(Shell):
    """The log ``log.db``; ``policy`` are the words that name the policy before a command."""

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell.folder)
        self.policy = ("--policy", str(policy_file(shell.folder)))

    @contextmanager
    def opened(self) -> Iterator[Log]:
        """The log."""
        with open_log(f"sqlite:{self.log}") as log:
            yield log

    def notarise(self, *names: str, at: datetime | None = None, times: int = 1) -> None:
        """Publish checkpoints that these witnesses of the policy cosign: all of them unless some are named."""
        with self.opened() as log, notary_of(log, self.folder / "notary", witnesses=witnesses(*names, at=at)) as notary:
            for _ in range(times):
                publish(notary)
