"""A two-layer network on Lava, compared with the integer evaluator: does Lava run here?"""

from __future__ import annotations

import numpy as np
import torch

from spiketrack.deploy.lava.network import LavaNetwork
from spiketrack.integer.graph import IMAGE, Conv, Graph, Input, Neuron, Output
from spiketrack.integer.kernels import Program
from spiketrack.integer.neurons import thresholds


def smoke_graph() -> Graph:
    """Image 3×8×8 → convolution → population → convolution."""
    generator = np.random.default_rng(0)

    def conv(name: str, source: str, inputs: int, outputs: int) -> Conv:
        weight = generator.integers(-127, 128, (1, outputs, inputs, 3, 3)).astype(np.int8)
        zero = np.zeros((1, outputs), np.int32)
        return Conv(name, (source,), (1, outputs, 8, 8), weight, zero, zero, padding=1)

    nodes = (
        Input("image", (), (1, 3, 8, 8), IMAGE, 0, 255),
        conv("layer.first", "image", 3, 4),
        Neuron("layer.spike", ("layer.first",), (1, 4, 8, 8), thresholds(4**12), 2**10),
        conv("layer.second", "layer.spike", 4, 2),
        Output("out", ("layer.second",), (1, 2, 8, 8)),
    )
    fractions = {"image": 0, "layer.first": 12, "layer.spike": 2, "layer.second": 6, "out": 6}
    return Graph("smoke", nodes, fractions)


def smoke_run() -> bool:
    """True when one step on Lava gives what the evaluator gives."""
    graph = smoke_graph()
    image = np.random.default_rng(1).integers(0, 256, (1, 3, 8, 8)).astype(np.int16)
    network = LavaNetwork(graph, timeout=30)
    try:
        output = network.run(image).outputs["out"]
    finally:
        network.close()
    values = {"image": torch.from_numpy(image.astype(np.float32))}
    expected = Program(graph).run(values, ("out",))["out"].numpy()
    return np.array_equal(output, expected)
