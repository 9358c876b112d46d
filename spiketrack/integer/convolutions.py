"""Convolutions of the integer network on a CPU, exactly.

Counts meet int8 weights in 8-bit kernels where they are exact (``exact_choice``): the sum of
products is an int32, one power of two a channel scales it and the bias is added in float32, exact
below 2^24 as ``ranges.py`` proves. Where only a population reads the membrane, the same pass also
counts: clip to 0..4 units, times 1 / unit, round half to even, which is the population's own rule
(``power_of_two_unit``). The image layer runs in float32 or compiled: of torch's 8-bit kernels,
those for processors without VNNI add pairs of products in 16 bits, which pixels leave and counts
do not. Weights are packed once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from spiketrack.integer.compiled.calls import Call, Compiled
from spiketrack.integer.exact_choice import pack
from spiketrack.integer.exact_ops import Layer, OneStep
from spiketrack.integer.graph import COUNT, IMAGE, Conv, Graph, Input, Neuron, Node
from spiketrack.integer.neurons import power_of_two_unit
from spiketrack.limits import PIXEL_MAX


def channels_last(x: Tensor) -> Tensor:
    """The same values, channels innermost in memory; no copy where they are already."""
    return x.contiguous(memory_format=torch.channels_last)


def convolution(
    node: Conv, graph: Graph, reader: Neuron | None = None
) -> Callable[[Sequence[Tensor]], Tensor]:
    """A convolution's kernel: its membrane in float32, or the counts of its ``reader`` in uint8.

    A reader has one time step, the shape of the convolution and ``power_of_two_unit``.
    """
    unit = power_of_two_unit(reader) if reader is not None else None
    steps = [pack(_layer(node, graph, index, unit)) for index in range(len(node.weight))]

    def one_step(inputs: Sequence[Tensor]) -> Tensor:
        return steps[0](channels_last(inputs[0]))

    def each_step(inputs: Sequence[Tensor]) -> Tensor:
        parts = zip(torch.split(inputs[0], 1), steps, strict=True)
        return torch.cat([run(channels_last(x)) for x, run in parts])

    run = one_step if len(steps) == 1 else each_step
    calls = _calls(steps, math.prod(graph[node.inputs[0]].shape[1:]))
    return Compiled(run, calls, unit is not None) if calls else run


def _calls(steps: Sequence[OneStep], plane: int) -> tuple[Call, ...]:
    """Calls of the compiled loops, one a set of weights, if all are compiled; else none.

    ``plane``: counts of a time step, a byte each.
    """
    calls: list[Call] = []
    for index, step in enumerate(steps):
        if not isinstance(step, Compiled):
            return ()
        calls += (call.moved(index * plane, index * call.size) for call in step.calls)
    return tuple(calls)


def _layer(node: Conv, graph: Graph, index: int, unit: int | None) -> Layer:
    """One set of the weights of a node, for all steps or for one."""
    steps, *plane = graph[node.inputs[0]].shape
    counts = graph.signal(node.inputs[0]) == COUNT
    return Layer(
        weight=torch.from_numpy(node.weight[index]).to(torch.int8 if counts else torch.float32),
        scale=torch.from_numpy(np.exp2(node.shift[index]).astype(np.float32)),
        bias=torch.from_numpy(node.bias[index].astype(np.float32)),
        size=(steps if len(node.weight) == 1 else 1, *plane),
        stride=node.stride,
        padding=node.padding,
        groups=node.groups,
        unit=unit,
        pixels=_pixels(graph[node.inputs[0]]),
    )


def _pixels(node: Node) -> bool:
    """Whether a node is an image of numbers of 8 bits without sign."""
    if not isinstance(node, Input) or node.signal != IMAGE:
        return False
    return node.low >= 0 and node.high <= PIXEL_MAX
