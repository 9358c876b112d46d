"""Integer graph → layers of neurons and the synapses between them, as Loihi 2 would hold them.

What takes neurons on the chip, decided per node type:

- A counting population (Neuron, Gate) is a population of neurons. Its T steps run one after the
  other on the same neurons: the potential of the step before is what they hold.
- Membrane arithmetic (Conv, Sum, Pool, Upsample, Read) is *dendritic*: it happens in the synapses
  and accumulators of the one population that reads it, and takes no neuron.
- A membrane that is read in several places, pooled, up-sampled, shifted or read by the host has
  to be sent on: a *relay* population accumulates it and sends it as a 24-bit graded payload.
  The residual stream is such a chain, a relay after each addition.
- ``KeyValue``, a ``Read`` of a matrix computed in the same frame, and the gate multiply two
  messages: *product* neurons with two input ports, one position (key index, step) a time step.
- A ``Read`` of the templates' memory is a grouped 1×1 convolution whose weights are the memory,
  two 8-bit synapses an entry, rewritten by the host.
- The image is injected by the host; outputs are relays that the host reads.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spiketrack.deploy.reach import (
    Axes,
    Block,
    bilinear,
    grouped,
    identity,
    same,
    whole,
    window,
)
from spiketrack.errors import GraphError
from spiketrack.export.graph import (
    Conv,
    Gate,
    Graph,
    Input,
    KeyValue,
    Neuron,
    Node,
    Output,
    Pool,
    PositionsAsChannels,
    Read,
    Sum,
    Upsample,
)
from spiketrack.export.registry import Registry
from spiketrack.limits import (
    DECAY_BITS,
    HEADS,
    MAX_COUNT,
    MEMORY_BITS,
    POTENTIAL_BITS,
    WEIGHT_BITS,
)

POPULATION, RELAY, PRODUCT, READOUT = "population", "relay", "product", "readout"
EXPONENT_BITS = 8  # power of two of a channel's weights
TABLE_BITS = 16  # an entry of the gate's exponential, at most 2^15


@dataclass(frozen=True)
class Synapses:
    """What connects a source to a layer.

    ``source``: a layer or an Input of the graph; ``axes``: for each axis of the source, what a
    block of the layer needs; ``weight_bits``: stored for each channel of the layer with shared
    kernels; ``fixed_bits``: stored once a core; ``synapse_bits``: of one unrolled synapse;
    ``steps``: how often the source sends in a frame; ``thin``: one in so many of the neurons in
    reach has a synapse (matrix entries of one column, where axes tell the head alone).
    """

    source: str
    axes: Axes
    weight_bits: int
    synapse_bits: int
    steps: int
    fixed_bits: int = 0
    thin: int = 1


@dataclass(frozen=True)
class Layer:
    """Neurons that compute alike: shape (C, H, W), what they hold and what reaches them.

    ``ports``: accumulators of one neuron, 2 where it multiplies; ``busy``: chip steps that one
    network step takes; ``state_bits`` of a neuron; ``channel_bits`` (biases, exponents) of a
    channel; ``fixed_bits`` (thresholds, tables) once a core; ``waits`` for the last step of its
    sources; ``host``: the host reads it.
    """

    name: str
    kind: str
    shape: Block
    steps: int
    synapses: tuple[Synapses, ...]
    ports: int = 1
    busy: int = 1
    state_bits: int = POTENTIAL_BITS
    channel_bits: int = 0
    fixed_bits: int = 0
    waits: bool = False
    host: bool = False

    @property
    def neurons(self) -> int:
        """Number of neurons, whatever their ports."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Need:
    """What one node asks of the layer that hosts it; nodes folded into a layer add up."""

    synapses: tuple[Synapses, ...] = ()
    ports: int = 1
    busy: int = 1
    state_bits: int = 0
    channel_bits: int = 0
    fixed_bits: int = 0
    kind: str = ""
    waits: bool = False


NEEDS: Registry[Callable[..., Need]] = Registry("core requirement")


def build_layers(graph: Graph) -> tuple[Layer, ...]:
    """Layers of a graph in topological order."""
    return tuple(_layer(graph, node) for node in graph if is_layer(graph, node))


def is_layer(graph: Graph, node: Node) -> bool:
    """Whether a node takes neurons of its own; see the module's text."""
    if isinstance(node, (Input, Output, PositionsAsChannels)):
        return False
    return not (isinstance(node, (Conv, Sum, Pool, Upsample, Read)) and _folds(graph, node))


