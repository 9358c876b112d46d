"""Calibration: what a real clip tells the quantiser, gathered with the float network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spiketrack.export.passes.quantise import Statistics
from spiketrack.inference import SEARCH, TEMPLATE, Crop, Trace
from spiketrack.limits import MAX_COUNT
from spiketrack.reference.checkpoint import Checkpoint
from spiketrack.reference.model import SpikeTrack
from spiketrack.reference.neuron import Neuron
from spiketrack.simulators.float_reference import FloatSimulator
from spiketrack.tracking.tracker import Tracker, TrackResult, follow
from spiketrack.video.boxes import Box
from spiketrack.video.clip import Clip

FRAMES = 8
TIE_BITS = 40


@dataclass(frozen=True)
class CalibrationData:
    """Where it comes from (clip, first box, tracked frames) and the statistics by branch.

    ``digest``: of the clip's bytes, None where it has none to come back to.
    """

    source: str
    box: Box
    frames: int
    statistics: dict[str, Statistics]
    digest: str | None = None


def calibrate(
    checkpoint: Checkpoint, model: SpikeTrack, clip: Clip, box: Box, frames: int = FRAMES
) -> CalibrationData:
    """Track ``frames`` frames in float64 and average every population's normalised spikes.

    ``model`` becomes one of float64 whose populations see membranes to ``TIE_BITS`` behind the
    point: there no count depends on the order of sums, which is the processor's, torch's and the
    number of threads', so that files are the same on every machine.
    """
    with _ties_are_ties(model):
        seen = _track(checkpoint, model, clip, box, frames)
    encodings = [r for r in seen if r.encoding is not None and r.templates is not None]
    searches = [r for r in seen if r.inference is not None and r.crop is not None]
    statistics = {
        TEMPLATE: _statistics(
            [r.encoding.trace for r in encodings if r.encoding],
            [r.templates for r in encodings if r.templates is not None],
        ),
        SEARCH: _statistics(
            [r.inference.trace for r in searches if r.inference],
            [r.crop[None] for r in searches if r.crop is not None],
        ),
    }
    return CalibrationData(clip.name, box, len(searches), statistics)


@contextmanager
def _ties_are_ties(model: SpikeTrack) -> Iterator[None]:
    """Membranes without the noise of their last bits.

    The gate of equal templates sums their weights to 1 ± 10^-16: half a count is then either side
    of a tie, by chance.
    """

    def round_off(module: nn.Module, inputs: tuple[Tensor, Any]) -> tuple[Tensor, Any]:
        return torch.round(inputs[0] * 2**TIE_BITS) / 2**TIE_BITS, *inputs[1:]

    populations = [module for module in model.modules() if isinstance(module, Neuron)]
    hooks = [module.register_forward_pre_hook(round_off) for module in populations]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _track(
    checkpoint: Checkpoint, model: SpikeTrack, clip: Clip, box: Box, frames: int
) -> list[TrackResult]:
    seen: list[TrackResult] = []
    simulator = FloatSimulator(model, record=True, dtype=torch.float64)
    for result in follow(Tracker(simulator, checkpoint.tracker), clip, box):
        seen.append(result)
        if result.frame == frames:
            break
    return seen


def _statistics(traces: list[Trace], crops: list[Crop]) -> Statistics:
    """Mean normalised spike of every population, per step and channel, over all frames."""
    means = {
        name: np.mean([_channel_means(trace.counts[name]) for trace in traces], 0)
        for name in traces[0].counts
    }
    return Statistics(means, np.concatenate(crops))


def _channel_means(counts: NDArray[np.int8]) -> NDArray[np.float64]:
    """(T, C, ...) → (T, C), count / 4."""
    flat = counts.reshape(*counts.shape[:2], -1)
    means: NDArray[np.float64] = flat.mean(-1, dtype=np.float64) / MAX_COUNT
    return means
