"""Sealing, tokens and wrapping: what stays secret, and what can still be recognised and checked."""
