"""Lava processes and their CPU models, and nothing else: Lava's compiler imports this folder."""
