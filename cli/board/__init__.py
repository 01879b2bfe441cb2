"""A live board for a shift: what is read of the views (``rows``, ``pages``), and how a terminal shows it."""
