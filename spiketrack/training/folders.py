"""Training pictures in memory: videos in every layout that evaluation reads, folders of stills.

Videos are the labelled sequences that ``spiketrack.tracking.sequences`` finds. Stills are any
pictures below a folder; a ``boxes.json`` there may name objects, in pixels from 0:
``{"picture": [[x, y, w, h, fill], ...]}``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError

from spiketrack.documents.problems import problem
from spiketrack.errors import ClipError, ConfigError
from spiketrack.tracking.sequences import Sequence, survey
from spiketrack.training.schema import DataSection
from spiketrack.video.footage import IMAGE_SUFFIXES, levels_of, read_image
from spiketrack.video.levels import Levels

Pixels = NDArray[np.uint8]
Boxes = NDArray[np.float64]
Rows = list[Annotated[list[FiniteFloat], Field(min_length=4, max_length=5)]]
_OBJECTS = TypeAdapter(dict[str, Rows])
MINIMUM_FILL = 0.55  # of its box that a still's segment must fill to count as an object
MINIMUM_SIDE = 24.0  # pixels of such a box


@dataclass(frozen=True)
class Clip:
    """One track: RGB frames (H, W, 3) and boxes (N, 4) as x, y, w, h in pixels."""

    name: str
    frames: tuple[Pixels, ...]
    boxes: Boxes


@dataclass(frozen=True)
class Still:
    """One picture (H, W, 3) and the boxes (N, 4) of what may pass for objects; N may be 0."""

    image: Pixels
    boxes: Boxes


@dataclass(frozen=True)
class Collection:
    """Everything a run trains on and is validated on, decoded; what was odd or left out."""

    clips: tuple[Clip, ...]
    stills: tuple[Still, ...]
    validation: tuple[Clip, ...]
    notes: tuple[str, ...] = ()


def data_root(given: Path | None) -> Path:
    """``given``, else ``$SPIKETRACK_SHARED/train``, else ``../shared/train``."""
    root = given or Path(os.environ.get("SPIKETRACK_SHARED", "../shared")) / "train"
    if not root.is_dir():
        raise ConfigError(f"{root}: no folder of training data; give --data or SPIKETRACK_SHARED")
    return root


def load_collection(root: Path, section: DataSection) -> Collection:
    """Decode all pictures once; videos named in ``section.validation`` are kept out."""
    notes: list[str] = []
    videos = [v for name in section.videos for v in _videos(_folder(root, name), notes)]
    names = {video.name for video in videos}
    if missing := sorted(set(section.validation) - names):
        raise ConfigError(f"data.validation: {missing[0]}: no such video below {root}")
    clips = [decode(video, section.longest_side, notes) for video in videos]
    stills = [
        s for name in section.images for s in _stills(_folder(root, name), section.longest_side)
    ]
    if not clips:
        raise ConfigError(f"{root}: no videos in {', '.join(section.videos)}")
    if not stills and section.video_share < 1:
        raise ConfigError(f"{root}: no images for {1 - section.video_share:g} of the pairs")
    kept = tuple(clip for clip in clips if clip.name in section.validation)
    used = tuple(clip for clip in clips if clip.name not in section.validation)
    return Collection(used, tuple(stills), kept, tuple(notes))


def _folder(root: Path, name: str) -> Path:
    folder = root / name
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; correct data.videos or data.images")
    return folder


def _videos(folder: Path, notes: list[str]) -> list[Sequence]:
    """The labelled sequences below a folder; ``ClipError`` names one that cannot be read."""
    surveyed = survey(folder)
    if surveyed.refused:
        raise ClipError(surveyed.refused[0].reason)
    notes += surveyed.notes
    for sequence in surveyed.sequences:
        notes += sequence.notes
    return [sequence for sequence in surveyed.sequences if sequence.labelled]


def decode(sequence: Sequence, longest_side: int, notes: list[str]) -> Clip:
    """Decode the frames whose object is visible and of a pixel at least."""
    good = sequence.visible & (sequence.boxes[:, 2:].min(1) >= 1)
    levels = levels_of(sequence.images)
    if levels is not None:
        notes.append(levels.note(sequence.name))
    files = [file for file, ok in zip(sequence.images, good, strict=True) if ok]
    if not files:
        raise ClipError(f"{sequence.name}: no frame with a usable box")
    decoded = [_decode(file, longest_side, levels) for file in files]
    scales = np.array([scale for _, scale in decoded]).reshape(-1, 1)
    return Clip(sequence.name, tuple(image for image, _ in decoded), sequence.boxes[good] * scales)


def _stills(folder: Path, longest_side: int) -> list[Still]:
    named: dict[Path, Rows] = {}
    for file in sorted(folder.rglob("boxes.json")):
        named |= {file.parent / name: rows for name, rows in _objects(file).items()}
    stills = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in IMAGE_SUFFIXES or path.name.startswith("."):
            continue
        image, scale = _decode(path, longest_side)
        rows = [
            row[:4] for row in named.get(path, [])
            if (len(row) < 5 or row[4] >= MINIMUM_FILL) and min(row[2:4]) * scale >= MINIMUM_SIDE
        ]  # fmt: skip
        stills.append(Still(image, np.array(rows, dtype=np.float64).reshape(-1, 4) * scale))
    return stills


def _objects(file: Path) -> dict[str, Rows]:
    """A ``boxes.json``; ``ConfigError`` if it is none."""
    try:
        return _OBJECTS.validate_json(file.read_bytes(), strict=False)
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error
    except ValidationError as error:
        raise ConfigError(f"{file}: {problem(error)}") from None


def _decode(path: Path, longest_side: int, levels: Levels | None = None) -> tuple[Pixels, float]:
    """RGB pixels, shrunk to ``longest_side``, and the scale that this took."""
    image = read_image(path, levels)
    scale = min(1.0, longest_side / max(image.shape[:2]))
    if scale < 1:
        if min(image.shape[:2]) * scale <= 0.5:
            raise ClipError(f"{path}: too thin to be shrunk to {longest_side} pixels")
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return image, scale
