"""The same graph in real numbers: what folding leaves and the quantiser takes.

A folded graph has the integer graph's structure; only the node types with numbers in them differ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiketrack.integer.graph import Node

Reals = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RealConv(Node):
    """Convolution with folded normalisation: weight (S, C_out, C_in/g, k, k), bias (S, C_out)."""

    weight: Reals
    bias: Reals
    stride: int = 1
    padding: int = 0
    groups: int = 1


@dataclass(frozen=True, eq=False)
class RealSum(Node):
    """Membrane sum with a real constant map (S, C, H, W) or None."""

    constant: Reals | None = None


@dataclass(frozen=True, eq=False)
class RealNeuron(Node):
    """Population with real decays (steps - 1 of them)."""

    decay: tuple[float, ...] = ()
