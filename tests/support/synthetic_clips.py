"""Tiny synthetic clips with exact ground truth, made by the tests."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from spiketrack.video.boxes import Box

Frames = list[NDArray[np.uint8]]


def moving_patch(count: int, width: int = 96, height: int = 72) -> tuple[Frames, list[Box]]:
    """A textured patch of 20×16 pixels moving two pixels a frame over a textured ground."""
    rng = np.random.default_rng(7)
    ground = rng.integers(60, 130, (height, width, 3), np.uint8)
    patch = rng.integers(150, 255, (16, 20, 3), np.uint8)
    frames, boxes = [], []
    for index in range(count):
        x, y = 10 + 2 * index % 50, 20 + index % 25
        frame = ground.copy()
        frame[y : y + 16, x : x + 20] = patch
        frames.append(frame)
        boxes.append(Box(x, y, 20, 16))
    return frames, boxes


def write_video(path: Path, frames: Frames, fps: float = 25.0) -> Path:
    """Write RGB frames as a Motion-JPEG AVI, or as MPEG-4 for ``.mp4``."""
    code = "MJPG" if path.suffix == ".avi" else "mp4v"
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), fps, (width, height))
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def write_images(folder: Path, frames: Frames, name: str = "{:04d}.png") -> Path:
    """Write RGB frames as numbered images, counted from 1."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, frame in enumerate(frames, 1):
        cv2.imwrite(str(folder / name.format(index)), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    return folder


def write_otb(folder: Path, frames: Frames, boxes: list[Box]) -> Path:
    """An OTB sequence: ``img/0001.png`` …, ``groundtruth_rect.txt`` counted from 1."""
    write_images(folder / "img", frames)
    lines = (f"{b.x + 1:g},{b.y + 1:g},{b.w:g},{b.h:g}\n" for b in boxes)
    (folder / "groundtruth_rect.txt").write_text("".join(lines))
    return folder
