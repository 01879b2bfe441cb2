"""Sealed fields: encrypted under the case's key, each under a key of its own, with a salted commitment.

For a field NAME of action ACTION (16 bytes) in case CASE, with the case's 32-byte key:

    context    = "casetrail/sealed/1" ‖ len2(CASE) ‖ CASE ‖ ACTION ‖ len2(NAME) ‖ NAME   (len2: two bytes, big-endian)
    field key  = HKDF-SHA256(case key, salt = none, info = context), 32 bytes             (RFC 5869)
    plaintext  = SALT (32 random bytes) ‖ len4(TEXT) ‖ TEXT ‖ zero bytes                  (len4: four bytes, big-endian)
    ciphertext = AES-256-GCM(field key, NONCE (12 random bytes), plaintext, additional data = context), tag at the end
    commitment = SHA-256("casetrail/commitment/1" ‖ SALT ‖ len2(NAME) ‖ NAME ‖ len4(TEXT) ‖ TEXT)

CASE, NAME and TEXT are UTF-8. The zero bytes fill ``len4(TEXT) ‖ TEXT`` to the next of 64, 128, 256, 512 or 1024 bytes,
above that to the next multiple of 1024: names, dates and telephone numbers all look alike, a narrative shows its
kilobyte. Whoever is shown SALT and TEXT of one field checks them against the commitment in the history without any
key, and learns nothing of the other fields. ``docs/sealing.md`` explains it for other languages, with a test vector.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from typing import Any, Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from casetrail.domain.codes import SealedName
from casetrail.domain.sealed import SealedField
from casetrail.domain.values import is_id
from casetrail.privacy.errors import DisclosureMalformed, NotSealable, SealBroken, TextTooLong

KEY_BYTES: Final = 32
SALT_BYTES: Final = 32
NONCE_BYTES: Final = 12
ACTION_ID_BYTES: Final = 16
LENGTH_BYTES: Final = 4
MOST_TEXT_BYTES: Final = 16 * 1024
SMALLEST_BUCKET: Final = 64
STEP: Final = 1024

DISCLOSURE: Final = "casetrail/disclosure/1"
DISCLOSURE_MEMBERS: Final = frozenset({"format", "case_id", "action_id", "name", "text", "salt"})

Random = Callable[[int], bytes]


@dataclass(frozen=True)
class Opened:
    """What a sealed field held, and the salt of its commitment. Neither shows in its ``repr``."""

    name: SealedName
    text: str = field(repr=False)
    salt: bytes = field(repr=False)


@dataclass(frozen=True)
class Disclosure:
    """One field, shown to somebody who has only the event: enough to check it, and nothing else of the case.

    As JSON it is one object of six strings: ``format`` (``casetrail/disclosure/1``), ``case_id``, ``action_id`` (hex),
    ``name``, ``text`` and ``salt`` (hex). It holds the plaintext: hand it only to whom the field is disclosed.
    """

    case_id: str
    action_id: bytes
    name: SealedName
    text: str = field(repr=False)
    salt: bytes = field(repr=False)

    def to_json(self) -> str:
        """As JSON text."""
        return json.dumps(
            {
                "format": DISCLOSURE,
                "case_id": self.case_id,
                "action_id": self.action_id.hex(),
                "name": self.name.value,
                "text": self.text,
                "salt": self.salt.hex(),
            },
            ensure_ascii=False,
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """From JSON text. Raises ``DisclosureMalformed``."""
        members = _members(text)
        if members["format"] != DISCLOSURE:
            raise DisclosureMalformed(f"this is no disclosure that can be read here: its format must be {DISCLOSURE}")
        if not is_id(members["case_id"]):
            raise DisclosureMalformed("the disclosure's case_id is no case id")
        if members["name"] not in set(SealedName):
            raise DisclosureMalformed("the disclosure's name is no name of a sealed field")
        return cls(
            members["case_id"],
            _hex(members, "action_id", ACTION_ID_BYTES),
            SealedName(members["name"]),
            members["text"],
            _hex(members, "salt", SALT_BYTES),
        )


def bucket(size: int) -> int:
    """To how many bytes ``size`` bytes are padded: 64, 128, … 1024, then multiples of 1024."""
    if size > STEP:
        return -(-size // STEP) * STEP
    return max(SMALLEST_BUCKET, 1 << (size - 1).bit_length())


def commitment(name: str, text: str, salt: bytes) -> bytes:
    """The commitment to a field's text: 32 bytes. ``salt`` has 32 bytes. Raises ``NotSealable``."""
    if len(salt) != SALT_BYTES:
        raise NotSealable(f"a commitment's salt has {SALT_BYTES} bytes, not {len(salt)}")
    return _commitment(name, _utf8(name, text), salt)


def _commitment(name: str, data: bytes, salt: bytes) -> bytes:
    return sha256(b"casetrail/commitment/1" + salt + _sized(name.encode(), 2) + _sized(data, LENGTH_BYTES)).digest()


