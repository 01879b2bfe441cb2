"""What can go wrong with sealed fields and keys. No message ever quotes a plaintext or a key."""


class PrivacyError(Exception):
    """Base of this room's errors. ``code`` is stable; the message says what happened and what to do."""

    code = "privacy-error"


class KeyMissing(PrivacyError):
    """The keyring has no key for this case."""

    code = "key-missing"


class KeyDestroyed(PrivacyError):
    """The case has been expunged: its key was destroyed, and is never made again."""

    code = "key-destroyed"


class KeyringUnreachable(PrivacyError):
    """The keyring's file or database cannot be opened, read or written."""

    code = "keyring-unreachable"


class MasterKeyBad(PrivacyError):
    """The master key is missing, has the wrong length, does not fit the keyring, or others may read its file."""

    code = "master-key-bad"


class SealBroken(PrivacyError):
    """A sealed field does not open with this key, or its commitment does not fit what is in it."""

    code = "seal-broken"


class TextTooLong(PrivacyError):
    """A text is longer than a sealed field may be."""

    code = "text-too-long"
