"""Objects cut out of pictures and pasted into others, with exact boxes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from spiketrack.training.folders import Pixels
from spiketrack.training.views import Box

LARGEST = 112  # longest side of a cut-out in pixels; larger ones are shrunk without aliasing
Points = NDArray[np.float64]


@dataclass(frozen=True)
class CutOut:
    """Pixels (h, w, 3) and the outline: points in [-1, 1]² that touch all four sides."""

    image: Pixels
    outline: Points


@dataclass(frozen=True)
class Placement:
    """Centre, horizontal and vertical scale, and angle of a cut-out in a crop (pixels)."""

    x: float
    y: float
    scale_x: float
    scale_y: float
    angle: float = 0.0

    def matrix(self, width: int, height: int) -> NDArray[np.float64]:
        """Affine map from the cut-out's pixels to the crop's."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        axes = np.array([[cos, -sin], [sin, cos]]) @ np.diag([self.scale_x, self.scale_y])
        centre = np.array([width, height]) / 2 - 0.5
        return np.column_stack([axes, np.array([self.x, self.y]) - 0.5 - axes @ centre])


def outline(rng: np.random.Generator) -> Points:
    """A super-ellipse from a disc to nearly a box, or a lobed blob; 48 points."""
    theta = np.linspace(0, 2 * np.pi, 48, endpoint=False) + rng.uniform(0, 0.1)
    power = rng.choice([2.0, 2.0, 3.0, 8.0])
    cos, sin = np.cos(theta), np.sin(theta)
    radius = (np.abs(cos) ** power + np.abs(sin) ** power) ** (-1 / power)
    if power == 2.0:
        for lobes in (2, 3, 4, 5):
            radius *= 1 + rng.uniform(0, 0.18) * np.cos(lobes * theta + rng.uniform(0, 2 * np.pi))
    points = np.stack([radius * cos, radius * sin], 1)
    low, high = points.min(0), points.max(0)
    return np.asarray((points - low) / (high - low) * 2 - 1)


def cut(image: Pixels, box: NDArray[np.float64], shape: Points) -> CutOut:
    """The pixels in a box, shrunk to at most ``LARGEST``."""
    x, y, w, h = (float(v) for v in box)
    height, width = image.shape[:2]
    x1, x2 = int(np.clip(round(x), 0, width - 4)), int(np.clip(round(x + w), 4, width))
    y1, y2 = int(np.clip(round(y), 0, height - 4)), int(np.clip(round(y + h), 4, height))
    part = image[y1 : max(y2, y1 + 4), x1 : max(x2, x1 + 4)]
    scale = LARGEST / max(part.shape[:2])
    if scale < 1:
        size = (max(4, round(part.shape[1] * scale)), max(4, round(part.shape[0] * scale)))
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    return CutOut(part, shape)


def paste(image: Pixels, piece: CutOut, placement: Placement) -> tuple[Pixels, Box]:
    """Lay a cut-out over a crop; returns the crop and the exact box of the outline in crops."""
    size = image.shape[0]
    height, width = piece.image.shape[:2]
    matrix = placement.matrix(width, height)
    corners = (piece.outline + 1) / 2 * np.array([width, height]) - 0.5
    points = corners @ matrix[:, :2].T + matrix[:, 2]
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [np.rint(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    alpha = cv2.GaussianBlur(mask, (3, 3), 0)[..., None].astype(np.float32) / 255
    border = cv2.BORDER_REPLICATE
    warped = cv2.warpAffine(
        piece.image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=border
    )
    mixed = image + (warped.astype(np.float32) - image) * alpha
    low, high = points.min(0) + 0.5, points.max(0) + 0.5
    centre, extent = (low + high) / 2 / size, (high - low) / size
    box = (float(centre[0]), float(centre[1]), float(extent[0]), float(extent[1]))
    return mixed.round().astype(np.uint8), box
