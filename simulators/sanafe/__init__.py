"""SANA-FE as an independent simulator of a chip: called, nothing copied.

SANA-FE is GPL-3.0 and exists for Python 3.10 and 3.11 (extra ``sanafe``).
"""
