"""Convolutions of the integer network on a CPU, exactly.

Counts meet int8 weights in oneDNN's 8-bit kernels: the sum of products is an int32, one power of
two a channel scales it and the bias is added in float32, exact below 2^24 as ``ranges.py`` proves.
Where only a population reads the membrane, the same pass also counts: clip to 0..4 units, times
1 / unit, round half to even, which is the population's own rule (``power_of_two_unit``). The image
layer runs in float32: processors without VNNI add pairs of products in 16 bits, which pixels
leave and counts do not. Weights are packed once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spiketrack.integer.graph import COUNT, Conv, Graph, Neuron, Read
from spiketrack.integer.neurons import count, power_of_two_unit
from spiketrack.limits import HEADS, MAX_COUNT

OneStep = Callable[[Tensor], Tensor]


def channels_last(x: Tensor) -> Tensor:
    """The same values, channels innermost in memory; no copy where they are already."""
    return x.contiguous(memory_format=torch.channels_last)


def convolution(
    node: Conv, graph: Graph, reader: Neuron | None = None
) -> Callable[[Sequence[Tensor]], Tensor]:
    """A convolution's kernel: its membrane in float32, or the counts of its ``reader`` in uint8.

    A reader has one time step, the shape of the convolution and ``power_of_two_unit``.
    """
    make = _plain
    if torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        make = _eight_bits if graph.signal(node.inputs[0]) == COUNT else _float32
    steps = [make(node, graph, index, reader) for index in range(len(node.weight))]
    if len(steps) == 1:
        return lambda inputs: steps[0](channels_last(inputs[0]))

    def each_step(inputs: Sequence[Tensor]) -> Tensor:
        parts = zip(torch.split(inputs[0], 1), steps, strict=True)
        return torch.cat([run(channels_last(x)) for x, run in parts])

    return each_step


def _geometry(node: Conv) -> tuple[list[int], list[int], list[int]]:
    return [node.stride] * 2, [node.padding] * 2, [1, 1]


def _size(node: Conv, graph: Graph) -> list[int]:
    """Shape of what one set of weights is applied to: packing depends on it."""
    steps, *plane = graph[node.inputs[0]].shape
    return [steps if len(node.weight) == 1 else 1, *plane]


def _eight_bits(node: Conv, graph: Graph, index: int, reader: Neuron | None) -> OneStep:
    library: Any = torch.ops.onednn  # type: ignore[attr-defined]
    weight = torch.from_numpy(np.ascontiguousarray(node.weight[index]))
    scale = torch.from_numpy(np.exp2(node.shift[index]).astype(np.float32))
    bias = torch.from_numpy(node.bias[index].astype(np.float32))
    zero = torch.zeros(len(scale), dtype=torch.int64)
    place = (*_geometry(node), node.groups)
    packed = library.qconv_prepack(weight, scale, 1.0, 0, *place, _size(node, graph))
    unit = power_of_two_unit(reader) if reader is not None else None
    if unit is None:
        behind: tuple[Any, ...] = (1.0, 0, torch.float32, "none", [], None)
    else:
        behind = (1 / unit, 0, None, "hardtanh", [0.0, MAX_COUNT * unit], None)
    run: OneStep = lambda x: library.qconv2d_pointwise(  # noqa: E731
        x, 1.0, 0, packed, scale, zero, bias, *place, *behind
    )
    return run


def _real(node: Conv, index: int) -> tuple[Tensor, Tensor]:
    weight = node.weight[index] * np.exp2(node.shift[index])[:, None, None, None]
    return torch.from_numpy(weight.astype(np.float32)), torch.from_numpy(
        node.bias[index].astype(np.float32)
    )


def _float32(node: Conv, graph: Graph, index: int, reader: Neuron | None) -> OneStep:
    library: Any = torch.ops.mkldnn  # type: ignore[attr-defined]
    stride, padding, dilation = _geometry(node)
    place = (padding, stride, dilation, node.groups)
    weight, bias = _real(node, index)
    packed = library._reorder_convolution_weight(weight, *place, _size(node, graph))
    run: OneStep = lambda x: _counted(  # noqa: E731
        library._convolution_pointwise(x, packed, bias, *place, "none", [], ""), reader
    )
    return run


def memory_read(node: Read, graph: Graph) -> Callable[[Sequence[Tensor]], Tensor]:
    """q · kv per head and step: a 1×1 convolution of eight groups whose weights are kv.

    A memory that stays the same tensor from call to call is packed once.
    """
    known: list[tuple[Tensor, int, list[OneStep]]] = []

    def pack(memory: Tensor) -> list[OneStep]:
        weights = memory.mul(2.0**node.shift).transpose(2, 3).flatten(1, 2)[..., None, None]
        return [_grouped(weight.contiguous(), node) for weight in weights]

    def run(inputs: Sequence[Tensor]) -> Tensor:
        q, memory = inputs
        if not known or known[0][0] is not memory or known[0][1] != memory._version:
            known[:] = [(memory, memory._version, pack(memory))]
        parts = zip(torch.split(q.float(), 1), known[0][2], strict=True)
        found = [read(channels_last(x)) for x, read in parts]
        return found[0] if len(found) == 1 else torch.cat(found)

    return run


def _grouped(weight: Tensor, node: Read) -> OneStep:
    """weight (4C, C / 8, 1, 1) applied to float32 (1, C, H, W)."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return lambda x: functional.conv2d(x, weight, groups=HEADS)
    library: Any = torch.ops.mkldnn  # type: ignore[attr-defined]
    place = ([0, 0], [1, 1], [1, 1], HEADS)
    size = [1, node.shape[1] // 4, *node.shape[2:]]
    packed = library._reorder_convolution_weight(weight, *place, size)
    run: OneStep = lambda x: library._convolution_pointwise(  # noqa: E731
        x, packed, None, *place, "none", [], ""
    )
    return run


def _plain(node: Conv, graph: Graph, index: int, reader: Neuron | None) -> OneStep:
    """torch's own convolution, where it was built without oneDNN."""
    weight, bias = _real(node, index)
    place = (node.stride, node.padding, 1, node.groups)
    return lambda x: _counted(functional.conv2d(x.float(), weight, bias, *place), reader)


def _counted(membrane: Tensor, reader: Neuron | None) -> Tensor:
    if reader is None:
        return membrane
    return count(membrane, np.array(reader.thresholds, np.int32))
