"""Which block of a source a block of its reader needs: interval arithmetic on three axes.

Every connection of the network is separable: its channels, rows and columns are chosen
independently. That makes halos, axons, synapses and messages products of per-axis counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int64]
Block = tuple[int, int, int]  # channels, rows, columns


@dataclass(frozen=True)
class Axis:
    """Indices of one axis of a source that indices low..high-1 of the reader need.

        start = ((low + offset) // group) · stride - padding
        stop  = ((high - 1 + offset) // group) · stride - padding + width

    clipped to 0..extent. ``of``: the reader's axis (0 channels, 1 rows, 2 columns), or None where
    every index of the reader needs the same ``extent`` of them, from ``offset`` on.
    """

    extent: int
    of: int | None = None
    group: int = 1
    stride: int = 1
    width: int = 1
    padding: int = 0
    offset: int = 0

    def reach(self, low: Index, high: Index) -> tuple[Index, Index]:
        """Start and stop for blocks low..high-1 of the reader's axis."""
        if self.of is None:
            return np.full_like(low, self.offset), np.full_like(high, self.offset + self.extent)
        start = (low + self.offset) // self.group * self.stride - self.padding
        stop = (high - 1 + self.offset) // self.group * self.stride - self.padding + self.width
        return np.clip(start, 0, self.extent), np.clip(stop, 0, self.extent)

    def longest(self, length: Index) -> Index:
        """Upper bound of how many indices a block of this length needs, wherever it lies."""
        if self.of is None:
            return np.full_like(length, self.extent)
        groups = (length - 2 + self.group) // self.group + 1
        return np.minimum((groups - 1) * self.stride + self.width, self.extent)

    def fan_in(self, extent: int) -> Index:
        """How many indices of the source each of the reader's ``extent`` indices needs."""
        low = np.arange(extent, dtype=np.int64)
        start, stop = self.reach(low, low + 1)
        return stop - start


Axes = tuple[Axis, Axis, Axis]


def whole(extent: int, start: int = 0) -> Axis:
    """Everything is needed by everyone, or ``extent`` indices from ``start`` on."""
    return Axis(extent, offset=start)


def same(extent: int, of: int) -> Axis:
    """Index i needs index i."""
    return Axis(extent, of)


def window(extent: int, of: int, kernel: int, stride: int, padding: int) -> Axis:
    """A convolution's or pool's window, cut at the border (padding has no synapses)."""
    return Axis(extent, of, stride=stride, width=kernel, padding=padding)


def grouped(extent: int, of: int, outputs: int, inputs: int) -> Axis:
    """Groups of ``outputs`` indices need the ``inputs`` indices of their group."""
    return Axis(extent, of, group=outputs, stride=inputs, width=inputs)


def bilinear(extent: int, of: int, factor: int) -> Axis:
    """The two neighbours between which an up-sampled index lies, factor even."""
    return Axis(extent, of, group=factor, width=2, padding=1, offset=factor // 2)


def identity(shape: Block) -> Axes:
    """Neuron to neuron."""
    return (same(shape[0], 0), same(shape[1], 1), same(shape[2], 2))


@dataclass(frozen=True)
class Tiling:
    """A map cut into blocks of equal size, the last of each axis smaller."""

    shape: Block
    block: Block

    @property
    def counts(self) -> Block:
        """Blocks along each axis."""
        c, h, w = (-(-n // b) for n, b in zip(self.shape, self.block, strict=True))
        return c, h, w

    def __len__(self) -> int:
        c, h, w = self.counts
        return c * h * w

    def cuts(self, axis: int) -> tuple[Index, Index]:
        """Start and stop of the blocks along an axis."""
        low = np.arange(self.counts[axis], dtype=np.int64) * self.block[axis]
        return low, np.minimum(low + self.block[axis], self.shape[axis])

    def grid(self, per_axis: tuple[Index, Index, Index]) -> Index:
        """Products of one number a block of each axis, flattened in block order (c, h, w)."""
        c, h, w = per_axis
        product: Index = (c[:, None, None] * h[None, :, None] * w[None, None, :]).reshape(-1)
        return product

    def axis_index(self, axis: int) -> Index:
        """Number along ``axis`` of each block, in block order."""
        index: Index = np.indices(self.counts).reshape(3, -1)[axis]
        return index

    def bounds(self) -> NDArray[np.int64]:
        """(blocks, 3, 2): start and stop of each block on each axis."""
        ends = []
        for axis in range(3):
            low, high = self.cuts(axis)
            index = self.axis_index(axis)
            ends.append(np.stack([low[index], high[index]], axis=1))
        return np.stack(ends, axis=1)


def overlap(axis: Axis, source: Tiling, along: int, reader: Tiling) -> Index:
    """(source blocks, reader blocks) along one source axis: how many indices both touch.

    Reader blocks are those of ``axis.of``; a single one stands for all where that is None.
    """
    start, stop = source.cuts(along)
    if axis.of is None:
        last = np.minimum(stop, axis.offset + axis.extent)
        needed: Index = np.maximum(last - np.maximum(start, axis.offset), 0)
        return needed[:, None]
    low, high = axis.reach(*reader.cuts(axis.of))
    ends = np.minimum(stop[:, None], high[None, :]) - np.maximum(start[:, None], low[None, :])
    shared: Index = np.maximum(ends, 0)
    return shared
