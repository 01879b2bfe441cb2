"""Sealed persons: fields encrypted before they reach the log, the keys that open them, tokens that recognise.

Plaintext never leaves the process from here. An immutable history cannot be cleaned later: so names, dates of birth,
addresses and narratives are never in it unsealed, and destroying a case's key expunges them while every hash still
verifies.
"""
