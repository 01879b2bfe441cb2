"""The log: one small port, its adapters for Kafka and for one SQLite file, and the bytes that are stored in it.

Rules of a case do not live here; ``outcome`` joins the domain's decisions with the bytes.
"""
