"""Static ranges: what every tensor and every partial sum can reach, whatever the input.

Interval arithmetic per channel, for folded (real) and integer graphs alike. A partial sum of any
subset of a layer's terms, in any order, lies within ``peak``; a peak below 2^23 therefore proves
both the 24-bit membrane and the exactness of float32 arithmetic on these integers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiketrack.errors import GraphError
from spiketrack.integer.graph import (
    IMAGE,
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
from spiketrack.limits import DECAY_ONE, HEADS, MAX_COUNT, POTENTIAL_MAX

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Range:
    """Per-channel interval of a tensor and the largest magnitude of any intermediate value.

    ``held``: largest magnitude, in units of its membrane input, that a node makes of that input
    beyond the input's own peak; bounds the input's fraction.
    """

    low: Vector
    high: Vector
    peak: float
    held: float = 0.0

    @property
    def headroom_bits(self) -> float:
        """log2 of how many times larger the peak could be before 24 bits overflow."""
        return float(np.log2(POTENTIAL_MAX / max(self.peak, 1e-12)))


RangeRule = Callable[..., Range]
RANGES: Registry[RangeRule] = Registry("range rule", Stage.BOTH)


def ranges(graph: Graph, spike: float = MAX_COUNT) -> dict[str, Range]:
    """Range of every node; ``spike`` is the largest count (4) or normalised spike (1)."""
    reaches: dict[str, Range] = {}
    for node in graph:
        reaches[node.name] = RANGES[node](node, [reaches[name] for name in node.inputs], spike)
    return reaches


def prove_headroom(graph: Graph) -> dict[str, Range]:
    """Ranges of an integer graph; ``GraphError`` where a partial sum could leave 24 bits."""
    reaches = ranges(graph)
    for name, reach in reaches.items():
        if reach.peak > POTENTIAL_MAX:
            raise GraphError(
                f"{name}: a partial sum can reach {reach.peak:,.0f}, limit {POTENTIAL_MAX:,} "
                "(24 bits); lower this layer's fraction"
            )
    return reaches


def make(low: Vector, high: Vector, peak: float = 0.0) -> Range:
    """A range whose peak is at least its ends."""
    ends = max(float(np.abs(low).max()), float(np.abs(high).max()))
    return Range(low, high, max(peak, ends))


def _scalar(low: float, high: float, channels: int = 1) -> Range:
    return make(np.full(channels, float(low)), np.full(channels, float(high)))


@RANGES.register(Input)
def _input(node: Input, inputs: list[Range], spike: float) -> Range:
    low, high = float(node.low), float(node.high)
    if node.signal != IMAGE and spike == 1:
        high /= MAX_COUNT**2
    return _scalar(low, high, node.shape[1] if node.signal == IMAGE else 1)


@RANGES.register(RealConv)
def _real_conv(node: RealConv, inputs: list[Range], spike: float) -> Range:
    return _products(node, node.weight, inputs)


@RANGES.register(Conv)
def _conv(node: Conv, inputs: list[Range], spike: float) -> Range:
    scale = np.exp2(node.shift.astype(np.float64))[:, :, None, None, None]
    return _products(node, node.weight * scale, inputs)


def _products(node: RealConv | Conv, weight: Vector, inputs: list[Range]) -> Range:
    sets, out = weight.shape[:2]
    width = weight.shape[2]
    group = np.arange(out) // (out // node.groups)
    index = group[:, None] * width + np.arange(width)
    low, high = inputs[0].low[index], inputs[0].high[index]
    per_input = weight.reshape(sets, out, width, -1)
    positive = np.maximum(per_input, 0).sum(-1)
    negative = np.minimum(per_input, 0).sum(-1)
    # zero padding: a term may also be absent, so 0 belongs to every input's interval
    low, high = np.minimum(low, 0), np.maximum(high, 0)
    top = (positive * high + negative * low).sum(-1)
    bottom = (positive * low + negative * high).sum(-1)
    bias = node.bias.astype(np.float64)
    peak = max((top + np.maximum(bias, 0)).max(), -(bottom + np.minimum(bias, 0)).min())
    return make((bottom + bias).min(0), (top + bias).max(0), float(peak))


@RANGES.register(RealSum, Sum)
def _sum(node: RealSum | Sum, inputs: list[Range], spike: float) -> Range:
    terms = [(r.low, r.high) for r in inputs]
    if node.constant is not None:
        constant = node.constant.astype(np.float64)
        terms.append((constant.min((0, 2, 3)), constant.max((0, 2, 3))))
    peak = max(
        max(r.peak for r in inputs),
        float(sum(np.maximum(high, 0) for _, high in terms).max()),  # type: ignore[union-attr]
        float(-sum(np.minimum(low, 0) for low, _ in terms).min()),  # type: ignore[union-attr]
    )
    low = np.asarray(sum(low for low, _ in terms))
    return make(low, np.asarray(sum(high for _, high in terms)), peak)


@RANGES.register(RealNeuron)
def _real_neuron(node: RealNeuron, inputs: list[Range], spike: float) -> Range:
    return _population(node, inputs, spike, node.decay)


@RANGES.register(Neuron)
def _neuron(node: Neuron, inputs: list[Range], spike: float) -> Range:
    return _population(node, inputs, spike, [value / DECAY_ONE for value in node.decay])


def _population(node: Node, inputs: list[Range], spike: float, leaks: Sequence[float]) -> Range:
    """Peak of the state over the steps; a reset never takes a potential below 0."""
    low, high = inputs[0].low, inputs[0].high
    bottom, top = low, high
    peak = max(-float(low.min()), float(high.max()), 0.0)
    for leak in leaks:
        bottom = np.floor(np.minimum(bottom, 0) * leak) + low
        top = np.maximum(top, 0) * leak + high
        peak = max(peak, -float(bottom.min()), float(top.max()))
    counts = _scalar(0, spike, node.shape[1])
    peak = max(peak, spike)
    return Range(counts.low, counts.high, peak, held=peak)


@RANGES.register(Pool)
def _pool(node: Pool, inputs: list[Range], spike: float) -> Range:
    cells = node.kernel**2 if spike == MAX_COUNT else 1  # the real graph averages
    return make(inputs[0].low * cells, inputs[0].high * cells)


@RANGES.register(Upsample)
def _upsample(node: Upsample, inputs: list[Range], spike: float) -> Range:
    total = (2 * node.factor) ** 2
    if spike != MAX_COUNT:
        held = inputs[0].peak * total + 1
        return dataclasses.replace(make(inputs[0].low, inputs[0].high), held=held)
    half = 2**node.shift / 2
    peak = total * max(-inputs[0].low.min(), inputs[0].high.max()) + half
    scale = total / 2**node.shift
    return make(
        np.floor(inputs[0].low * scale), np.floor(inputs[0].high * scale + 0.5), float(peak)
    )


@RANGES.register(KeyValue)
def _key_value(node: KeyValue, inputs: list[Range], spike: float) -> Range:
    return _scalar(0, spike**2 * node.positions)


@RANGES.register(Read)
def _read(node: Read, inputs: list[Range], spike: float) -> Range:
    d = node.shape[1] // 4 // HEADS
    high = spike * d * float(inputs[1].high.max()) * 2**node.shift
    return _scalar(0, high, node.shape[1])


@RANGES.register(PositionsAsChannels)
def _permute(node: Node, inputs: list[Range], spike: float) -> Range:
    return _scalar(float(inputs[0].low.min()), float(inputs[0].high.max()), node.shape[1])


@RANGES.register(Gate)
def _gate(node: Gate, inputs: list[Range], spike: float) -> Range:
    votes = _scalar(0, spike / MAX_COUNT, node.shape[1])
    weighted = float(node.table.max(initial=0)) * 2 * 3
    spread = float(inputs[1].high.max() - inputs[1].low.min())
    peak = max(weighted, spread + 2.0 ** max(node.shift - 1, 0))
    return Range(votes.low, votes.high, peak if spike == MAX_COUNT else 1.0, held=spread)


@RANGES.register(Output)
def _output(node: Output, inputs: list[Range], spike: float) -> Range:
    return dataclasses.replace(inputs[0], held=0.0)
