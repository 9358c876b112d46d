"""The chip's neurons as short programs in the published opcodes: a model, see ``machine.py``."""
