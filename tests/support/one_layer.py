"""Graphs of one layer, and of one attention."""

from __future__ import annotations

import numpy as np

from spiketrack.export.passes.quantise import quantise
from spiketrack.integer.builder import Builder, Weights
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


def attention_graph(seed: int, channels: int, side: int = 4) -> Graph:
    """q, k and v of an image, kv = kᵀ v, and the population that counts q · kv."""
    rng = np.random.default_rng(seed)
    b = Builder("search")

    def spikes(name: str, x: str, width: int, kernel: int) -> str:
        weights = rng.normal(0, 1, (width, b.shape(x)[1], kernel, kernel)) * kernel
        return b.neuron(name, b.conv(f"{name}_conv", x, Weights(weights), stride=kernel))

    x = spikes("x", b.image("image", side=2 * side), channels, 2)
    q, k, v = (spikes(n, x, w * channels, 1) for n, w in (("q", 1), ("k", 1), ("v", 4)))
    x = b.neuron("read_spike", b.read("read", q, b.key_value("kv", k, v)))
    b.output("out", b.conv("head", x, Weights(rng.normal(0, 1, (2, 4 * channels, 1, 1)))))
    return quantise(b.build())
