"""The network in the chip's own time on Lava: a process a layer."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from typing_extensions import Self

from spiketrack.config import NetworkConfig
from spiketrack.deploy.chip.program import ChipProgram, Choices, choices_of
from spiketrack.deploy.chip.sites import Sites
from spiketrack.deploy.lava.network import STEP_TIMEOUT
from spiketrack.deploy.lava_chip.network import LavaChip
from spiketrack.deploy.process_graph.grouping import BLOCK, BRANCH, check_processes
from spiketrack.inference import TEMPLATE, Crop, Inference
from spiketrack.integer.graph import Graph
from spiketrack.machine.limits import cores
from spiketrack.simulators.chip import (
    ChipSimulator,
    RunningChip,
    frames_of,
    programs_of,
    read_map,
)

if TYPE_CHECKING:
    from spiketrack.export.nir.folder import ExportedNetwork
    from spiketrack.simulators.backends import Options


class LavaChipSimulator(ChipSimulator):
    """As ``ChipSimulator``; the layers of a branch share ``processes`` of the operating system."""

    name = "lava-chip"

    def __init__(
        self,
        network: Mapping[str, Graph],
        config: NetworkConfig,
        operations: bool = False,
        counts: bool = False,
        choices: Choices = Choices(),  # noqa: B008  (frozen)
        programs: Mapping[str, ChipProgram] | None = None,
        sites: Mapping[str, Sites] = MappingProxyType({}),
        processes: str = BLOCK,
        threads: int = 1,
        timeout: float = STEP_TIMEOUT,
    ) -> None:
        self.processes, self.threads, self.timeout = crews_of(processes), threads, timeout
        super().__init__(network, config, operations, counts, choices, programs, sites)

    @classmethod
    def open(cls, source: ExportedNetwork, options: Options) -> Self:
        """The backend of an exported network."""
        choices = choices_of(options.mode, options.spikes, options.tiles)
        programs = programs_of(source, options, choices)
        sites = {} if not options.map else read_map(options.map, programs, source)
        return cls(
            source.graphs,
            source.config,
            options.operations,
            options.counts,
            choices,
            programs,
            sites,
            options.processes,
            options.threads,
            options.timeout,
        )

    def build(self, branch: str, watched: set[str], sites: Sites | None) -> RunningChip:
        """A Lava network, whose processes end with ``close``."""
        program = self.programs[branch]
        return LavaChip(
            self.graphs[branch],
            program,
            watched,
            sites,
            frames_of(program),
            self.processes,
            self.threads,
            self.timeout,
        )

    def search(self, crop: Crop) -> Inference:
        """As usual; ``LavaError`` also where an idle process of the template branch was lost."""
        template = self.chips[TEMPLATE]
        if isinstance(template, LavaChip):
            template.look()
        return super().search(crop)


def crews_of(processes: str) -> int:
    """Operating system processes of a branch: by default one for each core of this machine."""
    if check_processes(processes) == BLOCK:
        return max(int(cores()[0]), 1)
    return 1 if processes == BRANCH else int(processes)
