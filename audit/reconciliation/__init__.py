"""Somebody else's list of reports, held against the log."""
