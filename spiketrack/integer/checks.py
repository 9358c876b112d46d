"""The rules that an integer graph keeps, checked after each pass and after reading a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from spiketrack.errors import GraphError
from spiketrack.integer.graph import (
    COUNT,
    COUNT_FRACTION,
    MEMBRANE,
    MEMORY,
    MEMORY_FRACTION,
    NODE_TYPES,
    Conv,
    Gate,
    Graph,
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
from spiketrack.integer.ranges import Range, prove_headroom
from spiketrack.limits import DECAY_ONE, HEADS, MAX_STEPS, POTENTIAL_BITS, WEIGHT_MAX


def check(graph: Graph, after: str) -> dict[str, Range]:
    """Check structure, shapes, bit widths and head-room; the error names the pass ``after``.

    Returns the proven ranges. Raises ``GraphError``.
    """
    try:
        _structure(graph)
        for node in graph:
            _CHECKS.get(type(node), _nothing)(node, graph)
        return prove_headroom(graph)
    except GraphError as error:
        raise GraphError(f"after {after}: {error}") from None


def _structure(graph: Graph) -> None:
    seen: set[str] = set()
    for node in graph:
        if not isinstance(node, NODE_TYPES):
            known = ", ".join(kind.__name__ for kind in NODE_TYPES)
            raise GraphError(f"{node.name}: {type(node).__name__} is none of {known}")
        if node.name in seen:
            raise GraphError(f"{node.name}: two nodes have this name")
        for name in node.inputs:
            if name not in seen:
                raise GraphError(f"{node.name}: reads {name}, which does not come before it")
        seen.add(node.name)
        if node.name not in graph.fractions:
            raise GraphError(f"{node.name}: no fraction is recorded for it")
        if min(node.shape) < 1 or node.shape[0] > MAX_STEPS:
            raise GraphError(f"{node.name}: shape {node.shape}; steps are 1 to {MAX_STEPS}")


def _require(node: Node, condition: bool, rule: str) -> None:
    if not condition:
        raise GraphError(f"{node.name}: {rule}")


def _signals(node: Node, graph: Graph, *expected: str) -> None:
    found = tuple(graph.signal(name) for name in node.inputs)
    _require(node, found == expected, f"reads {found}, needs {expected}")


def _conv(node: Conv, graph: Graph) -> None:
    source = graph[node.inputs[0]].shape
    _require(node, graph.signal(node.inputs[0]) not in (MEMBRANE, MEMORY), "reads no spikes")
    _require(node, node.weight.ndim == 5, f"weights of shape {node.weight.shape}")
    sets, out, width, height, _ = node.weight.shape
    _require(node, min(node.stride, node.groups) > 0 <= node.padding, "stride or groups below 1")
    _require(node, out % node.groups == 0, f"{out} channels in {node.groups} groups")
    _require(node, sets in (1, source[0]), f"{sets} sets of weights for {source[0]} steps")
    _require(node, width * node.groups == source[1], f"{source[1]} channels do not fit its groups")
    _require(node, node.weight.dtype == np.int8, "weights are not int8")
    _require(node, int(np.abs(node.weight.astype(int)).max()) <= WEIGHT_MAX, "a weight is -128")
    _require(node, node.shift.shape == node.bias.shape == (sets, out), "shift or bias misshapen")
    _require(node, bool((node.shift >= 0).all()), "a negative shift would lose bits")
    _require(node, node.shift.max() <= POTENTIAL_BITS, f"a shift exceeds {POTENTIAL_BITS} bits")
    size = [(n + 2 * node.padding - height) // node.stride + 1 for n in source[2:]]
    _require(node, node.shape == (source[0], out, *size), f"shape {node.shape} does not follow")


def _sum(node: Sum, graph: Graph) -> None:
    for name in node.inputs:
        _require(node, graph.signal(name) == MEMBRANE, f"adds {name}, which is no membrane")
        same = graph.fractions[name] == graph.fractions[node.name]
        _require(node, same, f"adds {name}, which lies on another grid")
        shape = graph[name].shape
        fits = shape[1:] == node.shape[1:] and shape[0] in (1, node.shape[0])
        _require(node, fits, f"adds {name} of shape {shape} to {node.shape}")
    _require(node, len(set(node.inputs)) == len(node.inputs), "adds one input twice")
    if node.constant is not None:
        given = node.constant.shape
        fits = given[1:] == node.shape[1:] and given[0] in (1, node.shape[0])
        _require(node, fits, f"constant of shape {given} for {node.shape}")


def _neuron(node: Neuron, graph: Graph) -> None:
    _signals(node, graph, MEMBRANE)
    source = graph[node.inputs[0]].shape
    fits = source[1:] == node.shape[1:] and source[0] in (1, node.shape[0])
    _require(node, fits, f"shape {node.shape} from {source}")
    _require(node, len(node.decay) == node.shape[0] - 1, "needs a decay for each later step")
    _require(node, all(0 <= d < DECAY_ONE for d in node.decay), "a decay exceeds 12 bits")
    ascending = all(a < b for a, b in zip(node.thresholds, node.thresholds[1:], strict=False))
    _require(node, ascending and node.thresholds[0] > 0, "thresholds are not ascending")
    _require(node, graph.fractions[node.name] == COUNT_FRACTION, "counts have fraction 2")
    levels = enumerate(node.thresholds, start=1)
    kept = all(0 <= count * node.reset <= level for count, level in levels)
    _require(node, kept, f"reset {node.reset} takes the potential below 0 or raises it")


def _pool(node: Pool, graph: Graph) -> None:
    source = graph[node.inputs[0]].shape
    _require(node, node.kernel > 0, f"kernel {node.kernel}")
    size = tuple(n // node.kernel for n in source[2:])
    _require(node, node.shape == (*source[:2], *size), f"shape {node.shape} from {source}")
    finer = graph.fractions[node.name] - graph.fractions[node.inputs[0]]
    _require(node, 2**finer == node.kernel**2, "its grid does not make up for the sum")


def _upsample(node: Upsample, graph: Graph) -> None:
    source = graph[node.inputs[0]].shape
    size = tuple(n * node.factor for n in source[2:])
    _require(node, node.factor in (2, 4), f"factor {node.factor}; supported are 2 and 4")
    _require(node, node.shape == (*source[:2], *size), f"shape {node.shape} from {source}")
    finer = graph.fractions[node.inputs[0]] - graph.fractions[node.name]
    _require(node, node.shift >= 0, "a negative shift")
    _require(node, 2 ** (node.shift - finer) == (2 * node.factor) ** 2, "its shift does not fit")


def _key_value(node: KeyValue, graph: Graph) -> None:
    _signals(node, graph, COUNT, COUNT)
    k, v = (source.shape for source in graph.sources(node))
    d = k[1] // HEADS
    fits = v == (k[0], 4 * k[1], *k[2:]) and node.shape == (k[0], HEADS, d, 4 * d)
    _require(node, fits and k[1] % HEADS == 0, f"shape {node.shape} from {k} and {v}")
    _require(node, node.positions == k[2] * k[3], f"{node.positions} positions of {k[2:]}")
    _require(node, graph.fractions[node.name] == MEMORY_FRACTION, "memories have fraction 4")


def _read(node: Read, graph: Graph) -> None:
    _signals(node, graph, COUNT, MEMORY)
    q, kv = (source.shape for source in graph.sources(node))
    fits = kv[:2] == (q[0], HEADS) and kv[2] * HEADS == q[1] and kv[3] == 4 * kv[2]
    _require(node, fits and node.shape == (q[0], 4 * q[1], *q[2:]), f"shape from {q} and {kv}")
    _require(node, node.shift >= 0, "a negative shift")
    grid = COUNT_FRACTION + MEMORY_FRACTION + node.shift
    _require(node, graph.fractions[node.name] == grid, f"its fraction is not {grid}")


def _same_grid(node: Node, graph: Graph) -> None:
    same = graph.fractions[node.name] == graph.fractions[node.inputs[0]]
    _require(node, same, f"lies on another grid than {node.inputs[0]}")


def _positions(node: PositionsAsChannels, graph: Graph) -> None:
    steps, channels, height, width = graph[node.inputs[0]].shape
    _require(node, node.shape == (steps, height * width, channels, 1), "shape does not follow")
    _same_grid(node, graph)


def _gate(node: Gate, graph: Graph) -> None:
    _signals(node, graph, COUNT, MEMBRANE)
    counts, logits = (source.shape for source in graph.sources(node))
    _require(node, node.shape == (1, *counts[1:]), f"shape {node.shape} from {counts}")
    _require(node, logits == (counts[0], 1, counts[1], 1), f"logits of shape {logits}")
    _require(node, graph.fractions[node.name] == COUNT_FRACTION, "counts have fraction 2")
    _require(node, node.table.ndim == 1 and node.table.size > 0, "its table is empty")
    falling = bool((np.diff(node.table) <= 0).all()) and node.table[-1] >= 0
    _require(node, falling and node.shift >= 0, "its table does not fall to 0")


def _output(node: Output, graph: Graph) -> None:
    source = graph[node.inputs[0]].shape
    _require(node, node.shape == source, f"shape {node.shape} from {source}")
    _same_grid(node, graph)


def _nothing(node: Node, graph: Graph) -> None:
    """Inputs compute nothing."""


_CHECKS: Mapping[type, Callable[..., None]] = {
    Conv: _conv,
    Sum: _sum,
    Neuron: _neuron,
    Pool: _pool,
    Upsample: _upsample,
    KeyValue: _key_value,
    Read: _read,
    PositionsAsChannels: _positions,
    Gate: _gate,
    Output: _output,
}
