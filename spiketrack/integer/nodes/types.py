"""The node types of the integer network, each with its equation.

A tensor is the output of a node, of shape (steps, channels, height, width); a memory is
(steps, heads, d, 4d). Its integers stand for real values integer · 2^-fraction, where the
fraction of counts is 2 (a spike is count / 4) and that of a memory is 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spiketrack.integer.nodes.node import Integers, Node, node_type
from spiketrack.integer.nodes.traits import (
    COUNT,
    COUNT_FRACTION,
    FINEST,
    IMAGE,
    MEMBRANE,
    MEMORY,
    MEMORY_FRACTION,
    PIXEL_FRACTION,
    READ_FRACTION,
    Fixed,
    Free,
    Grid,
    Stage,
    Tied,
    Traits,
)
from spiketrack.limits import HEADS, MAX_COUNT

if TYPE_CHECKING:
    from spiketrack.integer.graph import Graph


@node_type
@dataclass(frozen=True, eq=False)
class Input(Node):
    """Integers from outside. ``signal``: image or memory."""

    traits = Traits("input", None, Fixed(PIXEL_FRACTION), given=True)

    signal: str
    low: int = 0
    high: int = 0

    @property
    def gives(self) -> str:
        """Its own signal."""
        return self.signal

    @property
    def grid(self) -> Grid:
        """That of pixels or of memories."""
        return Fixed(PIXEL_FRACTION if self.signal == IMAGE else MEMORY_FRACTION)

    def largest_entry(self) -> int:
        """Its upper bound."""
        return self.high if self.signal == MEMORY else super().largest_entry()


@node_type
@dataclass(frozen=True, eq=False)
class Conv(Node):
    """y[o] = Σ (weight[o] << shift[o]) · x + bias[o], zero padding, grouped.

    weight int8 (S, C_out, C_in / groups, k_h, k_w), shift >= 0 and bias int32 (S, C_out): S = 1,
    or one set of weights for each step of the input.
    """

    traits = Traits("conv", MEMBRANE, Free(FINEST), Stage.INTEGER, dendritic=True)

    weight: NDArray[np.int8]
    shift: Integers
    bias: Integers
    stride: int = 1
    padding: int = 0
    groups: int = 1

    def kind(self, graph: Graph) -> str:
        """``image_conv`` where it multiplies pixels."""
        return "image_conv" if graph.signal(self.inputs[0]) == IMAGE else self.traits.kind

    def added(self, step: int) -> Integers:
        """Its biases."""
        bias: Integers = self.bias[step if len(self.bias) > 1 else 0]
        return bias[:, None, None]

    def stored(self) -> dict[str, Any]:
        """Weights and the range of their shifts."""
        return {
            "weights": int(self.weight.size),
            "weight_shape": list(self.weight.shape),
            "weight_bits": 8,
            "shift": [int(self.shift.min()), int(self.shift.max())],
        }


@node_type
@dataclass(frozen=True, eq=False)
class Sum(Node):
    """Sum of membrane inputs on one grid, plus a constant map; one step feeds every step.

    constant int32 (S, C, H, W) with S = 1 or the steps of the output, or None.
    """

    traits = Traits("sum", MEMBRANE, Tied(), Stage.INTEGER, dendritic=True, accumulates=True)

    constant: Integers | None = None

    @property
    def beside_source(self) -> bool:
        """Where it only adds its constant map."""
        return self.constant is not None and len(self.inputs) == 1

    def added(self, step: int) -> Integers | None:
        """Its constant map."""
        if self.constant is None:
            return None
        chosen: Integers = self.constant[step if len(self.constant) > 1 else 0]
        return chosen


@node_type
@dataclass(frozen=True, eq=False)
class Neuron(Node):
    """Counting population with soft reset and leak; state starts afresh at each call.

        k[t] = number of thresholds that u[t] reaches (u >= threshold)
        u[t] = (((u[t-1] - k[t-1] · reset) · decay[t-1]) >> 12) + x[t]

    ``thresholds``: four integers; round half to even is in them (a tie below an odd count is
    moved up by one). ``reset`` = unit / 4. ``decay``: steps - 1 values of 12 bits; >> rounds
    towards minus infinity. An input of one step feeds every step.
    """

    traits = Traits(
        "neuron", COUNT, Fixed(COUNT_FRACTION), Stage.INTEGER,
        population=True, state=True, accumulates=True, beside_source=True,
    )  # fmt: skip

    thresholds: tuple[int, int, int, int]
    reset: int
    decay: tuple[int, ...] = ()

    def stored(self) -> dict[str, Any]:
        """Thresholds, reset and leaks."""
        return {
            "thresholds": list(self.thresholds),
            "reset": self.reset,
            "decay": list(self.decay),
        }


@node_type
@dataclass(frozen=True, eq=False)
class Pool(Node):
    """y = Σ of kernel × kernel cells, stride = kernel; the grid becomes finer, nothing is lost."""

    traits = Traits("pool", MEMBRANE, Tied(), dendritic=True, beside_source=True)

    kernel: int

    @property
    def grid(self) -> Grid:
        """Finer by the number of its cells."""
        return Tied(2 * (self.kernel.bit_length() - 1))


@node_type
@dataclass(frozen=True, eq=False)
class Upsample(Node):
    """Bilinear (half-pixel centres, border replicated): (Σ a · b · x + half) >> shift.

    a, b are the weights of the two axes in multiples of 1 / (2 factor), factor 2 or 4;
    half = 2^(shift - 1), 0 for shift 0.
    """

    traits = Traits("upsample", MEMBRANE, Free(), dendritic=True)

    factor: int
    shift: int = 0

    def folds_into(self, reader: Node, graph: Graph) -> bool:
        """Only where nothing is rounded before it is added."""
        return super().folds_into(reader, graph) and not self.shift


@node_type
@dataclass(frozen=True, eq=False)
class KeyValue(Node):
    """kv = kᵀ v per head and step: k (T, C, H, W), v (T, 4C, H, W) → (T, 8, d, 4d).

    Head-major channels: channel c of k is (head c // d, index c mod d), of v (c // 4d, c mod 4d).
    ``positions`` = H · W, the number of products in each entry.
    """

    traits = Traits("key_value", MEMORY, Fixed(MEMORY_FRACTION))

    positions: int

    def largest_entry(self) -> int:
        """All products of two largest counts."""
        return MAX_COUNT**2 * self.positions


@node_type
@dataclass(frozen=True, eq=False)
class Read(Node):
    """x = (q · kv) << shift per head and step: q (T, C, H, W), kv → (T, 4C, H, W).

    Head-major channels as in ``KeyValue``. The published factor 2 d^-0.5 is in the thresholds of
    the population behind it.
    """

    traits = Traits("attention", MEMBRANE, Free(READ_FRACTION), dendritic=True)

    shift: int = 0

    def kind(self, graph: Graph) -> str:
        """``memory_read`` where the memory comes from outside: its entries are weights."""
        return "memory_read" if graph[self.inputs[1]].traits.given else self.traits.kind

    def folds_into(self, reader: Node, graph: Graph) -> bool:
        """A product of two signals of one frame ends in a population's accumulators alone."""
        weights = graph[self.inputs[1]].traits.given
        return super().folds_into(reader, graph) and (weights or reader.traits.population)

    def unit_squared(self, fraction: int) -> int:
        """The published factor 2 d^-0.5 makes a unit of 2^fraction √d / 2."""
        d = self.shape[1] // 4 // HEADS
        return int(4 ** (fraction - 1) * d)


@node_type
@dataclass(frozen=True, eq=False)
class PositionsAsChannels(Node):
    """Wiring alone: (T, C, H, W) → (T, H·W, C, 1), position y·W + x."""

    traits = Traits("wiring", None, Tied(), wiring=True)


@node_type
@dataclass(frozen=True, eq=False)
class Gate(Node):
    """Temporal gate and its population: softmax over steps, weighted sum, one count.

        e[t] = table[min((max_s l[s] - l[t] + half) >> shift, last)]      integer exp(-x / 256)
        k = 1 where Σ e[t] · (c[t] - 2) > 0, else 0

    Equal to round(Σ softmax(l)[t] · c[t] / 4) half to even, without a division. Inputs: counts
    (T, C, H, W) and logits (T, 1, C, 1); ``table`` int32; half = 2^(shift - 1), 0 for shift 0.
    """

    traits = Traits("gate", COUNT, Fixed(COUNT_FRACTION), population=True)

    table: Integers
    shift: int = 0


@node_type
@dataclass(frozen=True, eq=False)
class Output(Node):
    """What the host reads: integers of its input."""

    traits = Traits("output", None, Tied(), read_out=True)
