"""Integer graph → ONNX in integer arithmetic, equal bit for bit in any conforming runtime.

Counts are uint8, membranes and memories int32. A convolution is ``ConvInteger`` of uint8 counts
with uint8 weights of zero point 128 (onnxruntime has no uint8 × int8), then an integer product
with 2^shift a channel and the bias. Wider inputs (image, memory) are split into two bytes.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from spiketrack.errors import GraphError
from spiketrack.export.graph import (
    COUNT,
    IMAGE,
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
from spiketrack.export.onnx_builder import Builder, Lowering, lower
from spiketrack.export.registry import Registry
from spiketrack.limits import DECAY_BITS, HEADS, MAX_COUNT, POTENTIAL_BITS

ZERO_POINT = 128
BYTE = 256
IMAGE_OFFSET = 2**15  # makes the image positive: a signed 16-bit number in two bytes

INTEGER: Registry[Lowering] = Registry("integer ONNX lowering")


def integer_model(graph: Graph, record: Collection[str] = (), forced: Collection[str] = ()) -> Any:
    """ONNX model of an integer graph; inputs and outputs are int32 with the graph's names.

    ``record``: populations whose counts (uint8) become outputs too; ``forced``: populations
    whose readers take the input ``<name>/forced`` instead.
    """
    builder = lower(graph, INTEGER, np.uint8, np.int32, record, forced)
    ends = [node.name for node in (*graph.inputs, *graph.outputs)]
    properties = {f"fraction:{name}": str(graph.fractions[name]) for name in ends}
    return builder.model("integers stand for integer / 2^fraction", properties)


def _channels(values: Any) -> Any:
    return np.asarray(values, np.int32).reshape(1, -1, 1, 1)


@INTEGER.register(Conv)
def _conv(b: Builder, node: Conv) -> None:
    steps = b.split_steps(b.source(node.inputs[0]), len(node.weight), node.name)
    if len(steps) == 1:
        _one_conv(b, node, steps[0], 0, node.name)
        return
    found = [_one_conv(b, node, x, s, f"{node.name}/{s}") for s, x in enumerate(steps)]
    b.add("Concat", found, node.name, axis=0)


def _one_conv(b: Builder, node: Conv, x: str, s: int, name: str) -> str:
    """Σ weight · x, times 2^shift, plus bias, with the weights of set ``s``."""
    weight = (node.weight[s].astype(np.int16) + ZERO_POINT).astype(np.uint8)
    w = b.constant(f"{name}/weight", weight)
    y = _image_products(b, node, x, w, name) if _wide(b, node) else _products(b, node, x, w, name)
    if node.shift[s].any():
        scale = b.constant(f"{name}/scale", _channels(1 << node.shift[s]))
        y = b.add("Mul", [y, scale], f"{name}/scaled")
    return b.add("Add", [y, b.constant(f"{name}/bias", _channels(node.bias[s]))], name)


def _wide(b: Builder, node: Conv) -> bool:
    signal = b.graph.signal(node.inputs[0])
    if signal not in (COUNT, IMAGE):
        raise GraphError(f"{node.name}: reads a {signal}; a convolution takes counts or the image")
    return signal == IMAGE


def _products(b: Builder, node: Conv, x: str, w: str, name: str, zero: int = 0) -> str:
    points = [b.shared(zero, np.uint8), b.shared(ZERO_POINT, np.uint8)]
    return b.add(
        "ConvInteger",
        [x, w, *points],
        f"{name}/products",
        group=node.groups,
        pads=[node.padding] * 4,
        strides=[node.stride] * 2,
    )


def _image_products(b: Builder, node: Conv, x: str, w: str, name: str) -> str:
    """x = 256 · high + low: ConvInteger pads with the zero point, so high keeps its own."""
    lifted = b.add("Add", [x, b.shared(IMAGE_OFFSET, np.int32)], f"{name}/lifted")
    high, low = _bytes(b, lifted, f"{name}/image")
    high = _products(b, node, high, w, f"{name}/high", IMAGE_OFFSET // BYTE)
    high = b.add("Mul", [high, b.shared(BYTE, np.int32)], f"{name}/high")
    return b.add("Add", [high, _products(b, node, low, w, f"{name}/low")], f"{name}/products")


def _bytes(b: Builder, x: str, name: str) -> tuple[str, str]:
    """Non-negative int32 below 2^16 → its two bytes as uint8."""
    base = b.shared(BYTE, np.int32)
    high = b.add("Div", [x, base], f"{name}/div")
    low = b.add("Sub", [x, b.add("Mul", [high, base], f"{name}/whole")], f"{name}/rest")
    return b.cast(high, np.uint8, f"{name}/hi"), b.cast(low, np.uint8, f"{name}/lo")


def _shift_right(b: Builder, x: str, bits: int, kind: type[np.generic], name: str) -> str:
    """floor(x / 2^bits) of a signed tensor; ONNX shifts unsigned integers only."""
    unsigned = np.uint64 if kind is np.int64 else np.uint32
    lift = 2 ** (POTENTIAL_BITS + bits) if kind is np.int64 else 2**30
    y = b.add("Add", [x, b.shared(lift, kind)], f"{name}/lifted")
    y = b.cast(y, unsigned, f"{name}/unsigned")
    y = b.add("BitShift", [y, b.shared(bits, unsigned)], f"{name}/shifted", direction="RIGHT")
    y = b.cast(y, kind, f"{name}/signed")
    return b.add("Sub", [y, b.shared(lift >> bits, kind)], name)


@INTEGER.register(Sum)
def _sum(b: Builder, node: Sum) -> None:
    terms = b.sources(node)
    if node.constant is not None:
        terms.append(b.constant(f"{node.name}/constant", node.constant))
    if len(terms) == 1:
        b.add("Identity", terms, node.name)
        return
    total = terms[0]
    for index, term in enumerate(terms[1:], 2):
        last = index == len(terms)
        total = b.add("Add", [total, term], node.name if last else f"{node.name}/{index}")


@INTEGER.register(Neuron)
def _neuron(b: Builder, node: Neuron) -> None:
    """Counts of every step; the state passes from step to step inside the graph."""
    steps = node.shape[0]
    if steps == 1:
        _count(b, node, b.source(node.inputs[0]), node.name)
        return
    given = b.graph[node.inputs[0]].shape[0]
    drive = b.split_steps(b.source(node.inputs[0]), given, node.name) * (steps // given)
    u = drive[0]
    counts = [_count(b, node, u, f"{node.name}/0")]
    for t in range(1, steps):
        left = _leak(b, node, u, counts[-1], t)
        u = b.add("Add", [left, drive[t]], f"{node.name}/u{t}")
        counts.append(_count(b, node, u, f"{node.name}/{t}"))
    b.add("Concat", counts, node.name, axis=0)


def _count(b: Builder, node: Neuron, u: str, name: str) -> str:
    reached = []
    for j, threshold in enumerate(node.thresholds, 1):
        fires = b.add("GreaterOrEqual", [u, b.shared(threshold, np.int32)], f"{name}/fires{j}")
        reached.append(b.cast(fires, np.uint8, f"{name}/spike{j}"))
    pair = b.add("Add", reached[:2], f"{name}/low")
    return b.add("Add", [pair, b.add("Add", reached[2:], f"{name}/high")], name)


def _leak(b: Builder, node: Neuron, u: str, count: str, t: int) -> str:
    """((u - k · reset) · decay) >> 12 in 64 bits."""
    name = f"{node.name}/leak{t}"
    k = b.cast(count, np.int32, f"{name}/count")
    k = b.add("Mul", [k, b.shared(node.reset, np.int32)], f"{name}/reset")
    rest = b.cast(b.add("Sub", [u, k], f"{name}/rest"), np.int64, f"{name}/wide")
    y = b.add("Mul", [rest, b.shared(node.decay[t - 1], np.int64)], f"{name}/product")
    return b.cast(_shift_right(b, y, DECAY_BITS, np.int64, f"{name}/kept"), np.int32, name)


@INTEGER.register(Pool)
def _pool(b: Builder, node: Pool) -> None:
    steps, channels, height, width = node.shape
    cells = (steps, channels, height, node.kernel, width, node.kernel)
    x = b.reshape(b.source(node.inputs[0]), cells, f"{node.name}/cells")
    b.add("ReduceSum", [x, b.shared([3, 5], np.int64)], node.name, keepdims=0)


@INTEGER.register(Upsample)
def _upsample(b: Builder, node: Upsample) -> None:
    """A · x · Aᵀ with integer interpolation matrices, rounded by a shift."""
    _, _, height, width = b.graph[node.inputs[0]].shape
    rows = b.constant(f"{node.name}/rows", interpolation(height, node.factor))
    columns = b.constant(f"{node.name}/columns", interpolation(width, node.factor).T)
    x = b.add("MatMul", [rows, b.source(node.inputs[0])], f"{node.name}/tall")
    if not node.shift:
        b.add("MatMul", [x, columns], node.name)
        return
    x = b.add("MatMul", [x, columns], f"{node.name}/fine")
    half = b.shared(2**node.shift // 2, np.int32)
    x = b.add("Add", [x, half], f"{node.name}/half")
    _shift_right(b, x, node.shift, np.int32, node.name)


def interpolation(size: int, factor: int) -> Any:
    """Weights (size · factor, size) in multiples of 1 / (2 factor), half-pixel centres."""
    matrix = np.zeros((size * factor, size), np.int32)
    for row in range(size * factor):
        left, weight = divmod(2 * row + 1 - factor, 2 * factor)
        matrix[row, max(left, 0)] += 2 * factor - weight
        matrix[row, min(left + 1, size - 1)] += weight
    return matrix


def _heads(b: Builder, x: str, name: str, channels: int, steps: int) -> str:
    return b.reshape(x, (steps, HEADS, channels // HEADS, -1), name)


@INTEGER.register(KeyValue)
def _key_value(b: Builder, node: KeyValue) -> None:
    steps, _, d, wide = node.shape
    k, v = b.sources(node)
    k = _heads(b, k, f"{node.name}/k", d * HEADS, steps)
    v = _heads(b, v, f"{node.name}/v", wide * HEADS, steps)
    v = b.add("Transpose", [v], f"{node.name}/vt", perm=[0, 1, 3, 2])
    b.add("MatMulInteger", [k, v], node.name)


@INTEGER.register(Read)
def _read(b: Builder, node: Read) -> None:
    """(kvᵀ · q) << shift, the memory's 16 bits in two bytes."""
    name = node.name
    q, kv = b.sources(node)
    q = _heads(b, q, f"{name}/q", b.graph[node.inputs[0]].shape[1], node.shape[0])
    kv = b.add("Transpose", [kv], f"{name}/kvt", perm=[0, 1, 3, 2])
    high, low = _bytes(b, kv, f"{name}/kv")
    high = b.add("MatMulInteger", [high, q], f"{name}/high")
    high = b.add("Mul", [high, b.shared(BYTE, np.int32)], f"{name}/raised")
    low = b.add("MatMulInteger", [low, q], f"{name}/low")
    y = b.add("Add", [high, low], f"{name}/products")
    y = b.add("Mul", [y, b.shared(2**node.shift, np.int32)], f"{name}/scaled")
    b.reshape(y, node.shape, name)


