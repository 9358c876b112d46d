"""Which neurons of a source the blocks of a reader need, as boxes of the source's map.

A box is six integers: from and to in channels, rows and columns. Connections are separable, so a
block needs one box; the factors of a product are the exception. There the reader's neurons are
entries (head, i, j), and of v or kv a block needs, in each head that it touches, its columns j; of
q and kv a tile needs its key indices of each head.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spiketrack.deploy.chip.reach import Axis, Index, Tiling
from spiketrack.deploy.chip.requirements import KEYS, POSITIONS, Synapses

Boxes = NDArray[np.int64]  # (boxes, 6)


def needs(link: Synapses, reader: Tiling) -> tuple[Index, Boxes]:
    """(block of the reader, box that it needs) for every box that is not empty."""
    across = link.axes[0]
    if link.thin > 1:
        blocks, boxes = _by_head(link, reader)
    elif link.part == KEYS and across.width < across.stride:
        blocks, boxes = _keys_by_head(link, reader)
    else:
        blocks, boxes = _separable(link, reader)
    kept = (boxes[:, 1::2] > boxes[:, ::2]).all(1)
    return blocks[kept], boxes[kept]


def _separable(link: Synapses, reader: Tiling) -> tuple[Index, Boxes]:
    ends: list[Index] = []
    for axis in link.axes:
        if axis.of is None:
            ends += [np.full(len(reader), n) for n in (axis.offset, axis.offset + axis.extent)]
        else:
            where = reader.axis_index(axis.of)
            ends += [cut[where] for cut in axis.reach(*reader.cuts(axis.of))]
    return np.arange(len(reader)), np.stack(ends, 1).astype(np.int64)


def _by_head(link: Synapses, reader: Tiling) -> tuple[Index, Boxes]:
    """Columns of v (its channels) where entries of kv are added up, of kv where q reads them."""
    across = link.axes[0]
    blocks, boxes = [], []
    for block, ((c0, c1), _, (x0, x1)) in enumerate(reader.bounds()):
        for head in range(c0 // across.group, (c1 - 1) // across.group + 1):
            first = head * across.stride - across.padding  # of the head's channels in the source
            if link.part == POSITIONS:
                channels, columns = (first + x0, first + x1), _ends(link.axes[2])
            else:
                start = head * across.group
                channels = (first, first + across.width)
                columns = (max(c0 - start, 0), min(c1 - start, across.group))
            blocks.append(block)
            boxes.append((*channels, *_ends(link.axes[1]), *columns))
    return np.array(blocks, np.int64), np.array(boxes, np.int64).reshape(-1, 6)


def _keys_by_head(link: Synapses, reader: Tiling) -> tuple[Index, Boxes]:
    """Of q: the key indices of a tile in each head that a block touches, at its positions."""
    across = link.axes[0]
    blocks, boxes = [], []
    for block, ((c0, c1), rows, columns) in enumerate(reader.bounds()):
        for head in range(c0 // across.group, (c1 - 1) // across.group + 1):
            first = head * across.stride - across.padding
            blocks.append(block)
            boxes.append((first, first + across.width, *rows, *columns))
    return np.array(blocks, np.int64), np.array(boxes, np.int64).reshape(-1, 6)


def _ends(axis: Axis) -> tuple[int, int]:
    return axis.offset, axis.offset + axis.extent
