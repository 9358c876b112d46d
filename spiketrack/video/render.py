"""Pictures of a tracked clip: boxes drawn into frames, a filmstrip."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np

from spiketrack.errors import SpikeTrackError
from spiketrack.files import atomic_path
from spiketrack.video.boxes import Box
from spiketrack.video.footage import Frame

COLOUR = (255, 196, 0)  # amber, RGB: seen on dark and on bright footage
SHADOW = (0, 0, 0)
FONT = cv2.FONT_HERSHEY_SIMPLEX
TILES = 8
COLUMNS = 4
TILE_WIDTH = 240


def annotate(frame: Frame, box: Box, label: str) -> Frame:
    """A copy of the frame with the box and, in its upper left corner, a label."""
    out = frame.copy()
    first = (round(box.x), round(box.y))
    last = (round(box.x + box.w) - 1, round(box.y + box.h) - 1)
    scale = max(0.35, frame.shape[0] / 720)
    for colour, width in ((SHADOW, 3), (COLOUR, 1)):
        width = max(width, round(width * frame.shape[0] / 360))
        cv2.rectangle(out, first, last, colour, width)
        cv2.putText(out, label, (4, round(30 * scale) + 2), FONT, scale, colour, width, cv2.LINE_AA)
    return out


class Filmstrip:
    """Collects tiles from a clip of unknown length, then shows ``TILES`` of them, evenly spread."""

    def __init__(self) -> None:
        self.tiles: list[Frame] = []
        self.stride = 1
        self.seen = 0

    def add(self, frame: Frame) -> None:
        """Offer the next annotated frame; every ``stride``-th is kept, the stride doubling."""
        if self.seen % self.stride == 0:
            height = max(1, round(frame.shape[0] * TILE_WIDTH / frame.shape[1]))
            self.tiles.append(cv2.resize(frame, (TILE_WIDTH, height), interpolation=cv2.INTER_AREA))
        self.seen += 1
        if len(self.tiles) > 8 * TILES:
            self.tiles = self.tiles[::2]
            self.stride *= 2

    def picture(self) -> Frame:
        """The tiles in rows of ``COLUMNS``."""
        if not self.tiles:
            raise SpikeTrackError("filmstrip: no frame was tracked")
        count = min(TILES, len(self.tiles))
        chosen = [self.tiles[round(i)] for i in np.linspace(0, len(self.tiles) - 1, count)]
        blank = np.zeros_like(chosen[0])
        chosen += [blank] * (-count % min(COLUMNS, count))
        width = min(COLUMNS, count)
        rows = [np.hstack(chosen[i : i + width]) for i in range(0, len(chosen), width)]
        return np.vstack(rows)

    def write(self, path: Path) -> None:
        """Write the picture as PNG; it appears whole."""
        bgr = cv2.cvtColor(self.picture(), cv2.COLOR_RGB2BGR)
        encoded, png = cv2.imencode(".png", bgr)
        if not encoded:
            raise SpikeTrackError(f"{path}: OpenCV cannot encode a PNG")
        with atomic_path(path) as temporary:
            temporary.write_bytes(png.tobytes())


def label(frame: int, score: float) -> str:
    """Text in an annotated frame."""
    return f"{frame}" if math.isclose(score, 1.0) and frame == 0 else f"{frame}  {score:.2f}"