@INTEGER.register(PositionsAsChannels)
def _positions(b: Builder, node: PositionsAsChannels) -> None:
    steps, positions, channels, _ = node.shape
    x = b.reshape(b.source(node.inputs[0]), (steps, channels, positions), f"{node.name}/flat")
    x = b.add("Transpose", [x], f"{node.name}/turned", perm=[0, 2, 1])
    b.reshape(x, node.shape, node.name)


@INTEGER.register(Gate)
def _gate(b: Builder, node: Gate) -> None:
    name = node.name
    counts, logits = b.sources(node)
    weight = _gate_weights(b, node, logits)
    x = b.cast(counts, np.int32, f"{name}/counts")
    x = b.add("Sub", [x, b.shared(MAX_COUNT // 2, np.int32)], f"{name}/centred")
    x = b.add("Mul", [x, weight], f"{name}/weighted")
    x = b.add("ReduceSum", [x, b.shared([0], np.int64)], f"{name}/mixed", keepdims=1)
    x = b.add("Greater", [x, b.shared(0, np.int32)], f"{name}/fires")
    b.cast(x, np.uint8, name)


def _gate_weights(b: Builder, node: Gate, logits: str) -> str:
    """table[(max - l + half) >> shift] of each step and channel: (T, C, 1, 1)."""
    name = node.name
    top = b.add("ReduceMax", [logits, b.shared([0], np.int64)], f"{name}/max", keepdims=1)
    behind = b.add("Sub", [top, logits], f"{name}/behind")
    if node.shift:
        half = b.shared(2**node.shift // 2, np.int32)
        behind = b.add("Add", [behind, half], f"{name}/half")
        behind = _shift_right(b, behind, node.shift, np.int32, f"{name}/steps")
    last = b.shared(len(node.table) - 1, np.int32)
    index = b.add("Min", [behind, last], f"{name}/index")
    table = b.constant(f"{name}/table", node.table)
    weight = b.add("Gather", [table, index], f"{name}/weights", axis=0)
    return b.add("Transpose", [weight], f"{name}/weight", perm=[0, 2, 1, 3])


@INTEGER.register(Output)
def _output(b: Builder, node: Output) -> None:
    x = b.source(node.inputs[0])
    if b.graph.signal(node.inputs[0]) == COUNT:
        b.cast(x, np.int32, node.name)
    else:
        b.add("Identity", [x], node.name)


__all__ = ["INTEGER", "integer_model", "interpolation"]
