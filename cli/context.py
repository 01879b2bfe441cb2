"""What every command shares: the configuration, opened log and views, and what its errors mean for the exit code."""

import functools
import re
from collections.abc import Callable
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.render import FORMATS
from casetrail.domain.values import is_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casetrail.eventlog.port import Log
    from casetrail.privacy.keyring import Keyring
    from casetrail.projections.database import Database
    from casetrail.proofs.policy import Policy

P = ParamSpec("P")
R = TypeVar("R")

DAY: Final = timedelta(days=1)
UNREACHABLE: Final = frozenset(
    {
        "log-unreachable",
        "log-refused",
        "log-replaced",
        "views-unreachable",
        "views-damaged",
        "state-unreachable",
        "tree-unreachable",
        "keyring-unreachable",
        "keyring-locked",
        "schema-registry-unreachable",
    }
)
NOT_FOUND: Final = frozenset(
    {"log-missing", "views-missing", "key-missing", "not-published", "source-missing", "spool-not-stuck"}
)
PENDING: Final = frozenset({"pending", "not-witnessed", "witness-ahead"})
"""Nothing is wrong, and it is not so far yet."""
GONE: Final = frozenset({"log-damaged", "offset-gone", "spool-stuck", "views-contradicted", "key-lost", "keyring-lost"})
"""What should be in the log or the keyring cannot be had, or not be brought there: that is a finding, whatever was asked."""


def pass_config(command: Callable[..., R]) -> Callable[..., R]:
    """Give a command the configuration as its first argument."""
    return click.make_pass_decorator(Config)(command)


def choice(codes: type[StrEnum]) -> click.Choice[str]:
    """A choice among the codes of a vocabulary, by their stored values."""
    return click.Choice([one.value for one in codes])


def an_id(text: str) -> str:
    """An id as the log takes it.

    Checked here, before anything is submitted: a name that was given in the place of an id would else stand in the
    history for ever, as part of a submission that is refused. So the message does not repeat it either.
    """
    if not is_id(text):
        raise click.BadParameter("not an id: 1 to 64 letters, digits and . _ : @ + -, the first a letter or digit")
    return text


def a_history(text: str) -> str:
    """The id of a case, or of what the log keeps beside cases: the submissions of a partition that belong to none."""
    return text if STRAY.fullmatch(text) else an_id(text)


DAYS: Final = click.IntRange(0, 36_500)
STRAY: Final = re.compile(r"~stray\.[0-9]{1,6}")
"""Under such an id a partition keeps submissions that belong to no case."""


class Seconds(click.FloatRange):
    """Seconds within bounds. ``nan`` is within none, though no comparison says so."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = super().convert(value, param, ctx)
        if found != found:  # nan alone is not itself
            self.fail(f"{value} is no number of seconds.", param, ctx)
        return found


class Failure(click.ClickException):
    """An error for the person at the terminal, with its exit code."""

    def __init__(self, message: str, code: int = exits.FAILED) -> None:
        super().__init__(message)
        self.exit_code = code  # type: ignore[misc]


def failure_of(error: Exception) -> Failure | None:
    """What an error of a room means for the command line; None where it is a fault of the program.

    Rooms say of a file that they cannot read why that is so. Where it is because there is no such file, as with a
    mistyped --policy or --key, scripts are told that too.
    """
    code = getattr(error, "code", None)
    if isinstance(error, BrokenPipeError):  # no standard stream: those outlive their readers
        return Failure("nobody reads at the other end of a pipe any more", exits.CUT)
    if isinstance(error, OSError) and error.strerror:
        return Failure(f"{error.filename or _somewhere()}: {error.strerror}; look at the disk, owner and mode")
    if not isinstance(code, str):
        return None
    if code in UNREACHABLE:
        return Failure(str(error), exits.UNREACHABLE)
    if code in NOT_FOUND:
        return Failure(str(error), exits.NOT_FOUND)
    if code in GONE:
        return Failure(str(error), exits.FAULTS)
    if code in PENDING:
        return Failure(str(error), exits.PENDING)
    return Failure(str(error), exits.NOT_FOUND if isinstance(error.__cause__, FileNotFoundError) else exits.FAILED)


def _somewhere() -> str:
    """Where a command writes without saying so in its errors."""
    import tempfile  # late: it is needed for few errors

    with suppress(OSError):  # there may be no folder for that at all
        return f"what was to be written, here or into the temporary folder {tempfile.gettempdir()} (TMPDIR)"
    return "what was to be written"


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Turn the rooms' errors into messages and exit codes."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            failure = failure_of(error)
            if failure is None:
                raise
            raise failure from error

    return run


def format_option(command: Callable[P, R]) -> Callable[P, R]:
    """``--format`` for every command that answers with rows."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(FORMATS),
        default="table",
        show_default=True,
        help="How to write the rows.",
    )(command)


