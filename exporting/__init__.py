"""Exporting histories for analysts: event logs that process-mining tools and statistics programs read.

Ids and codes only: nothing that is sealed, no token, and no text that is not an id leaves the log this way.
"""
