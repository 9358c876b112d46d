"""Clips, frames, boxes, crops and drawn frames."""
