"""The same graph in real numbers: what folding leaves and the quantiser takes.

A folded graph has the integer graph's structure; only the node types with numbers in them differ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spiketrack.integer.graph import Conv, Neuron, Node, Sum, node_type
from spiketrack.integer.nodes.traits import Stage

Reals = NDArray[np.float64]


@node_type
@dataclass(frozen=True, eq=False)
class RealConv(Node):
    """Convolution with folded normalisation: weight (S, C_out, C_in/g, k, k), bias (S, C_out)."""

    traits = replace(Conv.traits, stages=Stage.REAL)

    weight: Reals
    bias: Reals
    stride: int = 1
    padding: int = 0
    groups: int = 1


@node_type
@dataclass(frozen=True, eq=False)
class RealSum(Node):
    """Membrane sum with a real constant map (S, C, H, W) or None."""

    traits = replace(Sum.traits, stages=Stage.REAL)

    constant: Reals | None = None


@node_type
@dataclass(frozen=True, eq=False)
class RealNeuron(Node):
    """Population with real decays (steps - 1 of them)."""

    traits = replace(Neuron.traits, stages=Stage.REAL)

    decay: tuple[float, ...] = ()
