"""A network written down as a real graph, node by node, from numpy arrays.

    b = Builder("classifier")
    x = b.conv("stem", b.image("image", side=32), Weights(kernels, bias), stride=2, padding=1)
    x = b.conv("head", b.neuron("spike", x), Weights(read_out))
    b.output("logits", x)
    graph = quantise(b.build())

Every method appends one node and returns its name, which later ones read. ``GraphError`` names a
node whose inputs, shapes or numbers do not fit. The graph holds real numbers (``real.py``);
``export/passes/quantise.py`` makes the integer graph of it. A front end is what calls these
methods for one kind of model, see ``export/passes/spiketrack.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spiketrack.errors import GraphError
from spiketrack.integer.graph import (
    IMAGE,
    MEMORY,
    Gate,
    Graph,
    Input,
    KeyValue,
    Node,
    Output,
    Pool,
    PositionsAsChannels,
    Read,
    Shape,
    Upsample,
)
from spiketrack.integer.nodes.traits import Stage
from spiketrack.integer.real import RealConv, RealNeuron, Reals, RealSum
from spiketrack.integer.rules.checks import check_node
from spiketrack.limits import HEADS, PIXEL_MAX


@dataclass(frozen=True, eq=False)
class Norm:
    """Batch normalisation: y = (x - mean) / √(variance + epsilon) · gain + bias, each (C_out)."""

    gain: Reals
    bias: Reals
    mean: Reals
    variance: Reals
    epsilon: float = 1e-5


@dataclass(frozen=True, eq=False)
class Weights:
    """One set of a convolution: weight (C_out, C_in / groups, k, k), bias (C_out), what follows."""

    weight: Reals
    bias: Reals | None = None
    norm: Norm | None = None

    def folded(self, name: str) -> tuple[Reals, Reals]:
        """Weight and bias of both in one; ``GraphError`` names the node where shapes differ."""
        weight = np.asarray(self.weight, np.float64)
        if weight.ndim != 4:
            raise GraphError(
                f"{name}: weights of shape {weight.shape}, needed are (C_out, C_in / groups, k, k)"
            )
        bias = np.zeros(len(weight)) if self.bias is None else self._vector(name, "bias", self.bias)
        if self.norm is None:
            return weight, bias
        given = (
            self._vector(name, part, getattr(self.norm, part))
            for part in ("gain", "bias", "mean", "variance")
        )
        gain, shift, mean, variance = given
        gain = gain / np.sqrt(variance + self.norm.epsilon)
        return weight * gain[:, None, None, None], (bias - mean) * gain + shift

    def _vector(self, name: str, part: str, values: Reals) -> Reals:
        vector = np.asarray(values, np.float64)
        if vector.shape != (len(self.weight),):
            raise GraphError(f"{name}: {part} of shape {vector.shape}, not ({len(self.weight)},)")
        return vector


class Builder:
    """The nodes of a graph so far; ``build()`` gives the graph."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: dict[str, Node] = {}

    def add(self, node: Node) -> str:
        """Append a node of any registered type that stands in real graphs."""
        if node.name in self.nodes:
            raise GraphError(f"{node.name}: two nodes have this name")
        before = set(self.nodes)
        graph = Graph(self.name, (*self.nodes.values(), node))
        check_node(node, graph, before, Stage.REAL)
        self.nodes[node.name] = node
        return node.name

    def build(self) -> Graph:
        """The real graph; ``GraphError`` when nothing leaves it."""
        graph = Graph(self.name, tuple(self.nodes.values()))
        if not graph.outputs:
            raise GraphError(f"{self.name}: no output; end with output(name, x)")
        return graph

    def shape(self, name: str, reader: str = "") -> Shape:
        """Shape (steps, C, H, W) of what a node gives; ``reader`` is named where there is none."""
        if name not in self.nodes:
            raise GraphError(f"{reader or self.name}: reads {name}, which does not come before it")
        return self.nodes[name].shape

    # ends

    def image(self, name: str, side: int, steps: int = 1, channels: int = 3) -> str:
        """Crops normalised with the ImageNet statistics; only convolutions read them."""
        shape = (steps, channels, side, side)
        return self.add(Input(name, (), shape, IMAGE, 0, PIXEL_MAX))

    def memory(self, name: str, shape: Shape, high: int) -> str:
        """A memory (steps, 8, d, 4d) written by another graph, entries of 0..``high`` / 16."""
        return self.add(Input(name, (), shape, MEMORY, 0, high))

    def output(self, name: str, x: str) -> str:
        """What the host reads."""
        return self.add(Output(name, (x,), self.shape(x, name)))

    # membranes

    def conv(
        self,
        name: str,
        x: str,
        *weights: Weights,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
    ) -> str:
        """Convolution of spikes or of the image; one set of weights, or one for each step."""
        if not weights:
            raise GraphError(f"{name}: no weights; give one set, or one for each step")
        folded = [one.folded(name) for one in weights]
        if len({w.shape for w, _ in folded}) > 1:
            shapes = [w.shape for w, _ in folded]
            raise GraphError(f"{name}: sets of weights of different shapes {shapes}")
        weight, bias = (np.stack(arrays) for arrays in zip(*folded, strict=True))
        if stride < 1:
            raise GraphError(f"{name}: stride {stride}; at least 1")
        steps, _, *size = self.shape(x, name)
        height, width = (
            (n + 2 * padding - k) // stride + 1 for n, k in zip(size, weight.shape[3:], strict=True)
        )
        shape = (steps, weight.shape[1], height, width)
        return self.add(RealConv(name, (x,), shape, weight, bias, stride, padding, groups))

    def sum(self, name: str, inputs: Sequence[str], constant: Reals | None = None) -> str:
        """Sum of membranes plus a constant map (S, C, H, W); one step feeds every step."""
        if not inputs:
            raise GraphError(f"{name}: adds nothing")
        steps = max(self.shape(x, name)[0] for x in inputs)
        shape = (steps, *self.shape(inputs[0])[1:])
        return self.add(RealSum(name, tuple(inputs), shape, constant))

    def pool(self, name: str, x: str, kernel: int) -> str:
        """Mean of kernel × kernel cells, a power of two that divides height and width."""
        steps, channels, height, width = self.shape(x, name)
        if kernel < 1:
            raise GraphError(f"{name}: kernel {kernel}; at least 1")
        return self.add(
            Pool(name, (x,), (steps, channels, height // kernel, width // kernel), kernel)
        )

    def upsample(self, name: str, x: str, factor: int) -> str:
        """Bilinear up-sampling by 2 or 4."""
        steps, channels, height, width = self.shape(x, name)
        shape = (steps, channels, height * factor, width * factor)
        return self.add(Upsample(name, (x,), shape, factor))

    # populations

    def neuron(self, name: str, x: str, decay: Sequence[float] = ()) -> str:
        """Counting population of ``len(decay) + 1`` steps; leaks of 0..1 between them."""
        shape = (len(decay) + 1, *self.shape(x, name)[1:])
        return self.add(RealNeuron(name, (x,), shape, tuple(float(leak) for leak in decay)))

    def gate(self, name: str, counts: str, logits: str) -> str:
        """round(Σ softmax over steps of logits (T, 1, C, 1) · counts (T, C, H, W)), one step."""
        shape = (1, *self.shape(counts, name)[1:])
        return self.add(Gate(name, (counts, logits), shape, np.zeros(1, np.int32)))

    # attention

    def key_value(self, name: str, k: str, v: str) -> str:
        """Memory kᵀ v of each of 8 heads: k (T, C, H, W), v (T, 4C, H, W)."""
        steps, channels, height, width = self.shape(k, name)
        if channels % HEADS:
            raise GraphError(f"{name}: {channels} channels in {HEADS} heads; a multiple of {HEADS}")
        d = channels // HEADS
        return self.add(KeyValue(name, (k, v), (steps, HEADS, d, 4 * d), height * width))

    def read(self, name: str, q: str, memory: str) -> str:
        """q · kv · 2 d^-0.5 of each head: q (T, C, H, W) → (T, 4C, H, W)."""
        steps, channels, height, width = self.shape(q, name)
        return self.add(Read(name, (q, memory), (steps, 4 * channels, height, width)))

    def positions(self, name: str, x: str) -> str:
        """(T, C, H, W) → (T, H·W, C, 1)."""
        steps, channels, height, width = self.shape(x, name)
        return self.add(PositionsAsChannels(name, (x,), (steps, height * width, channels, 1)))
