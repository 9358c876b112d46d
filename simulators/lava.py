"""The integer network as Lava process graphs, on Lava's own runtime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from typing_extensions import Self

from spiketrack.config import NetworkConfig
from spiketrack.deploy.lava.network import STEP_TIMEOUT, LavaNetwork
from spiketrack.deploy.process_graph.grouping import BLOCK, group
from spiketrack.deploy.process_graph.processes import Recording
from spiketrack.inference import TEMPLATE, Crop, Inference
from spiketrack.integer.graph import Graph
from spiketrack.simulators.inline import ProcessSimulator

if TYPE_CHECKING:
    from spiketrack.export.nir.folder import ExportedNetwork
    from spiketrack.simulators.backends import Options


class LavaSimulator(ProcessSimulator):
    """Two Lava networks, whose processes end with ``close``."""

    name = "lava"

    def __init__(
        self,
        network: Mapping[str, Graph],
        config: NetworkConfig,
        operations: bool = False,
        counts: bool = False,
        threads: int = 1,
        timeout: float = STEP_TIMEOUT,
        processes: str = BLOCK,
    ) -> None:
        recording = Recording(operations, counts)
        super().__init__(
            network,
            config,
            lambda graph: LavaNetwork(graph, group(graph, processes), recording, threads, timeout),
        )

    @classmethod
    def open(cls, network: ExportedNetwork, options: Options) -> Self:
        """As the table of backends opens it."""
        record = (options.operations, options.counts)
        return cls(
            network.graphs,
            network.config,
            *record,
            options.threads,
            options.timeout,
            options.processes,
        )

    def search(self, crop: Crop) -> Inference:
        """As usual; ``LavaError`` also where an idle process of the template graph was lost."""
        template = self.networks[TEMPLATE]
        if isinstance(template, LavaNetwork):
            template.look()
        return super().search(crop)
