"""Square crops around a box, and the normalised arrays that the network receives."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from spiketrack.errors import ClipError
from spiketrack.preprocessing import normalise
from spiketrack.video.boxes import Box
from spiketrack.video.footage import Frame

SIDE_MAX = 2**15 - 1  # OpenCV's resize addresses pixels with 16 bits


@dataclass(frozen=True)
class Square:
    """A crop's place in the frame: left and top pixel, side in pixels; may reach outside."""

    x: int
    y: int
    side: int


def crop_square(box: Box, factor: float) -> Square:
    """Square around a box: side = ceil(sqrt(w h) factor), x = round(x + w/2 - side/2), y alike.

    round is half-to-even. ``ClipError`` if the side is below one pixel or beyond what can be
    resized.
    """
    area = box.w * box.h
    side = math.ceil(math.sqrt(area) * factor) if 0 < area < math.inf else 0
    if not 1 <= side <= SIDE_MAX:
        raise ClipError(
            f"box {box.w:g}x{box.h:g}: its crop would have a side of {side} pixels, "
            f"outside 1..{SIDE_MAX}"
        )
    half = 0.5 * side
    return Square(round(box.x + 0.5 * box.w - half), round(box.y + 0.5 * box.h - half), side)


def cut(frame: Frame, square: Square) -> Frame:
    """Pixels (side, side, 3) under a square; those outside the frame are 0.

    A square that reaches the right or lower border (x + side >= W) loses the frame's last column
    or row to zeros too: the published padding is max(0, x + side - W + 1).
    """
    height, width = frame.shape[:2]
    out = np.zeros((square.side, square.side, 3), np.uint8)
    x1, x2 = _visible(square.x, square.side, width)
    y1, y2 = _visible(square.y, square.side, height)
    if x1 < x2 and y1 < y2:
        rows = slice(y1 - square.y, y2 - square.y)
        columns = slice(x1 - square.x, x2 - square.x)
        out[rows, columns] = frame[y1:y2, x1:x2]
    return out


def _visible(start: int, side: int, size: int) -> tuple[int, int]:
    end = start + side
    return max(0, start), end - max(0, end - size + 1)


def take_crop(frame: Frame, box: Box, factor: float, size: int) -> NDArray[np.float32]:
    """The network's input (3, size, size) for a box: square, cut, bilinear resize, normalise."""
    pixels = cut(frame, crop_square(box, factor))
    resized = cv2.resize(pixels, (size, size), interpolation=cv2.INTER_LINEAR)
    return normalise(resized)
