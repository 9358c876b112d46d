"""Backends compared count by count, and the loss against float."""
