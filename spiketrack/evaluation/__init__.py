"""Many sequences at once: what a worker does, where workers run, what becomes of what they give."""
