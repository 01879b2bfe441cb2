"""Verification from the log alone: nothing here trusts a view, the recorder, or whoever runs the system."""
