"""Pseudonyms for people's ids: the same for the same person and key, and without the key nobody can tell whose it is.

pseudonym = "p-" and the first 20 hexadecimal digits of HMAC-SHA256(key, "casetrail/pseudonym/1" ‖ 0x00 ‖ id)
"""

import hmac
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Final

from casetrail.exporting.errors import BadPseudonymKey

Blind = Callable[[str], str]
"""What stands for a person's id."""

FORMAT: Final = b"casetrail/pseudonym/1\x00"
LEAST_BYTES: Final = 16
DIGITS: Final = 20


def plainly(person: str) -> str:
    """The id itself."""
    return person


def pseudonyms(key_file: Path) -> Blind:
    """What makes pseudonyms by the key in a file: all of its bytes, 16 at least. Raises ``BadPseudonymKey``."""
    try:
        key = key_file.read_bytes()
    except OSError as error:
        raise BadPseudonymKey(f"the key file {key_file} cannot be read ({error.strerror})") from error
    if len(key) < LEAST_BYTES:
        raise BadPseudonymKey(
            f"the key file {key_file} has {len(key)} bytes: names could be tried; make one of 32 random bytes"
        )
    return lambda person: f"p-{hmac.new(key, FORMAT + person.encode(), sha256).hexdigest()[:DIGITS]}"
