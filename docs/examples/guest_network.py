"""A network that is no tracker, in one file: a small spike-driven classifier.

    image → stem → [separable convolution → self-attention → MLP] → mean over cells → classes

``python docs/examples/guest_network.py`` quantises it, proves it, runs it, counts it, places it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from spiketrack.deploy.chip.board import load_board
from spiketrack.deploy.chip.mapping import map_network
from spiketrack.export.passes.quantise import quantise
from spiketrack.integer.builder import Builder, Norm, Weights
from spiketrack.integer.counting import FIELDS, OperationCounter
from spiketrack.integer.graph import Graph
from spiketrack.integer.kernels import Program
from spiketrack.integer.rules.checks import check

CHANNELS, SIDE, CLASSES = 16, 32, 10


@dataclass
class Classifier:
    """The front end: a class with the model's own blocks, written with the builder.

    Weights are random here; a trained model's arrays stand in their place.
    """

    build: Builder
    random: np.random.Generator

    def weights(self, out: int, width: int, size: int = 1) -> Weights:
        """Kernels and a batch normalisation."""
        scale = (width * size * size) ** -0.5
        kernels = self.random.normal(0, scale, (out, width, size, size))
        gain, shift = self.random.uniform(0.5, 1.5, out), self.random.normal(0.5, 0.5, out)
        mean, variance = self.random.normal(0, 0.1, out), self.random.uniform(0.05, 0.2, out)
        return Weights(kernels, None, Norm(gain, shift, mean, variance))

    def conv(self, name: str, spikes: str, out: int, size: int = 1, groups: int = 1) -> str:
        """A convolution that keeps height and width."""
        width = self.build.shape(spikes)[1] // groups
        weights = self.weights(out, width, size)
        return self.build.conv(name, spikes, weights, padding=size // 2, groups=groups)

    def layer(self, name: str, x: str, out: int, size: int = 1, groups: int = 1) -> str:
        """Spikes of a membrane, then a convolution."""
        spikes = self.build.neuron(f"{name}.spike", x)
        return self.conv(f"{name}.conv", spikes, out, size, groups)

    def separable(self, name: str, x: str) -> str:
        """1×1, depthwise 3×3, 1×1, residual."""
        y = self.layer(f"{name}.in", x, 2 * CHANNELS)
        y = self.layer(f"{name}.depth", y, 2 * CHANNELS, 3, groups=2 * CHANNELS)
        return self.build.sum(f"{name}.add", [x, self.layer(f"{name}.out", y, CHANNELS)])

    def attention(self, name: str, x: str) -> str:
        """q (kᵀ v) of eight heads, projection, residual."""
        spikes = self.build.neuron(f"{name}.spike", x)
        widths = {"q": CHANNELS, "k": CHANNELS, "v": 4 * CHANNELS}
        q, k, v = (
            self.build.neuron(f"{name}.{end}.spike", self.conv(f"{name}.{end}.conv", spikes, width))
            for end, width in widths.items()
        )
        y = self.build.read(f"{name}.read", q, self.build.key_value(f"{name}.kv", k, v))
        return self.build.sum(f"{name}.add", [x, self.layer(f"{name}.project", y, CHANNELS)])

    def mlp(self, name: str, x: str) -> str:
        """Two 1×1 convolutions, residual."""
        y = self.layer(f"{name}.up", x, 4 * CHANNELS)
        return self.build.sum(f"{name}.add", [x, self.layer(f"{name}.down", y, CHANNELS)])

    def graph(self) -> Graph:
        """The whole network in real numbers."""
        image = self.build.image("image", SIDE)
        x = self.build.conv("stem.conv", image, self.weights(CHANNELS, 3, 3), stride=4, padding=1)
        x = self.mlp("mlp", self.attention("attention", self.separable("separable", x)))
        x = self.build.pool("head.mean", x, self.build.shape(x)[2])
        self.build.output("classes", self.layer("head", x, CLASSES))
        return self.build.build()


def classifier(seed: int = 0) -> Graph:
    """The real graph of a classifier with random weights."""
    return Classifier(Builder("classifier"), np.random.default_rng(seed)).graph()


def image(seed: int = 0) -> NDArray[np.float32]:
    """A random picture (1, 3, 32, 32) of pixels 0..255."""
    pixels = np.random.default_rng(seed).integers(0, 256, (1, 3, SIDE, SIDE))
    return pixels.astype(np.float32)


def main() -> None:
    """Every stage in order, a line each."""
    graph = quantise(classifier())
    proven = check(graph, "quantising the classifier")
    print(f"{len(graph)} nodes, {min(r.headroom_bits for r in proven.values()):.1f} bits to spare")

    counter = OperationCounter(graph)
    names = {*counter.names, "classes"}
    found = Program(graph).run({"image": torch.from_numpy(image())}, keep=names)
    real = found["classes"].ravel() * 2.0 ** -graph.fractions["classes"]
    print("classes", " ".join(f"{value:.2f}" for value in real.tolist()))

    total = dict(zip(FIELDS, counter.take(found).sum(0).tolist(), strict=True))
    print(", ".join(f"{value:,} {name}" for name, value in total.items()))

    placement = map_network({graph.name: graph}, load_board("1 chip"))
    print(f"{placement.cores} cores of {placement.board.cores}")


if __name__ == "__main__":
    main()
