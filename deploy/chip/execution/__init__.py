"""The chip's program, executed in its own time: one step after the other, messages between."""
