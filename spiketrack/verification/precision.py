"""The float network in float64 beside float32 and integer, on the same crops.

Each of the three encodes the templates itself and searches with the memory that it wrote, so one
count that a rounding flips is amplified as it is in use; see ``documents/yardstick.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from spiketrack.errors import SpikeTrackError
from spiketrack.inference import SEARCH, TEMPLATE, Counts, Crop, Maps, Trace
from spiketrack.reference.model import SpikeTrack
from spiketrack.simulators.float_reference import FloatSimulator
from spiketrack.simulators.integer import IntegerSimulator
from spiketrack.verification import YARDSTICK_FRAMES
from spiketrack.verification.comparison import Agreement
from spiketrack.video.boxes import Box, iou

FLOAT64 = "float64"


@dataclass
class Against:
    """One network against float32: counts of both branches, and IoU of the boxes of each frame."""

    agreement: Agreement
    overlaps: list[float] = field(default_factory=list)


class Precision:
    """Compares the first ``frames`` searches and every encoding before the last of them."""

    def __init__(self, model: SpikeTrack, frames: int = YARDSTICK_FRAMES) -> None:
        """``model`` becomes a network of float64; give a copy of its own."""
        self.frames = frames
        self.double = FloatSimulator(model, record=True, dtype=torch.float64)
        self.float64 = Against(Agreement(FLOAT64, required=False))
        self.integer = Against(Agreement(IntegerSimulator.name, required=False))

    def wants(self, frame: int) -> bool:
        """Whether a frame is among those that are compared."""
        return frame <= self.frames

    def encode(self, frame: int, crops: Crop, single: Mapping[str, Counts], integer: Trace) -> None:
        """Templates (T, 3, S, S); ``single``: counts of float32."""
        if self.frames > frame:  # else no search reads them
            double = self.double.encode_template(crops).trace
            self._add(TEMPLATE, frame, single, double, integer)

    def search(self, frame: int, crop: Crop, single: Mapping[str, Counts], integer: Trace) -> Maps:
        """A search crop (3, S, S); the maps of float64."""
        inference = self.double.search(crop)
        self._add(SEARCH, frame, single, inference.trace, integer)
        if inference.maps is None:
            raise SpikeTrackError("a search without maps")
        return inference.maps

    def boxes(self, single: Box, double: Box, integer: Box) -> None:
        """The boxes of one search."""
        self.float64.overlaps.append(iou(double, single))
        self.integer.overlaps.append(iou(integer, single))

    def _add(
        self, branch: str, frame: int, single: Mapping[str, Counts], double: Trace, integer: Trace
    ) -> None:
        expected = Trace(single)
        self.float64.agreement.add(branch, frame, expected, double)
        self.integer.agreement.add(branch, frame, expected, integer)
