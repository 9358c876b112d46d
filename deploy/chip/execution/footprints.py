"""The cores and links that one layer uses: where its neurons are, and where its messages go.

A message goes once to each core that needs it (``work/deliveries.py``): boxes of a pair of cores do
not overlap, so that numbers of senders in boxes are numbers of messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spiketrack.deploy.chip.execution.landings import Landed
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.links import HOST, Links
from spiketrack.deploy.chip.loads import readers_of
from spiketrack.deploy.chip.reach import Block, Index, Tiling
from spiketrack.deploy.chip.sites import Sites
from spiketrack.deploy.chip.work.boxes import Sums
from spiketrack.deploy.chip.work.deliveries import Wanted, deliveries, wanted

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
        sums = np.asarray(values, np.int64)
        for axis in range(3):
            sums = np.add.reduceat(sums, self.tiling.cuts(axis)[0], axis)
        return sums.reshape(-1)

    def landed(self, landed: Landed) -> tuple[Index, Index]:
        """Operations and multiplications in each block."""
        where = landed.operations.numpy(), landed.multiplications.numpy()
        return self.in_blocks(where[0]), self.in_blocks(where[1])

    def in_boxes(self, sent: Senders) -> Index:
        """Number of senders in each box."""
        if sent.all():
            return np.asarray((self.boxes[:, 1::2] - self.boxes[:, ::2]).prod(1), np.int64)
        return np.asarray(Sums(sent).over(self.boxes), np.int64)


def footprints(
    layers: Sequence[Layer], image: tuple[str, Block], sites: Sites, links: Links
) -> tuple[Footprint, ...]:
    """Of every layer, then of the image, which the host sends."""
    readers = readers_of(layers)
    hosts = {layer.name for layer in layers if layer.host}
    name, shape = image
    tilings = {**sites.tilings, name: Tiling(shape, shape)}
    cores = {**sites.cores, name: np.array([HOST], np.int64)}
    prints = []
    for source in (*(layer.name for layer in layers), name):
        wants = wanted(readers.get(source, []), tilings, cores)
        if source in hosts:
            everything = [end for size in tilings[source].shape for end in (0, size)]
            wants.append((np.array([HOST]), np.array([everything])))
        prints.append(_footprint(tilings[source], cores[source], wants, links))
    return tuple(prints)


def _footprint(tiling: Tiling, cores: Index, wants: Sequence[Wanted], links: Links) -> Footprint:
    sent = deliveries(tiling, cores, wants)
    ends = np.stack([sent.sender, sent.receiver], 1)
    pairs, which = np.unique(ends, axis=0, return_inverse=True)
    paths = [links.path(int(a), int(b)) for a, b in pairs]
    taken = _taken(paths, which.reshape(-1))
    return Footprint(tiling, cores, sent.boxes, sent.sender, sent.receiver, taken)


def _taken(paths: Sequence[tuple[int, ...]], which: Index) -> Index:
    """(box, link) of each link of the path that each box takes, ``which`` of ``paths``."""
    lengths = np.array([len(path) for path in paths], np.int64)
    flat = np.array([link for path in paths for link in path], np.int64)
    number = lengths[which]
    first = (np.cumsum(lengths) - lengths)[which]  # of each box's path in ``flat``
    along = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    boxes = np.repeat(np.arange(len(which)), number)
    return np.column_stack([boxes, flat[np.repeat(first, number) + along]]).astype(np.int64)
