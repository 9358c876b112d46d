"""A node type of one's own: the larger of two membranes, y = max(a, b), neuron by neuron.

Import this file before a graph with such nodes is built or read: ``import maximum_node``.
One class with its traits, one function for each interpreter, a reason where there is none.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import nir
import numpy as np
import torch
from torch import Tensor

from spiketrack.deploy.chip.execution.messages import Message
from spiketrack.deploy.chip.execution.products import UNITS
from spiketrack.deploy.chip.execution.units import Unit
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.reach import identity
from spiketrack.deploy.chip.requirements import NEEDS, Need, Synapses
from spiketrack.export.nir import vocabulary
from spiketrack.export.nir.reader import READERS, Reading
from spiketrack.export.nir.writer import WRITERS
from spiketrack.export.outlets.onnx_builder import Builder as OnnxBuilder
from spiketrack.export.outlets.onnx_float import FLOAT
from spiketrack.export.outlets.onnx_integer import INTEGER
from spiketrack.export.outlets.standard_nir_nodes import STOCK
from spiketrack.export.passes.quantise import QUANTISERS
from spiketrack.integer.costs.formulas import FORMULAS, Formula, formula
from spiketrack.integer.graph import Graph, Node, Shape, node_type
from spiketrack.integer.kernels import KERNELS, Kernel
from spiketrack.integer.nodes.traits import MEMBRANE, Tied, Traits
from spiketrack.integer.rules.node_checks import CHECKS, require, require_signals
from spiketrack.integer.rules.ranges import RANGES, Range, make
from spiketrack.limits import WEIGHT_BITS


@node_type
@dataclasses.dataclass(frozen=True, eq=False)
class Maximum(Node):
    """y = max(a, b) of two membranes (T, C, H, W) on one grid."""

    traits = Traits("maximum", MEMBRANE, Tied())


@CHECKS.register(Maximum)
def check(node: Maximum, graph: Graph) -> None:
    """Two membranes of the node's own shape."""
    require_signals(node, graph, MEMBRANE, MEMBRANE)
    for source in graph.sources(node):
        require(node, source.shape == node.shape, f"{source.name} has shape {source.shape}")


@RANGES.register(Maximum)
def reach(node: Maximum, inputs: list[Range], spike: float) -> Range:
    """Both ends are those of the larger one."""
    a, b = inputs
    return make(np.maximum(a.low, b.low), np.maximum(a.high, b.high))


@QUANTISERS.register(Maximum)
def quantise(node: Maximum, plan: Any) -> Node:
    """It holds no number; its grid is that of both inputs."""
    return node


@KERNELS.register(Maximum)
def kernel(node: Maximum, graph: Graph) -> Kernel:
    """Exact in float32, as all integers below 2^24 are."""

    def run(inputs: Sequence[Tensor]) -> Tensor:
        return torch.maximum(inputs[0], inputs[1])

    return run


@FORMULAS.register(Maximum)
def cost(node: Maximum, graph: Graph) -> Formula:
    """A comparison an element, priced like an accumulation."""
    number = int(np.prod(node.shape))
    return formula(ac_graded=number, ac_spike=number)


vocabulary.define("maximum", "the larger of two membranes; NIR has no comparison", Maximum)


@WRITERS.register(Maximum)
def write(node: Maximum, graph: Graph, meta: vocabulary.Metadata) -> Mapping[str, Any]:
    """A node of our vocabulary with two inputs."""
    shape = node.shape[1:]
    return {node.name: vocabulary.custom("maximum", {"a": shape, "b": shape}, shape, meta)}


@READERS.register(Maximum)
def read(reading: Reading, name: str, inputs: Any, shape: Shape, node: nir.NIRNode) -> Node:
    """The same node again."""
    return Maximum(name, inputs, shape)


@INTEGER.register(Maximum)
@FLOAT.register(Maximum)
def lower(b: OnnxBuilder, node: Maximum) -> None:
    """ONNX's operator of this name, of integers and of reals."""
    b.add("Max", b.sources(node), node.name)


STOCK.unsupported(Maximum, reason="NIR has no comparison of two signals")


@NEEDS.register(Maximum)
def need(node: Maximum, graph: Graph) -> Need:
    """Neurons with two ports, one synapse of weight 1 from each input."""
    _, channels, height, width = node.shape
    axes = identity((channels, height, width))
    links = tuple(
        Synapses(source.name, axes, 0, WEIGHT_BITS, source.shape[0], WEIGHT_BITS, port=port)
        for port, source in enumerate(graph.sources(node))
    )
    return Need(links, ports=2, kind="maximum", rule="maximum")


class MaximumUnit(Unit):
    """The program of these neurons: each port keeps what arrives, the larger one is sent."""

    def __init__(self, graph: Graph, layer: Layer) -> None:
        super().__init__(graph, layer)
        self.arrived = [torch.zeros(1, *layer.shape), torch.zeros(1, *layer.shape)]

    def receive(self, now: int, index: int, message: Message) -> None:
        """A whole map comes through each port."""
        self.arrived[index] = message.values

    def combine(self, now: int) -> None:
        """What the neurons hold at any time."""
        self.potential = torch.maximum(*self.arrived)


UNITS["maximum", True] = MaximumUnit
