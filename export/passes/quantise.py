"""Folded graph → integer graph: int8 mantissas with a power of two a channel, one grid a stream.

1. Real ranges bound every membrane (``ranges.py``).
2. Membranes that are added share one grid: the finest that 24 bits hold, at most 2^-20.
3. Weights become int8 mantissa · 2^exponent, one exponent an output channel; biases and
   constants are rounded to the grid. With calibration, a layer's mean error is taken back in
   its bias, bias += Σ (w - ŵ) · mean input, and the image layer is rounded for real images.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spiketrack.errors import GraphError
from spiketrack.export.passes.pixels import on_pixels
from spiketrack.integer import int8
from spiketrack.integer.graph import (
    COUNT_FRACTION,
    IMAGE,
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
from spiketrack.integer.neurons import thresholds
from spiketrack.integer.nodes.traits import Fixed, Free, Stage, Tied
from spiketrack.integer.real import RealConv, RealNeuron, RealSum
from spiketrack.integer.registry import Registry
from spiketrack.integer.rules.ranges import Range, ranges
from spiketrack.limits import DECAY_ONE, MAX_COUNT, POTENTIAL_MAX
from spiketrack.preprocessing import PIXEL_MEAN, PIXEL_STEP

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Statistics:
    """What calibration measured on one branch.

    ``means``: population → mean normalised spike of each step and channel, (T, C);
    ``crops``: normalised images (n, 3, S, S) for the first layer.
    """

    means: Mapping[str, Vector]
    crops: NDArray[np.float32]


TABLE_FRACTION = 8  # the gate's exponential is tabulated in steps of 1/256
TABLE_LENGTH = 2816  # exp(-11) · 2^15 rounds to 1, exp(-11.1) to 0
TABLE_ONE = 2**15
_MARGIN = 1.02  # rounded weights may exceed the real bound by this; verified afterwards


def quantise(folded: Graph, statistics: Statistics | None = None) -> Graph:
    """The integer graph of a folded one; not yet checked (``checks.py``)."""
    folded = on_pixels(folded)
    plan = Plan(folded, choose_fractions(folded), statistics)
    for node in folded:
        plan.done[node.name] = QUANTISERS[node](node, plan)
    return Graph(folded.name, tuple(plan.done.values()), plan.fractions)


@dataclass(frozen=True, eq=False)
class Plan:
    """What the rule of a node type may look at."""

    folded: Graph
    fractions: Mapping[str, int]
    statistics: Statistics | None
    done: dict[str, Node] = dataclasses.field(default_factory=dict)

    def reads_image(self, node: Node) -> bool:
        """Whether a node is the image layer."""
        return bool(node.inputs) and self.folded.signal(node.inputs[0]) == IMAGE


# grids


def choose_fractions(folded: Graph) -> dict[str, int]:
    """Fraction of every node's output: fixed for counts and memories, shared within a stream."""
    reach = ranges(folded, spike=1)
    fractions = _fixed_fractions(folded)
    for group in _groups(folded, fractions):
        limit = min(_limit(folded, reach, name) - offset for name, offset in group.items())
        wanted = max(_wanted(folded[name]) - offset for name, offset in group.items())
        chosen = min(limit, wanted)
        for name, offset in group.items():
            fractions[name] = chosen + offset
    return fractions


def _fixed_fractions(folded: Graph) -> dict[str, int]:
    """Fractions of counts, memories and pixels, and of what is tied to them."""
    fractions: dict[str, int] = {}
    for node in folded:
        rule = node.grid
        if isinstance(rule, Fixed):
            fractions[node.name] = rule.fraction
        elif isinstance(rule, Tied) and (known := _known(node, fractions)):
            if len(known) < len(node.inputs):
                raise GraphError(f"{node.name}: reads membranes and what has a fixed grid")
            fractions[node.name] = known[0] + rule.offset
    return fractions


def _known(node: Node, fractions: Mapping[str, int]) -> list[int]:
    return [fractions[name] for name in node.inputs if name in fractions]


def _groups(folded: Graph, fixed: Mapping[str, int]) -> list[dict[str, int]]:
    """Sets of membranes tied to each other: name → offset to the group's fraction."""
    neighbours: dict[str, list[tuple[str, int]]] = {
        n.name: [] for n in folded if n.name not in fixed
    }
    for node in folded:
        rule = node.grid
        if isinstance(rule, Tied) and node.name in neighbours:
            for name in node.inputs:
                neighbours[name].append((node.name, rule.offset))
                neighbours[node.name].append((name, -rule.offset))
    groups, seen = [], set()
    for start in neighbours:
        if start in seen:
            continue
        group = {start: 0}
        queue = [start]
        for name in queue:
            for other, step in neighbours[name]:
                if other not in group:
                    group[other] = group[name] + step
                    queue.append(other)
                elif group[other] != group[name] + step:
                    raise GraphError(f"{other}: pooled and unpooled membranes are added")
        seen |= set(group)
        groups.append(group)
    return groups


