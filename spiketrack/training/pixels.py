"""What may happen to pixels: light, colour, blur, noise, occlusion."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from spiketrack.training.folders import Pixels
from spiketrack.training.schema import AugmentSection
from spiketrack.training.views import Box


def light_table(rng: np.random.Generator, strength: float) -> NDArray[np.float64]:
    """(256, 3) grey levels: gain, offset and gamma, a little different for each channel."""
    levels = np.arange(256.0)[:, None] / 255
    gamma = np.exp(rng.normal(0, strength))
    gain = np.exp(rng.normal(0, strength) + rng.normal(0, 0.3 * strength, 3))
    offset = rng.normal(0, 0.3 * strength)
    return np.asarray(levels**gamma * gain + offset)


def apply_table(image: Pixels, table: NDArray[np.float64]) -> Pixels:
    """Look every channel up in its own column."""
    lut = (table.clip(0, 1) * 255).round().astype(np.uint8)
    result: Pixels = cv2.LUT(image, lut[None])
    return result


def gray(image: Pixels) -> Pixels:
    """Luminance in all three channels."""
    result: Pixels = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return result


def blur(rng: np.random.Generator, image: Pixels) -> Pixels:
    """Motion blur, Gaussian blur, or a loss of resolution."""
    kind = rng.integers(3)
    if kind == 0:
        length = int(rng.integers(3, 10))
        angle = rng.uniform(0, np.pi)
        steps = np.linspace(-length / 2, length / 2, 3 * length)
        kernel = np.zeros((11, 11))
        points = np.rint(5 + np.outer([np.sin(angle), np.cos(angle)], steps)).astype(int)
        kernel[points[0], points[1]] = 1
        result: Pixels = cv2.filter2D(image, -1, kernel / kernel.sum())
    elif kind == 1:
        result = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.5, 1.8)))
    else:
        size = max(8, int(image.shape[0] * rng.uniform(0.3, 0.7)))
        small = cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR)
        result = cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return result


def noise(rng: np.random.Generator, image: Pixels) -> Pixels:
    """Gaussian noise of 2 to 12 grey levels."""
    grain = rng.standard_normal(image.shape, dtype=np.float32) * rng.uniform(2, 12)
    return (image + grain).clip(0, 255).astype(np.uint8)


def spoil(rng: np.random.Generator, image: Pixels, augment: AugmentSection) -> Pixels:
    """What happens to one crop alone."""
    image = apply_table(image, light_table(rng, 0.5 * augment.colour))
    if rng.random() < augment.blur:
        image = blur(rng, image)
    if rng.random() < augment.noise:
        image = noise(rng, image)
    return image


def occlude(rng: np.random.Generator, image: Pixels, box: Box, cover: Pixels) -> Pixels:
    """Lay a piece of ``cover`` over one side of the box, at most about 45 % of it."""
    size = image.shape[0]
    x, y, w, h = (v * size for v in box)
    share = rng.uniform(0.15, 0.45)
    sides = [(w * share, h * 1.3), (w * 1.3, h * share)]
    cw, ch = sides[axis := int(rng.integers(2))]
    sign = rng.choice([-1, 1])
    cx = x + (sign * (w - cw) / 2 if axis == 0 else 0)
    cy = y + (sign * (h - ch) / 2 if axis == 1 else 0)
    x1, x2 = (int(np.clip(cx + d * cw / 2, 0, size)) for d in (-1, 1))
    y1, y2 = (int(np.clip(cy + d * ch / 2, 0, size)) for d in (-1, 1))
    result = image.copy()
    result[y1:y2, x1:x2] = cover[y1:y2, x1:x2]
    return result
