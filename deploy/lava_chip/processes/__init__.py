"""Lava processes of the chip's layers, and nothing else: Lava's compiler imports this folder."""
