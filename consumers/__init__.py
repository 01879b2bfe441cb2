"""What runs beside the log: the recorder decides, the projector keeps the views, one loop runs them.

Decisions are the domain's, SQL statements the projections'; here is only the order of things: start, catch up, step,
commit, stop.
"""
