"""``spiketrack simulate``: closed-loop tracking on a backend, with counts and operations."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spiketrack.commands.backend import PROCESSES_HELP
from spiketrack.commands.inputs import Key, open_exported
from spiketrack.commands.targets import will_fill
from spiketrack.simulators.backends import Options, either, find, open_simulator
from spiketrack.terminal.console import say
from spiketrack.terminal.progress import frame_bar

BACKEND_HELP = f"{either()}; operations, which energy prices: {either(operations=True)}."
CHECKPOINT_HELP = f"Checkpoint, which the {either(needs='checkpoint')} backend needs."

if TYPE_CHECKING:
    from spiketrack.documents.run import Processes
    from spiketrack.integer.graph import Graph
    from spiketrack.runs.folder import RunWriter


def simulate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Export folder.")],
    video: Annotated[
        Path | None,
        typer.Option(help="Video file or folder of frames; default: the bundled clip."),
    ] = None,
    box: Annotated[
        str | None, typer.Option(help="x,y,w,h of the object in the first frame, pixels from 0.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("run"),
    frames: Annotated[int | None, typer.Option(help="Frames after the first.")] = None,
    backend: Annotated[str, typer.Option(help=BACKEND_HELP)] = "lava",
    checkpoint: Annotated[str | None, typer.Option(help=CHECKPOINT_HELP)] = None,
    key: Key = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda, for float.")] = "auto",
    update_every: Annotated[
        int | None, typer.Option(help="Frames between template updates; default: the network's.")
    ] = None,
    update_threshold: Annotated[
        float | None, typer.Option(help="Confidence that an update needs.")
    ] = None,
    counts: Annotated[
        str, typer.Option(help="full: every count of every population; totals: sums alone.")
    ] = "full",
    threads: Annotated[int, typer.Option(help="Threads in each Lava process.")] = 1,
    processes: Annotated[str, typer.Option(help=PROCESSES_HELP)] = "block",
    timeout: Annotated[float, typer.Option(help="Seconds a Lava step may take.")] = 120.0,
    mode: Annotated[
        str, typer.Option(help="chip: fall-through, or pipelined between two other frames.")
    ] = "fall-through",
    spikes: Annotated[
        str, typer.Option(help="chip: graded, or binary: a count as up to four spikes.")
    ] = "graded",
    tiles: Annotated[
        str, typer.Option(help="chip: copies of each product; auto: as for map.")
    ] = "1",
    map: Annotated[
        Path | None,
        typer.Option(help="chip: placement from map --json; records each core and link too."),
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace an existing run.")] = False,
) -> None:
    """Track an object with the exported network and record what every layer did.

    Writes RUN/boxes.csv, RUN/counts.h5 and RUN/run.json (see spiketrack.runs.folder); the chip
    backend RUN/chip.json as well.
    """
    from spiketrack.commands.inputs import (
        choose_clip,
        clip_source,
        end_with,
        settings_with,
        until_it_fails,
    )
    from spiketrack.documents.network import TrackerPart
    from spiketrack.documents.run import ClipPart, RunDocument, SecondsPart
    from spiketrack.errors import ConfigError
    from spiketrack.export.nir.folder import read_export
    from spiketrack.ownership import RUN
    from spiketrack.runs.folder import RunWriter
    from spiketrack.tracking.tracker import Tracker, follow

    if counts not in ("full", "totals"):
        raise ConfigError(f"--counts {counts}: choose full or totals")
    inputs = (folder, video, checkpoint, map)
    will_fill(out, RUN, force, inputs)
    clip, start = choose_clip(video, box, frames)
    network = read_export(folder)
    read = open_exported(checkpoint, key, network.manifest)
    settings = settings_with(network.tracker, update_every, update_threshold)
    record = (find(backend).operations, counts == "full")
    chip = (mode, spikes, tiles)
    options = Options(*record, device, threads, timeout, *chip, processes, str(map or ""))
    seconds: list[float] = []
    problems: list[str] = []
    with (
        RunWriter(out, network.graphs, force, inputs) as writer,
        open_simulator(backend, network, read, options) as simulator,
        frame_bar(backend, clip.length) as tick,
    ):
        begin = time.perf_counter()
        for result in until_it_fails(follow(Tracker(simulator, settings), clip, start), problems):
            writer.add(result)
            seconds.append(time.perf_counter() - begin)
            begin = time.perf_counter()
            tick()
        about = RunDocument(
            network=network.manifest.network,
            checkpoint=network.manifest.checkpoint,
            export=str(folder.absolute()),
            clip=ClipPart(name=clip.name, path=clip_source(video), fps=clip.fps),
            box=start.as_tuple(),
            frames=len(seconds) - 1,
            backend=backend,
            counts="full" if counts == "full" else "totals",
            tracker=TrackerPart(**dataclasses.asdict(settings)),
            seconds=SecondsPart(first=seconds[0], frames=tuple(seconds[1:])),
            placement=placement_of(simulator),
            updates=(),
            versions={},
            network_digest=network.manifest.network_digest,
            files={},
        )
        describe_program(writer, simulator, network.graphs)
        writer.finish(about)
    median = sorted(seconds[1:])[len(seconds[1:]) // 2]
    say(f"{out}: {len(seconds) - 1} frames on {backend}, {median:.3f} s a frame (median)")
    say("  boxes.csv, counts.h5, run.json; next: spiketrack energy " + str(out))
    if hasattr(simulator, "branches"):
        say_activity(out)
    end_with(clip, problems)


def describe_program(writer: RunWriter, simulator: Any, graphs: Mapping[str, Graph]) -> None:
    """Write ``chip.json`` and name the axes of the activity of a run in the chip's own time."""
    branches = getattr(simulator, "branches", None)
    if branches is None:
        return
    from spiketrack.deploy.chip.execution.activity import COLUMNS
    from spiketrack.deploy.chip.execution.ledger import CORE_COLUMNS, LINK_COLUMNS
    from spiketrack.deploy.chip.program_document import CHIP_FILE, chip_document
    from spiketrack.runs.activity import CORES, GROUP, LINKS, Axes

    chip_document(simulator.programs, graphs).write(writer.folder / CHIP_FILE)
    columns = {GROUP: COLUMNS, CORES: CORE_COLUMNS, LINKS: LINK_COLUMNS}
    for branch, described in branches.items():
        writer.name_activity(branch, Axes(columns, described.layers, described.links))


def say_activity(run: Path) -> None:
    """What one run of the search program does, in the mean over the frames."""
    from spiketrack.inference import SEARCH
    from spiketrack.runs.activity import read_activity

    means = read_activity(run, SEARCH).means()
    say(
        f"  search on the chip: {means['step']:,.0f} time steps, {means['messages']:,.0f} messages "
        f"of {means['bits']:,.0f} bits together, {means['operations']:,.0f} synaptic operations, "
        f"{means['updates']:,.0f} updates of neurons"
    )


def placement_of(simulator: Any) -> Processes | None:
    """Which layers shared a Lava process, by branch; None for other backends."""
    from spiketrack.documents.run import ProcessPart

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
