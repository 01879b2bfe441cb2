"""The demonstration: the 149 reports of the article, played through the same code as in production.

Persons, dates, units and partners are invented, and made from a seed.
"""