def _limit(folded: Graph, reach: Mapping[str, Range], name: str) -> int:
    """Largest fraction with which this membrane and what reads it stay within 24 bits."""
    peaks = [reach[name].peak]
    peaks += [reach[consumer.name].held for consumer in folded.consumers[name]]
    return math.floor(math.log2(POTENTIAL_MAX / (max(peaks) * _MARGIN)))


def _wanted(node: Node) -> int:
    """Finest fraction that this node can use: leaks and biases can use all that 24 bits hold."""
    return node.grid.finest if isinstance(node.grid, Free) else 0


def _exponents(weight: Vector) -> NDArray[np.int64]:
    """One exponent a row, see ``int8.py``."""
    exponents: NDArray[np.int64] = int8.exponents(torch.from_numpy(weight)).numpy().astype(np.int64)
    return exponents


def _power(exponent: NDArray[np.int64]) -> Vector:
    power: Vector = np.exp2(exponent.astype(np.float64))[..., None]
    return power


def _mantissa(weight: Vector, exponent: NDArray[np.int64]) -> Vector:
    real = torch.from_numpy(exponent.astype(np.float64))
    mantissa: Vector = int8.mantissas(torch.from_numpy(weight), real).numpy()
    return mantissa


# nodes

QUANTISERS: Registry[Callable[..., Node]] = Registry("quantiser", Stage.REAL)


@QUANTISERS.register(Input, KeyValue, Pool, PositionsAsChannels, Output)
def _same(node: Node, plan: Plan) -> Node:
    return node


@QUANTISERS.register(RealConv)
def _conv(node: RealConv, plan: Plan) -> Conv:
    fraction, source = plan.fractions[node.name], plan.fractions[node.inputs[0]]
    flat = node.weight.reshape(*node.weight.shape[:2], -1)
    exponent = np.maximum(_exponents(flat), source - fraction)
    mantissa = _mantissa(flat, exponent)
    bias = node.bias
    if plan.statistics is not None:
        if plan.reads_image(node):
            mantissa = _round_together(node, exponent, plan.statistics.crops)
        mean = _input_mean(node, plan)
        if mean is not None:
            error = (flat - mantissa * _power(exponent)).reshape(node.weight.shape).sum((3, 4))
            bias = bias + _mean_error(error, mean, node.groups)
    return Conv(
        node.name,
        node.inputs,
        node.shape,
        mantissa.reshape(node.weight.shape).astype(np.int8),
        (exponent + fraction - source).astype(np.int32),
        np.rint(bias * 2.0**fraction).astype(np.int32),
        node.stride,
        node.padding,
        node.groups,
    )


def _input_mean(node: RealConv, plan: Plan) -> Vector | None:
    """Mean input (T, C) of a convolution, where calibration measured it."""
    statistics = plan.statistics
    assert statistics is not None
    if plan.reads_image(node):
        mean: Vector = statistics.crops.mean((0, 2, 3), dtype=np.float64)[None]
        pixels: Vector = mean * PIXEL_STEP + PIXEL_MEAN
        return pixels
    return statistics.means.get(node.inputs[0])


def _round_together(node: RealConv, exponent: NDArray[np.int64], crops: NDArray[Any]) -> Vector:
    """Mantissas of the image layer, each rounding making up for the errors before it.

    Neighbouring pixels are alike, so independent roundings add up. Weights are rounded one by
    one; the error is spread over those still to come so that the output's mean square error on
    ``crops`` is least (optimal brain surgeon; GPTQ, Frantar et al., ICLR 2023).
    """
    moment = _patch_moment(node, crops)
    damping = 0.01 * np.trace(moment) / len(moment)
    inverse = np.linalg.inv(moment + damping * np.eye(len(moment)))
    upper = np.linalg.cholesky(inverse).T
    weight = node.weight.reshape(*node.weight.shape[:2], -1)[0].copy()
    mantissa = np.zeros_like(weight)
    for index in range(weight.shape[1]):
        column = weight[:, index : index + 1]
        mantissa[:, index] = _mantissa(column, exponent[0])[:, 0]
        error = (column - mantissa[:, index : index + 1] * _power(exponent[0])) / upper[
            index, index
        ]
        weight[:, index:] -= error * upper[index, index:]
    rounded: Vector = mantissa[None]
    return rounded


