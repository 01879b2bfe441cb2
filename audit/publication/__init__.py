"""The log as static files that any web server serves, and their verification without the log."""
