"""Graphs of one layer."""

from __future__ import annotations

import numpy as np

from spiketrack.integer.graph import COUNT, Conv, Graph, Input


def conv_graph(seed: int, groups: int, kernel: int, stride: int, sets: int) -> Graph:
    rng = np.random.default_rng(seed)
    width = 8 * groups if groups < 8 else groups
    outputs = width if groups >= 8 else 12 * groups
    shape = (sets, width, 9, 9)
    side = (9 + 2 * (kernel // 2) - kernel) // stride + 1
    weight = rng.integers(-127, 128, (sets, outputs, width // groups, kernel, kernel))
    node = Conv(
        "conv",
        ("counts",),
        (sets, outputs, side, side),
        weight.astype(np.int8),
        rng.integers(0, 6, (sets, outputs)).astype(np.int32),
        rng.integers(-(2**18), 2**18, (sets, outputs)).astype(np.int32),
        stride,
        kernel // 2,
        groups,
    )
    return Graph("one", (Input("counts", (), shape, COUNT, 0, 4), node))
