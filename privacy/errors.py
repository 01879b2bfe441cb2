"""What can go wrong with sealed fields and keys. No message and no chained error ever holds a plaintext or a key."""

from datetime import datetime


class PrivacyError(Exception):
    """Base of this room's errors. ``code`` is stable; the message says what happened and what to do."""

    code = "privacy-error"


class KeyMissing(PrivacyError):
    """The keyring has no key for this case."""

    code = "key-missing"

    def __init__(self, case_id: str) -> None:
        super().__init__(f"the keyring has no key for case {case_id}: look at the case id, and whose keyring this is")
        self.case_id = case_id


class KeyLost(PrivacyError):
    """The keyring has no key for a case in which texts are sealed: a new one would hide that these can be read no more."""

    code = "key-lost"

    def __init__(self, case_id: str) -> None:
        super().__init__(
            f"texts are sealed in case {case_id}, and this keyring has no key for it: it is another keyring than then, an older copy, or "
            "the key is lost. Nothing was sealed or submitted. Look at the address of the keyring, or restore it from its backup. "
            f"Where the key is lost for good, 'casetrail keys renew {case_id}' makes a new one: what was sealed before stays "
            "unreadable"
        )
        self.case_id = case_id


class KeyringLost(PrivacyError):
    """The keyring's file is gone, and its master key is there: a new keyring would hide that nothing sealed before can be read."""

    code = "keyring-lost"


class KeyDestroyed(PrivacyError):
    """The case has been expunged: its key was destroyed, and is never made again. ``at`` is aware, in UTC."""

    code = "key-destroyed"

    def __init__(self, case_id: str, reason_code: str, at: datetime) -> None:
        super().__init__(
            f"the key of case {case_id} was destroyed on {at.date().isoformat()} ({reason_code}): "
            "what was sealed in this case cannot be opened, and nothing more can be sealed in it"
        )
        self.case_id = case_id
        self.reason_code = reason_code
        self.at = at


class KeyringUnreachable(PrivacyError):
    """The keyring's file or database cannot be opened, read or written."""

    code = "keyring-unreachable"


class KeyringLocked(PrivacyError):
    """Another process kept the keyring busy for too long; trying again is safe."""

    code = "keyring-locked"


class KeyringExposed(PrivacyError):
    """Others than its owner may read or write the keyring's file."""

    code = "keyring-exposed"


class KeyringAddressBad(PrivacyError):
    """The address is no keyring's."""

    code = "keyring-address-bad"


class MasterKeyBad(PrivacyError):
    """The master key is missing, has the wrong length, does not fit the keyring, or others may read its file."""

    code = "master-key-bad"


class SealBroken(PrivacyError):
    """A sealed field does not open with this key, or its commitment does not fit what is in it."""

    code = "seal-broken"


class DisclosureMalformed(PrivacyError):
    """What was handed over as a disclosure is none."""

    code = "disclosure-malformed"


class TextTooLong(PrivacyError):
    """A text is longer than a sealed field may be."""

    code = "text-too-long"


class NotSealable(PrivacyError):
    """A text is no Unicode text, or a key or an id has the wrong shape."""

    code = "not-sealable"


class NothingToRecognise(PrivacyError):
    """Identifiers without a letter or digit: a token of them would make all unknown persons the same person."""

    code = "nothing-to-recognise"
