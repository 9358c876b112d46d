"""The integer network as Lava process graphs, on Lava's own runtime."""

from __future__ import annotations

from collections.abc import Mapping

from spiketrack.config import NetworkConfig
from spiketrack.deploy.lava.network import STEP_TIMEOUT, LavaNetwork
from spiketrack.deploy.process_graph.processes import Recording
from spiketrack.integer.graph import Graph
from spiketrack.simulators.inline import ProcessSimulator


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
    ) -> None:
        recording = Recording(operations, counts)
        super().__init__(
            network,
            config,
            lambda graph: LavaNetwork(graph, None, recording, threads, timeout),
        )
