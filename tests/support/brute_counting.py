"""Operations of the integer graph by enumeration: every synapse and every addition, one by one.

An oracle for ``spiketrack/integer/counting.py``, written from the rules in its docstring. Loops
go over positions and taps; whatever adds is counted by ``Meter``, an adder that counts its
additions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiketrack.integer.graph import (
    IMAGE,
    Conv,
    Gate,
    Graph,
    Input,
    KeyValue,
    Neuron,
    Pool,
    Read,
    Sum,
    Upsample,
)
from spiketrack.integer.registry import Registry

Array = NDArray[np.int64]
Row = dict[str, int]
RULES: Registry[Callable[[Any, Graph, list[Array], Array], Row]] = Registry(
    "enumeration", applies=lambda traits: not traits.silent
)


class Meter:
    """Adds terms and counts the additions; the first term is a load unless there is a bias."""

    def __init__(self, bias: bool) -> None:
        self.loaded = bias
        self.additions = 0

    def add(self, times: int = 1) -> None:
        """Add one term, ``times`` times."""
        for _ in range(times):
            self.additions += self.loaded
            self.loaded = True


def enumerate_operations(graph: Graph, values: Mapping[str, Array]) -> dict[str, Row]:
    """Row of every node that operates; fields that are absent are 0."""
    found = {}
    for node in graph:
        if not node.traits.silent:
            found[node.name] = RULES[node](
                node, graph, [values[n] for n in node.inputs], values[node.name]
            )
    return found


@RULES.register(Conv)
def _conv(node: Conv, graph: Graph, inputs: list[Array], output: Array) -> Row:
    x = inputs[0]
    graded = spiking = pixels = 0
    rows, columns = node.weight.shape[3:]
    readers = node.shape[1] // node.groups  # output channels that an input channel feeds
    for step, y, column in np.ndindex(node.shape[0], *node.shape[2:]):
        for a, b in np.ndindex(rows, columns):
            v, h = y * node.stride + a - node.padding, column * node.stride + b - node.padding
            if 0 <= v < x.shape[2] and 0 <= h < x.shape[3]:
                graded += int((x[step, :, v, h] != 0).sum()) * readers
                spiking += int(x[step, :, v, h].sum()) * readers
                pixels += x.shape[1] * readers
    events = int((x != 0).sum())
    if graph.signal(node.inputs[0]) == IMAGE:
        return {"mac": pixels, "events_in": events}
    return {
        "ac_graded": graded,
        "ac_spike": spiking,
        "events_in": events,
        "spikes_in": int(x.sum()),
    }


def _sent(output: Array) -> Row:
    return {
        "events": sum(1 for k in output.flat if k),
        "spikes": sum(int(k) for k in output.flat),
        "neuron_updates": len(list(output.flat)),
    }


@RULES.register(Neuron)
def _neuron(node: Neuron, graph: Graph, inputs: list[Array], output: Array) -> Row:
    return _sent(output)


@RULES.register(Gate)
def _gate(node: Gate, graph: Graph, inputs: list[Array], output: Array) -> Row:
    counts = inputs[0]
    ac = mac = 0
    for _channel in range(counts.shape[1]):
        for step in range(counts.shape[0]):
            ac += step > 0  # compared with the largest so far
            ac += 1  # its distance from the largest
            ac += node.shift > 0  # half of what is shifted out
            ac += 1  # table look-up
        for _position in np.ndindex(counts.shape[2:]):
            for _step in range(counts.shape[0]):
                ac += 1  # c - 2
                mac += 1  # e · (c - 2), added
    received = {"events_in": int((counts != 0).sum()), "spikes_in": int(counts.sum())}
    return {"ac_graded": ac, "ac_spike": ac, "mac": mac, **received, **_sent(output)}


@RULES.register(KeyValue)
def _key_value(node: KeyValue, graph: Graph, inputs: list[Array], output: Array) -> Row:
    k, v = (x.reshape(x.shape[0], 8, x.shape[1] // 8, -1) for x in inputs)
    graded = spiking = 0
    for step, head, row, position in np.ndindex(*k.shape):
        for column in range(v.shape[2]):
            a, b = int(k[step, head, row, position]), int(v[step, head, column, position])
            graded += bool(a and b)
            spiking += a * b  # every spike of one meets every spike of the other
    return {
        "ac_graded": graded,
        "ac_spike": spiking,
        "events_in": sum(int((x != 0).sum()) for x in inputs),
        "spikes_in": sum(int(x.sum()) for x in inputs),
    }


@RULES.register(Read)
def _read(node: Read, graph: Graph, inputs: list[Array], output: Array) -> Row:
    q, memory = inputs
    source = graph[node.inputs[1]]
    high = source.high if isinstance(source, Input) else 16 * getattr(source, "positions", 0)
    synapses = 1
    while high >= 2 ** (7 * synapses):
        synapses += 1
    graded = spiking = 0
    for count in q.flat:
        for _entry in range(memory.shape[3]):
            graded += synapses * bool(count)
            spiking += synapses * int(count)
    events, spikes = int((q != 0).sum()), int(q.sum())
    return {"ac_graded": graded, "ac_spike": spiking, "events_in": events, "spikes_in": spikes}


def _added(additions: int) -> Row:
    return {"ac_graded": additions, "ac_spike": additions}


@RULES.register(Sum)
def _sum(node: Sum, graph: Graph, inputs: list[Array], output: Array) -> Row:
    meter = Meter(bias=False)
    for _term in inputs:
        meter.add()
    if node.constant is not None:
        meter.add()
    return _added(meter.additions * output.size)


@RULES.register(Pool)
def _pool(node: Pool, graph: Graph, inputs: list[Array], output: Array) -> Row:
    total = 0
    for _cell in np.ndindex(*output.shape):
        meter = Meter(bias=False)
        for _tap in np.ndindex(node.kernel, node.kernel):
            meter.add()
        total += meter.additions
    return _added(total)


def _axis(out: int, size: int, factor: int) -> dict[int, int]:
    """Source index → weight of one output along one axis, in multiples of 1 / (2 factor)."""
    centre = (out + 0.5) / factor - 0.5
    centre = min(max(centre, 0.0), size - 1.0)  # beyond the border there is only the border
    below = int(np.floor(centre))
    weights = {below: 1 - (centre - below), below + 1: centre - below}
    return {cell: round(w * 2 * factor) for cell, w in weights.items() if w}


@RULES.register(Upsample)
def _upsample(node: Upsample, graph: Graph, inputs: list[Array], output: Array) -> Row:
    height, width = inputs[0].shape[2:]
    total = 0
    for y, x in np.ndindex(*output.shape[2:]):
        meter = Meter(bias=node.shift > 0)
        for a in _axis(y, height, node.factor).values():
            for b in _axis(x, width, node.factor).values():
                meter.add(bin(a * b).count("1"))
        total += meter.additions
    return _added(total * output.shape[0] * output.shape[1])
