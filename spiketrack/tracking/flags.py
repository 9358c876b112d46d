"""Files of a number a frame that say where a target is hidden."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spiketrack.errors import ClipError
from spiketrack.video.boxes import read_text

HIDDEN_FLAGS = ("full_occlusion.txt", "out_of_view.txt", "absence.label")  # not 0: hidden
COVER = "cover.label"  # eighths of the target that are visible
EXPECTED = {  # without them absent frames cannot be told
    "LaSOT": HIDDEN_FLAGS[:2],
    "GOT-10k": (HIDDEN_FLAGS[2], COVER),
}

Flags = NDArray[np.bool_]


def hidden(folder: Path, count: int) -> Flags:
    """(count,) where any file of a folder says so; ``ClipError`` for one that does not fit."""
    flags = np.zeros(count, np.bool_)
    for name in HIDDEN_FLAGS:
        if (folder / name).is_file():
            flags |= _flags(folder / name, count)
    if (folder / COVER).is_file():
        flags |= ~_flags(folder / COVER, count)
    return flags


def missing(layout: str, folder: Path) -> str:
    """What a layout should have and has not, as a note, else nothing."""
    absent = [name for name in EXPECTED.get(layout, ()) if not (folder / name).is_file()]
    if not absent:
        return ""
    return (
        f"{folder}: {layout} layout without {' and '.join(absent)}: every frame with a box counts "
        "as visible"
    )


def _flags(path: Path, count: int) -> Flags:
    """Numbers of a label file, on one line or many, as booleans."""
    fields = read_text(path).replace(",", " ").replace(";", " ").split()
    whole = all(field.isascii() and field.lstrip("-").isdecimal() for field in fields)
    if len(fields) != count or not whole:
        raise ClipError(f"{path}: holds {len(fields)} entries, expected {count} whole numbers")
    return np.array([field.strip("-0") != "" for field in fields], np.bool_)
