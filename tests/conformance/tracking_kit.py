"""The test case that ``eventsourcing`` publishes for tracking recorders, importable without a second crypto library.

Its module imports ``eventsourcing.cipher``, which needs PyCryptodome, for other test cases than the one for tracking
recorders. ``eventsourcing.cryptography`` has the same cipher over the library that casetrail has anyway.
"""

import sys
from importlib.util import find_spec

if find_spec("Crypto") is None:
    import eventsourcing.cryptography

    sys.modules.setdefault("eventsourcing.cipher", eventsourcing.cryptography)

from eventsourcing.tests import persistence

__all__ = ["persistence"]
