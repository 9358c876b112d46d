"""Operation counter: what one inference of every node costs, exactly, from its own tensors.

A row of ``FIELDS`` for each node, per inference:

=============== =============================================================================
events          non-zero messages that a population sends
spikes          sum of the counts it sends: binary spikes in spike-driven execution
events_in       non-zero messages that reach the synapses of this node
spikes_in       sum of the counts that reach them
ac_graded       accumulations when a count is one graded message: one a message and synapse
ac_spike        accumulations when a count k is k binary spikes: k a message and synapse
mac             multiplications that remain: image convolution, temporal gate
neuron_updates  steps × neurons of a population
=============== =============================================================================

``events``, ``spikes`` and ``neuron_updates`` stand in the rows of populations, operations in the
rows of what performs them, so that every column may be added up without counting twice;
``events_in`` and ``spikes_in`` repeat the source's messages for every reader.

Rules
  - A synapse counts when its source position lies inside the map: zero padding costs nothing.
    Its weight does not matter: a stored zero is read like any other weight.
  - A sum starts at its bias where it has one, so each term is one addition; without a bias the
    first term is a load: n terms are n - 1 additions.
  - A memory entry (up to 16·P²) takes several 8-bit synapses, each of which accumulates.
  - Sums of membranes are dense: their additions stand in both AC columns.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from spiketrack.errors import GraphError
from spiketrack.export.graph import (
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
from spiketrack.export.messages import Messages, Reach, fan_out_map
from spiketrack.export.registry import Registry
from spiketrack.limits import HEADS, MAX_COUNT, WEIGHT_BITS
from spiketrack.run_counts import FIELDS, Layers

Row = NDArray[np.int64]

SILENT = (Input, Output, PositionsAsChannels)  # no operation: host side or wiring
Counter = Callable[[Sequence[Messages], Messages], Row]
COUNTERS: Registry[Callable[..., Counter]] = Registry("operation counter")
DENSE: Registry[Callable[..., int]] = Registry("dense MAC count")


class OperationCounter:
    """Counts a graph, or some of its nodes, while a ``Program`` runs.

        counter = OperationCounter(graph)
        program.run(values, observe=counter.observe)
        rows = counter.take()          # int64 (len(counter.nodes), len(FIELDS))

    The messages of a population are summed once for all its readers.
    """

    def __init__(self, graph: Graph, names: Collection[str] | None = None) -> None:
        self.nodes = tuple(n for n in counted(graph) if names is None or n.name in names)
        self.counters = {node.name: COUNTERS[node](node, graph) for node in self.nodes}
        self.last_reader = {name: n.name for n in self.nodes for name in (n.name, *n.inputs)}
        self.messages: dict[str, Messages] = {}
        self.rows: dict[str, Row] = {}

    def observe(self, node: Node, inputs: Sequence[Tensor], output: Tensor) -> None:
        """Count one node of the inference that is under way."""
        count = self.counters.get(node.name)
        if count is None:
            return
        received = [self._messages(*pair) for pair in zip(node.inputs, inputs, strict=True)]
        self.rows[node.name] = count(received, self._messages(node.name, output))
        for name in (node.name, *node.inputs):  # lets go of tensors that nobody will read
            if self.last_reader[name] == node.name:
                self.messages.pop(name, None)

    def _messages(self, name: str, tensor: Tensor) -> Messages:
        known = self.messages.get(name)
        if known is None or known.tensor is not tensor:  # teacher forcing replaces outputs
            known = self.messages[name] = Messages(tensor)
        return known

    def take(self) -> Row:
        """The rows of this inference in the order of ``nodes``; ready for the next one."""
        rows = np.stack([self.rows[node.name] for node in self.nodes])
        self.messages, self.rows = {}, {}
        return rows


def prepare(node: Node, graph: Graph) -> Callable[[Sequence[Tensor], Tensor], Row]:
    """The counter of one node alone: ``counter(inputs, output) -> int64 (len(FIELDS),)``.

    ``inputs`` and ``output`` hold the integers of one inference, (steps, C, H, W).
    """
    count: Counter = COUNTERS[node](node, graph)
    return lambda inputs, output: count([Messages(x) for x in inputs], Messages(output))


def dense_mac(node: Node, graph: Graph) -> int:
    """MACs of the same layer in an ANN, as profilers count: padding and zeros included."""
    return int(DENSE[node](node, graph))


def kind(node: Node, graph: Graph) -> str:
    """Name of a row's kind: conv, image_conv, neuron, sum, key_value, attention, memory_read, …"""
    if isinstance(node, Conv):
        return "image_conv" if graph.signal(node.inputs[0]) == IMAGE else "conv"
    if isinstance(node, Read):
        return "memory_read" if isinstance(graph[node.inputs[1]], Input) else "attention"
    return {
        Neuron: "neuron", Sum: "sum", Pool: "pool", Upsample: "upsample", KeyValue: "key_value",
        Gate: "gate", Input: "input", Output: "output", PositionsAsChannels: "wiring",
    }[type(node)]  # fmt: skip


