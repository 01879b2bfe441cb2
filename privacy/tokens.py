"""Blinded tokens: the same person or address can be recognised again without being named.

    token = HMAC-SHA256(token key, len4("casetrail/token/1") ‖ … ‖ len4(KIND) ‖ KIND ‖ len4(PART) ‖ PART …)

with KIND ``child``, ``suspect`` or ``address``; the parts of a person are the normal name and the date of birth
(``2012-05-09``, or empty), the part of an address the normal address; all UTF-8, each after its length in four bytes
(big-endian). Without the log's token key nobody can tell whose a token is by trying names.

Normal means: compatibility forms unified, case folded, accents and strokes removed, everything but letters and digits a
space, spaces collapsed. The parts of a name may come in any order. The usual words of addresses are shortened as the
postal service does (USPS Publication 28), and every mark of a unit is ``apt``:

    O'Brien, Séan            brien o sean            100 North Main Street, Apt. #4    100 n main st apt 4
    SØREN  MÜLLER-Groß       gross muller soren      Saint Louis Avenue 12             st louis ave 12

A token with a date of birth and one without are different tokens: submit both where both are wanted. A place-holder
such as ``UNKNOWN`` is a name like any other here: whoever submits must not make a token of one.
"""

import hmac
import unicodedata
from datetime import date
from hashlib import sha256
from typing import Final

from casetrail.domain.codes import TokenKind
from casetrail.domain.sealed import Token
from casetrail.privacy.errors import NothingToRecognise

FORMAT: Final = "casetrail/token/1"

STROKES: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)

ADDRESS_WORDS: Final = {
    "street": "st", "str": "st", "saint": "st", "avenue": "ave", "av": "ave", "boulevard": "blvd", "road": "rd",
    "drive": "dr", "lane": "ln", "court": "ct", "place": "pl", "terrace": "ter", "terr": "ter", "circle": "cir",
    "highway": "hwy", "parkway": "pkwy", "square": "sq", "trail": "trl", "mount": "mt", "fort": "ft", "floor": "fl",
    "apartment": "apt", "unit": "apt", "suite": "apt", "ste": "apt", "no": "apt", "number": "apt",
    "north": "n", "south": "s", "east": "e", "west": "w",
    "northeast": "ne", "northwest": "nw", "southeast": "se", "southwest": "sw",
    "first": "1st", "second": "2nd", "third": "3rd", "fourth": "4th", "fifth": "5th", "sixth": "6th",
    "seventh": "7th", "eighth": "8th", "ninth": "9th", "tenth": "10th",
}  # fmt: skip


def normal_name(name: str) -> str:
    """A name as it is compared: ``O'Brien, Séan`` becomes ``brien o sean``. Empty where it has no letter or digit."""
    return " ".join(sorted(_words(name)))


def normal_address(address: str) -> str:
    """An address as it is compared. Empty where it has no letter or digit."""
    words = [ADDRESS_WORDS.get(word, word) for word in _words(address.replace("#", " apt "))]
    once = [word for word, before in zip(words, ["", *words], strict=False) if not word == before == "apt"]
    return f" {' '.join(once)} ".replace(" p o box ", " po box ").strip()


def child_token(key: bytes, name: str, born: date | None = None) -> Token:
    """The token of a child, by name and date of birth. Raises ``NothingToRecognise``."""
    return _token(key, TokenKind.CHILD, normal_name(name), _day(born))


def suspect_token(key: bytes, name: str, born: date | None = None) -> Token:
    """The token of a suspect, by name and date of birth. Raises ``NothingToRecognise``."""
    return _token(key, TokenKind.SUSPECT, normal_name(name), _day(born))


def address_token(key: bytes, address: str) -> Token:
    """The token of an address. Raises ``NothingToRecognise``."""
    return _token(key, TokenKind.ADDRESS, normal_address(address))


def _day(born: date | None) -> str:
    return date(born.year, born.month, born.day).isoformat() if born else ""  # a datetime is a date too


def _token(key: bytes, kind: TokenKind, *parts: str) -> Token:
    if not parts[0]:
        raise NothingToRecognise(f"a token of kind {kind} needs a name or address with a letter or digit: leave it out")
    texts = (text.encode("utf-8", "replace") for text in (FORMAT, kind, *parts))
    return Token(kind, hmac.new(key, b"".join(len(text).to_bytes(4) + text for text in texts), sha256).digest())


def _words(text: str) -> list[str]:
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFKC", "".join(map(_kept, decomposed)).translate(STROKES)).split()


def _kept(one: str) -> str:
    """A letter, digit or vowel sign as it is; nothing for an accent or an invisible sign; a space for all else."""
    if one.isalnum():
        return one
    if unicodedata.combining(one) or unicodedata.category(one) == "Cf":
        return ""
    return one if unicodedata.category(one) in ("Mn", "Mc") else " "
