"""The integer network: a graph of a few frozen node types, the spine of the whole project.

A tensor is the output of a node, of shape (steps, channels, height, width); a memory is
(steps, heads, d, 4d). Its integers stand for real values integer · 2^-fraction, where the
fraction of counts is 2 (a spike is count / 4) and that of a memory is 4. Every other part of the
toolchain is an interpreter of these types, registered per type (see ``registry.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spiketrack.errors import GraphError

Shape = tuple[int, int, int, int]
Integers = NDArray[np.int32]

COUNT_FRACTION = 2  # normalised spike = count / 4
MEMORY_FRACTION = 4  # product of two normalised spikes

IMAGE, COUNT, MEMBRANE, MEMORY = "image", "count", "membrane", "memory"


@dataclass(frozen=True, eq=False)
class Node:
    """One operation: a unique name, the names it reads, the shape of what it gives."""

    name: str
    inputs: tuple[str, ...]
    shape: Shape


@dataclass(frozen=True, eq=False)
class Input(Node):
    """Integers from outside. ``signal``: image or memory."""

    signal: str
    low: int = 0
    high: int = 0


@dataclass(frozen=True, eq=False)
class Conv(Node):
    """y[o] = Σ (weight[o] << shift[o]) · x + bias[o], zero padding, grouped.

    weight int8 (S, C_out, C_in / groups, k_h, k_w), shift >= 0 and bias int32 (S, C_out): S = 1,
    or one set of weights for each step of the input.
    """

    weight: NDArray[np.int8]
    shift: Integers
    bias: Integers
    stride: int = 1
    padding: int = 0
    groups: int = 1


@dataclass(frozen=True, eq=False)
class Sum(Node):
    """Sum of membrane inputs on one grid, plus a constant map; one step feeds every step.

    constant int32 (S, C, H, W) with S = 1 or the steps of the output, or None.
    """

    constant: Integers | None = None


@dataclass(frozen=True, eq=False)
class Neuron(Node):
    """Counting population with soft reset and leak; state starts afresh at each call.

        k[t] = number of thresholds that u[t] reaches (u >= threshold)
        u[t] = (((u[t-1] - k[t-1] · reset) · decay[t-1]) >> 12) + x[t]

    ``thresholds``: four integers; round half to even is in them (a tie below an odd count is
    moved up by one). ``reset`` = unit / 4. ``decay``: steps - 1 values of 12 bits; >> rounds
    towards minus infinity. An input of one step feeds every step.
    """

    thresholds: tuple[int, int, int, int]
    reset: int
    decay: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Pool(Node):
    """y = Σ of kernel × kernel cells, stride = kernel; the grid becomes finer, nothing is lost."""

    kernel: int


@dataclass(frozen=True, eq=False)
class Upsample(Node):
    """Bilinear (half-pixel centres, border replicated): (Σ a · b · x + half) >> shift.

    a, b are the weights of the two axes in multiples of 1 / (2 factor), factor 2 or 4;
    half = 2^(shift - 1), 0 for shift 0.
    """

    factor: int
    shift: int = 0


@dataclass(frozen=True, eq=False)
class KeyValue(Node):
    """kv = kᵀ v per head and step: k (T, C, H, W), v (T, 4C, H, W) → (T, 8, d, 4d).

    Head-major channels: channel c of k is (head c // d, index c mod d), of v (c // 4d, c mod 4d).
    ``positions`` = H · W, the number of products in each entry.
    """

    positions: int


@dataclass(frozen=True, eq=False)
class Read(Node):
    """x = (q · kv) << shift per head and step: q (T, C, H, W), kv → (T, 4C, H, W).

    Head-major channels as in ``KeyValue``. The published factor 2 d^-0.5 is in the thresholds of
    the population behind it.
    """

    shift: int = 0


@dataclass(frozen=True, eq=False)
class PositionsAsChannels(Node):
    """Wiring alone: (T, C, H, W) → (T, H·W, C, 1), position y·W + x."""


@dataclass(frozen=True, eq=False)
class Gate(Node):
    """Temporal gate and its population: softmax over steps, weighted sum, one count.

        e[t] = table[min((max_s l[s] - l[t] + half) >> shift, last)]      integer exp(-x / 256)
        k = 1 where Σ e[t] · (c[t] - 2) > 0, else 0

    Equal to round(Σ softmax(l)[t] · c[t] / 4) half to even, without a division. Inputs: counts
    (T, C, H, W) and logits (T, 1, C, 1); ``table`` int32; half = 2^(shift - 1), 0 for shift 0.
    """

    table: Integers
    shift: int = 0


@dataclass(frozen=True, eq=False)
class Output(Node):
    """What the host reads: integers of its input."""


POPULATIONS = (Neuron, Gate)


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in topological order and the fraction (grid) of every node's output."""

    name: str
    nodes: tuple[Node, ...]
    fractions: Mapping[str, int] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitem__(self, name: str) -> Node:
        try:
            return self.by_name[name]
        except KeyError:
            raise GraphError(f"{self.name}: no node named {name}") from None

    def __contains__(self, name: object) -> bool:
        return name in self.by_name

    @cached_property
    def by_name(self) -> dict[str, Node]:
        """Name → node."""
        return {node.name: node for node in self.nodes}

    @cached_property
    def consumers(self) -> dict[str, tuple[Node, ...]]:
        """Name → the nodes that read it."""
        found: dict[str, list[Node]] = {node.name: [] for node in self.nodes}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                found[name].append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    @cached_property
    def populations(self) -> tuple[Node, ...]:
        """Counting populations in order."""
        return tuple(node for node in self.nodes if isinstance(node, POPULATIONS))

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """Input nodes in order."""
        return tuple(node for node in self.nodes if isinstance(node, Input))

    @cached_property
    def outputs(self) -> tuple[Output, ...]:
        """Output nodes in order."""
        return tuple(node for node in self.nodes if isinstance(node, Output))

    def sources(self, node: Node) -> list[Node]:
        """The nodes that ``node`` reads, in order."""
        return [self[name] for name in node.inputs]

    def signal(self, name: str) -> str:
        """What kind of integers a node gives: image, count, membrane or memory."""
        node = self[name]
        if isinstance(node, Input):
            return node.signal
        if isinstance(node, POPULATIONS):
            return COUNT
        if isinstance(node, KeyValue):
            return MEMORY
        if isinstance(node, (PositionsAsChannels, Output)):
            return self.signal(node.inputs[0])
        return MEMBRANE


NODE_TYPES: tuple[type[Node], ...] = (
    Input, Conv, Sum, Neuron, Pool, Upsample, KeyValue, Read, PositionsAsChannels, Gate, Output,
)  # fmt: skip
