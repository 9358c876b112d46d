"""The integer network as Lava process graphs, on Lava's own runtime."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from spiketrack.config import NetworkConfig
from spiketrack.deploy.lava.inline import InlineNetwork
from spiketrack.deploy.lava.network import STEP_TIMEOUT, LavaNetwork
from spiketrack.deploy.lava.processes.blocks import Recording
from spiketrack.deploy.lava.results import StepResult
from spiketrack.inference import Crop, Inference, SimulatorBase, Trace
from spiketrack.integer.graph import Graph
from spiketrack.integer.readout import quantise_image, to_maps


class LavaSimulator(SimulatorBase):
    """Two Lava networks: the template graph writes the weights that the search graph reads."""

    name = "lava"

    def __init__(
        self,
        network: Mapping[str, Graph],
        config: NetworkConfig,
        operations: bool = False,
        counts: bool = False,
        threads: int = 1,
        timeout: float = STEP_TIMEOUT,
    ) -> None:
        self.config = config
        self.graphs = network
        recording = Recording(operations, counts)
        self.networks: Mapping[str, LavaNetwork | InlineNetwork] = {
            name: self.build(graph, recording, threads, timeout) for name, graph in network.items()
        }
        self.pending: Mapping[str, NDArray[np.int32]] | None = None

    def build(
        self, graph: Graph, recording: Recording, threads: int, timeout: float
    ) -> LavaNetwork | InlineNetwork:
        """The network of one branch."""
        return LavaNetwork(graph, None, recording, threads, timeout)

    def encode_template(self, crops: Crop) -> Inference:
        """Run the template graph; its memory goes to the search graph with the next crop."""
        image = quantise_image(crops, self.graphs["template"])
        found = self.networks["template"].run(image)
        self.pending = found.outputs
        return Inference(None, _trace(found))

    def search(self, crop: Crop) -> Inference:
        """Run the search graph on one crop; new memories rewrite its weights first."""
        image = quantise_image(crop[None], self.graphs["search"])
        memory, self.pending = self.pending, None
        found = self.networks["search"].run(image, memory)
        maps = to_maps(found.outputs, self.graphs["search"].fractions)
        return Inference(maps, _trace(found))

    def close(self) -> None:
        """End all Lava processes, those of the second network also after Ctrl-C in the first."""
        with ExitStack() as stack:
            for network in self.networks.values():
                stack.callback(network.close)


class InlineSimulator(LavaSimulator):
    """The models of the Lava processes one after the other in this process, without Lava's run."""

    name = "inline"

    def build(
        self, graph: Graph, recording: Recording, threads: int, timeout: float
    ) -> LavaNetwork | InlineNetwork:
        """The network of one branch; nothing is forked, so neither threads nor time matter."""
        return InlineNetwork(graph, None, recording)


def _trace(found: StepResult) -> Trace:
    return Trace(found.counts, found.operations)
