"""The two ends of the integer network that stay on the host: crop in, maps out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiketrack.errors import GraphError
from spiketrack.inference import SCORE_CLAMP, Maps
from spiketrack.integer.graph import Graph
from spiketrack.preprocessing import denormalise


def quantise_image(crops: NDArray[np.float32], graph: Graph) -> NDArray[np.int16]:
    """Normalised crops (steps, 3, S, S) → their pixels 0..255, exactly those they were made of.

    What was made of no whole pixels is rounded. ``GraphError`` for another shape or range.
    """
    node = graph.inputs[0]
    if tuple(crops.shape) != node.shape:
        raise GraphError(f"{node.name}: crops of shape {crops.shape}, needed are {node.shape}")
    pixels = np.rint(denormalise(crops))
    if not (pixels.min() >= node.low and pixels.max() <= node.high):
        raise GraphError(
            f"{node.name}: pixels reach {pixels.min():g}..{pixels.max():g}, proven are "
            f"{node.low}..{node.high}; normalise the crop with the ImageNet statistics"
        )
    integers: NDArray[np.int16] = pixels.astype(np.int16)
    return integers


def to_maps(outputs: Mapping[str, NDArray[Any]], fractions: Mapping[str, int]) -> Maps:
    """Integer read-outs → score and size (sigmoid, clamped) and offset."""
    real = {
        name: np.ldexp(outputs[name][0].astype(np.float64), -fractions[name])
        for name in ("score", "size", "offset")
    }
    return Maps(_sigmoid(real["score"])[0], _sigmoid(real["size"]), real["offset"].astype("f4"))


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float32]:
    squashed = 1 / (1 + np.exp(-x))
    return np.clip(squashed, SCORE_CLAMP, 1 - SCORE_CLAMP).astype(np.float32)
