"""Sizes that the log's formats allow, in bytes."""

from typing import Final

ACTION_BYTES: Final = 32 * 1024
"""An action's value. A longer one is refused before it is sent; one that a submitter appends all the same is unreadable."""

EVENT_BYTES: Final = 60_000
"""An event's value: an entry of a tile bundle has a 16-bit length (C2SP tlog-tiles)."""

MOST_BYTES: Final = 1_000_000
"""Key and value of a record of any topic. Above an action's size, so that what a hostile submitter sends is kept."""
