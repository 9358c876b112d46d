"""Who sends what to which core: a message goes once to each core that needs it, never twice.

A core may hold several blocks that read one source; the neurons that it needs are the union of
what its blocks need. Cut at the blocks of the source this gives pairs of cores, each with a box of
neurons whose every message travels from the one to the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.reach import Index, Tiling
from spiketrack.deploy.chip.requirements import Synapses
from spiketrack.deploy.chip.work.boxes import disjoint
from spiketrack.deploy.chip.work.needs import Boxes, needs

CHUNK = 1 << 19  # pairs of blocks and boxes looked at together: bounds memory
Reading = Sequence[tuple[Layer, Synapses]]
Wanted = tuple[Index, Boxes]  # core and box that it needs, a row each


@dataclass(frozen=True, eq=False)
class Deliveries:
    """For each pair of cores and box of a source: where it is sent, where it arrives, which."""

    sender: Index
    receiver: Index
    boxes: Boxes

    def __len__(self) -> int:
        return len(self.sender)


def wanted(
    reading: Reading, tilings: Mapping[str, Tiling], cores: Mapping[str, Index]
) -> list[Wanted]:
    """Of each reader, the boxes of the source that its blocks need, and their cores."""
    asked = []
    for reader, link in reading:
        blocks, boxes = needs(link, tilings[reader.name])
        asked.append((cores[reader.name][blocks], boxes))
    return asked


def received(wants: Sequence[Wanted]) -> Wanted:
    """What each core needs of one source, boxes of a core apart from each other."""
    owners = np.concatenate([np.zeros(0, np.int64), *(cores for cores, _ in wants)])
    boxes = np.concatenate([np.zeros((0, 6), np.int64), *(boxes for _, boxes in wants)])
    return disjoint(owners, boxes)


def deliveries(source: Tiling, sending: Index, wants: Sequence[Wanted]) -> Deliveries:
    """Of a source that is cut so, its blocks on the cores ``sending``."""
    owners, boxes = received(wants)
    blocks = source.bounds().reshape(-1, 6)
    sent = []
    size = max(CHUNK // max(len(boxes), 1), 1)
    for first in range(0, len(blocks), size):
        part = blocks[first : first + size, None]
        low = np.maximum(part[:, :, ::2], boxes[None, :, ::2])
        high = np.minimum(part[:, :, 1::2], boxes[None, :, 1::2])
        block, box = np.nonzero((high > low).all(2))
        ends = np.stack([low[block, box], high[block, box]], 2).reshape(-1, 6)
        sent.append((sending[first + block], owners[box], ends))
    sender, receiver, pieces = (np.concatenate(parts) for parts in zip(*sent, strict=True))
    return Deliveries(sender, receiver, pieces)