def _folds(graph: Graph, node: Node) -> bool:
    """Whether a membrane lands in the accumulators of its only reader."""
    readers = graph.consumers[node.name]
    if len(readers) != 1 or not isinstance(readers[0], (Neuron, Sum)):
        return False
    reader = readers[0]
    if reader.inputs.count(node.name) > 1 or reader.shape[0] != node.shape[0]:
        return False  # read twice, or held for several steps
    if isinstance(node, Upsample) and node.shift:
        return False  # rounded before it is added
    product = isinstance(node, Read) and not isinstance(graph[node.inputs[1]], Input)
    return isinstance(reader, Neuron) or not product


def _layer(graph: Graph, node: Node) -> Layer:
    need = _gather(graph, node)
    steps, *shape = _shape(node)
    host = any(isinstance(reader, Output) for reader in graph.consumers[node.name])
    kind = need.kind or (READOUT if host else RELAY)
    return Layer(
        name=node.name,
        kind=kind,
        shape=(shape[0], shape[1], shape[2]),
        steps=steps,
        synapses=need.synapses,
        ports=need.ports,
        busy=need.busy,
        state_bits=need.state_bits + POTENTIAL_BITS * need.ports,
        channel_bits=need.channel_bits,
        fixed_bits=need.fixed_bits + _tables(graph, node),
        waits=need.waits,
        host=host,
    )


def _shape(node: Node) -> tuple[int, int, int, int]:
    """A matrix (T, heads, d, 4d) stands as d rows a head: (T, heads · d, 1, 4d)."""
    if isinstance(node, KeyValue):
        steps, heads, d, wide = node.shape
        return steps, heads * d, 1, wide
    return node.shape


def _tables(graph: Graph, node: Node) -> int:
    """The gate's exponential is looked up where its logits are."""
    gates = [n for n in graph.consumers[node.name] if isinstance(n, Gate)]
    return sum(n.table.size * TABLE_BITS for n in gates if n.inputs[1] == node.name)


def _gather(graph: Graph, node: Node) -> Need:
    """Needs of a node and of all that folds into it."""
    own: Need = NEEDS[node](node, graph)
    synapses: list[Synapses] = []
    parts = [own]
    for link in own.synapses:
        source = graph[link.source]
        if isinstance(source, PositionsAsChannels):
            synapses.append(_permuted(link, graph, source))
        elif isinstance(source, Input) or is_layer(graph, source):
            synapses.append(link)
        else:
            inner = _gather(graph, source)
            parts.append(inner)
            synapses.extend(inner.synapses)
    return Need(
        synapses=tuple(synapses),
        ports=max(p.ports for p in parts),
        busy=max(p.busy for p in parts),
        state_bits=sum(p.state_bits for p in parts),
        channel_bits=sum(p.channel_bits for p in parts),
        fixed_bits=sum(p.fixed_bits for p in parts),
        kind=own.kind,
        waits=own.waits,
    )


def _permuted(link: Synapses, graph: Graph, node: PositionsAsChannels) -> Synapses:
    """Through (C, H, W) → (H·W, C, 1): rows of the reader are channels, all positions are read."""
    source = graph[node.inputs[0]]
    if not (isinstance(source, Neuron) and link.axes[0].of is None):
        raise GraphError(f"{node.name}: only a dense layer reads a population's positions")
    _, _, height, width = source.shape
    axes = (link.axes[1], whole(height), whole(width))
    return dataclasses.replace(link, source=source.name, axes=axes)


def _chw(node: Node) -> Block:
    _, c, h, w = node.shape
    return c, h, w


def _one_to_one(node: Node, source: Node) -> Synapses:
    steps = max(source.shape[0], node.shape[0])
    return Synapses(source.name, identity(_chw(source)), 0, WEIGHT_BITS, steps, WEIGHT_BITS)


