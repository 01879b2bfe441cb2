"""A whole site, real brokers and databases and all, injured again and again while it is loaded; then counted.

``python -m tests.faults --kills 200`` runs it, ``--write`` puts what was seen into docs/faults.md.
"""
