"""Messages between cores and chips, from the events that a run counted.

Events of a population are spread evenly over its neurons; relays and products send every step.
A message goes once to each core that needs it (unicast), and its hops are those of dimension-
ordered routing between tiles of one chip.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from spiketrack.deploy.chip.board import Board
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.loads import Readers, Tilings, messages
from spiketrack.deploy.chip.reach import Index, Tiling, overlap
from spiketrack.deploy.chip.requirements import POPULATION, Synapses

CHUNK = 256  # blocks of a source at a time: bounds memory


@dataclass(frozen=True)
class Traffic:
    """Messages of a layer in one inference.

    ``within_core``, ``between_cores`` (on one chip), ``between_chips``; ``hops_east_west`` and
    ``hops_north_south`` between tiles of a chip; ``with_host``: injected or read by the host.
    """

    within_core: float = 0.0
    between_cores: float = 0.0
    between_chips: float = 0.0
    hops_east_west: float = 0.0
    hops_north_south: float = 0.0
    with_host: float = 0.0

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


class Mesh:
    """Column and row of every core's tile on its chip."""

    def __init__(self, board: Board) -> None:
        self.cores = board.cores_per_chip.value
        self.tiles = np.array([board.tile(core) for core in range(self.cores)])


def traffic(
    layers: Sequence[Layer],
    tilings: Tilings,
    readers: Readers,
    cores: Mapping[str, Index],
    board: Board,
    events: Mapping[str, float] | None,
) -> dict[str, Traffic]:
    """Traffic that each layer sends; what the host injects stands at the layers that get it.

    ``events``: messages a population sends in one inference, None: every neuron, every step.
    """
    found = {}
    mesh = Mesh(board)
    for layer in layers:
        total = _host(layer, tilings)
        for reader, link in readers.get(layer.name, ()):
            rate = _rate(layer, events) * max(link.steps / layer.steps, 1)
            ends = (cores[layer.name], cores[reader.name])
            pair = (tilings[layer.name], tilings[reader.name])
            total += _link(link, pair, ends, mesh, rate)
        found[layer.name] = total
    return found


def _rate(layer: Layer, events: Mapping[str, float] | None) -> float:
    """Messages that one neuron sends in one inference."""
    if events is None or layer.kind != POPULATION or layer.name not in events:
        return float(layer.steps * (layer.sends.parts if layer.sends.binary else 1))
    return events[layer.name] / layer.neurons


def _host(layer: Layer, tilings: Tilings) -> Traffic:
    sent = layer.neurons * layer.steps if layer.host else 0
    for link in layer.synapses:
        if link.source not in tilings:
            shape = (link.axes[0].extent, link.axes[1].extent, link.axes[2].extent)
            image = Tiling(shape, shape)
            sent += link.steps * int(messages(link, image, tilings[layer.name]).sum())
    return Traffic(with_host=float(sent))


def pairs(link: Synapses, source: Tiling, reader: Tiling, rows: Index) -> NDArray[np.int64]:
    """(rows, reader blocks): how many neurons of these source blocks each reader block needs."""
    product = np.ones((len(rows), len(reader)), np.int64)
    for along, axis in enumerate(link.axes):
        shared = overlap(axis, source, along, reader)[source.axis_index(along)[rows]]
        product *= shared if axis.of is None else shared[:, reader.axis_index(axis.of)]
    return product


def _link(
    link: Synapses,
    pair: tuple[Tiling, Tiling],
    ends: tuple[Index, Index],
    mesh: Mesh,
    rate: float,
) -> Traffic:
    total = Traffic()
    for first in range(0, len(pair[0]), CHUNK):
        rows = np.arange(first, min(first + CHUNK, len(pair[0])))
        needed = pairs(link, *pair, rows)
        blocks, targets = np.nonzero(needed)
        number = needed[blocks, targets] * rate
        total += _count(ends[0][rows[blocks]], ends[1][targets], number, mesh)
    return total


def _count(sender: Index, receiver: Index, number: NDArray[np.float64], mesh: Mesh) -> Traffic:
    chip = sender // mesh.cores == receiver // mesh.cores
    core = sender == receiver
    distance = mesh.tiles[sender % mesh.cores] - mesh.tiles[receiver % mesh.cores]
    hops = np.abs(distance).T * number * chip
    return Traffic(
        within_core=float(number[core].sum()),
        between_cores=float(number[chip & ~core].sum()),
        between_chips=float(number[~chip].sum()),
        hops_east_west=float(hops[0].sum()),
        hops_north_south=float(hops[1].sum()),
    )
