"""Which layers the compiled convolutions take."""

from __future__ import annotations

from torch import Tensor

MOST_TAPS = 64  # of a depthwise kernel, whose sums are int16: 64 · 4 · 127 < 2^15


def takes(weight: Tensor, groups: int) -> bool:
    """Whether a layer has one of the forms that are compiled."""
    outputs, inside, kernel, _ = weight.shape
    if inside == 1 and outputs == groups:
        return kernel * kernel <= MOST_TAPS
    return groups == 1 or kernel == 1
