"""Detectors: what neglect looks like in the events. Each is one pure function, and its docstring is its page in the docs.

``history`` is what a detector sees of a case, ``finding`` what it says, ``settings`` what a policy may set; ``catalogue``
has all detectors, ``judging`` runs them.
"""
