"""Processes, ports and connections as a value: what Lava is built from, and what outlives it."""
