"""Node types that installed packages bring, by entry points of the group ``spiketrack.nodes``."""

from __future__ import annotations

import functools
from importlib import metadata

from spiketrack.errors import MissingDependency

ENTRY_POINTS = "spiketrack.nodes"


@functools.cache
def load_installed() -> tuple[str, ...]:
    """Import every module of the group once; their names. ``MissingDependency`` for a broken one.

    A module registers its types and their interpreters where it is imported.
    """
    points = metadata.entry_points(group=ENTRY_POINTS)
    for point in points:
        try:
            point.load()
        except Exception as error:  # a foreign package may fail in any way
            raise MissingDependency(
                f"node types {point.name}: cannot be loaded "
                f"({point.value}: {type(error).__name__}: {error})"
            ) from error
    return tuple(point.name for point in points)
