"""Read models: what follows from the events, kept where it can be asked for quickly.

A view is disposable: its position and its rows change in one SQL transaction, and from offset 0 the same rows follow.
Nothing here writes to the log.
"""
