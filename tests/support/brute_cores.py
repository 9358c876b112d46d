"""Which cores need which neurons, by a walk over every synapse."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.placement import Branch
from spiketrack.integer.graph import Graph
from support.brute_synapses import synapses_of

Neuron = tuple[str, int, int, int]


def core_tables(branch: Branch) -> dict[str, NDArray[np.int64]]:
    """Layer → the core of every neuron."""
    found = {}
    for layer in branch.layers:
        table = np.full(layer.shape, -1)
        bounds = branch.tilings[layer.name].bounds()
        for core, ((c0, c1), (y0, y1), (x0, x1)) in zip(
            branch.cores[layer.name], bounds, strict=True
        ):
            table[c0:c1, y0:y1, x0:x1] = core
        found[layer.name] = table
    return found


def read_by(graph: Graph, branch: Branch, layer: Layer) -> Iterator[tuple[Neuron, int]]:
    """Every (neuron of a source, core that needs it) of one layer, with repetitions."""
    by_name = {other.name: other for other in branch.layers}
    cores = core_tables(branch)[layer.name]
    sources: dict[str, set[str]] = defaultdict(set)
    for link in layer.synapses:
        if link.source in by_name:
            first = link.source
            while not by_name[first].nodes:
                first = by_name[first].synapses[0].source
            sources[first].add(link.source)
    channels, rows, columns = (range(n) for n in layer.shape)
    for place in product(channels, rows, columns):
        elements: Iterable[Neuron] = ((name, *place) for name in sources)
        if layer.nodes:
            elements = synapses_of(graph, layer.name, place)
        for name, c, y, x in elements:
            for sender in sources.get(name, ()):
                yield (sender, c, y, x), int(cores[place])
