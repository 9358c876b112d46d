"""What stock NIR makes of a node: the stock nodes that compute its integers, or why there are none.

Messages between populations are counts k in 0..4; membranes are real numbers
integer · 2^-fraction, exact in float32. A population is four ``Threshold`` nodes whose outputs
add up: k = Σ_j [u > (threshold_j - ½) · 2^-fraction]. NIR's threshold fires on strictly greater,
half an LSB below makes it "reaches". A constant map in front of a population (positional
embedding) is subtracted from its thresholds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import nir
import numpy as np
from numpy.typing import NDArray

from spiketrack.errors import GraphError
from spiketrack.integer.graph import (
    COUNT,
    Conv,
    Gate,
    Graph,
    KeyValue,
    Neuron,
    Node,
    Output,
    Pool,
    PositionsAsChannels,
    Read,
    Sum,
    Upsample,
)
from spiketrack.integer.registry import Registry
from spiketrack.limits import HEADS, MAX_COUNT

Real = NDArray[np.float32]
Memories = Mapping[str, NDArray[np.int32]]  # memory input → (1, 8, d, 4d)
DT = 0.001  # seconds; one time step is one inference
VOCABULARY = "spiketrack-standard"

STOCK: Registry[Callable[..., None]] = Registry(
    "stock NIR writer", applies=lambda traits: not traits.given
)
STOCK.unsupported(KeyValue, reason="NIR has no product of two signals")
STOCK.unsupported(Upsample, reason="NIR has no interpolation and no rounding to a grid")
STOCK.unsupported(Gate, PositionsAsChannels, reason="NIR has no softmax and no permutation of axes")
STOCK.unsupported(Output, reason="read by the host")


@dataclass(frozen=True)
class Part:
    """Nodes that one ``.nir`` file holds; ``inputs`` and ``outputs`` are names of tensors."""

    name: str
    nodes: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class PartWriter:
    """Collects the NIR nodes and edges of one part."""

    def __init__(self, graph: Graph, part: Part, memories: Memories) -> None:
        self.graph = graph
        self.part = part
        self.memories = memories
        self.nodes: dict[str, nir.NIRNode] = {}
        self.edges: list[tuple[str, str]] = []

    def run(self) -> nir.NIRGraph:
        """The part as a NIR graph with explicit inputs and outputs."""
        for name in self.part.inputs:
            shape = np.asarray(self.graph[name].shape[1:])
            self.nodes[name] = nir.Input({"input": shape}, metadata=self.meta(name))
        for name in self.part.nodes:
            STOCK[self.graph[name]](self, self.graph[name])
        for name in self.part.outputs:
            shape = np.asarray(self.graph[name].shape[1:])
            output = nir.Output({"output": shape}, metadata=self.meta(name))
            self.add(f"{name}.output", output, self.sources(name))
        metadata = {"vocabulary": VOCABULARY, "part": self.part.name, "dt": DT}
        return nir.NIRGraph(self.nodes, self.edges, metadata=metadata, type_check=False)

    def meta(self, name: str) -> dict[str, Any]:
        """What a reader needs to go back to integers: the node and its exponent."""
        return {"tensor": name, "fraction": unit_fraction(self.graph, name)}

    def add(self, name: str, node: nir.NIRNode, sources: list[str]) -> None:
        """Append a node that adds up what ``sources`` send."""
        self.nodes[name] = node
        self.edges += [(source, name) for source in sources]

    def sources(self, name: str) -> list[str]:
        """NIR nodes whose sum is tensor ``name``: four for a population of this part."""
        if name in self.part.nodes and self.graph[name].traits.population:
            return [f"{name}.{level}" for level in range(1, MAX_COUNT + 1)]
        return [name]


def unit_fraction(graph: Graph, name: str) -> int:
    """A tensor's real value is integer · 2^-fraction; counts are sent as they are."""
    return 0 if graph.signal(name) == COUNT else graph.fractions[name]


def exact(values: NDArray[np.float64], name: str) -> Real:
    """float64 → float32 without loss, else ``GraphError``."""
    single = values.astype(np.float32)
    if not np.array_equal(single, values):
        raise GraphError(f"{name}: a number needs more than 24 bits; float32 cannot hold it")
    return single


@STOCK.register(Conv)
def _conv(w: PartWriter, node: Conv) -> None:
    own = w.graph.fractions[node.name]
    exponent = node.shift[0] + unit_fraction(w.graph, node.inputs[0]) - own
    weight = np.ldexp(node.weight[0].astype(np.float64), exponent[:, None, None, None])
    bias = np.ldexp(node.bias[0].astype(np.float64), -own)
    _add_conv(w, node, weight, bias, (node.stride, node.padding, node.groups))


@STOCK.register(Read)
def _read(w: PartWriter, node: Read) -> None:
    """The memory as the weights of a grouped 1×1 convolution, one group a head."""
    kv = w.memories[node.inputs[1]][0].astype(np.float64)
    weight = kv.transpose(0, 2, 1).reshape(node.shape[1], kv.shape[1], 1, 1)
    weight = np.ldexp(weight, node.shift - w.graph.fractions[node.name])
    _add_conv(w, node, weight, np.zeros(node.shape[1]), (1, 0, HEADS))


def _add_conv(
    w: PartWriter,
    node: Node,
    weight: NDArray[np.float64],
    bias: NDArray[np.float64],
    options: tuple[int, int, int],
) -> None:
    stride, padding, groups = options
    _, _, height, width = w.graph[node.inputs[0]].shape
    conv = nir.Conv2d(
        input_shape=(height, width),
        weight=exact(weight, node.name),
        stride=(stride, stride),
        padding=(padding, padding),
        dilation=(1, 1),
        groups=groups,
        bias=exact(bias, node.name),
    )
    w.add(node.name, conv, w.sources(node.inputs[0]))


@STOCK.register(Sum)
def _sum(w: PartWriter, node: Sum) -> None:
    """Several edges into one node add up; a unit ``Scale`` gives the sum its name."""
    scale = np.ones(node.shape[1:], np.float32)
    sources = [source for name in node.inputs for source in w.sources(name)]
    w.add(node.name, nir.Scale(scale), sources)


@STOCK.register(Pool)
def _pool(w: PartWriter, node: Pool) -> None:
    """Sum of the cells, then the factor 1 / kernel²."""
    size = np.full(2, node.kernel)
    pool = nir.SumPool2d(kernel_size=size, stride=size, padding=np.zeros(2, int))
    w.add(f"{node.name}.cells", pool, w.sources(node.inputs[0]))
    scale = np.full(node.shape[1:], 1 / node.kernel**2, np.float32)
    w.add(node.name, nir.Scale(scale), [f"{node.name}.cells"])


@STOCK.register(Neuron)
def _neuron(w: PartWriter, node: Neuron) -> None:
    source = w.graph[node.inputs[0]]
    inside = source.name in w.part.nodes  # else it arrives with the constant in it
    offset: Any = 0.5
    if inside and isinstance(source, Sum) and source.constant is not None:
        offset = source.constant[0] + 0.5
    for level, threshold in enumerate(node.thresholds, 1):
        values = np.ldexp(np.float64(threshold) - offset, -w.graph.fractions[source.name])
        full = exact(np.broadcast_to(values, node.shape[1:]), node.name)
        w.add(f"{node.name}.{level}", nir.Threshold(full), w.sources(source.name))
