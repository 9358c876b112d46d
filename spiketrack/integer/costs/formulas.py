"""What each node costs, as a formula of sums over the counts that reach it and leave it.

A formula is a constant row of ``FIELDS``, the dense MACs of the layer, and terms; a term
multiplies a pair of sums (of messages and of spikes) by a whole number and adds it to two columns.
So a row is linear in sums that many nodes share, and all sums of a process are taken in one
compiled pass (``counting.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiketrack.errors import GraphError
from spiketrack.integer.costs.fan_out import Reach, fan_out_map
from spiketrack.integer.graph import (
    COUNT,
    IMAGE,
    MEMORY,
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
from spiketrack.integer.registry import Registry
from spiketrack.limits import HEADS, WEIGHT_BITS

Row = NDArray[np.int64]
Columns = tuple[str, str]

FIELDS = (
    "events", "spikes", "events_in", "spikes_in", "ac_graded", "ac_spike", "mac", "neuron_updates",
)  # fmt: skip

OUTPUT = -1  # port of a node's own counts; others are indices of its inputs
SENT: Columns = ("events", "spikes")
RECEIVED: Columns = ("events_in", "spikes_in")
ADDED: Columns = ("ac_graded", "ac_spike")


@dataclass(frozen=True, eq=False)
class Tally:
    """factor · Σ [k > 0] and factor · Σ k over the counts at ``port``, weighted by ``reach``."""

    port: int
    columns: Columns
    factor: int = 1
    reach: Reach | None = None


@dataclass(frozen=True, eq=False)
class Coincidences:
    """Σ nnz(k) · nnz(v) and Σ (Σ k) · (Σ v) over steps, positions and heads of inputs 0 and 1."""

    columns: Columns = ADDED
    factor: int = 1


@dataclass(frozen=True, eq=False)
class Pixels:
    """Number of pixels of input 0 that are not 0, and 0: a pixel is no spike."""

    columns: Columns = RECEIVED
    factor: int = 1


Term = Tally | Coincidences | Pixels


@dataclass(frozen=True, eq=False)
class Formula:
    """row = constant + Σ terms. ``dense_mac``: MACs of the same layer in an ANN, as profilers
    count: padding and zeros included; 0 where nothing is multiplied by weights or signals.
    """

    constant: Row
    terms: tuple[Term, ...] = ()
    dense_mac: int = 0


FORMULAS: Registry[Callable[..., Formula]] = Registry("operation formula")


def formula(*terms: Term, dense_mac: int = 0, **values: int) -> Formula:
    """A formula whose constant has these values; other columns start at 0."""
    row = np.array([values.get(name, 0) for name in FIELDS], np.int64)
    return Formula(row, terms, dense_mac)


# convolutions


@FORMULAS.register(Conv)
def _conv(node: Conv, graph: Graph) -> Formula:
    source = graph[node.inputs[0]]
    signal = graph.signal(source.name)
    width = node.shape[1] // node.groups
    dense = int(np.prod(node.shape)) * int(np.prod(node.weight.shape[2:]))
    if signal == IMAGE:
        # every pixel is multiplied by every weight it reaches, zero or not
        reached = int(fan_out_map(node, source).sum())
        mac = reached * source.shape[1] * width * node.shape[0]
        return formula(Pixels(), mac=mac, dense_mac=dense)
    if signal != COUNT:
        raise GraphError(f"{node.name}: a convolution of {signal} integers; feed it counts")
    reach = Reach.of(node, source)
    if reach.everywhere is not None:
        added = Tally(0, ADDED, width * reach.everywhere)
    else:
        added = Tally(0, ADDED, width, reach)
    return formula(Tally(0, RECEIVED), added, dense_mac=dense)


# populations


@FORMULAS.register(Neuron)
def _neuron(node: Neuron, graph: Graph) -> Formula:
    return formula(Tally(OUTPUT, SENT), neuron_updates=int(np.prod(node.shape)))


@FORMULAS.register(Gate)
def _gate(node: Gate, graph: Graph) -> Formula:
    """Softmax over T logits a channel, weighted sum and threshold at each position.

    AC, a channel: T - 1 comparisons for the largest logit, T differences, T roundings where
    the table is shifted, T table look-ups; at each position T differences c - 2.
    MAC, at each position: T products e · (c - 2), added up.
    """
    steps, channels = graph[node.inputs[0]].shape[:2]
    outputs = int(np.prod(node.shape))
    table = steps - 1 + 2 * steps + (steps if node.shift else 0)
    additions = channels * table + outputs * steps
    return formula(
        Tally(OUTPUT, SENT),
        Tally(0, RECEIVED),
        ac_graded=additions,
        ac_spike=additions,
        mac=outputs * steps,
        neuron_updates=outputs,
    )


# attention


@FORMULAS.register(KeyValue)
def _key_value(node: KeyValue, graph: Graph) -> Formula:
    """A coincidence of k and v at one position of one head is one operation."""
    dense = int(np.prod(node.shape)) * node.positions
    return formula(Tally(0, RECEIVED), Tally(1, RECEIVED), Coincidences(), dense_mac=dense)


def synapses_per_entry(node: Read, graph: Graph) -> int:
    """8-bit synapses that hold one memory entry: 7 bits each, as weights are signed."""
    source = graph[node.inputs[1]]
    if graph.signal(source.name) != MEMORY:
        raise GraphError(f"{node.name}: reads {source.name}, which is no memory")
    high = source.largest_entry()
    return max(1, -(-high.bit_length() // (WEIGHT_BITS - 1)))


@FORMULAS.register(Read)
def _read(node: Read, graph: Graph) -> Formula:
    """Each count of q meets the 4d entries of its row of kv."""
    synapses = node.shape[1] // HEADS * synapses_per_entry(node, graph)
    dense = int(np.prod(node.shape)) * (node.shape[1] // 4 // HEADS)
    return formula(Tally(0, RECEIVED), Tally(0, ADDED, synapses), dense_mac=dense)


# membranes


@FORMULAS.register(Sum)
def _sum(node: Sum, graph: Graph) -> Formula:
    """One addition an element for every term after the first; the constant map is a term."""
    terms = len(node.inputs) + (node.constant is not None)
    return _additions((terms - 1) * int(np.prod(node.shape)))


@FORMULAS.register(Pool)
def _pool(node: Pool, graph: Graph) -> Formula:
    """kernel² - 1 additions a cell."""
    return _additions((node.kernel**2 - 1) * int(np.prod(node.shape)))


@FORMULAS.register(Upsample)
def _upsample(node: Upsample, graph: Graph) -> Formula:
    """Shifted additions: a tap of weight a · b costs as many as the product has binary ones.

    The half that rounds is the start value of the sum; without a shift there is none.
    """
    taps = [upsample_taps(n // node.factor, node.factor) for n in node.shape[2:]]
    products = np.multiply.outer(taps[0], taps[1])
    terms = sum(int(value).bit_count() for value in products.reshape(-1))
    outputs = node.shape[2] * node.shape[3]
    additions = terms - (0 if node.shift else outputs)
    return _additions(additions * node.shape[0] * node.shape[1])


def upsample_taps(size: int, factor: int) -> Row:
    """Weights of each output along one axis, (size · factor, size), in multiples of 1/(2 factor).

    Half-pixel centres; the border is replicated, so both taps of an outer output may coincide.
    """
    weights = np.zeros((size * factor, size), np.int64)
    unit = 2 * factor
    for out in range(size * factor):
        below, right = divmod(2 * out + 1 - factor, unit)
        for cell, weight in ((below, unit - right), (below + 1, right)):
            weights[out, min(max(cell, 0), size - 1)] += weight
    return weights


def _additions(number: int) -> Formula:
    return formula(ac_graded=number, ac_spike=number)


@FORMULAS.register(Input, Output, PositionsAsChannels)
def _silent(node: Node, graph: Graph) -> Formula:
    return formula()
