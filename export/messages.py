"""Sums over the counts of a tensor: how many messages, and how many synapses they reach."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spiketrack.export.graph import Conv, Node
from spiketrack.limits import FLOAT32_EXACT, HEADS, MAX_COUNT


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


class Messages:
    """The counts of one tensor (steps, C, H, W), float32 or int8, each sum taken only once."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        self.known: dict[object, tuple[int, int]] = {}

    @property
    def totals(self) -> tuple[int, int]:
        """Number of non-zero counts and sum of counts."""
        if None not in self.known:
            self.known[None] = self._totals()
        return self.known[None]

    def _totals(self) -> tuple[int, int]:
        x = self.tensor
        events = int(np.count_nonzero(x.to(torch.int8).numpy()))
        if x.dtype == torch.float32 and x.numel() * MAX_COUNT > FLOAT32_EXACT:
            return events, int(x.sum(dtype=torch.float64))
        return events, int(x.sum())

    def synapses(self, reach: Reach) -> tuple[int, int]:
        """Σ fan-out over non-zero counts, and Σ fan-out · count."""
        if reach.key not in self.known:
            events, spikes = (reach.usual * total for total in self.totals)
            more = self._elsewhere(reach) if len(reach.where) else (0, 0)
            self.known[reach.key] = events + more[0], spikes + more[1]
        return self.known[reach.key]

    def _elsewhere(self, reach: Reach) -> tuple[int, int]:
        x = self.tensor.reshape(-1, self.tensor.shape[2] * self.tensor.shape[3])
        some = x.index_select(1, reach.where).to(torch.float32)
        ones = torch.ones(1, len(some))
        spikes = torch.mm(ones, some).numpy()[0] @ reach.difference
        events = torch.mm(ones, some.clamp_(max=1)).numpy()[0] @ reach.difference
        return int(events), int(spikes)

    def by_head(self) -> tuple[Tensor, Tensor]:
        """Non-zero counts and sums over the channels of each head, float64 (steps, 8, H·W)."""
        steps, channels = self.tensor.shape[:2]
        x = self.tensor.reshape(steps, HEADS, channels // HEADS, -1).to(torch.float32)
        return x.clamp(max=1).sum(2).double(), x.sum(2).double()


@dataclass(frozen=True, eq=False)
class Reach:
    """Output positions that each input position reaches: ``usual``, but for some positions.

    ``where``: the other positions (row by row); ``difference``: fan-out - usual there.
    """

    key: tuple[int, ...]
    usual: int
    where: Tensor
    difference: NDArray[np.float64]

    @classmethod
    def of(cls, node: Conv, source: Node) -> Reach:
        """Borders and strides of one convolution."""
        flat = fan_out_map(node, source).reshape(-1)
        usual = int(np.bincount(flat).argmax())
        where = np.flatnonzero(flat != usual)
        key = (*node.weight.shape[-2:], node.stride, node.padding)
        return cls(key, usual, torch.from_numpy(where), (flat[where] - usual).astype(np.float64))
