"""Benchmark sequences on disk: OTB, LaSOT and GOT-10k layouts, one folder or a folder of them.

OTB: ``img/``, ``groundtruth_rect.txt`` (``groundtruth_rect.2.txt`` for a second target).
LaSOT: ``img/``, ``groundtruth.txt``, ``full_occlusion.txt``, ``out_of_view.txt``.
GOT-10k: images beside ``groundtruth.txt``, ``absence.label``, ``cover.label``.
All count pixels from 1 (their toolkits are, or follow, Matlab's); here they count from 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spiketrack.errors import ClipError
from spiketrack.video.boxes import Box, read_rectangles
from spiketrack.video.footage import Frame, list_images, natural_key, read_images

DEPTH = 2  # LaSOT keeps sequences in folders of their class

# OTB-100 annotates only a part of the frames of these (its benchmark's configSeqs).
OTB_RANGES = {
    "David": (300, 770),
    "Diving": (1, 215),
    "Football1": (1, 74),
    "Freeman3": (1, 460),
    "Freeman4": (1, 283),
}


@dataclass(frozen=True)
class Sequence:
    """Images of one sequence, the target's box in each, and where the target is visible.

    ``boxes``: (N, 4) x, y, w, h in pixels from 0; ``visible``: (N,), False where the target is
    absent, wholly occluded, out of view or has no box.
    """

    name: str
    layout: str
    images: tuple[Path, ...]
    boxes: NDArray[np.float64]
    visible: NDArray[np.bool_]

    @property
    def start(self) -> Box:
        """The box in the first frame."""
        return Box(*(float(v) for v in self.boxes[0]))

    def frames(self) -> Iterator[Frame]:
        """RGB frames in order."""
        return read_images(self.images)

    def cut(self, frames: int | None) -> Sequence:
        """The first frame and at most ``frames`` more."""
        end = None if frames is None else frames + 1
        return Sequence(
            self.name, self.layout, self.images[:end], self.boxes[:end], self.visible[:end]
        )


def find_sequences(folder: Path) -> list[Sequence]:
    """The sequence in ``folder``, or all those below it, in natural order of their names.

    ``ClipError``: no such folder, no sequence in it, or a sequence whose boxes do not fit.
    """
    if not folder.is_dir():
        raise ClipError(f"{folder}: no such folder of sequences")
    found = list(_walk(folder, DEPTH))
    if not found:
        raise ClipError(
            f"{folder}: no sequence found; expected groundtruth_rect.txt or groundtruth.txt in it "
            "or in its sub-folders"
        )
    _refuse_twins(folder, [sequence.name for sequence in found])
    return found


def _refuse_twins(folder: Path, names: list[str]) -> None:
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise ClipError(f"{folder}: several sequences are named {', '.join(twins)}")


def _walk(folder: Path, depth: int) -> Iterator[Sequence]:
    labels = sorted(folder.glob("groundtruth_rect*.txt"), key=natural_key)
    plain = folder / "groundtruth.txt"
    if labels:
        yield from (_otb(folder, label, len(labels) > 1) for label in labels)
    elif plain.is_file():
        yield _lasot(folder, plain) if (folder / "img").is_dir() else _got10k(folder, plain)
    elif depth:
        for child in sorted((p for p in folder.iterdir() if p.is_dir()), key=natural_key):
            yield from _walk(child, depth - 1)


def _otb(folder: Path, label: Path, several: bool) -> Sequence:
    name = folder.absolute().name
    images = list_images(folder)
    boxes = read_rectangles(label)
    first, last = OTB_RANGES.get(name, (1, 0))
    if len(boxes) == last - first + 1 < len(images):
        images = images[first - 1 : last]
    target = label.stem.removeprefix("groundtruth_rect").lstrip("._") or "1"
    return _checked(f"{name}.{target}" if several else name, "OTB", images, boxes, label)


def _lasot(folder: Path, label: Path) -> Sequence:
    images = list_images(folder)
    hidden = _flags(folder / "full_occlusion.txt", len(images))
    hidden |= _flags(folder / "out_of_view.txt", len(images))
    name = folder.absolute().name
    return _checked(name, "LaSOT", images, read_rectangles(label), label, ~hidden)


def _got10k(folder: Path, label: Path) -> Sequence:
    images = list_images(folder)
    seen = ~_flags(folder / "absence.label", len(images))
    if (folder / "cover.label").is_file():  # eighths of the target that are visible
        seen &= _flags(folder / "cover.label", len(images))
    return _checked(folder.absolute().name, "GOT-10k", images, read_rectangles(label), label, seen)


def _flags(path: Path, count: int) -> NDArray[np.bool_]:
    """Numbers of a label file, on one line or many, as booleans; all False without the file."""
    if not path.is_file():
        return np.zeros(count, bool)
    fields = path.read_text(encoding="utf-8", errors="replace").replace(",", " ").split()
    if len(fields) != count or not all(field.lstrip("-").isdigit() for field in fields):
        raise ClipError(f"{path}: holds {len(fields)} entries, expected {count} whole numbers")
    return np.array([int(field) != 0 for field in fields])


def _checked(
    name: str,
    layout: str,
    images: tuple[Path, ...],
    boxes: list[Box],
    label: Path,
    seen: NDArray[np.bool_] | None = None,
) -> Sequence:
    if len(boxes) != len(images):
        raise ClipError(f"{label}: {len(boxes)} boxes for {len(images)} frames")
    if not boxes[0].valid:
        raise ClipError(f"{label}: line 1: the first frame needs a box with a size")
    valid = np.array([box.valid for box in boxes])
    array = np.array([box.as_tuple() for box in boxes])
    return Sequence(name, layout, images, array, valid if seen is None else valid & seen)
