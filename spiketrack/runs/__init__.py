"""Run folders and what was counted in them."""
