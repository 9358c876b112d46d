"""The cores and links that one layer uses: where its neurons are, and where its messages go.

A message goes once to each core that needs it. Which neurons of a block a core needs are boxes, one
for each block that reads there; boxes that overlap are cut until none does, so that numbers of
senders in boxes are numbers of messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from spiketrack.deploy.chip.execution.landings import Landed
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.links import HOST, Links
from spiketrack.deploy.chip.loads import readers_of
from spiketrack.deploy.chip.reach import Block, Index, Tiling
from spiketrack.deploy.chip.requirements import Synapses
from spiketrack.deploy.chip.sites import Sites

Senders = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Footprint:
    """``cores`` of the blocks of ``tiling``; ``boxes`` (n, 6): start and stop on each axis, of
    neurons of core ``senders`` that core ``receivers`` needs; ``paths``: box and link, one row
    for each link that a message of a box takes. ``HOST`` stands for the host's core.
    """

    tiling: Tiling
    cores: Index
    boxes: Index
    senders: Index
    receivers: Index
    paths: Index

    @cached_property
    def neurons(self) -> Index:
        """Of each block."""
        lengths = [np.diff(self.tiling.cuts(axis), axis=0)[0] for axis in range(3)]
        return self.tiling.grid((lengths[0], lengths[1], lengths[2]))

    def in_blocks(self, values: NDArray[np.generic]) -> Index:
        """Sums of (C, H, W) over each block."""
        found = np.asarray(values, np.int64)
        for axis in range(3):
            found = np.add.reduceat(found, self.tiling.cuts(axis)[0], axis)
        return found.reshape(-1)

    def landed(self, landed: Landed) -> tuple[Index, Index]:
        """Operations and multiplications in each block."""
        where = landed.operations.numpy(), landed.multiplications.numpy()
        return self.in_blocks(where[0]), self.in_blocks(where[1])

    def in_boxes(self, sent: Senders) -> Index:
        """Number of senders in each box."""
        low, high = self.boxes[:, 0::2], self.boxes[:, 1::2]
        if sent.all():
            return np.asarray((high - low).prod(1), np.int64)
        below = np.pad(sent.astype(np.int32), ((1, 0), (1, 0), (1, 0)))
        for axis in range(3):
            np.cumsum(below, axis, out=below)
        found = np.zeros(len(self.boxes), np.int64)
        for corner in product((0, 1), repeat=3):
            at = np.where(corner, high, low)
            sign = -1 if (3 - sum(corner)) % 2 else 1
            found += sign * below[at[:, 0], at[:, 1], at[:, 2]]
        return found


def footprints(
    layers: Sequence[Layer], image: tuple[str, Block], sites: Sites, links: Links
) -> tuple[Footprint, ...]:
    """Of every layer, then of the image, which the host sends."""
    readers = readers_of(layers)
    hosts = {layer.name for layer in layers if layer.host}
    name, shape = image
    tilings = {**sites.tilings, name: Tiling(shape, shape)}
    cores = {**sites.cores, name: np.array([HOST], np.int64)}
    return tuple(
        _footprint(
            tilings[source],
            cores[source],
            list(_needs(readers.get(source, []), tilings, cores, source in hosts, tilings[source])),
            links,
        )
        for source in (*(layer.name for layer in layers), name)
    )


def _needs(
    readers: Iterable[tuple[Layer, Synapses]],
    tilings: Mapping[str, Tiling],
    cores: Mapping[str, Index],
    host: bool,
    source: Tiling,
) -> Iterator[tuple[Index, Index]]:
    """For each reader the boxes (blocks, 3, 2) of the source that its blocks need, their cores."""
    for reader, link in readers:
        tiling = tilings[reader.name]
        axes = []
        for axis in link.axes:
            along = 0 if axis.of is None else axis.of
            low, high = axis.reach(*tiling.cuts(along))
            axes.append(np.stack([low, high], 1)[tiling.axis_index(along)])
        yield np.stack(axes, 1), cores[reader.name]
    if host:
        everything = [[0, size] for size in source.shape]
        yield np.array([everything], np.int64), np.array([HOST], np.int64)


def _footprint(
    tiling: Tiling, cores: Index, needs: Sequence[tuple[Index, Index]], links: Links
) -> Footprint:
    rows = [_rows(tiling, wanted, readers) for wanted, readers in needs]
    found = _disjoint(np.concatenate(rows) if rows else np.zeros((0, 8), np.int64))
    senders, receivers = cores[found[:, 0]], found[:, 1]
    pairs, which = np.unique(np.stack([senders, receivers], 1), axis=0, return_inverse=True)
    paths = [links.path(int(a), int(b)) for a, b in pairs]
    taken = [(box, link) for box, pair in enumerate(which.reshape(-1)) for link in paths[pair]]
    return Footprint(
        tiling, cores, found[:, 2:], senders, receivers, np.array(taken, np.int64).reshape(-1, 2)
    )


def _rows(tiling: Tiling, wanted: Index, readers: Index) -> Index:
    """(block, core of the reader, start and stop on each axis) where a reader needs of a block."""
    bounds = tiling.bounds()
    low = np.maximum(bounds[:, None, :, 0], wanted[None, :, :, 0])
    high = np.minimum(bounds[:, None, :, 1], wanted[None, :, :, 1])
    blocks, at = np.nonzero((low < high).all(2))
    sides = np.stack([low[blocks, at], high[blocks, at]], 2).reshape(-1, 6)
    found: Index = np.unique(np.column_stack([blocks, readers[at], sides]), axis=0)
    return found


def _disjoint(rows: Index) -> Index:
    """The same boxes of each block and core, cut where they overlap."""
    rows = np.unique(rows, axis=0)
    _, first, number = np.unique(rows[:, :2], axis=0, return_index=True, return_counts=True)
    found = [rows[first[number == 1]]]
    for start, size in zip(first[number > 1], number[number > 1], strict=True):
        group = rows[start : start + size]
        parts = _cut(group[:, 2:])
        found.append(np.column_stack([np.repeat(group[:1, :2], len(parts), 0), parts]))
    return np.concatenate(found)


def _cut(boxes: Index) -> Index:
    """Boxes that cover the same indices, each once."""
    edges = [np.unique(boxes[:, 2 * axis : 2 * axis + 2]) for axis in range(3)]
    covered = np.zeros([len(e) - 1 for e in edges], np.bool_)
    for box in boxes:
        ends = [np.searchsorted(e, box[2 * a : 2 * a + 2]) for a, e in enumerate(edges)]
        covered[tuple(slice(low, high) for low, high in ends)] = True
    cells = np.argwhere(covered)
    sides = [(edges[a][cells[:, a]], edges[a][cells[:, a] + 1]) for a in range(3)]
    return np.column_stack([end for side in sides for end in side])
