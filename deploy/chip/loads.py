"""What a block of a layer takes of its core: neurons, memory, axons, exactly and for every block.

    memory = neurons · state + channels · (kernels + biases) + tables + axon entries

A message enters a core by an axon entry for each pixel of each source block that it needs, and
leaves by one for each pixel and each core that needs it; channels ride in the message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from spiketrack.deploy.chip.board import Board
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.reach import Index, Tiling, overlap
from spiketrack.deploy.chip.requirements import Synapses

Tilings = Mapping[str, Tiling]
Readers = Mapping[str, list[tuple[Layer, Synapses]]]
RESOURCES = ("neurons", "memory", "input axons", "output axons")


@dataclass(frozen=True, eq=False)
class Loads:
    """One number a block, in block order; memory in bits."""

    neurons: Index
    memory: Index
    input_axons: Index
    output_axons: Index

    def __len__(self) -> int:
        return len(self.neurons)

    @property
    def table(self) -> Index:
        """(blocks, 4) in the order of ``RESOURCES``."""
        return np.stack([self.neurons, self.memory, self.input_axons, self.output_axons], axis=1)


def limits(board: Board) -> Index:
    """What a core holds, in the order of ``RESOURCES``; unlimited is the largest integer."""
    endless = np.iinfo(np.int64).max
    return np.array(
        [
            board.neurons_per_core.value,
            board.memory_bits,
            board.input_axons_per_core.value or endless,
            board.output_axons_per_core.value or endless,
        ]
    )


def places(layer: Layer, board: Board) -> int:
    """Neurons' worth of a core that one neuron takes: more where it multiplies two ports."""
    return 1 if layer.ports == 1 else board.accumulators_per_product.value


def readers_of(layers: Iterable[Layer]) -> Readers:
    """Source → the layers that read it and their synapses."""
    readers: dict[str, list[tuple[Layer, Synapses]]] = {}
    for layer in layers:
        for link in layer.synapses:
            readers.setdefault(link.source, []).append((layer, link))
    return readers


def loads(layer: Layer, tilings: Tilings, readers: Readers, board: Board) -> Loads:
    """Loads of all blocks of a layer, given how it, its sources and its readers are cut."""
    tiling = tilings[layer.name]
    lengths = [np.diff(tiling.cuts(axis), axis=0)[0] for axis in range(3)]
    neurons = tiling.grid((lengths[0], lengths[1], lengths[2]))
    channels = lengths[0][tiling.axis_index(0)]
    entering = sum(
        (input_axons(link, tiling, tilings.get(link.source)) for link in layer.synapses),
        np.zeros_like(neurons),
    )
    leaving = sum(
        (
            output_axons(link, tiling, tilings[reader.name])
            for reader, link in readers.get(layer.name, ())
        ),
        np.zeros_like(neurons),
    )
    memory = (
        neurons * layer.state_bits
        + channels * layer.channel_bits
        + layer.fixed_bits
        + synapse_bits(layer, tiling, board)
        + (entering + leaving) * board.axon_bits.value
    )
    return Loads(neurons * places(layer, board), memory, entering, leaving)


def synapse_bits(layer: Layer, tiling: Tiling, board: Board) -> Index:
    """Bits of the synapses of each block: kernels once a core, or every synapse."""
    if not board.shared_kernels.value:
        return unrolled_bits(layer, tiling)
    low, high = tiling.cuts(0)
    channels = (high - low)[tiling.axis_index(0)]
    kernels = sum(link.weight_bits for link in layer.synapses)
    return channels * kernels + sum(link.fixed_bits for link in layer.synapses)


def unrolled_bits(layer: Layer, tiling: Tiling) -> Index:
    """Bits of all synapses of each block, one by one, borders included."""
    total = np.zeros(len(tiling), np.int64)
    for link in layer.synapses:
        total += link.synapse_bits * synapses(link, tiling)
    return total


def synapses(link: Synapses, tiling: Tiling) -> Index:
    """Number of synapses that end in each block."""
    factors = [np.diff(tiling.cuts(axis), axis=0)[0] for axis in range(3)]
    for axis in link.axes:
        if axis.of is None:
            factors[0] = factors[0] * axis.extent
        else:
            low, _ = tiling.cuts(axis.of)
            factors[axis.of] = np.add.reduceat(axis.fan_in(tiling.shape[axis.of]), low)
    return tiling.grid((factors[0], factors[1], factors[2])) // link.thin


def input_axons(link: Synapses, tiling: Tiling, source: Tiling | None) -> Index:
    """Entries in each block's core; an Input of the graph has one source block."""
    factors = [np.ones(n, np.int64) for n in tiling.counts]
    for along, axis in enumerate(link.axes):
        size = source.block[0] if along == 0 and source else axis.extent
        if axis.of is None:
            needed = np.array([-(-axis.extent // size) if along == 0 else axis.extent])
            factors[0] = factors[0] * needed
        else:
            start, stop = axis.reach(*tiling.cuts(axis.of))
            needed = (stop - 1) // size - start // size + 1 if along == 0 else stop - start
            factors[axis.of] = factors[axis.of] * np.where(stop > start, needed, 0)
    return tiling.grid((factors[0], factors[1], factors[2]))


def output_axons(link: Synapses, source: Tiling, reader: Tiling) -> Index:
    """Entries in the core of each block of the source, for one reader: channels ride along."""
    factors = []
    unread = {0, 1, 2}
    for along, axis in enumerate(link.axes):
        shared = overlap(axis, source, along, reader)
        factors.append((np.sign(shared) if along == 0 else shared).sum(1))
        unread.discard(-1 if axis.of is None else axis.of)
    for axis_number in unread:
        factors[0] = factors[0] * reader.counts[axis_number]
    return source.grid((factors[0], factors[1], factors[2]))
