"""Where in the picture populations fire, frame by frame: small maps beside the clip.

map[h, w] = mean count over steps and channels, in bytes of 0..255 of the population's largest

Only a run with full counts has them.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from spiketrack.documents.run import RunDocument
from spiketrack.errors import SpikeTrackError
from spiketrack.inference import SEARCH
from spiketrack.report.names import stage
from spiketrack.runs.folder import Counts, open_counts

MOST = 6  # populations
BUDGET = 240_000  # bytes of all maps together, before base64
SIDES = (32, 16, 8)


@dataclass(frozen=True)
class ActivityMaps:
    """One population: name, size of a map, largest mean count, bytes of all frames as base64.

    ``frames``: the numbers of the frames that have a map.
    """

    name: str
    width: int
    height: int
    most: float
    frames: tuple[int, ...]
    data: str


def activity_maps(run: Path, about: RunDocument, order: Sequence[str]) -> tuple[ActivityMaps, ...]:
    """Maps of the last population of the stages that fill a picture, spread over the network.

    ``order``: the search branch's layers in the order of the network.
    """
    if about.counts != "full" or not about.frames:
        return ()
    try:
        with open_counts(run, SEARCH) as counts:
            chosen = choose(counts, order)
            side, frames = _fit(len(chosen), about.frames)
            return tuple(_maps(name, counts, side, frames) for name in chosen)
    except SpikeTrackError:  # a backend that records no counts
        return ()


def choose(counts: Counts, order: Sequence[str]) -> list[str]:
    """At most ``MOST`` populations with a map: the last of a stage, first and last included."""
    kept = [name for name in order if name in counts.group]
    lasts = {stage(name): name for name in kept if min(counts.group[name].shape[-2:]) > 1}
    names = list(lasts.values())
    picks = np.linspace(0, len(names) - 1, min(MOST, len(names))).round().astype(int)
    return [names[i] for i in picks]


def _fit(populations: int, frames: int) -> tuple[int, tuple[int, ...]]:
    """The largest side, and the frames, that keep within the budget."""
    for side in SIDES:
        if populations * side * side * frames <= BUDGET:
            return side, tuple(range(1, frames + 1))
    step = -(-populations * SIDES[-1] ** 2 * frames // BUDGET)
    return SIDES[-1], tuple(range(1, frames + 1, step))


def _maps(name: str, counts: Counts, side: int, frames: Sequence[int]) -> ActivityMaps:
    stored = counts.group[name]
    means = [stored[frame - 1].mean((0, 1), dtype=np.float32) for frame in frames]
    small = np.stack([_shrink(mean, side) for mean in means])
    most = float(small.max()) or 1.0
    data = base64.b64encode((small * (255 / most)).round().astype(np.uint8).tobytes())
    height, width = small.shape[1:]
    return ActivityMaps(name, width, height, most, tuple(frames), data.decode("ascii"))


def _shrink(mean: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """No larger than ``side``, means of what lies together."""
    height, width = (min(size, side) for size in mean.shape)
    small: NDArray[np.float32] = cv2.resize(mean, (width, height), interpolation=cv2.INTER_AREA)
    return small
