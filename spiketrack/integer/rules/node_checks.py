"""What holds of one node of each type, in real and in integer graphs: signals, shapes, widths.

An integer graph records a fraction for every node, a real one none: rules of grids and of the
integers themselves hold of the former alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spiketrack.errors import GraphError
from spiketrack.integer.graph import (
    COUNT,
    COUNT_FRACTION,
    IMAGE,
    MEMBRANE,
    MEMORY,
    MEMORY_FRACTION,
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
from spiketrack.integer.nodes.traits import Stage
from spiketrack.integer.real import RealConv, RealNeuron, RealSum
from spiketrack.integer.registry import Registry
from spiketrack.limits import DECAY_ONE, HEADS, POTENTIAL_BITS, WEIGHT_MAX

CHECKS: Registry[Callable[..., None]] = Registry("check", Stage.BOTH)


def require(node: Node, condition: bool, rule: str) -> None:
    """``GraphError`` that names the node where a rule does not hold."""
    if not condition:
        raise GraphError(f"{node.name}: {rule}")


def require_signals(node: Node, graph: Graph, *expected: str) -> None:
    """``GraphError`` where a node reads other signals, or more or fewer of them."""
    signals = tuple(graph.signal(name) for name in node.inputs)
    require(node, signals == expected, f"reads {signals}, needs {expected}")


def _require_shift(node: Node, shift: int) -> None:
    fits = 0 <= shift <= POTENTIAL_BITS
    require(node, fits, f"shift {shift:,}; a membrane has {POTENTIAL_BITS} bits")


def _is_integer(graph: Graph) -> bool:
    return bool(graph.fractions)


@CHECKS.register(Input)
def _input(node: Input, graph: Graph) -> None:
    require(node, not node.inputs, f"reads {node.inputs}, but comes from outside")
    known = node.signal in (IMAGE, MEMORY)
    require(node, known, f"signal {node.signal}; from outside come {IMAGE} and {MEMORY}")
    require(node, node.low <= node.high, f"range {node.low}..{node.high}")


@CHECKS.register(RealConv)
def _real_conv(node: RealConv, graph: Graph) -> None:
    _geometry(node, graph)
    finite = bool(np.isfinite(node.weight).all() and np.isfinite(node.bias).all())
    require(node, finite, "weights or biases that are not finite")


def _geometry(node: RealConv | Conv, graph: Graph) -> None:
    require(node, len(node.inputs) == 1, f"reads {len(node.inputs)} nodes instead of one")
    source = graph[node.inputs[0]].shape
    require(node, graph.signal(node.inputs[0]) not in (MEMBRANE, MEMORY), "reads no spikes")
    require(node, node.weight.ndim == 5, f"weights of shape {node.weight.shape}")
    sets, out, width, height, breadth = node.weight.shape
    require(node, min(node.stride, node.groups) > 0 <= node.padding, "stride or groups below 1")
    require(node, out % node.groups == 0, f"{out} channels in {node.groups} groups")
    require(node, sets in (1, source[0]), f"{sets} sets of weights for {source[0]} steps")
    channels = f"weights of {width} channels in {node.groups} groups for {source[1]} channels"
    require(node, width * node.groups == source[1], channels)
    require(node, node.bias.shape == (sets, out), f"bias of shape {node.bias.shape}")
    kernel = (height, breadth)
    size = [
        (n + 2 * node.padding - k) // node.stride + 1
        for n, k in zip(source[2:], kernel, strict=True)
    ]
    require(node, node.shape == (source[0], out, *size), f"shape {node.shape} does not follow")


@CHECKS.register(Conv)
def _conv(node: Conv, graph: Graph) -> None:
    _geometry(node, graph)
    require(node, node.weight.dtype == np.int8, "weights are not int8")
    require(node, int(np.abs(node.weight.astype(int)).max()) <= WEIGHT_MAX, "a weight is -128")
    require(node, node.shift.shape == node.bias.shape, "shift or bias misshapen")
    require(node, bool((node.shift >= 0).all()), "a negative shift would lose bits")
    require(node, node.shift.max() <= POTENTIAL_BITS, f"a shift exceeds {POTENTIAL_BITS} bits")


@CHECKS.register(RealSum, Sum)
def _sum(node: RealSum | Sum, graph: Graph) -> None:
    require(node, len(node.inputs) > 0, "adds nothing")
    for name in node.inputs:
        require(node, graph.signal(name) == MEMBRANE, f"adds {name}, which is no membrane")
        shape = graph[name].shape
        fits = shape[1:] == node.shape[1:] and shape[0] in (1, node.shape[0])
        require(node, fits, f"adds {name} of shape {shape} to {node.shape}")
    require(node, len(set(node.inputs)) == len(node.inputs), "adds one input twice")
    if node.constant is not None:
        given = node.constant.shape
        fits = given[1:] == node.shape[1:] and given[0] in (1, node.shape[0])
        require(node, fits, f"constant of shape {given} for {node.shape}")


def _population(node: RealNeuron | Neuron, graph: Graph) -> None:
    require_signals(node, graph, MEMBRANE)
    source = graph[node.inputs[0]].shape
    fits = source[1:] == node.shape[1:] and source[0] in (1, node.shape[0])
    require(node, fits, f"shape {node.shape} from {source}")
    require(node, len(node.decay) == node.shape[0] - 1, "needs a decay for each later step")


@CHECKS.register(RealNeuron)
def _real_neuron(node: RealNeuron, graph: Graph) -> None:
    _population(node, graph)
    require(node, all(0 <= d <= 1 for d in node.decay), "a decay lies outside 0..1")


@CHECKS.register(Neuron)
def _neuron(node: Neuron, graph: Graph) -> None:
    _population(node, graph)
    require(node, all(0 <= d < DECAY_ONE for d in node.decay), "a decay exceeds 12 bits")
    ascending = all(a < b for a, b in zip(node.thresholds, node.thresholds[1:], strict=False))
    require(node, ascending and node.thresholds[0] > 0, "thresholds are not ascending")
    levels = enumerate(node.thresholds, start=1)
    kept = all(0 <= count * node.reset <= level for count, level in levels)
    require(node, kept, f"reset {node.reset} takes the potential below 0 or raises it")


@CHECKS.register(Pool)
def _pool(node: Pool, graph: Graph) -> None:
    require_signals(node, graph, MEMBRANE)
    source = graph[node.inputs[0]].shape
    power = node.kernel > 0 and not node.kernel & (node.kernel - 1)
    require(node, power, f"kernel {node.kernel}; its grid makes up for powers of two")
    size = tuple(n // node.kernel for n in source[2:])
    require(node, node.shape == (*source[:2], *size), f"shape {node.shape} from {source}")
    whole = all(n % node.kernel == 0 for n in source[2:])
    require(node, whole, f"kernel {node.kernel} leaves cells of {source[2:]} out")


@CHECKS.register(Upsample)
def _upsample(node: Upsample, graph: Graph) -> None:
    require_signals(node, graph, MEMBRANE)
    source = graph[node.inputs[0]].shape
    size = tuple(n * node.factor for n in source[2:])
    require(node, node.factor in (2, 4), f"factor {node.factor}; supported are 2 and 4")
    require(node, node.shape == (*source[:2], *size), f"shape {node.shape} from {source}")
    _require_shift(node, node.shift)
    if _is_integer(graph):
        finer = graph.fractions[node.inputs[0]] - graph.fractions[node.name]
        fits = node.shift - finer == 2 * ((2 * node.factor).bit_length() - 1)
        require(node, fits, "its shift does not fit")


@CHECKS.register(KeyValue)
def _key_value(node: KeyValue, graph: Graph) -> None:
    require_signals(node, graph, COUNT, COUNT)
    k, v = (source.shape for source in graph.sources(node))
    require(node, k[1] % HEADS == 0, f"{k[1]} channels in {HEADS} heads")
    d = k[1] // HEADS
    fits = v == (k[0], 4 * k[1], *k[2:]) and node.shape == (k[0], HEADS, d, 4 * d)
    require(node, fits, f"shape {node.shape} from {k} and {v}")
    require(node, node.positions == k[2] * k[3], f"{node.positions} positions of {k[2:]}")


@CHECKS.register(Read)
def _read(node: Read, graph: Graph) -> None:
    require_signals(node, graph, COUNT, MEMORY)
    q, kv = (source.shape for source in graph.sources(node))
    fits = kv[:2] == (q[0], HEADS) and kv[2] * HEADS == q[1] and kv[3] == 4 * kv[2]
    require(node, fits and node.shape == (q[0], 4 * q[1], *q[2:]), f"shape from {q} and {kv}")
    _require_shift(node, node.shift)
    if _is_integer(graph):
        grid = COUNT_FRACTION + MEMORY_FRACTION + node.shift
        require(node, graph.fractions[node.name] == grid, f"its fraction is not {grid}")


@CHECKS.register(PositionsAsChannels)
def _positions(node: PositionsAsChannels, graph: Graph) -> None:
    require(node, len(node.inputs) == 1, f"reads {len(node.inputs)} nodes instead of one")
    steps, channels, height, width = graph[node.inputs[0]].shape
    require(node, node.shape == (steps, height * width, channels, 1), "shape does not follow")


@CHECKS.register(Gate)
def _gate(node: Gate, graph: Graph) -> None:
    require_signals(node, graph, COUNT, MEMBRANE)
    counts, logits = (source.shape for source in graph.sources(node))
    require(node, node.shape == (1, *counts[1:]), f"shape {node.shape} from {counts}")
    require(node, logits == (counts[0], 1, counts[1], 1), f"logits of shape {logits}")
    require(node, node.table.ndim == 1 and node.table.size > 0, "its table is empty")
    falling = bool((np.diff(node.table) <= 0).all()) and node.table[-1] >= 0
    require(node, falling, "its table does not fall to 0")
    _require_shift(node, node.shift)


@CHECKS.register(Output)
def _output(node: Output, graph: Graph) -> None:
    require(node, len(node.inputs) == 1, f"reads {len(node.inputs)} nodes instead of one")
    source = graph[node.inputs[0]].shape
    require(node, node.shape == source, f"shape {node.shape} from {source}")