def seal(
    case_key: bytes, case_id: str, action_id: bytes, name: SealedName, text: str, *, random: Random = os.urandom
) -> SealedField:
    """Seal a text of at most 16 KiB (UTF-8) for one field of one action.

    ``random(n)`` gives n random bytes; it is asked for the salt, then for the nonce. Only tests replace it: a repeated
    nonce would give the texts away. Raises ``TextTooLong``, ``NotSealable``.
    """
    context = _context(case_id, action_id, name)
    data = _utf8(name, text)
    if len(data) > MOST_TEXT_BYTES:
        raise TextTooLong(
            f"the field {name} has {len(data)} bytes, and may have {MOST_TEXT_BYTES}: "
            "keep the document elsewhere and refer to it by its SHA-256"
        )
    salt, nonce = random(SALT_BYTES), random(NONCE_BYTES)
    plain = salt + _sized(data, LENGTH_BYTES).ljust(bucket(LENGTH_BYTES + len(data)), b"\x00")
    ciphertext = AESGCM(_field_key(case_key, context)).encrypt(nonce, plain, context)
    return SealedField(SealedName(name), _commitment(name, data, salt), nonce, ciphertext)


def unseal(case_key: bytes, case_id: str, action_id: bytes, field: SealedField) -> Opened:
    """Open a sealed field and check its commitment. Raises ``SealBroken``, and ``NotSealable`` for a wrong key or id."""
    context = _context(case_id, action_id, field.name)
    plain = _decrypted(_field_key(case_key, context), field, context)
    if plain is None:
        raise SealBroken(
            f"the field {field.name} of case {case_id} does not open: it was altered, or sealed under another key, "
            "case or action"
        )
    salt, data = plain[:SALT_BYTES], _unpadded(plain[SALT_BYTES:])
    text = None if data is None else _text(data)
    if data is None or text is None:
        raise SealBroken(f"the field {field.name} of case {case_id} is not padded or encoded as docs/sealing.md says")
    if not compare_digest(_commitment(field.name, data, salt), field.commitment):
        raise SealBroken(f"the field {field.name} of case {case_id} is not what its commitment says")
    return Opened(field.name, text, salt)


def disclose(case_key: bytes, case_id: str, action_id: bytes, field: SealedField) -> Disclosure:
    """Open one field so that it can be handed to somebody and checked there. Raises ``SealBroken``."""
    opened = unseal(case_key, case_id, action_id, field)
    return Disclosure(case_id, action_id, opened.name, opened.text, opened.salt)


def check_disclosure(disclosure: Disclosure, field: SealedField) -> bool:
    """Whether what was disclosed is what the history holds. Needs no key.

    ``field`` must come from the event that the disclosure names by case id and action id: the commitment binds the
    text and the name of the field; which case and action they belong to is what the event says.
    """
    try:
        made = commitment(disclosure.name, disclosure.text, disclosure.salt)
    except NotSealable:
        return False
    return disclosure.name == field.name and compare_digest(made, field.commitment)


# None stands for failure below: an error chained to ours would carry the plaintext that it could not read.


def _decrypted(field_key: bytes, field: SealedField, context: bytes) -> bytes | None:
    try:
        return AESGCM(field_key).decrypt(field.nonce, field.ciphertext, context)
    except (InvalidTag, ValueError):  # ValueError: a nonce of no possible length
        return None


def _unpadded(padded: bytes) -> bytes | None:
    length = int.from_bytes(padded[:LENGTH_BYTES])
    data = padded[LENGTH_BYTES : LENGTH_BYTES + length]
    rest = padded[LENGTH_BYTES + length :]
    whole = len(data) == length <= MOST_TEXT_BYTES and len(padded) == bucket(LENGTH_BYTES + length)
    return data if whole and not any(rest) else None


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _utf8(name: str, text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    if data.decode() != text:
        raise NotSealable(f"the field {name} holds a lone surrogate, which is no Unicode text: decode its source anew")
    return data


def _sized(data: bytes, size: int) -> bytes:
    return len(data).to_bytes(size) + data


def _context(case_id: str, action_id: bytes, name: str) -> bytes:
    if not is_id(case_id):
        raise NotSealable("a case id has 1 to 64 letters, digits and . _ : @ + -, the first a letter or digit")
    if len(action_id) != ACTION_ID_BYTES:
        raise NotSealable(f"an action id has {ACTION_ID_BYTES} bytes, not {len(action_id)}")
    return b"casetrail/sealed/1" + _sized(case_id.encode(), 2) + action_id + _sized(name.encode(), 2)


def _field_key(case_key: bytes, context: bytes) -> bytes:
    if len(case_key) != KEY_BYTES:
        raise NotSealable(f"a case key has {KEY_BYTES} bytes, not {len(case_key)}")
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=context).derive(case_key)


def _members(text: str) -> dict[str, str]:
    value = _parsed(text)
    if (
        not isinstance(value, dict)
        or value.keys() != DISCLOSURE_MEMBERS
        or not all(isinstance(one, str) for one in value.values())
    ):
        raise DisclosureMalformed(
            f"a disclosure is one JSON object of the strings {', '.join(sorted(DISCLOSURE_MEMBERS))}"
        )
    return value


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # not chained: a JSON error carries the whole text, which may name somebody
        return None


def _hex(members: dict[str, str], key: str, size: int) -> bytes:
    digits = members[key]
    if len(digits) != 2 * size or not set(digits) <= set("0123456789abcdef"):
        raise DisclosureMalformed(f"the disclosure's {key} must be {2 * size} lower-case hex digits")
    return bytes.fromhex(digits)
