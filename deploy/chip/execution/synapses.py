"""Synapses of one connection: a message → what it adds to the accumulators, and operations.

The operations are those of ``integer/counting.py``: one for each non-zero message and each synapse
that it really reaches, borders and strides included.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spiketrack.deploy.chip.requirements import Synapses
from spiketrack.errors import GraphError
from spiketrack.integer.attention import memory_read
from spiketrack.integer.convolutions import convolution
from spiketrack.integer.costs.fan_out import fan_out_map
from spiketrack.integer.costs.formulas import synapses_per_entry
from spiketrack.integer.graph import (
    COUNT,
    IMAGE,
    Conv,
    Graph,
    Input,
    Node,
    Pool,
    Read,
    Sum,
    Upsample,
)
from spiketrack.integer.registry import Registry
from spiketrack.limits import HEADS


class Operator(Protocol):
    """Linear map of one connection; ``step`` is the reader's network step."""

    def apply(self, values: Tensor, step: int) -> Tensor:
        """What the accumulators (1, C, H, W) get, float32 that holds integers."""

    def operations(self, values: Tensor) -> int:
        """Synaptic operations that the message causes."""

    def reached(self, values: Tensor) -> Tensor | None:
        """The same neuron by neuron, int64 (C, H, W); None where there are none."""


class Uncounted:
    """Sums whose operations are counted where they are taken."""

    def operations(self, values: Tensor) -> int:
        """None; see the class."""
        return 0

    def reached(self, values: Tensor) -> Tensor | None:
        """None."""
        return None


OPERATORS: Registry[Callable[..., Operator]] = Registry(
    "synapses", applies=lambda traits: traits.dendritic
)
OPERATORS.unsupported(Sum, reason="its terms end in one-to-one synapses of their own")


def operator(graph: Graph, link: Synapses) -> Operator:
    """The synapses that a connection holds; see ``Synapses.node``."""
    if not link.node:
        return OneToOne()
    node = graph[link.node]
    made: Operator = OPERATORS[node](node, graph)
    return made


class OneToOne(Uncounted):
    """Synapses of weight 1."""

    def apply(self, values: Tensor, step: int) -> Tensor:
        """The values themselves."""
        return values.float()


