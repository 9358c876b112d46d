"""``spiketrack time``: a placed network and what a run counted → ``TimeDocument``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from spiketrack.deploy.chip.board import Board, load_board
from spiketrack.deploy.chip.document import document as map_document
from spiketrack.deploy.chip.mapping import place
from spiketrack.deploy.chip.program import ChipProgram, Choices, build_program
from spiketrack.deploy.chip.program_document import CHIP_FILE, read_programs
from spiketrack.deploy.chip.reach import Index
from spiketrack.deploy.chip.requirements import POPULATION
from spiketrack.deploy.chip.sites import Sites, read_sites
from spiketrack.deploy.chip.work.frame import FrameCounter
from spiketrack.deploy.chip.work.sending import Counts
from spiketrack.documents.placement import MapDocument
from spiketrack.documents.rates import RateTable
from spiketrack.documents.timing import EventKind, KindPart, TimeDocument
from spiketrack.errors import DocumentError, SpikeTrackError
from spiketrack.export.nir.folder import MANIFEST, ExportedNetwork, read_export
from spiketrack.inference import SEARCH, TEMPLATE
from spiketrack.runs.folder import RUN_FILE, RunFolder
from spiketrack.timing.events import EVERY, RECORDED, frames_of, kind_of
from spiketrack.timing.frames import BranchTimes

BRANCHES = (SEARCH, TEMPLATE)


@dataclass(frozen=True, eq=False)
class Placed:
    """A network on cores: programs and sites by branch, neurons of each core."""

    network: ExportedNetwork
    folder: str
    document: MapDocument
    programs: Mapping[str, ChipProgram]
    sites: Mapping[str, Sites]

    @property
    def resident(self) -> Index:
        """(cores,): neurons of both branches, those with two ports counted once."""
        neurons = np.zeros(self.document.cores, np.int64)
        for site in self.sites.values():
            for name, tiling in site.tilings.items():
                ends = tiling.bounds()
                np.add.at(neurons, site.cores[name], (ends[:, :, 1] - ends[:, :, 0]).prod(1))
        return neurons

    @cached_property
    def counters(self) -> Mapping[str, FrameCounter]:
        """What counts the frames of each branch."""
        graphs, resident = self.network.graphs, self.resident
        return {
            name: FrameCounter(graphs[name], program, self.sites[name], resident)
            for name, program in self.programs.items()
        }


def open_source(folder: Path) -> tuple[RunFolder | None, Path]:
    """A run and the export that it was made with, or an export folder alone."""
    if not (folder / RUN_FILE).is_file():
        return None, folder
    run = RunFolder.read(folder)
    export = Path(run.about.export)
    if not (export / MANIFEST).is_file():
        raise SpikeTrackError(
            f"{folder}: its export {export} is gone; export the network there again"
        )
    return run, export


def placed(folder: Path, run: RunFolder | None, placement: Path | None, board: str) -> Placed:
    """The network on the cores of a placement, or placed here as the run was programmed."""
    network = read_export(folder)
    digest = network.manifest.network_digest
    if run is not None and run.about.network_digest != digest:
        raise DocumentError(
            f"{run.path}: ran network {run.about.network_digest[:12]}, {folder} holds "
            f"{digest[:12]}; export the one that ran there again"
        )
    if placement is not None:
        return placed_by(network, str(folder), placement)
    graphs = {branch: network.graphs[branch] for branch in BRANCHES}
    if run is not None and (run.path / CHIP_FILE).is_file():
        programs = dict(read_programs(run.path / CHIP_FILE, graphs))
    else:
        programs = {name: build_program(graph) for name, graph in graphs.items()}
    target: Board = load_board(board)
    there = place(programs, target)
    sites = {branch.name: Sites.of(branch, target) for branch in there.branches}
    return Placed(network, str(folder), map_document(there, digest), programs, sites)


def placed_by(network: ExportedNetwork, holder: str, placement: Path) -> Placed:
    """The network on the cores of a placement; ``DocumentError`` where that is of another one.

    ``holder``: what holds the network, for messages.
    """
    document, digest = MapDocument.read(placement), network.manifest.network_digest
    if document.network_digest != digest:
        raise DocumentError(
            f"{placement}: places network {document.network_digest[:12]}, {holder} holds "
            f"{digest[:12]}; place that network with spiketrack map"
        )
    programs = {
        branch.name: build_program(
            network.graphs[branch.name],
            Choices(branch.mode, branch.spikes, branch.tiles, branch.key_tiles),
        )
        for branch in document.branches
    }
    sites = {n: read_sites(document, p, str(placement)) for n, p in programs.items()}
    return Placed(network, holder, document, programs, sites)


def time_document(
    where: Placed,
    run: RunFolder | None,
    table: RateTable,
    placement: Path | None = None,
    frames: int = 4,
) -> TimeDocument:
    """Both branches; those without an inference in the run are left out."""
    graphs = where.network.graphs
    counts = {name: frames_of(run, name, graphs[name], frames) for name in where.programs}
    return document_of(where, counts, kind_of(run), table, run, placement)


def document_of(
    where: Placed,
    counts: Mapping[str, Iterable[Counts | None]],
    events: EventKind,
    table: RateTable,
    run: RunFolder | None = None,
    placement: Path | None = None,
) -> TimeDocument:
    """From the counts of inferences of each branch; a branch without any is left out."""
    about = where.document
    return TimeDocument(
        run=None if run is None else str(run.path),
        export=where.folder,
        placement=None if placement is None else str(placement),
        board=about.board,
        cores=about.cores,
        chips=about.chips,
        neurons=int(where.resident.sum()),
        rates=table,
        branches=tuple(
            times.document() for times in _branches(where, counts, events, table) if times.number
        ),
        kinds=kinds(table, events),
        network_digest=where.network.manifest.network_digest,
        run_digest=None if run is None else run.digest,
    )


def _branches(
    where: Placed,
    counts: Mapping[str, Iterable[Counts | None]],
    events: EventKind,
    table: RateTable,
) -> Iterator[BranchTimes]:
    for name, program in where.programs.items():
        relays = frozenset(n.name for n in program.layers if n.kind != POPULATION)
        times = BranchTimes(name, table, events, relays)
        for each in counts[name]:
            times.add(where.counters[name].frame(each))
        yield times


def kinds(table: RateTable, events: EventKind) -> tuple[KindPart, ...]:
    """What the figures are."""
    counted = {
        RECORDED: ("counted", "recounted from the counts that the run recorded, neuron by neuron"),
        EVERY: ("assumed", "every neuron sends in every step: the most there can be"),
    }.get(events, ("counted", "numbers of events of the run; their places are drawn at random"))
    rated = sorted({rate.kind for rate in table.rates.values()})
    return (
        KindPart(figure="operations, messages, bits, updates", kind=counted[0], source=counted[1]),
        KindPart(
            figure="seconds",
            kind="modelled",
            source=f"longest of five terms a step, at rates of {table.title or table.name}, which "
            f"are {', '.join(rated)}; not measured on {table.chip} by this project",
        ),
        KindPart(
            figure="host input and output",
            kind=table.rates["host_in"].kind,
            source=table.rates["host_in"].source,
        ),
        KindPart(
            figure="where cores lie, which links messages take",
            kind="modelled",
            source="placement by this program, dimension-ordered routes, one message to each core",
        ),
    )
