"""The integer network as process graphs, and those executed in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from spiketrack.config import NetworkConfig
from spiketrack.deploy.process_graph.grouping import BLOCK, group
from spiketrack.deploy.process_graph.inline import InlineNetwork
from spiketrack.deploy.process_graph.processes import Recording
from spiketrack.deploy.process_graph.results import StepResult
from spiketrack.inference import SEARCH, TEMPLATE, Crop, Inference, SimulatorBase, Trace
from spiketrack.integer.graph import Graph
from spiketrack.integer.readout import quantise_image, to_maps

if TYPE_CHECKING:
    from spiketrack.export.nir.folder import ExportedNetwork
    from spiketrack.simulators.backends import Options


class RunningGraph(Protocol):
    """A process graph that runs: one call is one time step."""

    def run(
        self, image: NDArray[Any], memory: Mapping[str, NDArray[Any]] | None = None
    ) -> StepResult:
        """One crop, and new memories where there are any."""

    def close(self) -> None:
        """End it; may be called twice."""


class ProcessSimulator(SimulatorBase):
    """Two process graphs: that of the template writes the weights that the search graph reads."""

    def __init__(
        self,
        network: Mapping[str, Graph],
        config: NetworkConfig,
        build: Callable[[Graph], RunningGraph],
    ) -> None:
        self.config = config
        self.graphs = network
        self.networks = {name: build(graph) for name, graph in network.items()}
        self.pending: Mapping[str, NDArray[np.int32]] | None = None

    def encode_template(self, crops: Crop) -> Inference:
        """Run the template graph; its memory goes to the search graph with the next crop."""
        image = quantise_image(crops, self.graphs[TEMPLATE])
        step = self.networks[TEMPLATE].run(image)
        self.pending = step.outputs
        return Inference(None, _trace(step))

    def search(self, crop: Crop) -> Inference:
        """Run the search graph on one crop; new memories rewrite its weights first."""
        image = quantise_image(crop[None], self.graphs[SEARCH])
        memory, self.pending = self.pending, None
        step = self.networks[SEARCH].run(image, memory)
        maps = to_maps(step.outputs, self.graphs[SEARCH].fractions)
        return Inference(maps, _trace(step))

    def close(self) -> None:
        """End both networks, the second one also after Ctrl-C in the first."""
        with ExitStack() as stack:
            for network in self.networks.values():
                stack.callback(network.close)


class InlineSimulator(ProcessSimulator):
    """The processes one after the other in this process; nothing is forked and no Lava needed."""

    name = "inline"

    def __init__(
        self,
        network: Mapping[str, Graph],
        config: NetworkConfig,
        operations: bool = False,
        counts: bool = False,
        processes: str = BLOCK,
    ) -> None:
        recording = Recording(operations, counts)
        super().__init__(
            network, config, lambda graph: InlineNetwork(graph, group(graph, processes), recording)
        )

    @classmethod
    def open(cls, network: ExportedNetwork, options: Options) -> Self:
        """As the table of backends opens it."""
        record = (options.operations, options.counts)
        return cls(network.graphs, network.config, *record, options.processes)


def _trace(step: StepResult) -> Trace:
    return Trace(step.counts, step.operations)
