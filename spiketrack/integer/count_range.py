"""Counts lie in 0..4: what lies outside is a fault of a kernel or of a message, never a number."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor

from spiketrack.errors import GraphError
from spiketrack.integer.loops import largest
from spiketrack.limits import MAX_COUNT

Values = TypeVar("Values", Tensor, NDArray[Any])


def in_range(name: str, values: Values) -> Values:
    """``values`` of a population, whole numbers of any type; ``GraphError`` names the population.

    One pass for unsigned types, two for others.
    """
    if _plain(values) and _largest(values) <= MAX_COUNT:
        return values
    x: Tensor = torch.as_tensor(values)
    top = x.amax().item()
    bottom = 0 if x.dtype == torch.uint8 else x.amin().item()
    if bottom < 0 or not top <= MAX_COUNT:
        worst = bottom if bottom < 0 else top
        raise wrong_count(name, worst)
    return values


def wrong_count(name: str, count: float) -> GraphError:
    """The error that names a population and what it cannot have counted."""
    return GraphError(f"{name}: a count of {count:g}; populations count 0 to {MAX_COUNT}")


def _plain(values: Any) -> bool:
    """Bytes that lie in memory without gaps, as kernels leave them."""
    return (
        isinstance(values, Tensor)
        and values.dtype == torch.uint8
        and values.dim() == 4
        and values.is_contiguous(memory_format=torch.channels_last)
    )


def _largest(values: Any) -> int:
    return int(largest(values.data_ptr(), values.numel()))
