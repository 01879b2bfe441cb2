"""Blinded tokens: the same person or address can be recognised again without being named.

A token is HMAC-SHA256, under the log's token key, of a kind and the normalised identifiers. Normalised means: compatibility
forms unified and accents removed (Unicode NFKD), case folded, everything but letters and digits a space. The parts of a
name may come in any order (``Doe, Jane`` is ``jane doe``); the usual words of addresses are shortened as the postal
service does (``100 North Main Street, Apartment 4`` is ``100 n main st apt 4``).
"""

import hmac
import unicodedata
from datetime import date
from hashlib import sha256
from typing import Final

from casetrail.domain.codes import TokenKind
from casetrail.domain.sealed import Token

ADDRESS_WORDS: Final = {
    "street": "st", "avenue": "ave", "av": "ave", "boulevard": "blvd", "road": "rd", "drive": "dr", "lane": "ln",
    "court": "ct", "place": "pl", "terrace": "ter", "circle": "cir", "highway": "hwy", "parkway": "pkwy",
    "square": "sq", "trail": "trl", "apartment": "apt", "unit": "apt", "suite": "apt", "ste": "apt", "no": "apt",
    "number": "apt", "north": "n", "south": "s", "east": "e", "west": "w", "northeast": "ne", "northwest": "nw",
    "southeast": "se", "southwest": "sw",
}  # fmt: skip


def _words(text: str) -> list[str]:
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    kept = (" " if not (one.isalnum() or unicodedata.combining(one)) else one for one in folded)
    return "".join(one for one in kept if not unicodedata.combining(one)).split()


def normal_name(name: str) -> str:
    """A name as it is compared: ``O'Brien, Séan`` becomes ``brien o sean``."""
    return " ".join(sorted(_words(name)))


def normal_address(address: str) -> str:
    """An address as it is compared."""
    return " ".join(ADDRESS_WORDS.get(word, word) for word in _words(address.replace("#", " apt ")))


def _token(key: bytes, kind: TokenKind, *parts: str) -> Token:
    message = b"".join(len(part).to_bytes(4) + part for part in (text.encode() for text in ("token/1", kind, *parts)))
    return Token(kind, hmac.new(key, message, sha256).digest())


def child_token(key: bytes, name: str, born: date | None = None) -> Token:
    """The token of a child, by name and date of birth."""
    return _token(key, TokenKind.CHILD, normal_name(name), born.isoformat() if born else "")


def suspect_token(key: bytes, name: str, born: date | None = None) -> Token:
    """The token of a suspect, by name and date of birth."""
    return _token(key, TokenKind.SUSPECT, normal_name(name), born.isoformat() if born else "")


def address_token(key: bytes, address: str) -> Token:
    """The token of an address."""
    return _token(key, TokenKind.ADDRESS, normal_address(address))
