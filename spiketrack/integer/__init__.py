"""The integer network: what it is, how it runs exactly, what it costs."""