def _patch_moment(node: RealConv, crops: NDArray[Any]) -> Vector:
    """Second moment (n, n) of the patches that the layer's kernel sees, n = C_in k².

    In pixels from the mean pixel: errors of a flat picture are the bias's to take back.
    """
    kernel = node.weight.shape[-1]
    images = torch.from_numpy(crops * PIXEL_STEP[:, None, None])
    size = {"kernel_size": kernel, "stride": node.stride, "padding": node.padding}
    patches = torch.nn.functional.unfold(images, **size).transpose(1, 2).flatten(0, 1)
    moment: Vector = (patches.T @ patches / len(patches)).numpy()
    return moment


def _mean_error(error: Vector, mean: Vector, groups: int) -> Vector:
    """Σ_i error[s, o, i] · mean[s, i], S sets of weights, input means (T, C_in)."""
    sets, out, width = error.shape
    if sets == 1:
        mean = mean.mean(0, keepdims=True)
    index = (np.arange(out) // (out // groups))[:, None] * width + np.arange(width)
    correction: Vector = (error * mean[:, index]).sum(-1)
    return correction


@QUANTISERS.register(RealSum)
def _sum(node: RealSum, plan: Plan) -> Node:
    constant = node.constant
    if constant is None:
        return Sum(node.name, node.inputs, node.shape)
    scaled = constant * 2.0 ** plan.fractions[node.name]
    source = plan.folded[node.inputs[0]]
    conv = plan.done[source.name]
    if isinstance(conv, Conv) and plan.reads_image(source):
        whole = round_aside(scaled, _common_step(conv))
    else:
        whole = np.rint(scaled)
    return Sum(node.name, node.inputs, node.shape, whole.astype(np.int32))


def _common_step(conv: Conv) -> Vector:
    """The largest power of two (C_out) that divides all weights of an output channel."""
    weight = np.abs(conv.weight.astype(np.int64)) << conv.shift[..., None, None, None]
    bits = np.bitwise_or.reduce(weight, axis=(0, 2, 3, 4))
    step: Vector = (bits & -bits).astype(np.float64)
    return step


def round_aside(constant: Vector, step: Vector) -> Vector:
    """Nearest integers to (T, C, H, W), but no multiple of ``step`` (C) that the real one is not.

    Weights give multiples of it, and so are thresholds: a constant keeps its side of them.
    """
    step = np.maximum(step, 1)[:, None, None]
    whole = np.rint(constant)
    reached = (step > 1) & (whole % step == 0) & (whole != constant)
    aside: Vector = np.where(reached, whole + np.sign(constant - whole), whole)
    return aside


@QUANTISERS.register(RealNeuron)
def _neuron(node: RealNeuron, plan: Plan) -> Node:
    source = plan.folded[node.inputs[0]]
    fraction = plan.fractions[source.name]
    if fraction < 1:
        raise GraphError(f"{node.name}: its membrane needs {1 - fraction} more than 24 bits")
    squared = source.unit_squared(fraction)
    decay = tuple(min(round(value * DECAY_ONE), DECAY_ONE - 1) for value in node.decay)
    reset = round(math.sqrt(squared) / MAX_COUNT)
    return Neuron(node.name, node.inputs, node.shape, thresholds(squared), reset, decay)


@QUANTISERS.register(Read)
def _read(node: Read, plan: Plan) -> Node:
    shift = plan.fractions[node.name] - COUNT_FRACTION - MEMORY_FRACTION
    if shift < 0:
        raise GraphError(f"{node.name}: attention products need {-shift} more than 24 bits")
    return dataclasses.replace(node, shift=shift)


@QUANTISERS.register(Upsample)
def _upsample(node: Upsample, plan: Plan) -> Node:
    finer = plan.fractions[node.inputs[0]] + 2 * int(math.log2(2 * node.factor))
    shift = finer - plan.fractions[node.name]
    if shift < 0:
        raise GraphError(f"{node.name}: the stream's grid is finer than its input by {-shift} bits")
    return dataclasses.replace(node, shift=shift)


@QUANTISERS.register(Gate)
def _gate(node: Gate, plan: Plan) -> Node:
    shift = max(plan.fractions[node.inputs[1]] - TABLE_FRACTION, 0)
    step = 2.0 ** (shift - plan.fractions[node.inputs[1]])
    table = np.rint(TABLE_ONE * np.exp(-np.arange(TABLE_LENGTH) * step)).astype(np.int32)
    table[-1] = 0
    return dataclasses.replace(node, table=table, shift=shift)
