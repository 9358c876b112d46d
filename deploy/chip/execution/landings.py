"""On which neurons of a layer operations land, (C, H, W); their sum is the layer's ``Work``."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spiketrack.deploy.chip.layers import Layer
from spiketrack.integer.costs.formulas import FORMULAS, upsample_taps
from spiketrack.integer.counting import FIELDS
from spiketrack.integer.graph import Conv, Gate, Graph, Node, Upsample

Shape = tuple[int, int, int]


@dataclass
class Landed:
    """Operations and multiplications of each neuron in one time step, int64 (C, H, W)."""

    operations: Tensor
    multiplications: Tensor

    @classmethod
    def none(cls, shape: Shape) -> Landed:
        """Nothing has landed."""
        zeros = torch.zeros(shape, dtype=torch.int64)
        return cls(zeros, zeros.clone())

    def add(self, other: Landed) -> None:
        """What lands besides."""
        self.operations += other.operations
        self.multiplications += other.multiplications


def fixed_landings(graph: Graph, layer: Layer) -> Landed:
    """Of each firing: what depends on no message, such as sums of membranes."""
    landed = Landed.none(layer.shape)
    for name in layer.nodes:
        node = graph[name]
        row = FORMULAS[node](node, graph).constant
        spread = SPREAD.get(type(node), _evenly)
        for column, total in (
            ("ac_graded", landed.operations),
            ("mac", landed.multiplications),
        ):
            number = int(row[FIELDS.index(column)]) // layer.steps
            if number:
                total += spread(node, graph, column, number, layer.shape)
    return landed


def _evenly(node: Node, graph: Graph, column: str, number: int, shape: Shape) -> Tensor:
    """As many for each neuron; what is left over for the first ones."""
    each, left = divmod(number, math.prod(shape))
    values = torch.full((math.prod(shape),), each, dtype=torch.int64)
    values[:left] += 1
    return values.reshape(shape)


def _conv(node: Conv, graph: Graph, column: str, number: int, shape: Shape) -> Tensor:
    """Pixels times weights: fewer at the border."""
    source = graph[node.inputs[0]]
    ones = torch.ones(1, 1, *source.shape[2:])
    kernel = torch.full((1, 1, *node.weight.shape[-2:]), float(source.shape[1] // node.groups))
    reached = functional.conv2d(ones, kernel, stride=node.stride, padding=node.padding)
    return reached[0].to(torch.int64).expand(shape)


def _upsample(node: Upsample, graph: Graph, column: str, number: int, shape: Shape) -> Tensor:
    """Binary ones of the taps of each output; without a shift the first starts the sum."""
    taps = [upsample_taps(n // node.factor, node.factor) for n in node.shape[2:]]
    ones = np.vectorize(int.bit_count, otypes=[np.int64])
    terms = ones(np.multiply.outer(*taps).astype(object)).sum((1, 3))
    return torch.from_numpy(terms - (0 if node.shift else 1)).expand(shape)


def _gate(node: Gate, graph: Graph, column: str, number: int, shape: Shape) -> Tensor:
    """T at each position; a channel's table is counted at its first one."""
    steps = graph[node.inputs[0]].shape[0]
    additions = torch.full(shape, steps, dtype=torch.int64)
    additions[:, 0, 0] += (number - steps * math.prod(shape)) // shape[0]
    return additions


SPREAD: dict[type[Node], Callable[..., Tensor]] = {
    Conv: _conv,
    Upsample: _upsample,
    Gate: _gate,
}
