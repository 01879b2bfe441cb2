"""Keys that sign notes: a log's own, and those of witnesses that cosign its checkpoints.

Formats: c2sp.org/signed-note (Ed25519 signatures, verifier keys) and c2sp.org/tlog-cosignature (Ed25519 and ML-DSA-44
cosignatures). There is no ML-DSA-44 signature of a plain note: a log that signs with ML-DSA-44 does it with a cosignature
under its own name, as c2sp.org/tlog-checkpoint recommends.
"""

import base64
import os
import re
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from hashlib import sha256
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from casetrail.proofs.checkpoint import parse_checkpoint
from casetrail.proofs.errors import KeyUnusable, NoteInvalid
from casetrail.proofs.files import place
from casetrail.proofs.note import CONTROL, KEY_ID_BYTES, Signature, from_base64, is_key_name

PrivateKey = Ed25519PrivateKey | MLDSA44PrivateKey

TIME_BYTES: Final = 8
LAST_SECOND: Final = int(datetime.max.replace(tzinfo=UTC, microsecond=0).timestamp())
NAME_BYTES: Final = 255
PASSPHRASE_BYTES: Final = 1023
MOST_FILE_BYTES: Final = 65_536
HEX_ID: Final = re.compile(r"[0-9a-f]{8}", re.ASCII)


class Algorithm(IntEnum):
    """What a key signs, and how: the signature type byte of c2sp.org/signed-note."""

    ED25519 = 0x01
    """Ed25519 over the note's text: a log's own signature."""
    ED25519_COSIGNATURE = 0x04
    """Ed25519 over a checkpoint and the time at which it was seen: a witness."""
    ML_DSA_44 = 0x06
    """ML-DSA-44 over a checkpoint, the time, and the signer's name: a witness, or a log."""


KEY_BYTES: Final = {Algorithm.ED25519: 32, Algorithm.ED25519_COSIGNATURE: 32, Algorithm.ML_DSA_44: 1312}
SIGNATURE_BYTES: Final = {Algorithm.ED25519: 64, Algorithm.ED25519_COSIGNATURE: 72, Algorithm.ML_DSA_44: 2428}
FOR_LOGS: Final = frozenset({Algorithm.ED25519, Algorithm.ML_DSA_44})
FOR_WITNESSES: Final = frozenset({Algorithm.ED25519_COSIGNATURE, Algorithm.ML_DSA_44})


FIELD: Final = 2**255 - 19
SIGN_BIT: Final = 2**255
ORDER_8: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
SMALL: Final = frozenset({0, 1, FIELD - 1, ORDER_8, FIELD - ORDER_8})
"""The second coordinates of the eight points of small order on the curve of Ed25519."""


def _is_weak(public: bytes) -> bool:
    """Whether an Ed25519 key is a point of small order: one signature then fits any text, and nobody can be held to it.

    However it is written: there are several ways for some of them.
    """
    return int.from_bytes(public, "little") % SIGN_BIT % FIELD in SMALL


