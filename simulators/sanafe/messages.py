"""What each neuron of a frame sends, to which cores, and how many synapses its message meets there.

Derived neuron by neuron from the axes of the connections, apart from how the chip's own engine
counts (by blocks, boxes and landings): the two must agree.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.loads import readers_of
from spiketrack.deploy.chip.program import ChipProgram
from spiketrack.deploy.chip.reach import Axis, Tiling
from spiketrack.deploy.chip.requirements import KEYS, POSITIONS, WHOLE, Synapses
from spiketrack.deploy.chip.sites import Sites
from spiketrack.errors import UnsupportedError
from spiketrack.integer.costs.formulas import synapses_per_entry
from spiketrack.integer.graph import COUNT, Conv, Graph, KeyValue, Read
from spiketrack.limits import HEADS

CHUNK = 4096  # neurons at a time: bounds memory
Integers = NDArray[np.int64]
Values = Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class Messages:
    """One row a message: the step in which it is sent, number and core of its sender (the core of
    its receiver where the host sends), core that it reaches, synapses that it meets there."""

    source: str
    step: Integers
    neuron: Integers
    sender: Integers
    receiver: Integers
    operations: Integers
    host: bool


def frame_messages(
    graph: Graph, program: ChipProgram, sites: Sites, values: Values
) -> Iterator[Messages]:
    """Of every layer and of the image, for one frame; ``values``: layer → counts (1, C, H, W).

    ``UnsupportedError`` for programs whose neurons send more than once a frame.
    """
    readers = readers_of(program.layers)
    for layer in program.layers:
        if layer.sends.times != 1 or layer.sends.binary:
            raise UnsupportedError(
                f"{layer.name}: sends {layer.sends.times} times a frame; SANA-FE's neurons replay "
                "one message each"
            )
        sent = np.ones(layer.shape, np.bool_)
        if layer.signal == COUNT:
            sent = values[layer.name].reshape(layer.shape) > 0
        wanted = readers.get(layer.name, [])
        if wanted:
            tiling = sites.tilings[layer.name]
            yield from _of_source(
                graph, layer.name, _steps(layer), sent, wanted, sites, tiling, values
            )
    for image in graph.inputs:
        if image.name in readers and not graph.memories.count(image):
            sent = np.ones(image.shape[1:], np.bool_)
            steps = np.zeros(sent.shape, np.int64)
            yield from _of_source(
                graph, image.name, steps, sent, readers[image.name], sites, None, values
            )


def _steps(layer: Layer) -> Integers:
    """Time step in which each neuron (C, H, W) sends."""
    width = layer.shape[2]
    c, y, x = np.indices(layer.shape)
    if layer.sends.part == POSITIONS:
        part = (y * width + x) % layer.sends.parts
    elif layer.sends.part == KEYS:
        part = c % layer.sends.parts
    elif layer.sends.part == WHOLE:
        part = np.zeros(layer.shape, np.int64)
    else:
        raise UnsupportedError(f"{layer.name}: sends a {layer.sends.part}, which is not replayed")
    steps: Integers = layer.sends.first + part
    return steps


def _of_source(
    graph: Graph,
    name: str,
    steps: Integers,
    sent: NDArray[np.bool_],
    readers: list[tuple[Layer, Synapses]],
    sites: Sites,
    tiling: Tiling | None,
    values: Values,
) -> Iterator[Messages]:
    numbers = np.flatnonzero(sent)
    home = None if tiling is None else _core_of(tiling, sites.cores[name])
    for start in range(0, len(numbers), CHUNK):
        some = numbers[start : start + CHUNK]
        pieces: list[Integers] = []
        for reader, link in readers:
            pieces.append(_meetings(graph, some, sent.shape, reader, link, sites, values))
        neuron, receiver, operations = _merged(np.concatenate(pieces))
        sender = receiver if home is None else home[neuron]
        step = steps.reshape(-1)[neuron]
        yield Messages(name, step, neuron, sender, receiver, operations, tiling is None)


def _core_of(tiling: Tiling, cores: Integers) -> Integers:
    """Core of each neuron, flat (C, H, W)."""
    where = np.zeros(tiling.shape, np.int64)
    for core, ((c, d), (h, i), (w, x)) in zip(cores, tiling.bounds(), strict=True):
        where[c:d, h:i, w:x] = core
    return where.reshape(-1)


def _meetings(
    graph: Graph,
    neurons: Integers,
    shape: tuple[int, ...],
    reader: Layer,
    link: Synapses,
    sites: Sites,
    values: Values,
) -> Integers:
    """(rows, 3): neuron, core, synapses, for every block of the reader that needs the neuron."""
    tiling, cores = sites.tilings[reader.name], sites.cores[reader.name]
    at = np.unravel_index(neurons, shape)
    reached = np.ones((len(neurons), *tiling.counts), np.int64)
    unread = {0, 1, 2}
    for axis, index in zip(link.axes, at, strict=True):
        if link.thin > 1 and link.part == KEYS and axis.of == 0:
            table = _column(axis, tiling, index, at[2])
        else:
            table = _reached(axis, tiling)[index]
        if axis.of is None:
            reached *= table.reshape(-1, 1, 1, 1)
        else:
            unread.discard(axis.of)
            sides = [1, 1, 1]
            sides[axis.of] = tiling.counts[axis.of]
            reached *= table.reshape(-1, *sides)
    for along in unread:
        sides = [1, 1, 1]
        sides[along] = tiling.counts[along]
        reached = reached * np.diff(tiling.cuts(along), axis=0)[0].reshape(sides)
    who, *blocks = np.nonzero(reached)
    block = np.ravel_multi_index(tuple(blocks), tiling.counts)
    number = reached[who, blocks[0], blocks[1], blocks[2]]
    operations = _operations(graph, neurons[who], shape, reader, link, blocks, number, values)
    return np.stack([neurons[who], cores[block], operations], 1)


def _reached(axis: Axis, tiling: Tiling) -> Integers:
    """(extent of the source, blocks): indices of each block that an index of the source meets."""
    if axis.of is None:
        low, high = axis.offset, axis.offset + axis.extent
        inside = np.zeros((high, 1), np.int64)
        inside[low:high] = 1
        return inside
    index = np.arange(tiling.shape[axis.of], dtype=np.int64)
    start, stop = axis.reach(index, index + 1)
    met = (np.arange(axis.extent)[:, None] >= start) & (np.arange(axis.extent)[:, None] < stop)
    return np.add.reduceat(met.astype(np.int64), tiling.cuts(axis.of)[0], axis=1)


def _column(axis: Axis, tiling: Tiling, row: Integers, column: Integers) -> Integers:
    """(neurons, blocks): an entry (i, j) of kv is multiplied in channel j of its head alone."""
    channel = row // axis.stride * axis.group + column
    first, last = tiling.cuts(0)
    met = (channel[:, None] >= first) & (channel[:, None] < last)
    return met.astype(np.int64)


def _operations(
    graph: Graph,
    neurons: Integers,
    shape: tuple[int, ...],
    reader: Layer,
    link: Synapses,
    blocks: list[Integers],
    number: Integers,
    values: Values,
) -> Integers:
    """Synaptic operations of each meeting; sums of membranes happen in the neurons' programs."""
    node = graph[link.node] if link.node else None
    if isinstance(node, Conv):
        return number
    if isinstance(node, Read) and link.port == 0:
        return number * synapses_per_entry(node, graph)
    if isinstance(node, KeyValue) and link.port == 0:
        return _products(graph, node, neurons, shape, reader, blocks, values)
    return np.zeros_like(number)


def _products(
    graph: Graph,
    node: KeyValue,
    neurons: Integers,
    shape: tuple[int, ...],
    reader: Layer,
    blocks: list[Integers],
    values: Values,
) -> Integers:
    """A key's count meets the counts of its head's values at its position."""
    if math.prod(reader.shape) and blocks[2].any():
        raise UnsupportedError(f"{reader.name}: cut along its columns, which is not replayed")
    value = values[graph[node.inputs[1]].name] > 0
    fired = value.reshape(HEADS, -1, *value.shape[-2:]).sum(1)
    c, y, x = np.unravel_index(neurons, shape)
    gates: Integers = fired[c // (shape[0] // HEADS), y, x].astype(np.int64)
    return gates


def _merged(rows: Integers) -> tuple[Integers, Integers, Integers]:
    """One message for each neuron and core."""
    order = np.lexsort((rows[:, 1], rows[:, 0]))
    rows = rows[order]
    new = np.ones(len(rows), np.bool_)
    new[1:] = (np.diff(rows[:, :2], axis=0) != 0).any(1)
    first = np.flatnonzero(new)
    operations = np.add.reduceat(rows[:, 2], first) if len(rows) else rows[:, 2]
    return rows[first, 0], rows[first, 1], operations
