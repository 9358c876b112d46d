"""Backends compared count by count, and the loss against float."""

YARDSTICK_FRAMES = 10  # searches in which float64 is compared unless another number is asked for
