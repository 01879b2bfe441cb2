"""The policies that commands judge by: a preset that comes with the program, or a file."""

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from casetrail.cli import exits
from casetrail.cli.context import Failure
from casetrail.cli.documents import read_document

if TYPE_CHECKING:
    from casetrail.domain.policy import Policy

PRESETS: Final = ("generic", "missouri")
DEFAULT: Final = "generic"


def policy_text(source: str) -> str:
    """The text of a preset, or of a file (``-``: standard input). Ends the command where there is no such text."""
    from casetrail.domain.policy_file import MOST_BYTES

    if source in PRESETS:
        return (files("casetrail.domain") / "presets" / f"{source}.toml").read_text("utf-8")
    try:
        return read_document(Path(source), MOST_BYTES).decode()
    except UnicodeDecodeError as error:
        raise Failure(f"{source} is no policy: it is not in UTF-8") from error
    except Failure as error:
        if error.exit_code == exits.NOT_FOUND:
            raise Failure(f"{error.message}; presets are {', '.join(PRESETS)}", exits.NOT_FOUND) from error
        raise


def read_policy(source: str) -> "Policy":
    """The policy of a preset or file. Raises ``PolicyFileInvalid``, which names all that is wrong."""
    from casetrail.domain.policy_file import parse_policy

    return parse_policy(policy_text(source))
