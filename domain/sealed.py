"""What the log may hold of persons: sealed fields and blinded tokens. ``casetrail.privacy`` makes and opens them."""

from dataclasses import dataclass
from typing import Annotated

from casetrail.domain.codes import SealedName, TokenKind
from casetrail.domain.values import Fixed


@dataclass(frozen=True)
class SealedField:
    """An encrypted text with a salted commitment to it, so that one field can be disclosed and checked by itself.

    ``name`` says what is sealed (a ``SealedName``), ``commitment`` is 32 bytes, ``nonce`` 12.
    """

    name: SealedName
    commitment: Annotated[bytes, Fixed(32)]
    nonce: Annotated[bytes, Fixed(12)]
    ciphertext: bytes


@dataclass(frozen=True)
class Token:
    """A keyed hash (32 bytes) of a person's or an address's normalised identifiers: equal for the same, says nothing."""

    kind: TokenKind
    value: Annotated[bytes, Fixed(32)]
