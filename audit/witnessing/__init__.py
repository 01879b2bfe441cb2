"""A witness for a partner agency: what it has seen, what it cosigns, and its server."""
