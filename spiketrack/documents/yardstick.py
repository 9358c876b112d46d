"""What float itself is worth: float32 against float64, beside integer against float32.

A network whose weights do not lie on the integer grid has no sharp reference: sums of float32
round, now and then a membrane falls on the other side of a threshold, and one flipped count is
amplified by every layer behind it. What differs between float32 and float64 of the same network on
the same crops is therefore no loss of quantisation, and integer against float is judged by it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator
from typing_extensions import Self

from spiketrack.documents.base import Count, Part, Share

Judgement = Literal["equal", "within", "close", "beyond"]

# Half a step of the success curve's 21 thresholds, which AUC is the mean of.
IOU_MARGIN = 0.025
MEANING: dict[Judgement, str] = {
    "equal": "integer gives every count of float32",
    "within": "integer is as near to float32 as float64 is, in boxes and in counts",
    "close": "integer's boxes are as near to float32's as float64's are; more counts differ",
    "beyond": "integer's boxes lie farther from float32's than float64's do; AUC tells the cost",
}


# For readers of reports and documents.
EXPLANATION = (
    "For weights that do not lie on the integer grid float has no sharp reference: one rounding "
    "flips a count, every layer behind amplifies it, and float32 and float64 of the same network "
    "differ, so integer against float is judged by that difference.",
    "What quantisation itself changes is the teacher-forced mismatch, in which every population "
    "reads the float network's counts; what it costs in use is the AUC on sequences with ground "
    "truth (spiketrack evaluate).",
    "Weights trained on the grid (spiketrack train --quantised) give float and integer the same "
    "counts.",
)


class Compared(Part):
    """Two networks on the same crops, each with the memory that it wrote itself.

    ``mismatch_rate``: share of all counts of both branches that differ; ``iou``: of their boxes,
    frame by frame, both from the crop round the integer backend's last box.
    """

    counts: Count
    mismatches: Count
    mismatch_rate: Share
    iou: tuple[Share, ...]
    median_iou: Share | None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.mismatches > self.counts or not self.counts:
            raise ValueError("mismatches exceed the counts")
        if abs(self.mismatch_rate - self.mismatches / self.counts) > 1e-9:
            raise ValueError("mismatch_rate is not mismatches / counts")
        if (self.median_iou is None) != (not self.iou):
            raise ValueError("median_iou contradicts iou")
        return self


class Yardstick(Part):
    """``float64``: float32 against float64; ``integer``: float32 against integer; the verdict.

    ``frames``: searches that were compared, the first of the clip.
    """

    frames: Count
    float64: Compared
    integer: Compared
    judgement: Judgement

    @property
    def meaning(self) -> str:
        """The judgement as half a sentence."""
        return MEANING[self.judgement]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if {len(self.float64.iou), len(self.integer.iou)} != {self.frames}:
            raise ValueError("frames is not the number of boxes")
        if self.float64.counts != self.integer.counts:
            raise ValueError("float64 and integer are of different counts")
        if self.judgement != judge(self.float64, self.integer):
            raise ValueError("judgement contradicts its figures")
        return self


def judge(float64: Compared, integer: Compared) -> Judgement:
    """Integer against float32, measured by float64 against float32.

    ``equal``: no count differs. Else boxes decide: ``beyond`` where the median IoU is lower than
    float64's by more than ``IOU_MARGIN``; ``within`` where no more counts differ than in float64,
    ``close`` where more do.
    """
    if not integer.mismatches:
        return "equal"
    mine, other = integer.median_iou, float64.median_iou
    if mine is not None and other is not None and mine < other - IOU_MARGIN:
        return "beyond"
    return "within" if integer.mismatches <= float64.mismatches else "close"


class AmplificationPart(Part):
    """Counts of ``searches`` that differ from those of the undisturbed search, of ``counts``.

    ``flipped``: after one count of the first population was changed by one; ``shifted``: after the
    crop was shifted by one pixel, what merely moved included; rates are shares of ``counts``.
    """

    searches: Count
    counts: Count
    flipped: Count
    flipped_rate: Share
    shifted: Count
    shifted_rate: Share

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.counts or max(self.flipped, self.shifted) > self.counts:
            raise ValueError("flipped or shifted exceed the counts")
        pairs = ((self.flipped, self.flipped_rate), (self.shifted, self.shifted_rate))
        if any(abs(rate - some / self.counts) > 1e-9 for some, rate in pairs):
            raise ValueError("a rate is not its share of counts")
        return self
