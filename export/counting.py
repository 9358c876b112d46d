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

from collections.abc import Callable, Sequence

import numpy as np
import torch
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
from spiketrack.export.registry import Registry
from spiketrack.limits import FLOAT32_EXACT, HEADS, MAX_COUNT, WEIGHT_BITS

FIELDS = (
    "events", "spikes", "events_in", "spikes_in", "ac_graded", "ac_spike", "mac", "neuron_updates",
)  # fmt: skip

Row = NDArray[np.int64]
Counter = Callable[[Sequence[Tensor], Tensor], Row]

COUNTERS: Registry[Callable[..., Counter]] = Registry("operation counter")
DENSE: Registry[Callable[..., int]] = Registry("dense MAC count")
SILENT = (Input, Output, PositionsAsChannels)  # no operation: host side or wiring


def prepare(node: Node, graph: Graph) -> Counter:
    """The counter of one node: ``counter(inputs, output) -> int64 (len(FIELDS),)``.

    ``inputs`` and ``output`` hold the integers of one inference, (steps, C, H, W), as float32 or
    int8. Whatever depends on shapes alone is computed here, once.
    """
    counter: Counter = COUNTERS[node](node, graph)
    return counter


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


def row(**values: int) -> Row:
    """A row of ``FIELDS`` from named values; the others are 0."""
    return np.array([values.pop(name, 0) for name in FIELDS], np.int64)


def _constant(**values: int) -> Counter:
    fixed = row(**values)
    return lambda inputs, output: fixed


# exact sums


def totals(x: Tensor) -> tuple[int, int]:
    """Non-zero counts and sum of counts of a tensor (steps, C, H, W)."""
    bytes_ = x.to(torch.int8).numpy()
    events = int(np.count_nonzero(bytes_))
    if x.dtype == torch.int8:
        return events, int(x.sum())
    # a plane's sum is exact in float32, a whole tensor's may not be
    return events, int(x.reshape(x.shape[0] * x.shape[1], -1).sum(1).sum(dtype=torch.float64))


def by_position(x: Tensor, groups: int = 1) -> tuple[Tensor, Tensor]:
    """Non-zero counts and sums of counts over the channels of each group.

    x (steps, C, H, W) → two float32 tensors (steps, groups, H·W), exact.
    """
    steps, channels = x.shape[:2]
    flat = x.reshape(steps * groups, channels // groups, -1).to(torch.float32)
    ones = torch.ones(1, flat.shape[1]).expand(flat.shape[0], 1, -1)
    sums = [torch.bmm(ones, y).view(steps, groups, -1) for y in (flat.clamp(max=1), flat)]
    return sums[0], sums[1]


# convolutions


def fan_out(size: int, out: int, kernel: int, stride: int, padding: int) -> Row:
    """How many of ``out`` outputs along one axis each of ``size`` inputs reaches."""
    offset = np.arange(size)[:, None] + padding - stride * np.arange(out)
    reached: Row = ((offset >= 0) & (offset < kernel)).sum(1)
    return reached


def fan_out_map(node: Conv, source: Node) -> Row:
    """Output positions that each input position reaches, (H, W) of the source."""
    kernel = node.weight.shape[-2:]
    axes = [
        fan_out(source.shape[2 + a], node.shape[2 + a], kernel[a], node.stride, node.padding)
        for a in (0, 1)
    ]
    return np.outer(axes[0], axes[1])


@COUNTERS.register(Conv)
def _conv(node: Conv, graph: Graph) -> Counter:
    source = graph[node.inputs[0]]
    signal = graph.signal(source.name)
    reach = fan_out_map(node, source)
    width = node.shape[1] // node.groups
    if signal == IMAGE:
        synapses = int(reach.sum()) * source.shape[1] * width * node.shape[0]
        return _image(synapses)
    if signal != COUNT:
        raise GraphError(f"{node.name}: a convolution of {signal} integers; feed it counts")
    if reach.min() == reach.max():
        return _uniform(int(reach.max()) * width)
    return _mapped(torch.from_numpy(reach.reshape(-1).astype(np.float64)), width)


def _image(synapses: int) -> Counter:
    """Every pixel is multiplied by every weight it reaches, zero or not."""

    def count(inputs: Sequence[Tensor], output: Tensor) -> Row:
        return row(events_in=int(np.count_nonzero(inputs[0].numpy())), mac=synapses)

    return count


def _uniform(synapses: int) -> Counter:
    """Every neuron of the source has the same number of synapses."""

    def count(inputs: Sequence[Tensor], output: Tensor) -> Row:
        events, spikes = totals(inputs[0])
        return _received(events, spikes, events * synapses, spikes * synapses)

    return count


def _mapped(reach: Tensor, width: int) -> Counter:
    def count(inputs: Sequence[Tensor], output: Tensor) -> Row:
        events, spikes = (y.sum((0, 1), dtype=torch.float64) for y in by_position(inputs[0]))
        graded, spiking = int(events @ reach) * width, int(spikes @ reach) * width
        return _received(int(events.sum()), int(spikes.sum()), graded, spiking)

    return count


def _received(events: int, spikes: int, graded: int, spiking: int) -> Row:
    return row(events_in=events, spikes_in=spikes, ac_graded=graded, ac_spike=spiking)


@DENSE.register(Conv)
def _dense_conv(node: Conv, graph: Graph) -> int:
    return int(np.prod(node.shape)) * int(np.prod(node.weight.shape[2:]))


# populations


@COUNTERS.register(Neuron)
def _neuron(node: Neuron, graph: Graph) -> Counter:
    updates = int(np.prod(node.shape))
    if updates // node.shape[0] // node.shape[1] * MAX_COUNT > FLOAT32_EXACT:
        raise GraphError(f"{node.name}: a map of {node.shape[2:]} cannot be summed in float32")

    def count(inputs: Sequence[Tensor], output: Tensor) -> Row:
        events, spikes = totals(output)
        return row(events=events, spikes=spikes, neuron_updates=updates)

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

    def count(inputs: Sequence[Tensor], output: Tensor) -> Row:
        received, sent = totals(inputs[0]), totals(output)
        return row(
            events=sent[0], spikes=sent[1], events_in=received[0], spikes_in=received[1],
            ac_graded=additions, ac_spike=additions, mac=outputs * steps, neuron_updates=outputs,
        )  # fmt: skip

    return count


# attention


@COUNTERS.register(KeyValue)
def _key_value(node: KeyValue, graph: Graph) -> Counter:
    """A coincidence of k and v at one position of one head is one operation.

    graded: Σ nnz(k) · nnz(v); spike-driven: Σ (Σ k) · (Σ v), over steps, heads and positions.
    """

    def count(inputs: Sequence[Tensor], output: Tensor) -> Row:
        k, v = (by_position(x, HEADS) for x in inputs)
        pairs = [int((a.double() * b.double()).sum()) for a, b in zip(k, v, strict=True)]
        events, spikes = (
            int((a.sum(dtype=torch.float64) + b.sum(dtype=torch.float64)).item())
            for a, b in zip(k, v, strict=True)
        )
        return _received(events, spikes, pairs[0], pairs[1])

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
    return _uniform(node.shape[1] // HEADS * synapses_per_entry(node, graph))


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
