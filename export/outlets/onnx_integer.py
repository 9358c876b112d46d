"""Integer graph → ONNX in integer arithmetic, equal bit for bit in any conforming runtime.

Counts are uint8, membranes and memories int32. A convolution is ``ConvInteger`` of uint8 counts
with uint8 weights of zero point 128 (onnxruntime has no uint8 × int8), then an integer product
with 2^shift a channel and the bias. Memories, which are wider, are split into two bytes.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from spiketrack.errors import GraphError
from spiketrack.export.outlets.onnx_builder import (
    Builder,
    Lowering,
    key_value,
    lower,
    positions_as_channels,
)
from spiketrack.export.outlets.onnx_populations import BYTE, gate, neuron, shift_right, to_bytes
from spiketrack.integer.costs.formulas import upsample_taps
from spiketrack.integer.graph import (
    COUNT,
    IMAGE,
    Conv,
    Gate,
    Graph,
    Input,
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
from spiketrack.limits import PIXEL_MAX

ZERO_POINT = 128

INTEGER: Registry[Lowering] = Registry(
    "integer ONNX lowering", applies=lambda traits: not traits.given
)
INTEGER.register(PositionsAsChannels)(positions_as_channels)
INTEGER.register(Neuron)(neuron)
INTEGER.register(Gate)(gate)


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
    steps = b.split_steps(_bytes(b, node), len(node.weight), node.name)
    if len(steps) == 1:
        _one_conv(b, node, steps[0], 0, node.name)
        return
    outputs = [_one_conv(b, node, x, s, f"{node.name}/{s}") for s, x in enumerate(steps)]
    b.add("Concat", outputs, node.name, axis=0)


def _one_conv(b: Builder, node: Conv, x: str, s: int, name: str) -> str:
    """Σ weight · x, times 2^shift, plus bias, with the weights of set ``s``."""
    weight = (node.weight[s].astype(np.int16) + ZERO_POINT).astype(np.uint8)
    w = b.constant(f"{name}/weight", weight)
    y = _products(b, node, x, w, name)
    if node.shift[s].any():
        scale = b.constant(f"{name}/scale", _channels(1 << node.shift[s]))
        y = b.add("Mul", [y, scale], f"{name}/scaled")
    return b.add("Add", [y, b.constant(f"{name}/bias", _channels(node.bias[s]))], name)


def _bytes(b: Builder, node: Conv) -> str:
    """The counts or pixels that a convolution reads, as uint8."""
    source = b.graph[node.inputs[0]]
    x, signal = b.source(source.name), b.graph.signal(source.name)
    if signal == COUNT:
        return x
    if not isinstance(source, Input) or signal != IMAGE:
        raise GraphError(f"{node.name}: reads a {signal}; a convolution takes counts or the image")
    if source.low < 0 or source.high > PIXEL_MAX:
        raise GraphError(f"{source.name}: {source.low}..{source.high} are no pixels of 8 bits")
    return b.cast(x, np.uint8, f"{node.name}/pixels")


def _products(b: Builder, node: Conv, x: str, w: str, name: str) -> str:
    points = [b.shared(0, np.uint8), b.shared(ZERO_POINT, np.uint8)]
    return b.add(
        "ConvInteger",
        [x, w, *points],
        f"{name}/products",
        group=node.groups,
        pads=[node.padding] * 4,
        strides=[node.stride] * 2,
    )


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
    rows = b.constant(f"{node.name}/rows", _taps(height, node.factor))
    columns = b.constant(f"{node.name}/columns", _taps(width, node.factor).T)
    x = b.add("MatMul", [rows, b.source(node.inputs[0])], f"{node.name}/tall")
    if not node.shift:
        b.add("MatMul", [x, columns], node.name)
        return
    x = b.add("MatMul", [x, columns], f"{node.name}/fine")
    half = b.shared(2**node.shift // 2, np.int32)
    x = b.add("Add", [x, half], f"{node.name}/half")
    shift_right(b, x, node.shift, np.int32, node.name)


def _taps(size: int, factor: int) -> Any:
    return upsample_taps(size, factor).astype(np.int32)


@INTEGER.register(KeyValue)
def _key_value(b: Builder, node: KeyValue) -> None:
    key_value(b, node, "MatMulInteger")


@INTEGER.register(Read)
def _read(b: Builder, node: Read) -> None:
    """(kvᵀ · q) << shift, the memory's 16 bits in two bytes."""
    name = node.name
    q = b.heads(node.inputs[0], f"{name}/q")
    kv = b.transpose(b.source(node.inputs[1]), (0, 1, 3, 2), f"{name}/kvt")
    high, low = to_bytes(b, kv, f"{name}/kv")
    high = b.add("MatMulInteger", [high, q], f"{name}/high")
    high = b.add("Mul", [high, b.shared(BYTE, np.int32)], f"{name}/raised")
    low = b.add("MatMulInteger", [low, q], f"{name}/low")
    y = b.add("Add", [high, low], f"{name}/products")
    y = b.add("Mul", [y, b.shared(2**node.shift, np.int32)], f"{name}/scaled")
    b.reshape(y, node.shape, name)


@INTEGER.register(Output)
def _output(b: Builder, node: Output) -> None:
    x = b.source(node.inputs[0])
    if b.graph.signal(node.inputs[0]) == COUNT:
        b.cast(x, np.int32, node.name)
    else:
        b.add("Identity", [x], node.name)
