"""Messages between cores and chips, from the events that a run counted.

A message goes once to each core that needs it (unicast), and its hops are those of dimension-
ordered routing between tiles of one chip. Events of a population stand where a run recorded them;
where it recorded their number alone they are spread evenly. Relays and products send every step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from spiketrack.deploy.chip.board import Board
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.loads import Readers, Tilings
from spiketrack.deploy.chip.reach import Index
from spiketrack.deploy.chip.work.boxes import Sums
from spiketrack.deploy.chip.work.deliveries import deliveries, received, wanted
from spiketrack.integer.graph import COUNT

Sent = float | NDArray[np.float64]  # messages of a population in one inference: all, or (C, H, W)


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
    events: Mapping[str, Sent] | None,
) -> dict[str, Traffic]:
    """Traffic that each layer sends; what the host injects stands at the layers that get it.

    ``events``: messages a population sends in one inference, None: every neuron, every step.
    """
    flows = {}
    mesh = Mesh(board)
    by_name = {layer.name: layer for layer in layers}
    for layer in layers:
        reading = readers.get(layer.name, ())
        flows[layer.name] = _host(layer, tilings, cores)
        if not reading:
            continue
        again = max(max(link.steps for _, link in reading) / layer.steps, 1)
        wants = wanted(reading, tilings, cores)
        sent = deliveries(tilings[layer.name], cores[layer.name], wants)
        number = _messages(origin(layer, by_name), events, sent.boxes) * again
        flows[layer.name] += _count(sent.sender, sent.receiver, number, mesh)
    return flows


def origin(layer: Layer, by_name: Mapping[str, Layer]) -> Layer:
    """The layer whose counts one sends: itself, or the one that relays repeat."""
    while layer.signal == COUNT and not layer.nodes:
        layer = by_name[layer.synapses[0].source]
    return layer


def _messages(layer: Layer, events: Mapping[str, Sent] | None, boxes: Index) -> NDArray[np.float64]:
    """Messages of one inference that the neurons in each box send."""
    ends = boxes.reshape(-1, 3, 2)
    neurons: NDArray[np.float64] = (ends[:, :, 1] - ends[:, :, 0]).prod(1).astype(np.float64)
    if events is None or layer.signal != COUNT or layer.name not in events:
        return neurons * (layer.steps * (layer.sends.parts if layer.sends.binary else 1))
    sent = events[layer.name]
    if isinstance(sent, np.ndarray):
        return Sums(sent.reshape(layer.shape)).over(boxes).astype(np.float64)
    return neurons * (sent / layer.neurons)


def _host(layer: Layer, tilings: Tilings, cores: Mapping[str, Index]) -> Traffic:
    sent = layer.neurons * layer.steps if layer.host else 0
    for link in layer.synapses:
        if link.source not in tilings:
            _, boxes = received(wanted([(layer, link)], tilings, cores))
            ends = boxes.reshape(-1, 3, 2)
            sent += link.steps * int((ends[:, :, 1] - ends[:, :, 0]).prod(1).sum())
    return Traffic(with_host=float(sent))


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
