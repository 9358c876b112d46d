"""Closed-loop tracking on a backend into a run folder."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from spiketrack.deploy.chip.execution.activity import COLUMNS
from spiketrack.deploy.chip.execution.ledger import CORE_COLUMNS, LINK_COLUMNS
from spiketrack.deploy.chip.program_document import CHIP_FILE, chip_document
from spiketrack.documents.network import TrackerPart
from spiketrack.documents.run import ClipPart, Processes, ProcessPart, RunDocument, SecondsPart
from spiketrack.export.nir.folder import read_export
from spiketrack.inference import SEARCH
from spiketrack.integer.graph import Graph
from spiketrack.reference.checkpoint import Checkpoint
from spiketrack.runs.activity import CORES, GROUP, LINKS, Axes
from spiketrack.runs.folder import RunWriter
from spiketrack.simulators.backends import STEP_TIMEOUT, Options, find, open_simulator
from spiketrack.steps.footage import (
    calibrated_on,
    choose_clip,
    clip_source,
    settings_with,
    until_it_fails,
)
from spiketrack.steps.watch import SILENT, Watch
from spiketrack.targets import Source
from spiketrack.tracking.tracker import Tracker, follow
from spiketrack.video.identity import clip_digest

Recording = Literal["full", "totals"]


@dataclass(frozen=True)
class Execution:
    """How a run is made; ``None`` leaves a number to the network.

    ``counts``: ``totals`` keeps the operations of every layer, which energy and report need;
    ``full`` also every count of every population. The rest is ``Options``'.
    """

    backend: str = "lava"
    device: str = "auto"
    update_every: int | None = None
    update_threshold: float | None = None
    counts: Recording = "totals"
    threads: int = 1
    timeout: float = STEP_TIMEOUT
    mode: str = "fall-through"
    spikes: str = "graded"
    tiles: str = "1"
    processes: str = "block"
    map: str = ""
    chip: str = ""

    def options(self, operations: bool, counts: bool) -> Options:
        """For ``open_simulator``."""
        chip = (self.mode, self.spikes, self.tiles)
        lava = (self.threads, self.timeout)
        more = (self.processes, self.map, self.chip)
        return Options(operations, counts, self.device, *lava, *chip, *more)


DEFAULT = Execution()


@dataclass(frozen=True)
class Simulated:
    """A run that was made: its folder and document, which clip calibrated its network, what was
    late to say, why it ended early.
    """

    out: Path
    about: RunDocument
    calibrated_on: str
    warnings: tuple[str, ...]
    problems: tuple[str, ...]


def simulate(
    folder: Path,
    out: Path,
    video: Path | None = None,
    box: str | None = None,
    frames: int | None = None,
    how: Execution = DEFAULT,
    checkpoint: Checkpoint | None = None,
    force: bool = False,
    inputs: tuple[Source, ...] = (),
    watch: Watch = SILENT,
) -> Simulated:
    """Track the object of ``box`` in ``video`` with an exported network.

    Writes ``boxes.csv``, ``counts.h5`` and ``run.json`` into ``out``, whole or not at all; without
    a clip the bundled one is taken. ``inputs``: further files that ``out`` must not hold. Raises
    ``SpikeTrackError`` for a bad input; a clip that fails later is in ``problems``.
    """
    sources = (folder, video, *inputs)
    clip, start = choose_clip(video, box, frames, watch.note)
    network = read_export(folder)
    settings = settings_with(network.tracker, how.update_every, how.update_threshold)
    options = how.options(find(how.backend).operations, how.counts == "full")
    if how.counts == "full":
        watch.note(_size(network.graphs[SEARCH], clip.tracked))
    seconds: list[float] = []
    problems: list[str] = []
    with (
        RunWriter(out, network.graphs, force, sources) as writer,
        open_simulator(how.backend, network, checkpoint, options) as simulator,
        watch.frames(how.backend, clip.length) as tick,
    ):
        begin = time.perf_counter()
        for result in until_it_fails(follow(Tracker(simulator, settings), clip, start), problems):
            writer.add(result)
            seconds.append(time.perf_counter() - begin)
            begin = time.perf_counter()
            tick()
        source = clip_source(video)
        about = RunDocument(
            network=network.manifest.network,
            checkpoint=network.manifest.checkpoint,
            export=str(folder.absolute()),
            clip=ClipPart(name=clip.name, path=source, fps=clip.fps, digest=clip_digest(source)),
            box=start.as_tuple(),
            frames=len(seconds) - 1,
            backend=how.backend,
            counts=how.counts,
            tracker=TrackerPart(**dataclasses.asdict(settings)),
            seconds=SecondsPart(first=seconds[0], frames=tuple(seconds[1:])),
            placement=_processes(simulator),
            updates=(),
            versions={},
            network_digest=network.manifest.network_digest,
            files={},
        )
        _describe_program(writer, simulator, network.graphs)
        about = writer.finish(about)
    home = calibrated_on(network.manifest.calibration, about.clip.digest)
    return Simulated(out, about, home, tuple(clip.late), tuple(problems))


def _size(graph: Graph, frames: int | None) -> str:
    """What the counts of every frame take before they are compressed."""
    each = sum(math.prod(node.shape) for node in graph.populations)
    whole = "" if frames is None else f", {each * frames / 1e9:.2g} GB for {frames:,} frames"
    return f"note: --counts full: {each / 1e6:.3g} MB of counts a frame{whole}, before compression"


def _describe_program(writer: RunWriter, simulator: Any, graphs: Mapping[str, Graph]) -> None:
    """Write ``chip.json`` and name the axes of the activity of a run in the chip's own time."""
    branches = getattr(simulator, "branches", None)
    if branches is None:
        return
    chip_document(simulator.programs, graphs).write(writer.folder / CHIP_FILE)
    columns = {GROUP: COLUMNS, CORES: CORE_COLUMNS, LINKS: LINK_COLUMNS}
    for branch, described in branches.items():
        writer.name_activity(branch, Axes(columns, described.layers, described.links))


def _processes(simulator: Any) -> Processes | None:
    """Which layers shared a Lava process, by branch; None for other backends."""
    networks = getattr(simulator, "networks", None)
    if networks is None:
        return None
    return {
        branch: {
            part.name: ProcessPart(kind=part.kind, nodes=part.nodes)
            for part in network.grouping.parts
        }
        for branch, network in networks.items()
    }
