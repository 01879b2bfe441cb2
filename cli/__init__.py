"""The command line: for operators, auditors and services. What a library caller would miss is not here."""
