"""The integer network in one process: what every other integer backend must equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from spiketrack.config import NetworkConfig
from spiketrack.export.counting import OperationCounter
from spiketrack.export.graph import POPULATIONS, Graph, Node
from spiketrack.export.kernels import Program
from spiketrack.export.readout import quantise_image, to_maps
from spiketrack.simulators.base import Counts, Crop, Inference, SimulatorBase, Trace

Network = Mapping[str, Graph]  # "template" and "search"


class Observation:
    """Records operations and counts of one run of a program, as asked for."""

    def __init__(self, graph: Graph, operations: bool, counts: bool) -> None:
        self.counter = OperationCounter(graph) if operations else None
        self.keep_counts = counts
        self.counts: dict[str, Counts] = {}
        self.observed = set(self.counter.watched) if self.counter else set[str]()
        if counts:
            self.observed |= {node.name for node in graph.populations}

    @property
    def wanted(self) -> bool:
        """Whether there is anything to record."""
        return self.counter is not None or self.keep_counts

    def __call__(self, node: Node, inputs: Sequence[Tensor], output: Tensor) -> None:
        """Look at one node while a program runs."""
        if self.counter is not None:
            self.counter.observe(node, inputs, output)
        if self.keep_counts and isinstance(node, POPULATIONS):
            self.counts[node.name] = output.numpy().view(np.int8)

    def take(self) -> Trace:
        """What was recorded since the last call."""
        counts, self.counts = self.counts, {}
        if self.counter is None:
            return Trace(counts)
        names = (node.name for node in self.counter.nodes)
        return Trace(counts, dict(zip(names, self.counter.take(), strict=True)))


class IntegerSimulator(SimulatorBase):
    """Both graphs evaluated in torch, float32 integers.

    ``operations`` and ``counts`` switch recording on; ``forced`` (per call) replaces the
    populations' outputs after recording their own.
    """

    name = "integer"

    def __init__(
        self,
        network: Network,
        config: NetworkConfig,
        operations: bool = False,
        counts: bool = False,
    ) -> None:
        self.config = config
        self.graphs = network
        self.programs = {
            name: Program(graph, fused=True, sent=[n.inputs[0] for n in graph.outputs])
            for name, graph in network.items()
        }
        self.observers = {n: Observation(g, operations, counts) for n, g in network.items()}
        self.memory: dict[str, Tensor] = {}

    def encode_template(self, crops: Crop) -> Inference:
        """Write the memory of T templates."""
        found = self.execute("template", {"image": crops})
        self.memory = found
        return Inference(None, self.observers["template"].take())

    def search(self, crop: Crop) -> Inference:
        """Read the memory for one crop."""
        found = self.execute("search", {"image": crop[None]})
        fractions = self.graphs["search"].fractions
        maps = to_maps({n: v.numpy() for n, v in found.items()}, fractions)
        return Inference(maps, self.observers["search"].take())

    def execute(
        self,
        branch: str,
        crops: Mapping[str, Crop],
        forced: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Outputs of one branch, as integers by name."""
        graph, observer = self.graphs[branch], self.observers[branch]
        image = quantise_image(crops["image"], graph)
        values = {"image": torch.from_numpy(image.astype(np.float32))} | (
            self.memory if branch == "search" else {}
        )
        outputs = {node.name for node in graph.outputs}
        watch = observer if observer.wanted else None
        with torch.no_grad():
            return self.programs[branch].run(values, outputs, watch, forced, observer.observed)