@dataclass(frozen=True)
class VerifierKey:
    """A public key and the name that it signs under. ``str()`` is its verifier key (``NAME+ID+BASE64``)."""

    name: str
    algorithm: Algorithm
    public: bytes

    def __post_init__(self) -> None:
        if not is_key_name(self.name):
            raise KeyUnusable("a key's name is not empty and has no space, no plus and no control character")
        if self.algorithm is Algorithm.ML_DSA_44 and len(self.name.encode()) > NAME_BYTES:
            raise KeyUnusable(f"the name of an ML-DSA-44 key has at most {NAME_BYTES} bytes")
        if len(self.public) != KEY_BYTES[self.algorithm]:
            raise KeyUnusable(
                f"a public key of this type has {KEY_BYTES[self.algorithm]} bytes, not {len(self.public)}"
            )
        if self.algorithm is not Algorithm.ML_DSA_44 and _is_weak(self.public):
            raise KeyUnusable(
                f"the key of {self.name} is a weak one, with which one signature fits any text: it binds nobody"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """A key from its verifier key. Raises ``KeyUnusable``, also where the id does not belong to name and key."""
        name, plus, rest = text.partition("+")
        key_id, second, encoded = rest.partition("+")
        try:
            value = from_base64(encoded)
        except ValueError:
            value = b""
        if not plus or not second or not HEX_ID.fullmatch(key_id) or not value:
            raise KeyUnusable("this is no verifier key: it is not of the form NAME+ID+BASE64")
        if value[0] not in set(Algorithm):
            raise KeyUnusable(f"the verifier key of {name} has signature type {value[0]:#04x}, which is not supported")
        key = cls(name, Algorithm(value[0]), value[1:])
        if key.key_id.hex() != key_id:
            raise KeyUnusable(f"the id {key_id} in the verifier key of {name} is not that of its name and key")
        return key

    def __str__(self) -> str:
        encoded = base64.b64encode(bytes([self.algorithm]) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys of one name apart. They protect nothing: the public key does."""
        return sha256(self.name.encode() + b"\n" + bytes([self.algorithm]) + self.public).digest()[:KEY_ID_BYTES]

    def verify(self, text: str, signature: bytes) -> datetime | None:
        """The time that a cosignature states (UTC, whole seconds); None for none, as in a plain signature.

        Raises ``NoteInvalid`` where this is not this key's signature of ``text``.
        """
        if len(signature) != SIGNATURE_BYTES[self.algorithm]:
            raise NoteInvalid(
                f"the signature of {self.name} has {len(signature)} bytes, which its algorithm never gives"
            )
        stated, bare = (0, signature) if self.algorithm is Algorithm.ED25519 else _timed(signature)
        if stated > LAST_SECOND:
            raise NoteInvalid(f"the cosignature of {self.name} states a time after the year 9999")
        message = _message(self, text, stated)
        try:
            if self.algorithm is Algorithm.ML_DSA_44:
                MLDSA44PublicKey.from_public_bytes(self.public).verify(bare, message)
            else:
                Ed25519PublicKey.from_public_bytes(self.public).verify(bare, message)
        except (InvalidSignature, ValueError):
            raise NoteInvalid(f"the signature of {self.name} (key {self.key_id.hex()}) is wrong") from None
        except UnsupportedAlgorithm as error:
            raise KeyUnusable("the cryptography library on this machine has no ML-DSA-44") from error
        return datetime.fromtimestamp(stated, UTC) if stated else None


@dataclass(frozen=True)
class SignerKey:
    """A private key, and the name and algorithm that it signs under."""

    name: str
    algorithm: Algorithm
    private: PrivateKey

    @property
    def verifier_key(self) -> VerifierKey:
        """What others need to check this key's signatures."""
        return VerifierKey(self.name, self.algorithm, self.private.public_key().public_bytes_raw())

    def sign_note(self, text: str, at: datetime | None = None) -> Signature:
        """Sign a text as the log. An ML-DSA-44 key signs checkpoints only, and states the time ``at``, if given.

        Raises ``KeyUnusable`` for a key of witnesses, ``NoteInvalid`` for a text that it cannot sign.
        """
        if self.algorithm not in FOR_LOGS:
            raise KeyUnusable(f"the key of {self.name} is a witness's: it cannot sign as a log")
        if not text.endswith("\n") or CONTROL.search(text):
            raise NoteInvalid("the text of a note ends in a newline, and holds no other control character")
        return self._sign(text, 0 if at is None or self.algorithm is Algorithm.ED25519 else _seconds(at))

    def cosign(self, checkpoint_text: str, at: datetime) -> Signature:
        """Cosign a checkpoint as a witness: ``at`` (aware) is when it was seen and fitted all that had been seen before.

        Raises ``KeyUnusable`` for a key of logs, ``NoteInvalid`` for a text that is no checkpoint.
        """
        if self.algorithm not in FOR_WITNESSES:
            raise KeyUnusable(f"the key of {self.name} is a log's: it cannot cosign as a witness")
        parse_checkpoint(checkpoint_text)
        return self._sign(checkpoint_text, _seconds(at))

    def _sign(self, text: str, seconds: int) -> Signature:
        key = self.verifier_key
        signature = self.private.sign(_message(key, text, seconds))
        if self.algorithm is not Algorithm.ED25519:
            signature = seconds.to_bytes(TIME_BYTES, "big") + signature
        return Signature(self.name, key.key_id, signature)


def create_key(name: str, algorithm: Algorithm) -> SignerKey:
    """A new key. ``name`` is a URL without a scheme, such as ``kcpd.example/casetrail``. Raises ``KeyUnusable``."""
    if "://" in name:
        raise KeyUnusable("a key's name is a URL without its scheme, such as kcpd.example/casetrail")
    try:
        private: PrivateKey = (
            MLDSA44PrivateKey.generate() if algorithm is Algorithm.ML_DSA_44 else Ed25519PrivateKey.generate()
        )
    except UnsupportedAlgorithm as error:
        raise KeyUnusable("the cryptography library on this machine has no ML-DSA-44") from error
    key = SignerKey(name, algorithm, private)
    VerifierKey.parse(str(key.verifier_key))
    return key


def _message(key: VerifierKey, text: str, seconds: int) -> bytes:
    """The bytes that are signed. ``seconds`` since 1970-01-01T00:00:00Z; 0 states no time."""
    if key.algorithm is Algorithm.ED25519:
        return text.encode()
    if key.algorithm is Algorithm.ED25519_COSIGNATURE:
        return f"cosignature/v1\ntime {seconds}\n{text}".encode()
    checkpoint = parse_checkpoint(text)
    return b"".join(
        [
            b"subtree/v1\n\0",
            _short(key.name),
            seconds.to_bytes(TIME_BYTES, "big"),
            _short(checkpoint.origin),
            (0).to_bytes(8, "big"),
            checkpoint.size.to_bytes(8, "big"),
            checkpoint.root,
        ]
    )


def _short(text: str) -> bytes:
    """A string of 1 to 255 bytes with its length before it (RFC 8446, section 3.4)."""
    value = text.encode()
    if len(value) > NAME_BYTES:
        raise NoteInvalid(f"an origin of {len(value)} bytes is too long for an ML-DSA-44 signature")
    return bytes([len(value)]) + value


def _timed(signature: bytes) -> tuple[int, bytes]:
    return int.from_bytes(signature[:TIME_BYTES], "big"), signature[TIME_BYTES:]


def _seconds(at: datetime) -> int:
    if at.tzinfo is None or (seconds := int(at.timestamp())) <= 0:
        raise ValueError("the time of a cosignature has a zone and is after 1970")
    return seconds


def save_key(key: SignerKey, path: Path, passphrase: bytes | None = None) -> None:
    """Write a new key as PKCS#8 PEM for its owner only, and its verifier key to FILE.pub beside it: both, or none.

    The passphrase is stretched by 2,048 rounds of PBKDF2 only (all that the library offers for PKCS#8), so a short one can be
    guessed by whoever gets the file. Raises ``KeyUnusable`` where one of the two files exists already (it is left as it is)
    or cannot be written.
    """
    if passphrase is not None and not 1 <= len(passphrase) <= PASSPHRASE_BYTES:
        raise KeyUnusable(f"the passphrase of a key has 1 to {PASSPHRASE_BYTES} bytes, not {len(passphrase)}")
    encryption = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    pem = key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    _place(public_file(path), f"{key.verifier_key}\n".encode(), 0o644)
    try:
        _place(path, pem, 0o600)
    except KeyUnusable:
        public_file(path).unlink()
        raise


def load_key(path: Path, passphrase: bytes | None = None) -> SignerKey:
    """The key in a file that ``save_key`` wrote, with the name and type that FILE.pub beside it states.

    Raises ``KeyUnusable``: missing, readable by others than its owner, encrypted under another passphrase, or not the key
    that FILE.pub belongs to.
    """
    private = _private_key(_read(path, secret=True), path, passphrase)
    public = load_verifier_key(public_file(path))
    key = SignerKey(public.name, public.algorithm, private)
    if private.public_key().public_bytes_raw() != public.public:
        raise KeyUnusable(f"the key {path} and the verifier key {public_file(path)} do not belong together")
    return key


def load_verifier_key(path: Path) -> VerifierKey:
    """The verifier key in a file that holds nothing else. Raises ``KeyUnusable``."""
    try:
        text = _read(path, secret=False).decode()
    except UnicodeDecodeError:
        raise KeyUnusable(f"{path} holds no verifier key: it is not UTF-8") from None
    return VerifierKey.parse(text.removesuffix("\n"))


def public_file(path: Path) -> Path:
    """Where the verifier key of the key in ``path`` is kept: ``path`` with ``.pub`` after it."""
    return path.with_name(f"{path.name}.pub")


def _private_key(pem: bytes, path: Path, passphrase: bytes | None) -> PrivateKey:
    try:
        private = load_pem_private_key(pem, passphrase)
    except TypeError:
        needs = "needs a passphrase" if passphrase is None else "is not encrypted, and a passphrase was given"
        raise KeyUnusable(f"the key {path} {needs}") from None
    except (ValueError, UnsupportedAlgorithm):
        raise KeyUnusable(f"the key {path} cannot be read: no PKCS#8 PEM file, or another passphrase") from None
    if not isinstance(private, Ed25519PrivateKey | MLDSA44PrivateKey):
        raise KeyUnusable(f"the key {path} is neither Ed25519 nor ML-DSA-44")
    return private


def _place(path: Path, content: bytes, mode: int) -> None:
    try:
        place(path, content, mode)
    except FileExistsError:
        raise KeyUnusable(f"{path} exists already, and is left as it is: choose another file") from None
    except FileNotFoundError:  # no file that was asked for is missing: it is a new one that has no place
        raise KeyUnusable(f"{path} cannot be written: there is no folder {path.parent}, make it first") from None
    except OSError as error:
        raise KeyUnusable(f"{path} cannot be written ({error.strerror})") from error


def _read(path: Path, *, secret: bool) -> bytes:
    try:
        with path.open("rb") as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            if secret and mode & 0o077:
                raise KeyUnusable(
                    f"others than its owner may read or write the key {path} (mode {mode:o}): run chmod 600 on it, and "
                    "think of it as known to them"
                )
            return opened.read(MOST_FILE_BYTES)
    except OSError as error:
        raise KeyUnusable(f"{path} cannot be read ({error.strerror})") from error
