"""Geometry: a square view into a picture, and where a box lies in it.

A view of side s centred at c maps crop coordinates u in [0, 1]² to

    p = c + s · R(angle) · diag(stretch, 1 / stretch) · (u - 0.5)

With angle 0 and stretch 1 it samples the same points as the tracker's crop and bilinear resize.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from spiketrack.training.folders import Pixels
from spiketrack.training.schema import AugmentSection

Box = tuple[float, float, float, float]
LIMIT = 2.2  # normal deviates beyond so many standard deviations are clipped


@dataclass(frozen=True)
class View:
    """Centre and side in pixels, angle in radians, stretch of the horizontal axis."""

    x: float
    y: float
    side: float
    angle: float = 0.0
    stretch: float = 1.0

    def _axes(self) -> NDArray[np.float64]:
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        rotation = np.array([[cos, -sin], [sin, cos]])
        axes: NDArray[np.float64] = rotation @ np.diag([self.stretch, 1 / self.stretch])
        return axes * self.side

    def render(self, image: Pixels, size: int) -> Pixels:
        """(size, size, 3) pixels; 0 outside the picture."""
        axes = self._axes() / size
        offset = np.array([self.x, self.y]) - 0.5 + axes @ np.full(2, 0.5 - size / 2)
        matrix = np.column_stack([axes, offset])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        crop: Pixels = cv2.warpAffine(image, matrix, (size, size), flags=flags)
        return crop

    def locate(self, box: NDArray[np.float64]) -> Box:
        """x, y, w, h in pixels → centre x, centre y, w, h in crops (of the inscribed ellipse)."""
        x, y, w, h = (float(v) for v in box)
        inverse = np.linalg.inv(self._axes())
        u, v = inverse @ np.array([x + w / 2 - self.x, y + h / 2 - self.y])
        width, height = np.hypot(inverse[:, 0] * w, inverse[:, 1] * h)
        return float(u) + 0.5, float(v) + 0.5, float(width), float(height)


@dataclass(frozen=True)
class Drift:
    """How far a crop is off: shift of the target in crops, factor of the crop's side, warp."""

    x: float
    y: float
    scale: float
    angle: float
    stretch: float

    def view(self, box: NDArray[np.float64], factor: float) -> View:
        """The view round ``box`` whose target is off as told."""
        x, y, w, h = (float(v) for v in box)
        side = math.sqrt(w * h) * factor * self.scale
        centred = View(x + w / 2, y + h / 2, side, self.angle, self.stretch)
        dx, dy = centred._axes() @ np.array([self.x, self.y])
        return View(centred.x - dx, centred.y - dy, side, self.angle, self.stretch)


def normal(rng: np.random.Generator, deviation: float) -> float:
    """A clipped normal deviate."""
    return deviation * float(np.clip(rng.standard_normal(), -LIMIT, LIMIT))


def search_drift(rng: np.random.Generator, augment: AugmentSection) -> Drift:
    """As if the last box had been wrong in place and size."""
    reach = augment.far_shift if rng.random() < augment.far_share else augment.shift
    x, y = rng.uniform(-reach, reach, 2)
    scale = math.exp(normal(rng, augment.scale))
    angle = math.radians(normal(rng, augment.angle))
    return Drift(x, y, scale, angle, math.exp(normal(rng, augment.stretch)))


def lost_drift(rng: np.random.Generator, augment: AugmentSection) -> Drift:
    """A later template cut where the tracker had lost the object, wholly or in part."""
    return search_drift(rng, augment.model_copy(update={"far_share": 1.0, "far_shift": 0.8}))


def start_drift(rng: np.random.Generator, factor: float) -> Drift:
    """A first template from one of OTB's shifted or scaled starts, ``factor`` the template's.

    Half are moved by up to a tenth of the size along each axis, half are 0.8 to 1.2 times as large.
    """
    if rng.random() < 0.5:
        x, y = rng.uniform(-0.1, 0.1, 2) / factor
        return Drift(x, y, 1.0, 0.0, 1.0)
    return Drift(0.0, 0.0, float(rng.uniform(0.8, 1.2)), 0.0, 1.0)


def template_drift(rng: np.random.Generator, augment: AugmentSection, amount: float = 1.0) -> Drift:
    """A template is nearly exact: its box is given, or for later templates predicted."""
    reach = augment.template_shift * amount
    x, y = rng.uniform(-reach, reach, 2)
    return Drift(x, y, math.exp(normal(rng, augment.template_scale * amount)), 0.0, 1.0)
