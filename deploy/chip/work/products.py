"""Operations of neurons with two ports in each block, by the part of the sending.

Entries (head, i, j) of kv add up k[i] · v[j], one position a part; entries of q · kv multiply each
q by a row of kv, one key index a part. An operation is a product of two values that are not 0.
"""

from __future__ import annotations

import numpy as np

from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.reach import Index, Tiling
from spiketrack.deploy.chip.work.sending import Map
from spiketrack.limits import HEADS


def coincidences(layer: Layer, tiling: Tiling, k: Map, v: Map) -> Index:
    """(blocks, positions): entries of each block whose k and v both sent.

    ``k`` (C, positions), ``v`` (4 C, positions) of the positions that the layer adds up.
    """
    d, columns = layer.shape[0] // HEADS, layer.shape[2]
    rows, across = _summed(k), _summed(v)
    pairs = np.zeros((len(tiling), k.shape[1]), np.int64)
    for block, ((c0, c1), _, (x0, x1)) in enumerate(tiling.bounds().tolist()):
        for head in range(c0 // d, (c1 - 1) // d + 1):
            first, last = max(c0, head * d), min(c1, (head + 1) * d)
            start = head * columns
            pairs[block] += (rows[last] - rows[first]) * (across[start + x1] - across[start + x0])
    return pairs


def selections(layer: Layer, tiling: Tiling, q: Map, each: int) -> Index:
    """(blocks, key indices): products of each block with the q that sent; ``q`` (C, H, W).

    A q is multiplied in every channel of its head that the block has, ``each`` times.
    """
    d, columns = len(q) // HEADS, layer.shape[0] // HEADS
    selected = np.zeros((len(tiling), d), np.int64)
    for block, ((c0, c1), (y0, y1), (x0, x1)) in enumerate(tiling.bounds().tolist()):
        for head in range(c0 // columns, (c1 - 1) // columns + 1):
            number = min(c1, (head + 1) * columns) - max(c0, head * columns)
            sent = q[head * d : (head + 1) * d, y0:y1, x0:x1]
            selected[block] += np.count_nonzero(sent, (1, 2)) * (number * each)
    return selected


def partial_sums(tiling: Tiling, sources: int) -> Index:
    """Of each block, in each part: kv values of all tiles but one, added once at their port."""
    bounds = tiling.bounds()
    first = (bounds[:, 1:, 0] == 0).all(1)
    return np.where(first, bounds[:, 0, 1] - bounds[:, 0, 0], 0) * (sources - 1)


def _summed(sent: Map) -> Index:
    """Σ over the channels below each, (channels + 1, positions)."""
    below = np.zeros((len(sent) + 1, sent.shape[1]), np.int64)
    np.cumsum(sent, 0, np.int64, out=below[1:])
    return below