@OPERATORS.register(Conv)
class Convolution:
    """Shared kernels, a set for each network step that has one; biases are the neurons' own."""

    def __init__(self, node: Conv, graph: Graph) -> None:
        source = graph[node.inputs[0]]
        self.positions = source.traits.wiring
        self.node = node
        self.channels = source.shape[1:]
        self.sets = [_one_set(node, graph, index) for index in range(len(node.weight))]
        self.fan_out: Tensor | None = None
        if graph.signal(source.name) != IMAGE:
            reached = fan_out_map(node, source) * (node.shape[1] // node.groups)
            self.fan_out = torch.from_numpy(reached.astype(np.int64))

    def apply(self, values: Tensor, step: int) -> Tensor:
        """Σ weight · value over the synapses that it reaches."""
        run = self.sets[step if len(self.sets) > 1 else 0]
        return run([self._wired(values)])

    def operations(self, values: Tensor) -> int:
        """Σ fan-out of the neurons that send; pixels are multiplied, see ``mac``."""
        if self.fan_out is None:
            return 0
        sending = torch.count_nonzero(self._wired(values)[0], dim=0)
        return int((sending * self.fan_out).sum())

    def reached(self, values: Tensor) -> Tensor | None:
        """Messages in the window of each neuron."""
        if self.fan_out is None:
            return None
        groups, kernel = self.node.groups, self.node.weight.shape[-2:]
        sending = (self._wired(values) != 0).float()
        sending = sending.reshape(1, groups, -1, *sending.shape[2:]).sum(2)
        ones = torch.ones(groups, 1, *kernel)
        fans = functional.conv2d(
            sending, ones, stride=self.node.stride, padding=self.node.padding, groups=groups
        )
        return fans[0].to(torch.int64).repeat_interleave(self.node.shape[1] // groups, 0)

    def _wired(self, values: Tensor) -> Tensor:
        if not self.positions:
            return values
        return values.permute(0, 2, 3, 1).reshape(1, *self.channels)


def _one_set(node: Conv, graph: Graph, index: int) -> Callable[[list[Tensor]], Tensor]:
    """The kernel of one network step, without its bias."""
    source = graph[node.inputs[0]]
    count = graph.signal(source.name) == COUNT
    stub = Input(source.name, (), (1, *source.shape[1:]), COUNT if count else IMAGE)
    one = dataclasses.replace(
        node,
        inputs=(stub.name,),
        shape=(1, *node.shape[1:]),
        weight=node.weight[index : index + 1],
        shift=node.shift[index : index + 1],
        bias=np.zeros_like(node.bias[index : index + 1]),
    )
    kernel = convolution(one, Graph(graph.name, (stub, one)))
    if count:
        return kernel
    return lambda inputs: kernel([inputs[0].float()])


@OPERATORS.register(Pool)
class Pooling(Uncounted):
    """kernel² synapses of weight 1 a neuron."""

    def __init__(self, node: Pool, graph: Graph) -> None:
        self.kernel = node.kernel

    def apply(self, values: Tensor, step: int) -> Tensor:
        """Sums of cells."""
        return functional.avg_pool2d(values.float(), self.kernel, divisor_override=1)


@OPERATORS.register(Upsample)
class Upsampling(Uncounted):
    """Weights a · b in multiples of 1 / (2 factor)²; the neurons shift and round."""

    def __init__(self, node: Upsample, graph: Graph) -> None:
        self.size = node.shape[2:]
        self.gain = (2.0 * node.factor) ** 2

    def apply(self, values: Tensor, step: int) -> Tensor:
        """Σ a · b · x."""
        size = list(self.size)
        fine = functional.interpolate(values.float(), size, mode="bilinear", align_corners=False)
        gained: Tensor = fine * self.gain
        return gained


@OPERATORS.register(Read)
class MemoryRead:
    """The templates' memory as weights, which the host rewrites, a set for each network step."""

    def __init__(self, node: Read, graph: Graph) -> None:
        self.node = node
        self.name = node.inputs[1]
        self.per_entry = synapses_per_entry(node, graph)
        self.synapses = node.shape[1] // HEADS * self.per_entry
        self.graph = graph
        self.sets: list[tuple[Callable[[list[Tensor]], Tensor], Tensor]] = []

    def write(self, memory: Tensor) -> None:
        """New weights, (T, 8, d, 4d)."""
        one = dataclasses.replace(self.node, shape=(1, *self.node.shape[1:]))
        sets = torch.split(memory.float(), 1)
        self.sets = [(memory_read(one, self.graph), weights.clone()) for weights in sets]

    def apply(self, values: Tensor, step: int) -> Tensor:
        """Σ weight · count of one head."""
        if not self.sets:
            raise GraphError(f"{self.node.name}: its memory was never written; encode templates")
        read, memory = self.sets[step if len(self.sets) > 1 else 0]
        return read([values, memory])

    def operations(self, values: Tensor) -> int:
        """Each message meets the 4d entries of its row, of several synapses each."""
        return int(torch.count_nonzero(values)) * self.synapses

    def reached(self, values: Tensor) -> Tensor | None:
        """Messages of the neuron's head at its position."""
        heads = (values[0] != 0).reshape(HEADS, -1, *values.shape[2:]).sum(1)
        return (heads * self.per_entry).repeat_interleave(self.node.shape[1] // HEADS, 0)


def constants(graph: Graph, names: tuple[str, ...], step: int) -> Tensor | None:
    """Biases and constant maps of all that is folded into a layer, in one network step."""
    total: Tensor | None = None
    for name in names:
        value = _constant(graph[name], step)
        if value is not None:
            total = value if total is None else total + value
    return total


def _constant(node: Node, step: int) -> Tensor | None:
    values = node.added(step)
    if values is None or not values.any():
        return None
    whole = torch.from_numpy(values[None].astype(np.float32))
    return whole.contiguous(memory_format=torch.channels_last)
