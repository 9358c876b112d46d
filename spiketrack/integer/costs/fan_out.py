"""How many outputs of a convolution each position of its input reaches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiketrack.integer.graph import Conv, Node


def fan_out(size: int, out: int, kernel: int, stride: int, padding: int) -> NDArray[np.int64]:
    """How many of ``out`` outputs along one axis each of ``size`` inputs reaches."""
    offset = np.arange(size)[:, None] + padding - stride * np.arange(out)
    reached: NDArray[np.int64] = ((offset >= 0) & (offset < kernel)).sum(1)
    return reached


def fan_out_map(node: Conv, source: Node) -> NDArray[np.int64]:
    """Output positions that each input position reaches, (H, W) of the source."""
    kernel = node.weight.shape[-2:]
    axes = [
        fan_out(source.shape[2 + a], node.shape[2 + a], kernel[a], node.stride, node.padding)
        for a in (0, 1)
    ]
    return np.outer(axes[0], axes[1])


@dataclass(frozen=True, eq=False)
class Reach:
    """Output positions that each input position reaches, (H·W), or one number ``everywhere``."""

    key: tuple[int, ...]
    fan_out: NDArray[np.int32]
    everywhere: int | None

    @classmethod
    def of(cls, node: Conv, source: Node) -> Reach:
        """Borders and strides of one convolution."""
        flat = fan_out_map(node, source).reshape(-1).astype(np.int32)
        same = int(flat[0]) if (flat == flat[0]).all() else None
        return cls((*node.weight.shape[-2:], node.stride, node.padding), flat, same)
