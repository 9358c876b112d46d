"""Folded graph → float ONNX: the float network in standard operators, for any runtime or GPU.

Populations give normalised spikes (count / 4), memories products of two of them; ``score`` and
``size`` of the search branch have passed the sigmoid and its clamp. Names are those of the integer
graph.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from spiketrack.export.outlets.onnx_builder import (
    Builder,
    Lowering,
    key_value,
    lower,
    positions_as_channels,
)
from spiketrack.inference import SCORE_CLAMP, SEARCH
from spiketrack.integer.graph import (
    Gate,
    Graph,
    KeyValue,
    Output,
    Pool,
    PositionsAsChannels,
    Read,
    Upsample,
)
from spiketrack.integer.nodes.traits import Stage
from spiketrack.integer.real import RealConv, RealNeuron, RealSum
from spiketrack.integer.registry import Registry
from spiketrack.limits import HEADS, MAX_COUNT

FLOAT: Registry[Lowering] = Registry(
    "float ONNX lowering", Stage.REAL, lambda traits: not traits.given
)
FLOAT.register(PositionsAsChannels)(positions_as_channels)


def float_model(folded: Graph, record: Collection[str] = (), forced: Collection[str] = ()) -> Any:
    """ONNX model of a folded graph; all tensors are float32.

    ``record``: populations whose normalised spikes become outputs too; ``forced``: populations
    whose readers take the input ``<name>/forced`` instead.
    """
    builder = lower(folded, FLOAT, np.float32, np.float32, record, forced)
    return builder.model("batch normalisation folded, normalised spikes = count / 4", {})


@FLOAT.register(RealConv)
def _conv(b: Builder, node: RealConv) -> None:
    steps = b.split_steps(b.source(node.inputs[0]), len(node.weight), node.name)
    names = [node.name] if len(steps) == 1 else [f"{node.name}/{s}" for s in range(len(steps))]
    for s, (x, name) in enumerate(zip(steps, names, strict=True)):
        weight = b.constant(f"{name}/weight", node.weight[s].astype(np.float32))
        bias = b.constant(f"{name}/bias", node.bias[s].astype(np.float32))
        pads, strides = [node.padding] * 4, [node.stride] * 2
        b.add("Conv", [x, weight, bias], name, group=node.groups, pads=pads, strides=strides)
    if len(steps) > 1:
        b.add("Concat", names, node.name, axis=0)


@FLOAT.register(RealSum)
def _sum(b: Builder, node: RealSum) -> None:
    terms = b.sources(node)
    if node.constant is not None:
        terms.append(b.constant(f"{node.name}/constant", node.constant.astype(np.float32)))
    b.add("Sum", terms, node.name)


def _spike(b: Builder, u: str, name: str) -> str:
    """round(clip(u, 0, 4)) / 4; ONNX rounds half to even."""
    ends = [b.shared(0, np.float32), b.shared(MAX_COUNT, np.float32)]
    k = b.add("Round", [b.add("Clip", [u, *ends], f"{name}/clipped")], f"{name}/count")
    return b.add("Mul", [k, b.constant(f"{name}/unit", np.float32(1 / MAX_COUNT))], name)


@FLOAT.register(RealNeuron)
def _neuron(b: Builder, node: RealNeuron) -> None:
    steps = node.shape[0]
    if steps == 1:
        _spike(b, b.source(node.inputs[0]), node.name)
        return
    given = b.graph[node.inputs[0]].shape[0]
    drive = b.split_steps(b.source(node.inputs[0]), given, node.name) * (steps // given)
    u = drive[0]
    spikes = [_spike(b, u, f"{node.name}/0")]
    for t, decay in enumerate(node.decay, 1):
        name = f"{node.name}/u{t}"
        rest = b.add("Sub", [u, spikes[-1]], f"{name}/rest")
        left = b.add("Mul", [rest, b.constant(f"{name}/decay", np.float32(decay))], f"{name}/left")
        u = b.add("Add", [left, drive[t]], name)
        spikes.append(_spike(b, u, f"{node.name}/{t}"))
    b.add("Concat", spikes, node.name, axis=0)


@FLOAT.register(Pool)
def _pool(b: Builder, node: Pool) -> None:
    kernel = [node.kernel] * 2
    b.add("AveragePool", b.sources(node), node.name, kernel_shape=kernel, strides=kernel)


@FLOAT.register(Upsample)
def _upsample(b: Builder, node: Upsample) -> None:
    scales = b.constant(
        f"{node.name}/scales", np.array([1, 1, node.factor, node.factor], np.float32)
    )
    b.add("Resize", [*b.sources(node), "", scales], node.name, mode="linear")


@FLOAT.register(KeyValue)
def _key_value(b: Builder, node: KeyValue) -> None:
    key_value(b, node, "MatMul")


@FLOAT.register(Read)
def _read(b: Builder, node: Read) -> None:
    """kvᵀ · q · d^-0.5 · 2."""
    q = b.heads(node.inputs[0], f"{node.name}/q")
    kv = b.transpose(b.source(node.inputs[1]), (0, 1, 3, 2), f"{node.name}/kvt")
    x = b.add("MatMul", [kv, q], f"{node.name}/products")
    scale = np.float32(2 * (node.shape[1] // 4 // HEADS) ** -0.5)
    x = b.add("Mul", [x, b.constant(f"{node.name}/scale", scale)], f"{node.name}/scaled")
    b.reshape(x, node.shape, node.name)


@FLOAT.register(Gate)
def _gate(b: Builder, node: Gate) -> None:
    """round(Σ softmax(logits)[t] · counts[t] / 4) / 4."""
    counts, logits = b.sources(node)
    weight = b.add("Softmax", [logits], f"{node.name}/softmax", axis=0)
    weight = b.transpose(weight, (0, 2, 1, 3), f"{node.name}/weight")
    x = b.add("Mul", [counts, weight], f"{node.name}/weighted")
    first = b.shared([0], np.int64)
    _spike(b, b.add("ReduceSum", [x, first], f"{node.name}/mixed", keepdims=1), node.name)


@FLOAT.register(Output)
def _output(b: Builder, node: Output) -> None:
    x = b.source(node.inputs[0])
    if b.graph.name != SEARCH or node.name not in ("score", "size"):
        b.add("Identity", [x], node.name)
        return
    x = b.add("Sigmoid", [x], f"{node.name}/sigmoid")
    low = b.constant(f"{node.name}/low", np.float32(SCORE_CLAMP))
    high = b.constant(f"{node.name}/high", np.float32(1 - SCORE_CLAMP))
    b.add("Clip", [x, low, high], node.name)
