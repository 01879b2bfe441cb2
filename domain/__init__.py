"""The field and its rules, pure: values in, events out.

Here live the ``Case`` aggregate, the actions that can be recorded of a case, the rules that refuse some of them, the
codes of the field and the Avro schemas. Nothing here does I/O, reads a clock or knows of Kafka or SQL: the same inputs
give the same bytes, today and for the auditor who replays them in thirty years.

Read ``case`` first, then the files in the order of a case's life: ``intake``, ``assignment``, ``contact``,
``referral``, ``investigation``, ``suspension``, ``closure``, ``linking``, ``concern``.
"""
