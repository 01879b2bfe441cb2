"""Importing the history of an old records system: a CSV file and a mapping become actions, marked as imported."""
