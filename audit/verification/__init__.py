"""Verification of a whole log: read once, in parallel, everything recomputed."""
