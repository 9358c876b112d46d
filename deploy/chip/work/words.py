"""Words of synaptic memory that messages read.

The weights of a kernel position lie together, eight of 8 bits in a word of 64: a message that
meets n channels of a block at one of its neurons' places reads ⌈n ÷ 8⌉ words there. How a core
really packs its weights is not published.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spiketrack.deploy.chip.reach import Index, Tiling
from spiketrack.deploy.chip.requirements import Synapses
from spiketrack.limits import WEIGHT_BITS

WORD_BITS = 64  # of synaptic memory, read at once
PACKED = WORD_BITS // WEIGHT_BITS


def words(link: Synapses, reached: NDArray[np.int64], tiling: Tiling, each: int = 1) -> Index:
    """Of each block; ``reached`` (C, H, W): operations that end in each neuron of the reader,
    ``each`` for a message.

    Channels of a group meet the same messages, with their weights side by side.
    """
    axis = link.axes[0]
    group = axis.group if axis.of == 0 else tiling.shape[0]
    spread = np.add.reduceat(reached, tiling.cuts(1)[0], 1)
    spread = np.add.reduceat(spread, tiling.cuts(2)[0], 2)
    total = np.zeros(tiling.counts, np.int64)
    for number, (low, high) in enumerate(zip(*tiling.cuts(0), strict=True)):
        for first in range(low - low % group, high, group):
            start, stop = max(first, low), min(first + group, high)
            total[number] += spread[start] // each * -(-(stop - start) * each // PACKED)
    return total.reshape(-1)
