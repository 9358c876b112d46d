"""The integer network in one process: what every other integer backend must equal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from typing_extensions import Self

from spiketrack.config import NetworkConfig
from spiketrack.inference import SEARCH, TEMPLATE, Crop, Inference, SimulatorBase, Trace
from spiketrack.integer.counting import OperationCounter
from spiketrack.integer.graph import Graph
from spiketrack.integer.kernels import Program
from spiketrack.integer.readout import quantise_image, to_maps

if TYPE_CHECKING:
    from spiketrack.export.nir.folder import ExportedNetwork
    from spiketrack.simulators.backends import Options

Network = Mapping[str, Graph]  # "template" and "search"


class Observation:
    """Records operations and counts of one run of a program, as asked for."""

    def __init__(self, graph: Graph, operations: bool, counts: bool) -> None:
        self.counter = OperationCounter(graph) if operations else None
        self.populations = tuple(n.name for n in graph.populations) if counts else ()
        self.names = {*self.populations, *(self.counter.names if self.counter else ())}

    def take(self, sent: Mapping[str, Tensor]) -> Trace:
        """What is recorded of one run, from what ``names`` sent in it."""
        counts = {name: sent[name].numpy().view(np.int8) for name in self.populations}
        if self.counter is None:
            return Trace(counts)
        nodes = (node.name for node in self.counter.nodes)
        return Trace(counts, dict(zip(nodes, self.counter.take(sent), strict=True)))


class IntegerSimulator(SimulatorBase):
    """Both graphs evaluated in torch, float32 integers.

    ``operations`` and ``counts`` switch recording on.
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
        self.observations = {n: Observation(g, operations, counts) for n, g in network.items()}
        self.memory: dict[str, Tensor] = {}

    @classmethod
    def open(cls, network: ExportedNetwork, options: Options) -> Self:
        """As the table of backends opens it."""
        return cls(network.graphs, network.config, options.operations, options.counts)

    def encode_template(self, crops: Crop) -> Inference:
        """Write the memory of T templates."""
        self.memory, trace = self._run(TEMPLATE, crops)
        return Inference(None, trace)

    def search(self, crop: Crop) -> Inference:
        """Read the memory for one crop."""
        outputs, trace = self._run(SEARCH, crop[None])
        fractions = self.graphs[SEARCH].fractions
        maps = to_maps({n: v.numpy() for n, v in outputs.items()}, fractions)
        return Inference(maps, trace)

    def _run(self, branch: str, crops: Crop) -> tuple[dict[str, Tensor], Trace]:
        """Outputs of one branch, as integers by name, and what is recorded."""
        graph, observation = self.graphs[branch], self.observations[branch]
        image = torch.from_numpy(quantise_image(crops, graph).astype(np.float32))
        values = {"image": image} | (self.memory if branch == SEARCH else {})
        outputs = [node.name for node in graph.outputs]
        with torch.no_grad():
            sent = self.programs[branch].run(values, {*outputs, *observation.names})
        return {name: sent[name] for name in outputs}, observation.take(sent)
