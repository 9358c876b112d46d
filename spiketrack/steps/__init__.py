"""The road's steps as functions of paths and values: what the commands, ``run`` and Python call.

They check, work, write and return documents; what a person reads is the caller's part.
"""
