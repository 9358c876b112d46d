"""The tracker and what is measured of it."""
