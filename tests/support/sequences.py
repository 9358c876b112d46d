"""Benchmark sequences of a folder in which nothing may be refused."""

from __future__ import annotations

from pathlib import Path

from spiketrack.errors import ClipError
from spiketrack.tracking.sequences import Sequence, survey


def find_sequences(folder: Path) -> list[Sequence]:
    """The sequences that ``survey`` finds; ``ClipError`` where it refuses one."""
    surveyed = survey(folder)
    if surveyed.refused:
        raise ClipError(surveyed.refused[0].reason)
    return surveyed.sequences
