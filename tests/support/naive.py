"""A naive evaluator of the integer graph: int64 and loops, an oracle for every backend.

Written from the docstrings of ``nodes/types.py`` alone. No floating point, no torch, none of the
project's kernels: two implementations agree because both are right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiketrack.integer.graph import (
    Conv,
    Gate,
    Graph,
    KeyValue,
    Neuron,
    Output,
    Pool,
    PositionsAsChannels,
    Read,
    Sum,
    Upsample,
)
from spiketrack.integer.registry import Registry

Array = NDArray[np.int64]
RULES: Registry[Callable[..., Array]] = Registry(
    "naive rule", applies=lambda traits: not traits.given
)


def evaluate(graph: Graph, inputs: Mapping[str, Any]) -> dict[str, Array]:
    """Every node's integers, by name; ``inputs`` holds those of the Input nodes."""
    values: dict[str, Array] = {}
    for node in graph:
        if node.traits.given:
            value = np.array(inputs[node.name]).astype(np.int64)
        else:
            value = RULES[node](node, *(values[name] for name in node.inputs))
        assert value.dtype == np.int64, node.name
        assert value.shape == node.shape, (node.name, value.shape, node.shape)
        values[node.name] = value
    return values


def convolve(x: Array, weight: Array, stride: int, padding: int, groups: int) -> Array:
    """One step: x (C_in, H, W), weight (C_out, C_in / groups, k_h, k_w)."""
    out, width, rows, columns = weight.shape
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    height = (x.shape[1] - rows) // stride + 1
    breadth = (x.shape[2] - columns) // stride + 1
    y = np.zeros((out, height, breadth), np.int64)
    size = out // groups
    for group in range(groups):
        mine = slice(group * size, (group + 1) * size)
        source = x[group * width : (group + 1) * width]
        for a in range(rows):
            for b in range(columns):
                cut = source[:, a : a + stride * height : stride, b : b + stride * breadth : stride]
                cut = cut[:, :height, :breadth].reshape(width, -1)
                y[mine] += (weight[mine, :, a, b] @ cut).reshape(size, height, breadth)
    return y


@RULES.register(Conv)
def _conv(node: Conv, x: Array) -> Array:
    steps = []
    for t in range(len(x)):
        s = t if len(node.weight) > 1 else 0
        weight = (
            node.weight[s].astype(np.int64) << node.shift[s].astype(np.int64)[:, None, None, None]
        )
        y = convolve(x[t], weight, node.stride, node.padding, node.groups)
        steps.append(y + node.bias[s].astype(np.int64)[:, None, None])
    return np.stack(steps)


@RULES.register(Sum)
def _sum(node: Sum, *terms: Array) -> Array:
    y = np.zeros(node.shape, np.int64)
    for term in terms:
        for t in range(node.shape[0]):
            y[t] += term[t if len(term) > 1 else 0]
    if node.constant is not None:
        for t in range(node.shape[0]):
            y[t] += node.constant[t if len(node.constant) > 1 else 0]
    return y


@RULES.register(Neuron)
def _neuron(node: Neuron, x: Array) -> Array:
    counts = np.zeros(node.shape, np.int64)
    u = np.zeros(node.shape[1:], np.int64)
    for t in range(node.shape[0]):
        drive = x[t if len(x) > 1 else 0]
        kept = ((u - counts[t - 1] * node.reset) * node.decay[t - 1]) >> 12 if t else 0 * u
        u = kept + drive
        for threshold in node.thresholds:
            counts[t] += u >= threshold
    return counts


@RULES.register(Pool)
def _pool(node: Pool, x: Array) -> Array:
    y = np.zeros(node.shape, np.int64)
    for a in range(node.kernel):
        for b in range(node.kernel):
            y += x[:, :, a :: node.kernel, b :: node.kernel]
    return y


def _taps(size: int, factor: int) -> list[list[tuple[int, int]]]:
    """Output index → [(source index, weight in multiples of 1 / (2 factor))]."""
    found = []
    for i in range(size * factor):
        numerator = 2 * i + 1 - factor  # source position (i + 1/2) / factor - 1/2
        left, rest = divmod(numerator, 2 * factor)
        right = min(left + 1, size - 1)
        found.append([(max(left, 0), 2 * factor - rest), (right, rest)])
    return found


@RULES.register(Upsample)
def _upsample(node: Upsample, x: Array) -> Array:
    y = np.zeros(node.shape, np.int64)
    columns = _taps(x.shape[3], node.factor)
    for i, row in enumerate(_taps(x.shape[2], node.factor)):
        for j, column in enumerate(columns):
            for r, a in row:
                for c, b in column:
                    y[:, :, i, j] += a * b * x[:, :, r, c]
    half = (1 << node.shift) >> 1
    return (y + half) >> node.shift


@RULES.register(KeyValue)
def _key_value(node: KeyValue, k: Array, v: Array) -> Array:
    steps, heads, d, wide = node.shape
    y = np.zeros(node.shape, np.int64)
    for t in range(steps):
        for h in range(heads):
            for i in range(d):
                for j in range(wide):
                    y[t, h, i, j] = (k[t, h * d + i] * v[t, h * wide + j]).sum()
    return y


@RULES.register(Read)
def _read(node: Read, q: Array, kv: Array) -> Array:
    steps, heads, d, wide = kv.shape
    y = np.zeros(node.shape, np.int64)
    for t in range(steps):
        for h in range(heads):
            for j in range(wide):
                for i in range(d):
                    y[t, h * wide + j] += q[t, h * d + i] * kv[t, h, i, j]
    return y << node.shift


@RULES.register(PositionsAsChannels)
def _positions(node: PositionsAsChannels, x: Array) -> Array:
    y = np.zeros(node.shape, np.int64)
    for row in range(x.shape[2]):
        for column in range(x.shape[3]):
            y[:, row * x.shape[3] + column, :, 0] = x[:, :, row, column]
    return y


@RULES.register(Gate)
def _gate(node: Gate, counts: Array, logits: Array) -> Array:
    y = np.zeros(node.shape, np.int64)
    half = (1 << node.shift) >> 1
    for c in range(counts.shape[1]):
        column = [int(logits[t, 0, c, 0]) for t in range(len(logits))]
        total = np.zeros(counts.shape[2:], np.int64)
        for t, logit in enumerate(column):
            index = min((max(column) - logit + half) >> node.shift, len(node.table) - 1)
            total += int(node.table[index]) * (counts[t, c] - 2)
        y[0, c] = total > 0
    return y


@RULES.register(Output)
def _output(node: Output, x: Array) -> Array:
    return x
