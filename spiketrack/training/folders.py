"""Training pictures in memory: videos in OTB or GOT-10k layout and folders of stills.

A video is a folder with ``groundtruth_rect.txt`` (OTB) or ``groundtruth.txt`` (GOT-10k), one row
x,y,w,h a frame, and frames in ``img/`` or beside it. Stills are any pictures below a folder; a
``boxes.json`` there may name objects: ``{"picture": [[x, y, w, h, fill], ...]}``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from spiketrack.errors import ConfigError
from spiketrack.training.schema import DataSection

Pixels = NDArray[np.uint8]
Boxes = NDArray[np.float64]
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp"}
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
    """Everything a run trains on and is validated on, decoded."""

    clips: tuple[Clip, ...]
    stills: tuple[Still, ...]
    validation: tuple[Clip, ...]


def data_root(given: Path | None) -> Path:
    """``given``, else ``$SPIKETRACK_SHARED/train``, else ``../shared/train``."""
    root = given or Path(os.environ.get("SPIKETRACK_SHARED", "../shared")) / "train"
    if not root.is_dir():
        raise ConfigError(f"{root}: no folder of training data; give --data or SPIKETRACK_SHARED")
    return root


def load_collection(root: Path, section: DataSection) -> Collection:
    """Decode all pictures once; videos named in ``section.validation`` are kept out."""
    folders = [f for name in section.videos for f in _video_folders(_folder(root, name))]
    names = {folder.name for folder in folders}
    if missing := sorted(set(section.validation) - names):
        raise ConfigError(f"data.validation: {missing[0]}: no such video below {root}")
    clips = [read_clip(folder, section.longest_side) for folder in folders]
    stills = [
        s for name in section.images for s in _stills(_folder(root, name), section.longest_side)
    ]
    if not clips:
        raise ConfigError(f"{root}: no videos in {', '.join(section.videos)}")
    if not stills and section.video_share < 1:
        raise ConfigError(f"{root}: no images for {1 - section.video_share:g} of the pairs")
    kept = tuple(clip for clip in clips if clip.name in section.validation)
    used = tuple(clip for clip in clips if clip.name not in section.validation)
    return Collection(used, tuple(stills), kept)


def _folder(root: Path, name: str) -> Path:
    folder = root / name
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; correct data.videos or data.images")
    return folder


def _video_folders(folder: Path) -> list[Path]:
    return [item for item in sorted(folder.iterdir()) if item.is_dir() and _truth(item)]


def _truth(folder: Path) -> Path | None:
    files = (folder / name for name in ("groundtruth_rect.txt", "groundtruth.txt"))
    return next((file for file in files if file.is_file()), None)


def _pictures(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if path.suffix.lower() in SUFFIXES)


def read_clip(folder: Path, longest_side: int) -> Clip:
    """Read one video; frames whose box is empty or not finite are left out."""
    truth = _truth(folder)
    if truth is None:
        raise ConfigError(f"{folder}: no groundtruth_rect.txt or groundtruth.txt")
    try:
        text = truth.read_text(encoding="utf-8").replace(",", " ").replace("\t", " ")
        boxes = np.array([[float(v) for v in row.split()] for row in text.splitlines() if row])
        boxes = boxes.reshape(-1, 4)
    except ValueError as error:
        raise ConfigError(f"{truth}: rows must be x,y,w,h ({error})") from None
    frames = folder / "img"
    files = _pictures((frames if frames.is_dir() else folder).iterdir())
    if len(files) != len(boxes):
        raise ConfigError(f"{folder}: {len(files)} frames but {len(boxes)} boxes")
    good = np.isfinite(boxes).all(1) & (boxes[:, 2:].min(1, initial=np.inf) >= 1)
    decoded = [_decode(file, longest_side) for file, ok in zip(files, good, strict=True) if ok]
    scales = np.array([scale for _, scale in decoded]).reshape(-1, 1)
    if not decoded:
        raise ConfigError(f"{folder}: no frame with a usable box")
    return Clip(folder.name, tuple(image for image, _ in decoded), boxes[good] * scales)


def _stills(folder: Path, longest_side: int) -> list[Still]:
    named: dict[Path, Any] = {}
    for file in sorted(folder.rglob("boxes.json")):
        for name, rows in json.loads(file.read_text(encoding="utf-8")).items():
            named[file.parent / name] = rows
    stills = []
    for path in _pictures(folder.rglob("*")):
        image, scale = _decode(path, longest_side)
        rows = [
            row[:4] for row in named.get(path, [])
            if (len(row) < 5 or row[4] >= MINIMUM_FILL) and min(row[2:4]) * scale >= MINIMUM_SIDE
        ]  # fmt: skip
        stills.append(Still(image, np.array(rows, dtype=np.float64).reshape(-1, 4) * scale))
    return stills


def _decode(path: Path, longest_side: int) -> tuple[Pixels, float]:
    """RGB pixels, shrunk to ``longest_side``, and the scale that this took."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ConfigError(f"{path}: no readable picture")
    scale = min(1.0, longest_side / max(image.shape[:2]))
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB), scale
