"""Sums over the counts of a tensor: how many messages, and how many synapses they reach."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spiketrack.export.graph import Conv, Node
from spiketrack.export.loops import coincidences, tally
from spiketrack.limits import HEADS

Bytes = NDArray[np.uint8]
NOWHERE = np.zeros(0, np.int32)


def fan_out(size: int, out: int, kernel: int, stride: int, padding: int) -> NDArray[np.int64]:
    """How many of ``out`` outputs along one axis each of ``size`` inputs reaches."""
    offset = np.arange(size)[:, None] + padding - stride * np.arange(out)
    reached: NDArray[np.int64] = ((offset >= 0) & (offset < kernel)).sum(1)
    return reached


def fan_out_map(node: Conv, source: Node) -> NDArray[np.int64]:
    """Output positions that each input position reaches, (H, W) of the source."""
    kernel = node.weight.shape[-2:]
    axes = [
        fan_out(source.shape[2 + a], node.shape[2 + a], kernel[a], node.stride, node.padding)
        for a in (0, 1)
    ]
    return np.outer(axes[0], axes[1])


def in_memory(tensor: Tensor) -> Bytes:
    """All counts, row by row, in the order in which they happen to lie."""
    x = tensor.to(torch.uint8)
    flat = x if x.is_contiguous() else x.permute(0, 2, 3, 1).contiguous()
    found: Bytes = flat.view(-1, flat.shape[-1]).numpy()
    return found


class Messages:
    """The counts of one tensor (steps, C, H, W), each sum taken only once."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        self.known: dict[object, tuple[int, int]] = {}

    @cached_property
    def rows(self) -> Bytes:
        """(steps · H · W, C), a view where the tensor is uint8 and channels last."""
        x = self.tensor.to(torch.uint8).permute(0, 2, 3, 1).flatten(0, 2)
        rows: Bytes = x.contiguous().numpy()
        return rows

    @property
    def totals(self) -> tuple[int, int]:
        """Number of non-zero counts and sum of counts."""
        if None not in self.known:
            self.known[None] = tally(in_memory(self.tensor), NOWHERE)[:2]
        return self.known[None]

    def synapses(self, reach: Reach) -> tuple[int, int]:
        """Σ fan-out over non-zero counts, and Σ fan-out · count."""
        if reach.everywhere is not None:
            events, spikes = self.totals
            return events * reach.everywhere, spikes * reach.everywhere
        if reach.key not in self.known:
            sums = tally(self.rows, reach.fan_out)
            self.known[None], self.known[reach.key] = sums[:2], sums[2:]
        return self.known[reach.key]

    def coincidences(self, other: Messages) -> tuple[int, int]:
        """Σ nnz · nnz and Σ sum · sum over the channels of each head at each position and step."""
        k, v = (x.rows.reshape(len(x.rows) * HEADS, -1) for x in (self, other))
        return coincidences(k, v)


@dataclass(frozen=True, eq=False)
class Reach:
    """Output positions that each input position reaches, (H·W), or one number ``everywhere``."""

    key: tuple[int, ...]
    fan_out: NDArray[np.int32]
    everywhere: int | None

    @classmethod
    def of(cls, node: Conv, source: Node) -> Reach:
        """Borders and strides of one convolution."""
        flat = fan_out_map(node, source).reshape(-1).astype(np.int32)
        same = int(flat[0]) if (flat == flat[0]).all() else None
        return cls((*node.weight.shape[-2:], node.stride, node.padding), flat, same)
