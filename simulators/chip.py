"""The network in the chip's own time: neurons that advance one time step at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor
from typing_extensions import Self

from spiketrack.config import NetworkConfig
from spiketrack.deploy.chip.execution.engine import Chip, Described, Frame, Run
from spiketrack.deploy.chip.program import (
    PIPELINED,
    ChipProgram,
    Choices,
    build_program,
    choices_of,
)
from spiketrack.deploy.chip.program_document import read_programs
from spiketrack.deploy.chip.sites import Sites, read_sites
from spiketrack.documents.placement import MapDocument
from spiketrack.errors import DocumentError
from spiketrack.inference import SEARCH, TEMPLATE, Crop, Inference, SimulatorBase, Trace
from spiketrack.integer.count_range import in_range
from spiketrack.integer.counting import OperationCounter
from spiketrack.integer.graph import Graph, Node
from spiketrack.integer.kernels import KERNELS, as_signal
from spiketrack.integer.readout import quantise_image, to_maps

if TYPE_CHECKING:
    from spiketrack.export.nir.folder import ExportedNetwork
    from spiketrack.simulators.backends import Options


class RunningChip(Protocol):
    """One branch in the chip's own time."""

    @property
    def described(self) -> Described:
        """What the tables of a run speak of."""

    def write(self, memory: Mapping[str, Tensor]) -> None:
        """Rewrite weights that are a memory."""

    def run(self, images: Sequence[Tensor]) -> Run:
        """Frames one after the other."""

    def close(self) -> None:
        """End it; may be called twice."""


class ChipSimulator(SimulatorBase):
    """Two programs: the template branch's results become weights of the search branch.

    Pipelined, each image travels between two others, itself turned by half a circle, as if two
    other objects shared the chip: it must come out as it would alone. ``programs`` replaces those
    that are built from the graphs; ``sites`` says where their blocks lie.
    """

    name = "chip"

    def __init__(
        self,
        network: Mapping[str, Graph],
        config: NetworkConfig,
        operations: bool = False,
        counts: bool = False,
        choices: Choices = Choices(),  # noqa: B008  (frozen)
        programs: Mapping[str, ChipProgram] | None = None,
        sites: Mapping[str, Sites] = MappingProxyType({}),
    ) -> None:
        self.config, self.graphs = config, network
        self.programs = programs or build_programs(network, choices)
        self.observations = {n: Observation(g, operations, counts) for n, g in network.items()}
        self.chips = {
            name: self.build(name, self.observations[name].watched, sites.get(name))
            for name in network
        }

    def build(self, branch: str, watched: set[str], sites: Sites | None) -> RunningChip:
        """What runs the program of a branch."""
        return Chip(self.graphs[branch], self.programs[branch], watched, sites)

    @classmethod
    def open(cls, source: ExportedNetwork, options: Options) -> Self:
        """The backend of an exported network."""
        choices = choices_of(options.mode, options.spikes, options.tiles)
        programs = programs_of(source, options, choices)
        sites = {} if not options.map else read_map(options.map, programs, source)
        record = (options.operations, options.counts)
        return cls(source.graphs, source.config, *record, choices, programs, sites)

    def close(self) -> None:
        """End both branches, the second one also after Ctrl-C in the first."""
        with ExitStack() as stack:
            for chip in self.chips.values():
                stack.callback(chip.close)

    @property
    def branches(self) -> dict[str, Described]:
        """What a run says of each branch."""
        return {name: chip.described for name, chip in self.chips.items()}

    def encode_template(self, crops: Crop) -> Inference:
        """Run the template program; the host writes what it reads into the search program."""
        frame, trace = self._run(TEMPLATE, crops)
        self.chips[SEARCH].write(frame.outputs)
        return Inference(None, trace)

    def search(self, crop: Crop) -> Inference:
        """Run the search program on one crop."""
        frame, trace = self._run(SEARCH, crop[None])
        maps = {name: value.numpy() for name, value in frame.outputs.items()}
        return Inference(to_maps(maps, self.graphs[SEARCH].fractions), trace)

    def _run(self, branch: str, crops: Crop) -> tuple[Frame, Trace]:
        image = torch.from_numpy(quantise_image(crops, self.graphs[branch]).astype(np.float32))
        images = [image]
        if frames_of(self.programs[branch]) > 1:
            other = image.flip(-1, -2)
            images = [other, image, other]
        run, number = self.chips[branch].run(images), len(images) // 2
        return run.frames[number], self.observations[branch].take(run, number, image)


def frames_of(program: ChipProgram) -> int:
    """Frames of a run: one, or one between two others."""
    return 3 if program.choices.mode == PIPELINED else 1


def build_programs(network: Mapping[str, Graph], choices: Choices) -> dict[str, ChipProgram]:
    """The program of each branch."""
    return {name: build_program(graph, choices) for name, graph in network.items()}


def programs_of(
    source: ExportedNetwork, options: Options, choices: Choices
) -> Mapping[str, ChipProgram]:
    """The programs of a ``chip.json`` where one is named, else those that are built."""
    if not options.chip:
        return build_programs(source.graphs, choices)
    programs = read_programs(Path(options.chip), source.graphs)
    if missing := source.graphs.keys() - programs.keys():
        raise DocumentError(
            f"{options.chip}: no program of the {', '.join(sorted(missing))} branch"
        )
    return programs


def read_map(
    path: str, programs: Mapping[str, ChipProgram], source: ExportedNetwork
) -> dict[str, Sites]:
    """Where a ``map --json`` places these programs; errors where it is of others."""
    document = MapDocument.read(Path(path))
    if document.network_digest != source.manifest.network_digest:
        raise DocumentError(f"{path}: places another network; {MapDocument.REMEDY}")
    return {name: read_sites(document, program, path) for name, program in programs.items()}


class Observation:
    """Counts and operations of one frame of a run, as asked for; its activity always."""

    def __init__(self, graph: Graph, operations: bool, counts: bool) -> None:
        self.graph = graph
        self.counter = OperationCounter(graph) if operations else None
        self.populations = {n.name: n.shape for n in graph.populations if counts}
        asked = self.counter.names if self.counter else ()
        self.watched = {*self.populations, *(self._sender(name).name for name in asked)}

    def take(self, run: Run, number: int, image: Tensor) -> Trace:
        """What is recorded of a run; see ``Trace``."""
        frame = run.frames[number]
        counts = {
            name: in_range(name, frame.values[name]).numpy().view(np.int8).reshape(shape)
            for name, shape in self.populations.items()
        }
        operations = {}
        if self.counter is not None:
            values = {name: self._value(name, frame, image) for name in self.counter.names}
            nodes = (node.name for node in self.counter.nodes)
            operations = dict(zip(nodes, self.counter.take(values), strict=True))
        placed = (None, None) if run.placed is None else (run.placed.cores, run.placed.links)
        return Trace(counts, operations, frame.steps, run.activity.table, *placed)

    def _sender(self, name: str) -> Node:
        """The node whose neurons or pixels a name stands for, before any wiring."""
        node = self.graph[name]
        return self._sender(node.inputs[0]) if node.traits.wiring else node

    def _value(self, name: str, frame: Frame, image: Tensor) -> Tensor:
        node = self.graph[name]
        if node.traits.wiring:
            source = self._value(node.inputs[0], frame, image)
            kernel = KERNELS[node](node, self.graph)
            return as_signal(self.graph, name, kernel([source]))
        return as_signal(self.graph, name, frame.values.get(name, image))