@NEEDS.register(Conv)
def _conv(node: Conv, graph: Graph) -> Need:
    """Int8 kernels, a set for each step that has one; a bias and an exponent a channel."""
    source = graph[node.inputs[0]]
    sets, out, per_group, kernel_rows, kernel_columns = node.weight.shape
    channels, height, width = _chw(source)
    if node.groups == 1:
        across = whole(channels)
    else:
        across = grouped(channels, 0, out // node.groups, per_group)
    axes = (
        across,
        window(height, 1, kernel_rows, node.stride, node.padding),
        window(width, 2, kernel_columns, node.stride, node.padding),
    )
    weights = sets * per_group * kernel_rows * kernel_columns * WEIGHT_BITS
    link = Synapses(source.name, axes, weights, WEIGHT_BITS * sets, source.shape[0])
    return Need((link,), channel_bits=sets * (POTENTIAL_BITS + EXPONENT_BITS))


@NEEDS.register(Sum)
def _sum(node: Sum, graph: Graph) -> Need:
    """One synapse of weight 1 from each relay; a constant map is a bias of each neuron."""
    links = tuple(_one_to_one(node, source) for source in graph.sources(node))
    constants = 0 if node.constant is None else len(node.constant)
    return Need(links, state_bits=constants * POTENTIAL_BITS)


@NEEDS.register(Neuron)
def _neuron(node: Neuron, graph: Graph) -> Need:
    """Thresholds, reset and leaks are the same for the population."""
    fixed = (MAX_COUNT + 1) * POTENTIAL_BITS + len(node.decay) * DECAY_BITS
    source = graph[node.inputs[0]]
    return Need((_one_to_one(node, source),), fixed_bits=fixed, kind=POPULATION)


@NEEDS.register(Pool)
def _pool(node: Pool, graph: Graph) -> Need:
    source = graph[node.inputs[0]]
    channels, height, width = _chw(source)
    k = node.kernel
    axes = (same(channels, 0), window(height, 1, k, k, 0), window(width, 2, k, k, 0))
    return Need((Synapses(source.name, axes, 0, WEIGHT_BITS, source.shape[0], WEIGHT_BITS),))


@NEEDS.register(Upsample)
def _upsample(node: Upsample, graph: Graph) -> Need:
    """factor² phases of four weights, the same for all channels."""
    source = graph[node.inputs[0]]
    channels, height, width = _chw(source)
    axes = (
        same(channels, 0),
        bilinear(height, 1, node.factor),
        bilinear(width, 2, node.factor),
    )
    fixed = node.factor**2 * 4 * WEIGHT_BITS
    return Need((Synapses(source.name, axes, 0, WEIGHT_BITS, source.shape[0], fixed),))


@NEEDS.register(Read)
def _read(node: Read, graph: Graph) -> Need:
    """Memory of the templates: synapses. A matrix of the same frame: messages, d of them."""
    query, matrix = graph.sources(node)
    channels, height, width = _chw(query)
    d = channels // HEADS
    axes = (grouped(channels, 0, 4 * d, d), same(height, 1), same(width, 2))
    if isinstance(matrix, Input):
        bits = matrix.shape[0] * MEMORY_BITS
        return Need((Synapses(query.name, axes, d * bits, bits, query.shape[0]),))
    rows = (grouped(channels, 0, 4 * d, d), whole(1), whole(4 * d))
    links = (
        Synapses(query.name, axes, 0, WEIGHT_BITS, query.shape[0], WEIGHT_BITS),
        Synapses(matrix.name, rows, 0, WEIGHT_BITS, matrix.shape[0], WEIGHT_BITS, thin=4 * d),
    )
    return Need(links, ports=2, busy=d, kind=PRODUCT)


@NEEDS.register(KeyValue)
def _key_value(node: KeyValue, graph: Graph) -> Need:
    """Entry (head, i, j) multiplies k[i] and v[j] of one position a time step and adds them up."""
    key, value = graph.sources(node)
    channels, height, width = _chw(key)
    d = channels // HEADS
    place = (whole(height), whole(width))
    links = (
        Synapses(key.name, (same(channels, 0), *place), 0, WEIGHT_BITS, key.shape[0], WEIGHT_BITS),
        Synapses(
            value.name,
            (grouped(4 * channels, 0, d, 4 * d), *place),
            0, WEIGHT_BITS, value.shape[0], WEIGHT_BITS, thin=4 * d,
        ),
    )  # fmt: skip
    return Need(links, ports=2, busy=node.positions, kind=PRODUCT)


@NEEDS.register(Gate)
def _gate(node: Gate, graph: Graph) -> Need:
    """Holds the counts of all steps, then multiplies each with its channel's weight e[t]."""
    counts, logits = graph.sources(node)
    steps, channels, _, _ = counts.shape
    rows = (whole(1), same(channels, 0), whole(1))
    links = (
        dataclasses.replace(_one_to_one(node, counts), steps=steps),
        Synapses(logits.name, rows, 0, WEIGHT_BITS, steps, WEIGHT_BITS),
    )
    held = steps * int(np.ceil(np.log2(MAX_COUNT + 1)))
    return Need(links, 2, steps, held, kind=POPULATION, waits=True)