def counted(graph: Graph) -> tuple[Node, ...]:
    """The nodes that have a row: all that operate."""
    return tuple(node for node in graph if not isinstance(node, SILENT))


def layers(graph: Graph) -> Layers:
    """Names, kinds, dense MACs and input sizes of the rows of ``OperationCounter``."""
    nodes = counted(graph)
    return Layers(
        tuple(node.name for node in nodes),
        tuple(kind(node, graph) for node in nodes),
        tuple(dense_mac(node, graph) for node in nodes),
        tuple(_inputs(node, graph) for node in nodes),
    )


def _inputs(node: Node, graph: Graph) -> int:
    """Pixels or neurons that feed the synapses of a node, over all steps."""
    signals = {name: graph.signal(name) for name in node.inputs}
    fed = [n for n in node.inputs if signals[n] in (IMAGE, COUNT)]
    return sum(int(np.prod(graph[name].shape)) for name in fed)


def row(**values: int) -> Row:
    """A row of ``FIELDS`` from named values; the others are 0."""
    return np.array([values.get(name, 0) for name in FIELDS], np.int64)


def _constant(**values: int) -> Counter:
    fixed = row(**values)
    return lambda inputs, output: fixed


def _received(messages: tuple[int, int], graded: int, spiking: int) -> Row:
    return np.array([0, 0, *messages, graded, spiking, 0, 0], np.int64)


# convolutions


@COUNTERS.register(Conv)
def _conv(node: Conv, graph: Graph) -> Counter:
    source = graph[node.inputs[0]]
    signal = graph.signal(source.name)
    width = node.shape[1] // node.groups
    if signal == IMAGE:
        reached = int(fan_out_map(node, source).sum())
        return _image(reached * source.shape[1] * width * node.shape[0])
    if signal != COUNT:
        raise GraphError(f"{node.name}: a convolution of {signal} integers; feed it counts")
    return _synapses(Reach.of(node, source), width)


def _image(synapses: int) -> Counter:
    """Every pixel is multiplied by every weight it reaches, zero or not."""

    def count(inputs: Sequence[Messages], output: Messages) -> Row:
        return row(events_in=int(np.count_nonzero(inputs[0].tensor.ne(0).numpy())), mac=synapses)

    return count


def _synapses(reach: Reach, width: int) -> Counter:
    def count(inputs: Sequence[Messages], output: Messages) -> Row:
        graded, spiking = inputs[0].synapses(reach)
        return _received(inputs[0].totals, graded * width, spiking * width)

    return count


@DENSE.register(Conv)
def _dense_conv(node: Conv, graph: Graph) -> int:
    return int(np.prod(node.shape)) * int(np.prod(node.weight.shape[2:]))


# populations


@COUNTERS.register(Neuron)
def _neuron(node: Neuron, graph: Graph) -> Counter:
    updates = int(np.prod(node.shape))

    def count(inputs: Sequence[Messages], output: Messages) -> Row:
        return np.array([*output.totals, 0, 0, 0, 0, 0, updates], np.int64)

    return count


