"""Populations in integer ONNX: comparisons, the leak in 64 bits, the gate's table."""

from __future__ import annotations

import numpy as np

from spiketrack.export.outlets.onnx_builder import Builder
from spiketrack.integer.graph import Gate, Neuron
from spiketrack.limits import DECAY_BITS, MAX_COUNT, POTENTIAL_BITS

BYTE = 256


def to_bytes(b: Builder, x: str, name: str) -> tuple[str, str]:
    """Non-negative int32 below 2^16 → its two bytes as uint8."""
    base = b.shared(BYTE, np.int32)
    high = b.add("Div", [x, base], f"{name}/div")
    low = b.add("Sub", [x, b.add("Mul", [high, base], f"{name}/whole")], f"{name}/rest")
    return b.cast(high, np.uint8, f"{name}/hi"), b.cast(low, np.uint8, f"{name}/lo")


def shift_right(b: Builder, x: str, bits: int, kind: type[np.generic], name: str) -> str:
    """floor(x / 2^bits) of a signed tensor; ONNX shifts unsigned integers only."""
    unsigned = np.uint64 if kind is np.int64 else np.uint32
    lift = 2 ** (POTENTIAL_BITS + bits) if kind is np.int64 else 2**30
    y = b.add("Add", [x, b.shared(lift, kind)], f"{name}/lifted")
    y = b.cast(y, unsigned, f"{name}/unsigned")
    y = b.add("BitShift", [y, b.shared(bits, unsigned)], f"{name}/shifted", direction="RIGHT")
    y = b.cast(y, kind, f"{name}/signed")
    return b.add("Sub", [y, b.shared(lift >> bits, kind)], name)


def neuron(b: Builder, node: Neuron) -> None:
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
    """The number of the highest threshold reached; older runtimes select bytes, add none."""
    count = b.shared(0, np.uint8)
    for j, threshold in enumerate(node.thresholds, 1):
        fires = b.add("GreaterOrEqual", [u, b.shared(threshold, np.int32)], f"{name}/fires{j}")
        rest = f"{name}/count{j}" if j < MAX_COUNT else name
        count = b.add("Where", [fires, b.shared(j, np.uint8), count], rest)
    return count


def _leak(b: Builder, node: Neuron, u: str, count: str, t: int) -> str:
    """((u - k · reset) · decay) >> 12 in 64 bits."""
    name = f"{node.name}/leak{t}"
    k = b.cast(count, np.int32, f"{name}/count")
    k = b.add("Mul", [k, b.shared(node.reset, np.int32)], f"{name}/reset")
    rest = b.cast(b.add("Sub", [u, k], f"{name}/rest"), np.int64, f"{name}/wide")
    y = b.add("Mul", [rest, b.shared(node.decay[t - 1], np.int64)], f"{name}/product")
    return b.cast(shift_right(b, y, DECAY_BITS, np.int64, f"{name}/kept"), np.int32, name)


def gate(b: Builder, node: Gate) -> None:
    """1 where Σ table[…] · (count - 2) over the steps is positive."""
    name = node.name
    counts, logits = b.sources(node)
    weight = _weights(b, node, logits)
    x = b.cast(counts, np.int32, f"{name}/counts")
    x = b.add("Sub", [x, b.shared(MAX_COUNT // 2, np.int32)], f"{name}/centred")
    x = b.add("Mul", [x, weight], f"{name}/weighted")
    x = b.add("ReduceSum", [x, b.shared([0], np.int64)], f"{name}/mixed", keepdims=1)
    x = b.add("Greater", [x, b.shared(0, np.int32)], f"{name}/fires")
    b.cast(x, np.uint8, name)


def _weights(b: Builder, node: Gate, logits: str) -> str:
    """table[(max - l + half) >> shift] of each step and channel: (T, C, 1, 1)."""
    name = node.name
    top = b.add("ReduceMax", [logits, b.shared([0], np.int64)], f"{name}/max", keepdims=1)
    behind = b.add("Sub", [top, logits], f"{name}/behind")
    if node.shift:
        half = b.shared(2**node.shift // 2, np.int32)
        behind = b.add("Add", [behind, half], f"{name}/half")
        behind = shift_right(b, behind, node.shift, np.int32, f"{name}/steps")
    last = b.shared(len(node.table) - 1, np.int32)
    index = b.add("Min", [behind, last], f"{name}/index")
    table = b.constant(f"{name}/table", node.table)
    weight = b.add("Gather", [table, index], f"{name}/weights", axis=0)
    return b.transpose(weight, (0, 2, 1, 3), f"{name}/weight")
