"""Ids that no case can have: what stands under them are the histories of the registry and of machines."""

from typing import Final

REGISTRY: Final = "registry"
"""The id, and the key, of the registry's history."""
MACHINES: Final = "machine:"
"""How the ids of the histories of machines begin."""


def is_reserved(case_id: str) -> bool:
    """Whether an id is the registry's or a machine's: no case can have it."""
    return case_id == REGISTRY or case_id.startswith(MACHINES)