@COUNTERS.register(Gate)
def _gate(node: Gate, graph: Graph) -> Counter:
    """Softmax over T logits a channel, weighted sum and threshold at each position.

    AC, a channel: T - 1 comparisons for the largest logit, T differences, T roundings where
    the table is shifted, T table look-ups; at each position T differences c - 2.
    MAC, at each position: T products e · (c - 2), added up.
    """
    steps, channels = graph[node.inputs[0]].shape[:2]
    outputs = int(np.prod(node.shape))
    table = steps - 1 + 2 * steps + (steps if node.shift else 0)
    additions = channels * table + outputs * steps

    def count(inputs: Sequence[Messages], output: Messages) -> Row:
        numbers = *output.totals, *inputs[0].totals, additions, additions
        return np.array([*numbers, outputs * steps, outputs], np.int64)

    return count


# attention


@COUNTERS.register(KeyValue)
def _key_value(node: KeyValue, graph: Graph) -> Counter:
    """A coincidence of k and v at one position of one head is one operation.

    graded: Σ nnz(k) · nnz(v); spike-driven: Σ (Σ k) · (Σ v), over steps, heads and positions.
    """

    def count(inputs: Sequence[Messages], output: Messages) -> Row:
        graded, spiking = inputs[0].coincidences(inputs[1])
        events, spikes = (a + b for a, b in zip(*(x.totals for x in inputs), strict=True))
        return _received((events, spikes), graded, spiking)

    return count


@DENSE.register(KeyValue)
def _dense_key_value(node: KeyValue, graph: Graph) -> int:
    return int(np.prod(node.shape)) * node.positions


def synapses_per_entry(node: Read, graph: Graph) -> int:
    """8-bit synapses that hold one memory entry: 7 bits each, as weights are signed."""
    source = graph[node.inputs[1]]
    if isinstance(source, KeyValue):
        high = MAX_COUNT**2 * source.positions
    elif isinstance(source, Input) and source.signal == MEMORY:
        high = source.high
    else:
        raise GraphError(f"{node.name}: reads {source.name}, which is no memory")
    return max(1, -(-high.bit_length() // (WEIGHT_BITS - 1)))


@COUNTERS.register(Read)
def _read(node: Read, graph: Graph) -> Counter:
    """Each count of q meets the 4d entries of its row of kv."""
    synapses = node.shape[1] // HEADS * synapses_per_entry(node, graph)

    def count(inputs: Sequence[Messages], output: Messages) -> Row:
        events, spikes = inputs[0].totals
        return _received((events, spikes), events * synapses, spikes * synapses)

    return count


@DENSE.register(Read)
def _dense_read(node: Read, graph: Graph) -> int:
    return int(np.prod(node.shape)) * (node.shape[1] // 4 // HEADS)


# membranes


@COUNTERS.register(Sum)
def _sum(node: Sum, graph: Graph) -> Counter:
    """One addition an element for every term after the first; the constant map is a term."""
    terms = len(node.inputs) + (node.constant is not None)
    return _additions((terms - 1) * int(np.prod(node.shape)))


@COUNTERS.register(Pool)
def _pool(node: Pool, graph: Graph) -> Counter:
    """kernel² - 1 additions a cell."""
    return _additions((node.kernel**2 - 1) * int(np.prod(node.shape)))


@COUNTERS.register(Upsample)
def _upsample(node: Upsample, graph: Graph) -> Counter:
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


def _additions(number: int) -> Counter:
    return _constant(ac_graded=number, ac_spike=number)


@COUNTERS.register(*SILENT)
def _silent(node: Node, graph: Graph) -> Counter:
    return _constant()


@DENSE.register(Neuron, Gate, Sum, Pool, Upsample, *SILENT)
def _no_products(node: Node, graph: Graph) -> int:
    return 0


__all__ = [
    "FIELDS",
    "OperationCounter",
    "counted",
    "dense_mac",
    "kind",
    "layers",
    "prepare",
]
