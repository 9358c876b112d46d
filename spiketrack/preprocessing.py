"""Normalisation of crops: (RGB / 255 - mean) / std, the ImageNet statistics."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
PIXEL_MEAN = 255 * np.array(MEAN)  # what x = 0 stands for, by channel
PIXEL_STEP = 255 * np.array(STD)  # pixels to one unit of x


def normalise(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """RGB uint8 (H, W, 3) → float32 (3, H, W), each channel (value / 255 - mean) / std."""
    scaled = image.astype(np.float32) / np.float32(255)
    normal = (scaled - np.asarray(MEAN, np.float32)) / np.asarray(STD, np.float32)
    return np.ascontiguousarray(normal.transpose(2, 0, 1))


def denormalise(crops: NDArray[np.float32]) -> NDArray[np.float32]:
    """The inverse, float32 (..., 3, H, W) → pixels (..., 3, H, W), up to float32's rounding."""
    mean, std = (np.array(v, np.float32)[:, None, None] for v in (MEAN, STD))
    pixels: NDArray[np.float32] = (crops * std + mean) * np.float32(255)
    return pixels
