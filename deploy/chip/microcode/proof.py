"""The counting program against the rule of the integer network, over every membrane there is.

A population's count depends on its thresholds and its membrane alone, so all 2^24 membranes for
each distinct set of thresholds are all cases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch

from spiketrack.deploy.chip.microcode.machine import HIGH, LOW, Listing
from spiketrack.deploy.chip.microcode.programs import COUNT_ONCE, PORT, fire
from spiketrack.integer.graph import Graph, Neuron
from spiketrack.integer.neurons import count

Levels = tuple[int, int, int, int]
BLOCK = 2**20


@dataclass(frozen=True)
class Proof:
    """Membranes compared for one set of thresholds, and how many counts differ."""

    thresholds: Levels
    populations: int
    compared: int
    differing: int


def distinct_thresholds(graphs: Iterable[Graph]) -> dict[Levels, int]:
    """Sets of thresholds, and how many populations have each."""
    uses: dict[Levels, int] = {}
    for graph in graphs:
        for node in graph.populations:
            if isinstance(node, Neuron):
                uses[node.thresholds] = uses.get(node.thresholds, 0) + 1
    return dict(sorted(uses.items()))


def prove(
    levels: Levels,
    populations: int = 1,
    progress: Callable[[int], None] = lambda done: None,
    listing: Listing = COUNT_ONCE,
) -> Proof:
    """Run the program for every membrane of 24 bits; compare with ``integer/neurons.py``."""
    parameters = {f"theta{j}": level for j, level in enumerate(levels, start=1)}
    compared = differing = 0
    for low in range(LOW, HIGH + 1, BLOCK):
        membranes = np.arange(low, min(low + BLOCK, HIGH + 1), dtype=np.int64)
        sent, _ = fire(listing, {PORT: membranes}, parameters)
        values = torch.from_numpy(membranes.astype(np.float32)).view(1, 1, 1, -1)
        rule = count(values, np.array(levels, np.int32)).flatten().numpy()
        counts = np.where(sent.spiked, sent.payload, 0)
        compared += len(membranes)
        differing += int(np.count_nonzero(counts != rule))
        progress(len(membranes))
    return Proof(levels, populations, compared, differing)
