"""What every node type asks of the layer of neurons that hosts it, one function a type.

Neurons, ports and time steps of products; bits of weights, of states and of tables; and which
part of a source each part of the reader needs. ``layers.py`` folds these needs into layers.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

from spiketrack.deploy.chip.reach import (
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
from spiketrack.integer.graph import (
    Conv,
    Gate,
    Graph,
    KeyValue,
    Neuron,
    Node,
    Pool,
    PositionsAsChannels,
    Read,
    Sum,
    Upsample,
)
from spiketrack.integer.registry import Registry
from spiketrack.limits import (
    DECAY_BITS,
    HEADS,
    MAX_COUNT,
    MEMORY_BITS,
    POTENTIAL_BITS,
    WEIGHT_BITS,
)

POPULATION, PRODUCT = "population", "product"
EXPONENT_BITS = 8  # power of two of a channel's weights
TABLE_BITS = 16  # an entry of the gate's exponential, at most 2^15

# how a source sends what one connection needs: all neurons at once, one position or one key index
# (channel modulo d) a time step, or the gate's weights, one network step a time step
WHOLE, POSITIONS, KEYS, TABLE = "whole", "positions", "keys", "table"

# what neurons do with what they accumulated: count thresholds, send it on, round it to a coarser
# grid and send it on, weigh steps by the table of the exponential and send the weights, vote with
# such weights
COUNTS, RELAYS, ROUNDS, WEIGHS, VOTES = "counts", "relays", "rounds", "weighs", "votes"


@dataclass(frozen=True)
class Synapses:
    """What connects a source to a layer.

    ``source``: a layer or an Input of the graph; ``axes``: for each axis of the source, what a
    block of the layer needs; ``weight_bits``: stored for each channel of the layer with shared
    kernels; ``fixed_bits``: stored once a core; ``synapse_bits``: of one unrolled synapse;
    ``steps``: how often the source sends in a frame; ``thin``: one in so many of the neurons in
    reach has a synapse (matrix entries of one column, where axes tell the head alone).

    ``node``: the node of the graph whose weights the synapses hold, empty for one-to-one synapses
    of weight 1; ``port``: the accumulator that they end in; ``part``: what the source sends in one
    time step; ``delay``: steps that a message waits beyond the one that it takes; ``tile``: which
    copy of a tiled product the layer is.
    """

    source: str
    axes: Axes
    weight_bits: int
    synapse_bits: int
    steps: int
    fixed_bits: int = 0
    thin: int = 1
    node: str = ""
    port: int = 0
    part: str = WHOLE
    delay: int = 0
    tile: int = 0


@dataclass(frozen=True)
class Need:
    """What one node asks of the layer that hosts it; nodes folded into a layer add up.

    ``kind``: of the layer, empty for a relay; ``shape``: (C, H, W) in which its neurons stand,
    None for the node's own; ``at_source``: a source and bits that are stored once a core there;
    ``rule``: the program of the neurons; ``nodes``: this node, then those folded into it.
    """

    synapses: tuple[Synapses, ...] = ()
    ports: int = 1
    busy: int = 1
    state_bits: int = 0
    channel_bits: int = 0
    fixed_bits: int = 0
    kind: str = ""
    waits: bool = False
    shape: Block | None = None
    at_source: tuple[str, int] = ("", 0)
    rule: str = RELAYS
    nodes: tuple[str, ...] = ()


NEEDS: Registry[Callable[..., Need]] = Registry(
    "core requirement", applies=lambda traits: not traits.silent
)
WIRING: Registry[Callable[..., Synapses]] = Registry(
    "route through wiring", applies=lambda traits: traits.wiring
)


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
    link = Synapses(source.name, axes, weights, WEIGHT_BITS * sets, source.shape[0], node=node.name)
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
    return Need((_one_to_one(node, source),), fixed_bits=fixed, kind=POPULATION, rule=COUNTS)


@NEEDS.register(Pool)
def _pool(node: Pool, graph: Graph) -> Need:
    source = graph[node.inputs[0]]
    channels, height, width = _chw(source)
    k = node.kernel
    axes = (same(channels, 0), window(height, 1, k, k, 0), window(width, 2, k, k, 0))
    link = Synapses(source.name, axes, 0, WEIGHT_BITS, source.shape[0], WEIGHT_BITS, node=node.name)
    return Need((link,))


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
    link = Synapses(source.name, axes, 0, WEIGHT_BITS, source.shape[0], fixed, node=node.name)
    return Need((link,), rule=ROUNDS)


@NEEDS.register(Read)
def _read(node: Read, graph: Graph) -> Need:
    """Memory of the templates: synapses. A matrix of the same frame: messages, d of them."""
    query, matrix = graph.sources(node)
    channels, height, width = _chw(query)
    d = channels // HEADS
    axes = (grouped(channels, 0, 4 * d, d), same(height, 1), same(width, 2))
    if matrix.traits.given:
        bits = matrix.shape[0] * MEMORY_BITS
        link = Synapses(query.name, axes, d * bits, bits, query.shape[0], node=node.name)
        return Need((link,))
    rows = (grouped(channels, 0, 4 * d, d), whole(1), whole(4 * d))
    one = (0, WEIGHT_BITS, query.shape[0], WEIGHT_BITS)
    links = (
        Synapses(query.name, axes, *one, node=node.name, part=KEYS),
        Synapses(matrix.name, rows, *one, thin=4 * d, node=node.name, port=1, part=KEYS),
    )
    return Need(links, ports=2, busy=d, kind=PRODUCT)


@NEEDS.register(KeyValue)
def _key_value(node: KeyValue, graph: Graph) -> Need:
    """Entry (head, i, j) multiplies k[i] and v[j] of one position a time step and adds them up."""
    key, value = graph.sources(node)
    channels, height, width = _chw(key)
    d = channels // HEADS
    place = (whole(height), whole(width))
    one = (0, WEIGHT_BITS, key.shape[0], WEIGHT_BITS)
    across = grouped(4 * channels, 0, d, 4 * d)
    links = (
        Synapses(key.name, (same(channels, 0), *place), *one, node=node.name, part=POSITIONS),
        Synapses(
            value.name, (across, *place), *one, thin=4 * d, node=node.name, port=1, part=POSITIONS
        ),
    )
    rows = (channels, 1, 4 * d)  # d rows a head
    return Need(links, ports=2, busy=node.positions, kind=PRODUCT, shape=rows)


@NEEDS.register(Gate)
def _gate(node: Gate, graph: Graph) -> Need:
    """Holds the counts of all steps, then multiplies each with its channel's weight e[t].

    The exponential is looked up where the logits are.
    """
    counts, logits = graph.sources(node)
    steps, channels, _, _ = counts.shape
    rows = (whole(1), same(channels, 0), whole(1))
    links = (
        dataclasses.replace(_one_to_one(node, counts), steps=steps),
        Synapses(
            logits.name, rows, 0, WEIGHT_BITS, steps, WEIGHT_BITS,
            node=node.name, port=1, part=TABLE,
        ),
    )  # fmt: skip
    held = steps * math.ceil(math.log2(MAX_COUNT + 1))
    table = (logits.name, node.table.size * TABLE_BITS)
    return Need(links, 2, steps, held, kind=POPULATION, waits=True, at_source=table, rule=VOTES)


@WIRING.register(PositionsAsChannels)
def _permuted(node: PositionsAsChannels, graph: Graph, link: Synapses) -> Synapses:
    """Through (C, H, W) → (H·W, C, 1): rows of the reader are channels, all positions are read."""
    source = graph[node.inputs[0]]
    if not (source.traits.population and link.axes[0].of is None):
        raise GraphError(f"{node.name}: only a dense layer reads a population's positions")
    _, _, height, width = source.shape
    axes = (link.axes[1], whole(height), whole(width))
    return dataclasses.replace(link, source=source.name, axes=axes)