def rejects_option(command: Callable[P, R]) -> Callable[P, R]:
    """``--rejects`` for every command that imports a file."""
    return click.option(
        "--rejects", type=click.Path(path_type=Path), help="Where refused rows go; FILE.rejects.csv unless given."
    )(command)


def batch_timeout_option(command: Callable[P, R]) -> Callable[P, R]:
    """``--timeout`` for every command that imports a file."""
    return click.option(
        "--timeout",
        type=Seconds(0, 86_400),
        default=60.0,
        show_default=True,
        help="Seconds to wait for a batch's outcomes.",
    )(command)


@contextmanager
def opened_log(config: Config) -> "Iterator[Log]":
    """The configured log."""
    from casetrail.eventlog.opening import open_log

    with open_log(config.log_url(), config.kafka) as log:
        yield log


def opened_keyring(config: Config) -> "Keyring":
    """The configured keyring; whoever opens it closes it."""
    from casetrail.privacy.opening import open_keyring

    return open_keyring(config.keyring_url(), Path(config.master_key_file) if config.master_key_file else None)


def loaded_policy(config: Config) -> "Policy | None":
    """The configured trust policy, as it stands for whoever looks now; None where none is configured."""
    from casetrail.proofs.policy import load_policy

    return load_policy(Path(config.policy)).at(now()) if config.policy else None


def passphrase_in(file: Path | None) -> bytes | None:
    """The passphrase in the first line of a file; None for no file. Raises ``KeyUnusable``, as what it opens does."""
    if file is None:
        return None
    from casetrail.proofs.errors import KeyUnusable

    try:
        with file.open("rb") as opened:
            return opened.readline().rstrip(b"\r\n")
    except OSError as error:
        raise KeyUnusable(f"the file {file} cannot be read ({error.strerror})") from error


@contextmanager
def opened_views(config: Config, *, judged: bool = False) -> "Iterator[Database]":
    """The configured views. Those of an embedded log are brought up to date first: there no projector has to run.

    ``judged``: the judgements beside them, too.
    """
    from casetrail.projections.database import open_database

    if config.log_url().startswith("sqlite:"):
        from casetrail.cli.embedded_views import bring_up_to_date

        bring_up_to_date(config, judged=judged)
    else:
        from casetrail.eventlog.opening import parse_address

        parse_address(config.log_url())  # beside what is no address there are no views, and making them would not help
    database = open_database(config.views_url())
    try:
        if not database.exists():
            raise Failure("the views have not been made yet; 'casetrail views rebuild' makes them", exits.NOT_FOUND)
        yield database
    finally:
        database.close()


def moment(config: Config, text: str, what: str = "time") -> datetime:
    """A time as somebody wrote it: ISO 8601. Without a zone it is in the configured one, else refused."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.UsageError(f"{what} is not in ISO 8601, such as 2026-11-24T09:30:00Z") from error
    if found.tzinfo is None:
        if (zone := zone_of(config)) is None:
            written = f"{text}T00:00Z" if len(text) <= len("2026-11-24") else f"{text}Z"
            raise click.UsageError(
                f"{what} '{text}' has no zone: write {written}, or an offset, or configure time_zone"
            )
        found = found.replace(tzinfo=zone)
    try:
        found = found.astimezone(UTC)
        _ = found - DAY, found + DAY  # there is a little time before and after it: some of that is reckoned with
    except OverflowError as error:
        raise click.UsageError(f"{what} '{text}' is outside the years 1 to 9999, or at their very ends") from error
    return found


def zone_of(config: Config) -> ZoneInfo | None:
    """The configured time zone; None where none is configured."""
    try:
        return None if config.time_zone is None else ZoneInfo(config.time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise click.UsageError(
            "there is no time zone of the configured name: write it as in America/Chicago"
        ) from error


def now() -> datetime:
    """The present moment, UTC."""
    return datetime.now(UTC)
