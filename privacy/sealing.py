"""Sealed fields: encrypted under the case's key, each under a key of its own, with a salted commitment.

For a field NAME of action ACTION (16 bytes) in case CASE, with the case's 32-byte key:

    context    = "casetrail/sealed/1" ‖ len2(CASE) ‖ CASE ‖ ACTION ‖ len2(NAME) ‖ NAME   (len2: two bytes, big-endian)
    field key  = HKDF-SHA256(case key, salt = none, info = context), 32 bytes             (RFC 5869)
    plaintext  = SALT (32 random bytes) ‖ len4(TEXT) ‖ TEXT ‖ zero bytes up to the next size below
    ciphertext = AES-256-GCM(field key, NONCE (12 random bytes), plaintext, additional data = context)
    commitment = SHA-256("casetrail/commitment/1" ‖ SALT ‖ len2(NAME) ‖ NAME ‖ len4(TEXT) ‖ TEXT)

The padded text has 32, 64, 128, … bytes, so its length tells little. Whoever is shown SALT and TEXT of one field can
check them against the commitment in the history without any key, and learns nothing of the other fields. CASE, NAME and
TEXT are UTF-8.
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from casetrail.domain.codes import SealedName
from casetrail.domain.sealed import SealedField
from casetrail.privacy.errors import SealBroken, TextTooLong

KEY_BYTES: Final = 32
SALT_BYTES: Final = 32
NONCE_BYTES: Final = 12
SMALLEST: Final = 32
MOST_TEXT_BYTES: Final = 16 * 1024

Random = Callable[[int], bytes]


@dataclass(frozen=True)
class Opened:
    """What a sealed field held, and the salt of its commitment."""

    text: str
    salt: bytes


@dataclass(frozen=True)
class Disclosure:
    """One field, shown to somebody who has only the event: enough to check it, and nothing else of the case."""

    case_id: str
    action_id: str  # hex
    name: str
    text: str
    salt: str  # hex

    def to_json(self) -> str:
        """As JSON text. It holds the plaintext: hand it only to whom the field is disclosed."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Disclosure":
        """From JSON text. Raises ``SealBroken`` where it is none."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise SealBroken("this is no disclosure: it needs case_id, action_id, name, text and salt") from error


def _sized(data: bytes, size: int) -> bytes:
    return len(data).to_bytes(size) + data


def _context(case_id: str, action_id: bytes, name: str) -> bytes:
    return b"casetrail/sealed/1" + _sized(case_id.encode(), 2) + action_id + _sized(name.encode(), 2)


def _field_key(case_key: bytes, context: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=context).derive(case_key)


def commitment(name: str, text: str, salt: bytes) -> bytes:
    """The commitment to a field's text: 32 bytes."""
    return sha256(b"casetrail/commitment/1" + salt + _sized(name.encode(), 2) + _sized(text.encode(), 4)).digest()


def seal(
    case_key: bytes, case_id: str, action_id: bytes, name: SealedName, text: str, *, random: Random = os.urandom
) -> SealedField:
    """Seal a text for one field of one action. Raises ``TextTooLong``."""
    data = text.encode()
    if len(data) > MOST_TEXT_BYTES:
        raise TextTooLong(f"the field {name.value} is longer than {MOST_TEXT_BYTES} bytes; refer to a file by its hash")
    salt, nonce = random(SALT_BYTES), random(NONCE_BYTES)
    padded = SMALLEST
    while padded < len(data) + 4:
        padded *= 2
    plain = salt + _sized(data, 4).ljust(padded, b"\x00")
    context = _context(case_id, action_id, name)
    sealed = AESGCM(_field_key(case_key, context)).encrypt(nonce, plain, context)
    return SealedField(name, commitment(name, text, salt), nonce, sealed)


def unseal(case_key: bytes, case_id: str, action_id: bytes, field: SealedField) -> Opened:
    """Open a sealed field and check its commitment. Raises ``SealBroken``."""
    context = _context(case_id, action_id, field.name)
    try:
        plain = AESGCM(_field_key(case_key, context)).decrypt(field.nonce, field.ciphertext, context)
        salt, length = plain[:SALT_BYTES], int.from_bytes(plain[SALT_BYTES : SALT_BYTES + 4])
        data = plain[SALT_BYTES + 4 : SALT_BYTES + 4 + length]
        text = data.decode()
    except (InvalidTag, UnicodeDecodeError, ValueError) as error:
        raise SealBroken(f"the field {field.name} of case {case_id} does not open with this case's key") from error
    if len(data) != length or not compare_digest(commitment(field.name, text, salt), field.commitment):
        raise SealBroken(f"the field {field.name} of case {case_id} is not what its commitment says")
    return Opened(text, salt)


def disclose(case_key: bytes, case_id: str, action_id: bytes, field: SealedField) -> Disclosure:
    """Open one field so that it can be handed to somebody and checked there. Raises ``SealBroken``."""
    opened = unseal(case_key, case_id, action_id, field)
    return Disclosure(case_id, action_id.hex(), field.name.value, opened.text, opened.salt.hex())


def check_disclosure(disclosure: Disclosure, field: SealedField) -> bool:
    """Whether what was disclosed is what the history holds. Needs no key."""
    try:
        salt = bytes.fromhex(disclosure.salt)
    except ValueError:
        return False
    made = commitment(disclosure.name, disclosure.text, salt)
    return disclosure.name == field.name and compare_digest(made, field.commitment)
