"""Rows of real weights as int8 mantissa · power of two, one exponent a row.

ŵ = m · 2^e with m = clip(round(w · 2^-e), -127, 127). e is the smallest exponent that holds the
whole row, or the next smaller one where clipping the largest weights loses less than coarser steps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from spiketrack.limits import WEIGHT_MAX

_TINY = 2.0**-60  # stands for the largest weight of a row of zeros


def exponents(weight: Tensor) -> Tensor:
    """weight (..., n) real → whole exponents (...), of the same type."""
    peak = weight.abs().amax(-1).clamp(min=_TINY)
    first = torch.ceil(torch.log2(peak / WEIGHT_MAX))
    errors = [_error(weight, first - less) for less in (0, 1)]
    return torch.where(errors[1] < errors[0], first - 1, first)


def mantissas(weight: Tensor, exponent: Tensor) -> Tensor:
    """weight (..., n), exponent (...) → whole mantissas (..., n) in -127..127, of the same type."""
    steps = (weight / torch.exp2(exponent)[..., None]).round_()
    return steps.clamp_(-WEIGHT_MAX, WEIGHT_MAX)


def nearest(weight: Tensor, exponent: Tensor) -> Tensor:
    """m · 2^e, (..., n)."""
    return mantissas(weight, exponent) * torch.exp2(exponent)[..., None]


def _error(weight: Tensor, exponent: Tensor) -> Tensor:
    error: Tensor = ((nearest(weight, exponent) - weight) ** 2).sum(-1)
    return error
