"""Crops as networks of 64 × 64 pixels get them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spiketrack.preprocessing import normalise


def random_crops(number: int) -> NDArray[np.float32]:
    """Normalised crops (number, 3, 64, 64), the same for the same number."""
    rng = np.random.default_rng(number)
    pixels = rng.normal(118, 45, (number, 64, 64, 3)).clip(0, 255).astype(np.uint8)
    return np.stack([normalise(image) for image in pixels])
